//! NATS: publishes to a subject that a JetStream stream stores, and waits for the stream's word.
//!
//! Each message asks for its answer at a subject of its own that ends in its number. The library is asked to
//! publish and to subscribe, and not to connect again: see [`driver`](super::driver).

use core::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, HeaderMap, StatusCode, Subscriber};
use bytes::Bytes;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::address::Target;
use super::driver::{Core, End, Turn};
use super::package::Message;
use super::stats::DropReason;
use super::window::MAX_IN_FLIGHT;
use crate::failure::{Code, Failure, Result};

/// What the headers of a message may take of the server's `max_payload`: ours have about 300 bytes and the
/// content type.
const HEADERS: usize = 1024;
/// How long the server may take to answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The library gives up a connection after two of these without an answer.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// JetStream's number for a message larger than the stream takes.
const MESSAGE_TOO_LARGE: u64 = 10054;
/// Stream names differ, subjects overlap: somebody else's stream has the subject.
const SUBJECTS_OVERLAP: u64 = 10065;
/// The stream is there, and made otherwise than we would.
const NAME_IN_USE: u64 = 10058;

/// How TLS begins to say that a server is not who we trust: to the library an error like any other.
const STRANGER: &str = "invalid peer certificate";

/// Serves one connection from its beginning to its end.
pub(super) async fn serve(target: &Target, core: &mut Core) -> Result<End> {
    let (tell, mut events) = mpsc::channel(16);
    let opened = tokio::select! {
        biased;
        opened = tokio::time::timeout(target.timeout, open(target, core, tell)) => opened,
        loss = lost(&mut events) => return loss.end(target, core),
    };
    let Ok(opened) = opened else {
        return Ok(End::Lost("the server did not answer in time".to_owned()));
    };
    let Line {
        client,
        inbox,
        answers,
    } = match opened? {
        Ok(line) => line,
        Err(why) => return Ok(End::Lost(why)),
    };
    let mut answers = answers.ready_chunks(MAX_IN_FLIGHT);
    core.connected(target, client.max_payload().saturating_sub(HEADERS));
    let relay = core.relay.clone();
    loop {
        while let Some(message) = core.next_message() {
            let answer = format!("{inbox}.{}", message.number);
            let headers = headers(target, &relay, message);
            let (subject, payload) = (target.name.clone(), message.payload.clone());
            let number = message.number;
            let given = client.publish_with_reply_and_headers(subject, answer, headers, payload);
            if let Err(error) = given.await {
                if error.kind() != async_nats::PublishErrorKind::MaxPayloadExceeded {
                    return Ok(End::Lost(error.to_string()));
                }
                // Put together for a server that took more than this one.
                core.refused(number, DropReason::TooLarge);
            }
        }
        let said = async {
            tokio::select! {
                chunk = answers.next() => Said::Answers(chunk),
                loss = lost(&mut events) => Said::Lost(loss),
            }
        };
        let chunk = match core.turn(said).await? {
            Turn::Again => continue,
            Turn::End(end) => return Ok(end),
            Turn::Answer(Said::Lost(loss)) => return loss.end(target, core),
            Turn::Answer(Said::Answers(None)) => return Ok(End::Lost("the connection ended".to_owned())),
            Turn::Answer(Said::Answers(Some(chunk))) => chunk,
        };
        for answer in &chunk {
            if let Some(why) = take(target, core, answer)? {
                return Ok(End::Lost(why));
            }
        }
    }
}

/// A connection that stands, and where answers come.
struct Line {
    client: Client,
    inbox: String,
    answers: Subscriber,
}

