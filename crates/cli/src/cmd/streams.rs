//! What STREAM words mean: files, standard input and output, sockets that listen or connect.
//!
//! [`Inputs`] makes one sequence of arrivals out of any number of words. Here as well: the settings that all
//! words of a command share. Not here: what the frames are.

mod certificates;
mod crowd;
mod dialed;
mod file;
mod goal;
mod inputs;
mod lane;
mod outputs;

use core::num::NonZeroU32;
use core::time::Duration;
use std::path::Path;
#[cfg(feature = "tls")]
use std::path::PathBuf;

use fstrm_codec::endpoint::{DialConfig, Direction, Endpoint, ListenConfig, ParseEndpointError, Place};
use fstrm_codec::{Config, ContentType, collector};

pub(crate) use certificates::Certificates;
pub(crate) use crowd::{Crowd, chain};
pub(crate) use goal::Goal;
pub(crate) use inputs::{Arrival, Inputs, Parcel, Redial, Source, Ticket};
pub(crate) use lane::{Exit, LaneStats, Level, Meter, OnFull};
pub(crate) use outputs::{Carrier, Delivered, Output, OutputConfig, UNANSWERED, is_no_answer, shares};

use crate::args::streams::{StreamArgs, TlsArgs};
use crate::failure::{Code, Failure, Result};
use crate::stop::Stop;

/// Reads a word. What has no scheme is a file, and so is what exists under that very name.
pub(crate) fn endpoint(word: &str) -> Result<Endpoint> {
    match word.parse() {
        Ok(endpoint) => Ok(endpoint),
        Err(ParseEndpointError::NoScheme { .. }) => Ok(Endpoint::new(Place::File(word.into()))),
        Err(_) if Path::new(word).exists() => Ok(Endpoint::new(Place::File(word.into()))),
        Err(error) => Err(Failure::caused(Code::BadAddress, error).context(word)),
    }
}

/// What the words of one command have in common.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) stream: Config,
    pub(crate) max_frame: NonZeroU32,
    pub(crate) handshake_timeout: Duration,
    pub(crate) listen: ListenConfig,
    pub(crate) dial: DialConfig,
    pub(crate) collector: collector::Config,
    pub(crate) redial: Redial,
    certificates: Certificates,
    stop: Option<Stop>,
}

impl Settings {
    /// Settings for the endpoints that are used: files of certificates are read only where one says `tls://`.
    pub(crate) fn new(args: &StreamArgs, inputs: &[Endpoint], outputs: &[Endpoint]) -> Result<Self> {
        let mut stream = Config::new()
            .max_data(args.max_frame)
            .handshake_timeout(args.sockets.connect_timeout)
            .idle_timeout(args.sockets.idle_timeout);
        if let Some(content_type) = content_type(args)? {
            stream = stream.content_type(content_type);
        }
        let mut listen = ListenConfig::new();
        if let Some(mode) = args.sockets.socket_mode {
            listen = listen.mode(mode);
        }
        let mut dial = DialConfig::new().connect_timeout(args.sockets.connect_timeout);
        let tls = &args.sockets.tls;
        let uses = |endpoints: &[Endpoint], default, direction| {
            endpoints.iter().any(|endpoint| {
                matches!(endpoint.place, Place::Tls(_)) && endpoint.direction_or(default) == Some(direction)
            })
        };
        let uses = |direction| {
            uses(inputs, Direction::Listen, direction) || uses(outputs, Direction::Dial, direction)
        };
        let mut certificates = Certificates::default();
        if uses(Direction::Listen) {
            (listen, certificates) = server(tls, listen)?;
        }
        if uses(Direction::Dial) {
            dial = client(tls, dial)?;
        }
        Ok(Self {
            collector: collector::Config::new()
                .stream(stream.clone())
                .handshake(collector::Handshake::Either)
                .handshake_timeout(args.sockets.connect_timeout)
                .idle_timeout(args.sockets.idle_timeout)
                .max_connections(args.sockets.max_connections),
            stream,
            max_frame: args.max_frame,
            handshake_timeout: args.sockets.connect_timeout,
            listen,
            dial,
            redial: Redial::Never,
            certificates,
            stop: None,
        })
    }

