//! What `nats://HOST/SUBJECT?..` and `kafka://HOST/TOPIC?..` say.
//!
//! Not here: whether anybody answers there.

#[cfg(test)]
mod tests;

use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::path::PathBuf;

use crate::failure::{Code, Failure};

/// Bytes of messages that may wait for their acknowledgement.
const DEFAULT_WINDOW: usize = 16 << 20;
/// How long an acknowledgement may take.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a broker may store nothing once nothing more comes.
const DEFAULT_DRAIN: Duration = Duration::from_secs(60);
/// How long a JetStream stream made by us remembers the ids of messages, as `nats-server`.
const DEFAULT_DEDUP: Duration = Duration::from_secs(120);

/// Which protocol the broker speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nats,
    Kafka,
}

impl Kind {
    /// What stands in front of `://`.
    pub(crate) const fn scheme(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Kafka => "kafka",
        }
    }

    /// The port when none is given.
    const fn port(self) -> u16 {
        match self {
            Self::Nats => 4222,
            Self::Kafka => 9092,
        }
    }

    /// The kind of broker that `word` begins to name.
    pub(crate) fn of(word: &str) -> Option<(Self, &str)> {
        let (scheme, rest) = word.split_once("://")?;
        [Self::Nats, Self::Kafka]
            .into_iter()
            .find(|kind| kind.scheme() == scheme)
            .map(|kind| (kind, rest))
    }
}

/// What becomes one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Grain {
    /// Each frame: what consumers of one dnstap message per record want.
    #[default]
    Frame,
    /// As many frames of a read as fit, as a whole Frame Stream: fewer, larger messages.
    Run,
}

/// What becomes of a frame that is larger than a message may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Oversize {
    /// It is counted, told and left out.
    #[default]
    Drop,
    /// It ends the relay.
    End,
}

/// How a Kafka broker is shown who we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sasl {
    #[default]
    Plain,
    ScramSha256,
    ScramSha512,
}

/// Certificates, when asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) required: bool,
    /// Who is trusted, instead of whom the system trusts.
    pub(crate) ca: Option<PathBuf>,
    /// What we show: certificate and key.
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

impl Tls {
    /// Takes a file; who names one wants TLS.
    fn put(&mut self, place: impl Fn(&mut Self) -> &mut Option<PathBuf>, file: String) -> Option<()> {
        self.required = true;
        put(place(self), file.into())
    }
}

/// Who we say we are.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) token: Option<String>,
    /// A file whose first line is the password.
    pub(crate) passfile: Option<PathBuf>,
    /// A NATS credentials file.
    pub(crate) creds: Option<PathBuf>,
}

impl Login {
    /// The password, read from its file when it is in one.
    pub(crate) fn password(&self) -> Result<Option<String>, Failure> {
        let Some(path) = &self.passfile else {
            return Ok(self.password.clone());
        };
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::caused(Code::File, error).context(format!("reading {}", path.display()))
        })?;
        Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
    }
}

/// Secrets stay out of everything that is printed.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("passfile", &self.passfile)
            .field("creds", &self.creds)
            .finish_non_exhaustive()
    }
}

/// A subject or topic of a broker, and how it is to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) kind: Kind,
    /// `HOST:PORT` each, as given.
    pub(crate) hosts: Vec<String>,
    /// The subject or topic.
    pub(crate) name: String,
    pub(crate) login: Login,
    pub(crate) tls: Tls,
    pub(crate) grain: Grain,
    pub(crate) oversize: Oversize,
    /// Bytes that may wait for their acknowledgement.
    pub(crate) window: usize,
    pub(crate) timeout: Duration,
    /// How long it may store nothing once nothing more comes, before what it has not stored is given up.
    pub(crate) drain: Duration,
    /// Largest message; what the broker says, or Kafka's default, when `None`.
    pub(crate) max: Option<usize>,
    /// Whether the stream or topic is made when it is not there.
    pub(crate) create: bool,
    /// NATS: the JetStream stream.
    pub(crate) stream: Option<String>,
    /// NATS: how long a stream that we make remembers ids.
    pub(crate) dedup: Duration,
    /// Kafka: the one partition to write to.
    pub(crate) partition: Option<i32>,
    /// Kafka: partitions of a topic that we make.
    pub(crate) partitions: i32,
    pub(crate) sasl: Sasl,
}