/// Connects, makes what has to be made, and listens; the inner error is one that time may heal.
async fn open(
    target: &Target,
    core: &Core,
    tell: mpsc::Sender<Event>,
) -> Result<core::result::Result<Line, String>> {
    let client = match connect(target, core, tell).await? {
        Ok(client) => client,
        Err(why) => return Ok(Err(why)),
    };
    if target.create
        && let Err(why) = create(target, &client).await?
    {
        return Ok(Err(why));
    }
    let inbox = client.new_inbox();
    let subscribed = client.subscribe(format!("{inbox}.*")).await;
    Ok(subscribed.map_err(|error| error.to_string()).map(|answers| Line {
        client,
        inbox,
        answers,
    }))
}

/// What a connection says.
enum Said {
    Answers(Option<Vec<async_nats::Message>>),
    Lost(Loss),
}

/// Why a connection is of no use any more.
enum Loss {
    Connection(String),
    /// We are not allowed what we need.
    Forbidden(String),
}

impl Loss {
    /// What is forbidden ends the relay, unless it was allowed before.
    fn end(self, target: &Target, core: &Core) -> Result<End> {
        match self {
            Self::Forbidden(why) if !core.has_stored() => {
                Err(Failure::new(Code::CannotOpen, why).context(target))
            }
            Self::Forbidden(why) | Self::Connection(why) => Ok(End::Lost(why)),
        }
    }
}

/// What ends the use of a connection.
async fn lost(events: &mut mpsc::Receiver<Event>) -> Loss {
    while let Some(event) = events.recv().await {
        match event {
            Event::Disconnected | Event::Closed => break,
            Event::LameDuckMode => return Loss::Connection("the server is going down".to_owned()),
            // What the server objects to concerns this connection and its messages: begin anew, and say why.
            Event::ServerError(error) => {
                let why = error.to_string();
                let is_forbidden = why.to_lowercase().contains("permissions violation");
                return if is_forbidden {
                    Loss::Forbidden(why)
                } else {
                    Loss::Connection(why)
                };
            }
            _ => {}
        }
    }
    Loss::Connection("the connection was lost".to_owned())
}

/// A connection; the inner error is one that time may heal.
async fn connect(
    target: &Target,
    core: &Core,
    tell: mpsc::Sender<Event>,
) -> Result<core::result::Result<Client, String>> {
    let options = login(target).await?;
    let options = options
        .name(concat!("tinwire ", env!("CARGO_PKG_VERSION")))
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        // All that may be in flight, so that giving a message to the library never waits.
        .client_capacity(2 * MAX_IN_FLIGHT)
        .subscription_capacity(2 * MAX_IN_FLIGHT)
        // A second attempt would be the library's own.
        .max_reconnects(target.hosts.len())
        .event_callback(move |event| {
            // A full channel holds the reason already.
            let _ = tell.try_send(event);
            core::future::ready(())
        });
    let error = match options.connect(target.hosts.as_slice()).await {
        Ok(client) => return Ok(Ok(client)),
        Err(error) => error,
    };
    let is_final = matches!(
        error.kind(),
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication | ConnectErrorKind::Tls
    ) || error.to_string().contains(STRANGER);
    // Who was let in before is let in again when the server has its accounts back.
    if is_final && !core.has_stored() {
        return Err(Failure::caused(Code::CannotOpen, error).context(target));
    }
    Ok(Err(error.to_string()))
}

async fn login(target: &Target) -> Result<ConnectOptions> {
    let login = &target.login;
    let unreadable = |what: &std::path::Path, error: std::io::Error| {
        Failure::caused(Code::File, error).context(format!("reading {}", what.display()))
    };
    let mut options = ConnectOptions::new();
    if let Some(creds) = &login.creds {
        options = options
            .credentials_file(creds)
            .await
            .map_err(|error| unreadable(creds, error))?;
    }
    if let Some(token) = &login.token {
        options = options.token(token.clone());
    }
    if let Some(user) = &login.user {
        options = options.user_and_password(user.clone(), login.password()?.unwrap_or_default());
    }
    let tls = &target.tls;
    options = options.require_tls(tls.required);
    if let Some(ca) = &tls.ca {
        options = options.add_root_certificates(ca.clone());
    }
    if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
        options = options.add_client_certificate(cert.clone(), key.clone());
    }
    Ok(options)
}