    /// Where we listen over TLS, a hangup is to read certificates again instead of ending the command.
    pub(crate) fn reload_at_hangups(mut self, stop: &Stop) -> Self {
        self.stop = Some(stop.clone());
        self
    }

    /// Whether a stream that we connect to is connected to again when it is over.
    pub(crate) const fn redial(mut self, redial: Redial) -> Self {
        self.redial = redial;
        self
    }
}

/// The content type of `-t`.
pub(crate) fn content_type(args: &StreamArgs) -> Result<Option<ContentType>> {
    let Some(name) = &args.content_type else {
        return Ok(None);
    };
    ContentType::new(name.clone().into_bytes())
        .map(Some)
        .ok_or_else(|| {
            Failure::new(
                Code::Usage,
                "the content type is too long; 256 bytes are the limit",
            )
        })
}

/// Adds what listening on `tls://` needs.
fn server(args: &TlsArgs, listen: ListenConfig) -> Result<(ListenConfig, Certificates)> {
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else {
        return Err(
            Failure::new(Code::Usage, "listening on tls:// needs a certificate and its key")
                .hint("--tls-cert server.crt --tls-key server.key"),
        );
    };
    identified(listen, certificate, key, args.tls_ca.as_deref())
}

/// Adds a certificate and its key, and the authority whose clients alone are let in.
#[cfg(feature = "tls")]
pub(super) fn identified(
    listen: ListenConfig,
    certificate: &Path,
    key: &Path,
    clients: Option<&Path>,
) -> Result<(ListenConfig, Certificates)> {
    let mut config = fstrm_codec::tls::ServerConfig::new(certificate, key);
    if let Some(authority) = clients {
        config = config.client_authority(authority);
    }
    let server = config
        .load()
        .map_err(|error| Failure::caused(Code::File, error))?;
    let certificates = Certificates::of(server.clone(), certificate);
    Ok((listen.tls(server), certificates))
}

/// Adds what connecting to `tls://` needs.
#[cfg(feature = "tls")]
pub(crate) fn client(args: &TlsArgs, dial: DialConfig) -> Result<DialConfig> {
    let mut config = fstrm_codec::tls::ClientConfig::new();
    if args.tls_dangerously_trust_anyone {
        config = config.dangerously_trust_anyone();
    } else {
        config = config.authority(authorities(args)?);
    }
    if let Some(name) = &args.tls_name {
        config = config.server_name(name);
    }
    if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
        config = config.identity(certificate, key);
    }
    let client = config
        .load()
        .map_err(|error| Failure::caused(Code::File, error))?;
    Ok(dial.tls(client))
}

/// The file that was named, or the one in which this system keeps the authorities it trusts.
#[cfg(feature = "tls")]
fn authorities(args: &TlsArgs) -> Result<PathBuf> {
    const BUNDLES: [&str; 4] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    let named = args.tls_ca.clone();
    let known = || BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file());
    named.or_else(known).ok_or_else(|| {
        Failure::new(
            Code::Usage,
            "no authority to trust: this system keeps no list of them",
        )
        .hint("--tls-ca FILE names one")
    })
}

#[cfg(not(feature = "tls"))]
pub(super) fn identified(
    _listen: ListenConfig,
    _certificate: &Path,
    _key: &Path,
    _clients: Option<&Path>,
) -> Result<(ListenConfig, Certificates)> {
    Err(without_tls())
}

#[cfg(not(feature = "tls"))]
pub(crate) fn client(_args: &TlsArgs, _dial: DialConfig) -> Result<DialConfig> {
    Err(without_tls())
}

#[cfg(not(feature = "tls"))]
fn without_tls() -> Failure {
    Failure::new(Code::Usage, "this program was built without TLS").hint("build it with the feature tls")
}

#[cfg(test)]
mod tests;