impl Target {
    /// Whether a word means a broker at all.
    pub(crate) fn is_meant(word: &str) -> bool {
        Kind::of(word).is_some()
    }

    fn new(kind: Kind, hosts: Vec<String>, name: String) -> Self {
        Self {
            kind,
            hosts,
            name,
            login: Login::default(),
            tls: Tls::default(),
            grain: Grain::default(),
            oversize: Oversize::default(),
            window: DEFAULT_WINDOW,
            timeout: DEFAULT_TIMEOUT,
            drain: DEFAULT_DRAIN,
            max: None,
            create: false,
            stream: None,
            dedup: DEFAULT_DEDUP,
            partition: None,
            partitions: 1,
            sasl: Sasl::default(),
        }
    }

    /// Takes one `key=value`; `None` when the value is none for it.
    fn set(&mut self, key: &str, value: String) -> Result<Option<()>, Unknown> {
        let kafka = self.kind == Kind::Kafka;
        let taken = match key {
            "batch" => choose(&value, &[("frame", Grain::Frame), ("run", Grain::Run)])
                .map(|grain| self.grain = grain),
            "oversize" => choose(&value, &[("drop", Oversize::Drop), ("end", Oversize::End)])
                .map(|oversize| self.oversize = oversize),
            "window" => positive(&value).map(|bytes| self.window = bytes),
            "max" => positive(&value).map(|bytes| self.max = Some(bytes)),
            "timeout" => positive(&value).map(|seconds| self.timeout = Duration::from_secs(seconds)),
            "drain" => positive(&value).map(|seconds| self.drain = Duration::from_secs(seconds)),
            "create" => choose(&value, &YES).map(|create| self.create = create),
            "tls" => choose(&value, &YES).map(|required| self.tls.required = required),
            "ca" => self.tls.put(|tls| &mut tls.ca, value),
            "cert" => self.tls.put(|tls| &mut tls.cert, value),
            "key" => self.tls.put(|tls| &mut tls.key, value),
            "passfile" => put(&mut self.login.passfile, value.into()),
            "creds" if !kafka => put(&mut self.login.creds, value.into()),
            "token" if !kafka => put(&mut self.login.token, value),
            "stream" if !kafka => is_name(&value).then(|| self.stream = Some(value)),
            "dedup" if !kafka => positive(&value).map(|seconds| self.dedup = Duration::from_secs(seconds)),
            "partition" if kafka => value
                .parse()
                .ok()
                .filter(|number: &i32| *number >= 0)
                .map(|number| self.partition = Some(number)),
            "partitions" if kafka => positive(&value).map(|number| self.partitions = number),
            "sasl" if kafka => choose(&value, &SASL).map(|sasl| self.sasl = sasl),
            _ => return Err(Unknown),
        };
        Ok(taken)
    }

    /// What of it does not go together.
    fn conflict(&self) -> Option<&'static str> {
        let Login {
            user,
            password,
            token,
            passfile,
            creds,
        } = &self.login;
        let logins = [user.is_some(), token.is_some(), creds.is_some()];
        if self.tls.cert.is_some() != self.tls.key.is_some() {
            Some("cert and key go together")
        } else if passfile.is_some() && user.is_none() {
            Some("passfile needs a user: USER@HOST")
        } else if passfile.is_some() && password.is_some() {
            Some("the password stands there and in passfile")
        } else if logins.into_iter().filter(|is_given| *is_given).count() > 1 {
            Some("one of user, token and creds is enough")
        } else {
            None
        }
    }

    const fn options(&self) -> &'static str {
        match self.kind {
            Kind::Nats => {
                "batch, oversize, window, max, timeout, drain, create, stream, dedup, token, creds, \
                 passfile, tls, ca, cert, key"
            }
            Kind::Kafka => {
                "batch, oversize, window, max, timeout, drain, create, partition, partitions, sasl, \
                 passfile, tls, ca, cert, key"
            }
        }
    }
}

/// No option of this name.
struct Unknown;

const YES: [(&str, bool); 4] = [("true", true), ("false", false), ("1", true), ("0", false)];
const SASL: [(&str, Sasl); 3] = [
    ("plain", Sasl::Plain),
    ("scram-sha-256", Sasl::ScramSha256),
    ("scram-sha-512", Sasl::ScramSha512),
];

