//! Messages of applications: what `csp send`, `csp call` and `csp recv` have in common.

mod call;
mod recv;
mod send;

use std::io::Read as _;

use csp_core::rdp::CloseReason;
use csp_core::rt::{CallError, Connection};
use csp_core::{Address, ConnectConfig, ConnectError, DEFAULT_MTU, Flags, Port, seal};

pub(super) use self::call::run as call;
pub(super) use self::recv::run as recv;
pub(super) use self::send::run as send;
use super::diagnosis::{Lacking, Unanswered, investigate};
use super::station::Station;
use crate::args::csp::message::{Data, Transport};
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::units;

/// Longest file or standard input that is sent.
const MAX_LEN: u64 = u32::MAX as u64;

/// What is to be sent.
struct Outgoing {
    bytes: Vec<u8>,
    /// It was typed, and so is one packet.
    is_typed: bool,
}

async fn outgoing(session: &Session, data: &Data) -> Result<Outgoing> {
    let typed = |bytes| Outgoing {
        bytes,
        is_typed: true,
    };
    match data.words.as_slice() {
        [] => {
            let read = tokio::task::spawn_blocking(|| read_at_most(std::io::stdin()));
            finish(session, read, "standard input").await
        }
        [word] if !data.text && word.starts_with('@') => {
            let path = word.trim_start_matches('@').to_owned();
            let name = path.clone();
            let read = tokio::task::spawn_blocking(move || read_at_most(std::fs::File::open(path)?));
            finish(session, read, &name).await
        }
        words if data.text => Ok(typed(words.join(" ").into_bytes())),
        words => {
            let bytes = units::hex_bytes(&words.join(" ")).map_err(|error| {
                Failure::new(Code::Usage, format!("message: {error}"))
                    .hint("write bytes in hex, @FILE, or --text and words")
            })?;
            Ok(typed(bytes))
        }
    }
}

async fn finish(
    session: &Session,
    read: tokio::task::JoinHandle<std::io::Result<Vec<u8>>>,
    name: &str,
) -> Result<Outgoing> {
    let read = session.stop.cut(async { Ok(read.await) }).await?;
    let read = read.unwrap_or_else(|error| Err(error.into()));
    let bytes = read.map_err(|error| Failure::caused(Code::File, error).context(name))?;
    Ok(Outgoing {
        bytes,
        is_typed: false,
    })
}

fn read_at_most(source: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One more than fits, so that what is too long is refused and not cut.
    source.take(MAX_LEN + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_LEN {
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            "longer than 4 GiB",
        ));
    }
    Ok(bytes)
}

/// The flags that a transport adds.
pub(super) const fn with_transport(flags: Flags, transport: Transport) -> Flags {
    if transport.rdp {
        flags.with(Flags::RDP)
    } else {
        flags
    }
}

/// Payload bytes that fit one packet with `flags`.
fn room(flags: Flags) -> usize {
    let rdp = if flags.contains(Flags::RDP) {
        csp_core::rdp::SEGMENT_LEN
    } else {
        0
    };
    DEFAULT_MTU.saturating_sub(seal::trailer_len(flags) + rdp).max(1)
}

/// Opens a connection; over RDP somebody has to answer.
pub(super) async fn connect(
    session: &Session,
    station: &mut Station,
    (remote, port): (Address, Port),
    flags: Flags,
    limit: core::time::Duration,
) -> Result<Connection> {
    let config = ConnectConfig::default().flags(flags).receive_queue(1024);
    let node = station.node.clone();
    let opening = tokio::time::timeout(limit, node.connect(remote, port, config));
    let late = CallError::Refused(ConnectError::NotOpened {
        reason: CloseReason::NoAnswer,
    });
    let error = match session.stop.cut(async { Ok(opening.await) }).await? {
        Ok(Ok(connection)) => return Ok(connection),
        Ok(Err(error)) => error,
        Err(_) => late,
    };
    Err(match error {
        CallError::Refused(ConnectError::NotOpened { .. }) => {
            let failure = Failure::caused(Code::NoReply, error).context(format_args!("{remote}:{port}"));
            let about = Unanswered {
                remote,
                port,
                flags,
                limit,
                lacking: Lacking::Nothing,
            };
            explained(session, station, about, failure).await
        }
        CallError::Refused(ConnectError::Send(error)) => station.not_sent(error),
        CallError::Refused(ConnectError::Unsupported { .. }) => Failure::caused(Code::Usage, error),
        error => Failure::caused(Code::CannotOpen, error),
    })
}

/// The failure, with what the bus tells about it.
async fn explained(session: &Session, station: &mut Station, about: Unanswered, failure: Failure) -> Failure {
    tokio::select! {
        finding = investigate(station, about) => failure.hint(finding.to_string()),
        _ = session.stop.wait() => failure,
    }
}