fn headers(target: &Target, relay: &str, message: &Message) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", format!("{relay}-{}", message.number));
    if let Some(stream) = &target.stream {
        headers.insert("Nats-Expected-Stream", stream.as_str());
    }
    for (name, value) in message.labels(relay) {
        headers.insert(name, value);
    }
    headers
}

/// What JetStream answers to a message, and to a request.
#[derive(Debug, Deserialize)]
struct Answer {
    error: Option<Refusal>,
    #[serde(default)]
    duplicate: bool,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// Takes an answer; the reason to begin anew when it is none that a message ends with.
fn take(target: &Target, core: &mut Core, answer: &async_nats::Message) -> Result<Option<String>> {
    let number = answer
        .subject
        .rsplit('.')
        .next()
        .and_then(|number| number.parse().ok());
    let Some(number) = number else {
        return Ok(None);
    };
    if answer.status == Some(StatusCode::NO_RESPONDERS) {
        let subject = &target.name;
        let why = format!("no JetStream stream stores the subject {subject:?}");
        // A stream that was there can come back: a server that starts answers before its streams do.
        if core.has_stored() || target.create {
            return Ok(Some(why));
        }
        return Err(Failure::new(Code::CannotOpen, why)
            .context(target)
            .hint("create=true makes one"));
    }
    let parsed: Answer = match serde_json::from_slice(&answer.payload) {
        Ok(parsed) => parsed,
        Err(error) => return Ok(Some(format!("an answer that is not JetStream's: {error}"))),
    };
    match parsed.error {
        None => core.stored(number, parsed.duplicate),
        Some(refusal) if refusal.err_code == MESSAGE_TOO_LARGE => core.refused(number, DropReason::TooLarge),
        Some(refusal) => return Ok(Some(refusal.description)),
    }
    Ok(None)
}

/// The stream that is made on request.
#[derive(Debug, Serialize)]
struct Stream<'a> {
    name: &'a str,
    subjects: [&'a str; 1],
    storage: &'a str,
    retention: &'a str,
    /// In nanoseconds.
    duplicate_window: u128,
}

/// Makes the stream unless it is there; the inner error is one that time may heal.
async fn create(target: &Target, client: &Client) -> Result<core::result::Result<(), String>> {
    let default;
    let name = match &target.stream {
        Some(name) => name,
        None => {
            default = target.name.replace('.', "_").to_uppercase();
            &default
        }
    };
    let stream = Stream {
        name,
        subjects: [&target.name],
        storage: "file",
        retention: "limits",
        duplicate_window: target.dedup.as_nanos(),
    };
    let body = serde_json::to_vec(&stream).map_err(|error| Failure::caused(Code::Protocol, error))?;
    let request = client.request(format!("$JS.API.STREAM.CREATE.{name}"), Bytes::from(body));
    let answer = match request.await {
        Ok(answer) => answer,
        Err(error) if error.kind() == async_nats::RequestErrorKind::NoResponders => {
            return Ok(Err("the server has no JetStream, or not yet".to_owned()));
        }
        Err(error) => return Ok(Err(format!("making the stream {name}: {error}"))),
    };
    let parsed: Answer = match serde_json::from_slice(&answer.payload) {
        Ok(parsed) => parsed,
        Err(error) => return Ok(Err(format!("an answer that is not JetStream's: {error}"))),
    };
    match parsed.error {
        None => Ok(Ok(())),
        // Made by somebody to their taste; whether it stores the subject shows when it is published to.
        Some(refusal) if [NAME_IN_USE, SUBJECTS_OVERLAP].contains(&refusal.err_code) => Ok(Ok(())),
        Some(refusal) => {
            let why = format!("making the stream {name}: {}", refusal.description);
            Err(Failure::new(Code::CannotOpen, why).context(target))
        }
    }
}
