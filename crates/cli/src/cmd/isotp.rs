//! `isotp ...`

mod clock;
mod dump;
mod recv;
mod scan;
mod send;
mod watch;

use can_link::Id;
use can_link::frame::{FdFlags, MAX_CLASSIC_LEN};
use isotp::stream::StreamError;
use isotp::{Address, Config, DataLink, IsoTpStream, NResult, Padding, TxDl};
use serde::Serialize;
use tinwire_sim::World;
use tinwire_sim::ecu::{REQUEST_ID, RESPONSE_ID};

use super::Session;
use crate::args::isotp::{Endpoint, Filler, IsotpVerb, LinkLayer};
use crate::failure::{Code, Failure, Result};
use crate::links::{self, AnyLink, Opened};
use crate::units;

pub(super) async fn run(session: &mut Session, verb: IsotpVerb) -> Result {
    match verb {
        IsotpVerb::Send(args) => send::run(session, args).await,
        IsotpVerb::Recv(args) => recv::run(session, args).await,
        IsotpVerb::Dump(args) => dump::run(session, args).await,
        IsotpVerb::Scan(args) => scan::run(session, args).await,
    }
}

/// Which end of the usual pair of identifiers we are where none are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Tester,
    Controller,
}

/// A stream of messages on an open link.
struct Opening {
    stream: IsoTpStream<AnyLink>,
    name: String,
    /// Bytes of our longest frame.
    frame_len: usize,
    /// The simulated devices, which live as long as the stream.
    _world: Option<World>,
}

impl Opening {
    fn trouble(&self, error: StreamError) -> Failure {
        trouble(error, &self.name, self.frame_len)
    }
}

async fn open(
    session: &Session,
    endpoint: &Endpoint,
    named: Option<&str>,
    side: Side,
    config: Config,
) -> Result<Opening> {
    if let (Some(flag), Some(word)) = (&endpoint.link, named) {
        let message = format!("two links: {word}, and --link {flag}");
        return Err(Failure::new(Code::Usage, message));
    }
    let (address, config) = (address(endpoint, side)?, understand(endpoint, config)?);
    let link = links::named_or_configured(session, endpoint.link.as_deref().or(named))?;
    let Opened {
        link, name, world, ..
    } = session.stop.cut(links::open(&session.door, &link)).await?;
    let stream = IsoTpStream::new(link, address, config).map_err(|error| links::trouble(error, &name))?;
    Ok(Opening {
        stream,
        name,
        frame_len: match endpoint.link_layer {
            Some(LinkLayer::Fd { length, .. }) => length,
            Some(LinkLayer::Classic) | None => MAX_CLASSIC_LEN,
        },
        _world: world,
    })
}

fn address(endpoint: &Endpoint, side: Side) -> Result<Address> {
    let standard = |raw| can_link::id::standard(u32::from(raw)).into();
    let (request, response): (Id, Id) = (standard(REQUEST_ID), standard(RESPONSE_ID));
    let (ours, theirs) = match side {
        Side::Tester => (request, response),
        Side::Controller => (response, request),
    };
    let (tx, rx) = match (endpoint.source, endpoint.destination) {
        (None, None) => (ours, theirs),
        (Some(tx), Some(rx)) => (tx, rx),
        _ => {
            let message = "-s and -d belong together: our identifier and the other's";
            return Err(Failure::new(Code::Usage, message));
        }
    };
    let address = match endpoint.extended {
        Some((target, source)) => Address::extended(tx, rx, target, source),
        None => Address::normal(tx, rx),
    };
    address.map_err(|_| {
        let message = format!("both directions have the identifier {}", units::id_text(tx));
        Failure::new(Code::Usage, message).hint("-s is our identifier, -d the other's")
    })
}

/// Flags that both verbs have, on top of what one verb has set.
fn understand(endpoint: &Endpoint, mut config: Config) -> Result<Config> {
    if endpoint.check_padding.is_some() || endpoint.padding == Some(Filler::Checked) {
        return Err(later(
            "-P and a second byte of -p",
            "checking how received frames are filled",
        ));
    }
    match endpoint.padding {
        Some(Filler::None) => config = config.padding(Padding::none()),
        Some(Filler::Byte(byte)) => config = config.padding(Padding::filled(byte)),
        Some(Filler::Checked) | None => {}
    }
    if let Some(LinkLayer::Fd { length, flags }) = endpoint.link_layer {
        let tx_dl = TxDl::new(length)
            .ok_or_else(|| Failure::new(Code::Usage, format!("-L: frames of {length} bytes do not exist")))?;
        config = config.data_link(DataLink::Fd {
            tx_dl,
            flags: FdFlags::from_bits(flags),
        });
    }
    Ok(config.forced_gap(endpoint.forced_gap))
}

/// A flag of the kernel's tools that is not built.
fn later(flag: &str, what: &str) -> Failure {
    Failure::new(
        Code::NotInThisVersion,
        format!("{flag}: {what} is not in this version"),
    )
}

/// A message that was received.
#[derive(Serialize)]
struct Received {
    r#type: &'static str,
    ts: String,
    link: String,
    len: usize,
    data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    negative: Option<String>,
}

/// A transfer that failed, or a link that did. Whoever does not answer the first frame is not there; whoever
/// falls silent later has broken off.
fn trouble(error: StreamError, link: &str, frame_len: usize) -> Failure {
    match error {
        StreamError::Link(error) => links::trouble(error, link),
        StreamError::NotSent(_) => Failure::caused(Code::Usage, error),
        StreamError::SendFailed {
            cause: Some(cause), ..
        } => links::not_sent(cause, link),
        // With a second frame gone there would be more than one frame's bytes.
        StreamError::SendFailed { sent: Some(sent), .. }
            if error.n_result() == Some(NResult::TimeoutBs)
                && usize::try_from(sent).is_ok_and(|sent| sent < frame_len) =>
        {
            Failure::caused(Code::NoReply, error).context(link).hint(
                "nobody answered the first frame: is the other side there, are -s and -d the right way \
                 round?",
            )
        }
        _ => Failure::caused(Code::Protocol, error).context(link),
    }
}

#[cfg(test)]
mod tests {
    use isotp::{Timeout, TransferError, TransferId};

    use super::*;

    #[test]
    fn silence_after_the_first_frame_is_no_reply_and_later_a_broken_transfer() {
        let silent_after = |sent, frame_len| {
            let error = StreamError::SendFailed {
                id: TransferId::default(),
                error: TransferError::Timeout(Timeout::NBs),
                sent: Some(sent),
                len: 300,
                cause: None,
            };
            trouble(error, "can0", frame_len).code()
        };
        assert_eq!(silent_after(6, 8), Code::NoReply);
        assert_eq!(silent_after(13, 8), Code::Protocol);
        assert_eq!(silent_after(62, 64), Code::NoReply);
        assert_eq!(silent_after(125, 64), Code::Protocol);
    }
}