#[expect(
    clippy::unnecessary_wraps,
    reason = "as the takers of values that can be wrong"
)]
fn put<T>(place: &mut Option<T>, value: T) -> Option<()> {
    *place = Some(value);
    Some(())
}

fn choose<T: Copy>(value: &str, words: &[(&str, T)]) -> Option<T> {
    words
        .iter()
        .find(|(word, _)| *word == value)
        .map(|(_, meaning)| *meaning)
}

fn positive<T: FromStr + PartialOrd + Default>(value: &str) -> Option<T> {
    value.parse().ok().filter(|number| *number > T::default())
}

/// What both brokers take as a name.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// A subject to publish to: tokens between dots, without the wildcards of subscribers.
fn is_subject(subject: &str) -> bool {
    subject.split('.').all(|token| {
        !token.is_empty()
            && !token
                .bytes()
                .any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control() || b"*>".contains(&byte))
    })
}

/// As Kafka's own check: up to 249 of these, and no name of a folder.
fn is_topic(topic: &str) -> bool {
    topic.len() <= 249 && topic != "." && topic != ".." && is_name(&topic.replace('.', "_"))
}

impl FromStr for Target {
    type Err = Failure;

    fn from_str(word: &str) -> Result<Self, Failure> {
        let (kind, rest) = Kind::of(word)
            .ok_or_else(|| Failure::new(Code::BadAddress, "a broker begins with nats:// or kafka://"))?;
        let shape = match kind {
            Kind::Nats => "nats://HOST:4222/SUBJECT?stream=NAME",
            Kind::Kafka => "kafka://HOST:9092/TOPIC",
        };
        let bad = |what: String| {
            let message = format!("{} address: {what}", kind.scheme());
            Failure::new(Code::BadAddress, message).hint(format!("for example {shape}"))
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, name) = place
            .split_once('/')
            .ok_or_else(|| bad("names no subject or topic".to_owned()))?;
        let name = decode(name).ok_or_else(|| bad(format!("{name:?} is no name")))?;
        let fits = match kind {
            Kind::Nats => is_subject(&name),
            Kind::Kafka => is_topic(&name),
        };
        if !fits {
            return Err(bad(format!("{name:?} is no {}", kind.noun())));
        }
        let (login, hosts) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(login, hosts)| (Some(login), hosts));
        let hosts = hosts
            .split(',')
            .map(|host| with_port(host, kind.port()))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| bad(format!("{hosts:?} is no host and port")))?;
        let mut target = Self::new(kind, hosts, name);
        if let Some(login) = login {
            let (user, password) = login
                .split_once(':')
                .map_or((login, None), |(user, password)| (user, Some(password)));
            let secret =
                |part: &str| decode(part).ok_or_else(|| bad("user or password is not UTF-8".to_owned()));
            target.login.user = Some(secret(user)?);
            target.login.password = password.map(secret).transpose()?;
        }
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let value = decode(value).ok_or_else(|| bad(format!("{key} is not UTF-8")))?;
            match target.set(key, value) {
                Ok(Some(())) => {}
                Ok(None) => return Err(bad(format!("{option} has a value that {key} does not take"))),
                Err(Unknown) => {
                    let known = target.options();
                    return Err(bad(format!("no option {key:?}")).hint(format!("options: {known}")));
                }
            }
        }
        match target.conflict() {
            Some(what) => Err(bad(what.to_owned())),
            None => Ok(target),
        }
    }
}

impl Kind {
    const fn noun(self) -> &'static str {
        match self {
            Self::Nats => "subject to publish to",
            Self::Kafka => "topic",
        }
    }
}

/// `HOST`, `HOST:PORT` or `[V6]:PORT` with a port in any case.
fn with_port(host: &str, port: u16) -> Option<String> {
    let after = host.rsplit(']').next().unwrap_or(host);
    let has_port = after.contains(':');
    let (name, given) = if has_port {
        host.rsplit_once(':')?
    } else {
        (host, "")
    };
    let port = if has_port { given.parse().ok()? } else { port };
    let is_v6 = name.starts_with('[') && name.ends_with(']');
    (!name.is_empty() && (is_v6 || !name.contains(':'))).then(|| format!("{name}:{port}"))
}

/// Without `%xx`; `None` when that is no text.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

/// Without what nobody else should read.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}/{}",
            self.kind.scheme(),
            self.hosts.join(","),
            self.name
        )
    }
}
