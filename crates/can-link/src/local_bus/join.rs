//! Finding the host of a bus, or becoming it.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use super::host::{Hosting, Start};
use super::place::Place;
use super::wire::{HEADER_LEN, Message};
use crate::link::LinkError;

/// How long to look for a host, as long as somebody else holds the lock but does not answer.
const JOIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before the next attempt: doubled each time between these two.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// A connection that was welcomed, and the host if it is ours.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) stream: UnixStream,
    pub(super) hosting: Option<Hosting>,
}

/// Joins the bus at `place`, becoming its host when there is none; `start` tells whether there was one
/// before.
pub(super) async fn join(place: &Place, hello: &Message, start: Start) -> Result<Joined, LinkError> {
    let context = || format!("joining bus:{}", place.name);
    let attempt = timeout(JOIN_TIMEOUT, attempts(place, hello, start)).await;
    attempt.unwrap_or_else(|_| {
        let nobody = "the process that hosts it does not answer";
        Err(LinkError::io(
            context(),
            io::Error::new(io::ErrorKind::TimedOut, nobody),
        ))
    })
}

async fn attempts(place: &Place, hello: &Message, start: Start) -> Result<Joined, LinkError> {
    let failed = |error| LinkError::io(format!("joining bus:{}", place.name), error);
    let mut hosting = None;
    let mut pause = FIRST_PAUSE;
    loop {
        match UnixStream::connect(place.socket()).await {
            Ok(stream) => {
                // without a welcome the host is leaving, and another one will come
                if let Some(stream) = greet(stream, place, hello).await? {
                    return Ok(Joined { stream, hosting });
                }
            }
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    // an own host that is not there any more has failed
                    hosting = None;
                    if let Some((claim, listener)) = place.try_claim().map_err(failed)? {
                        hosting = Some(Hosting::start(claim, listener, start, place.home).map_err(failed)?);
                        continue;
                    }
                }
                // more members want to join than the host has accepted so far, or it died with us at the door
                io::ErrorKind::WouldBlock
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::NotConnected => {}
                io::ErrorKind::PermissionDenied => {
                    let link = format!("bus:{}", place.name);
                    return Err(LinkError::Permission { link });
                }
                _ => return Err(failed(error)),
            },
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Says hello; `None` when the host closed before it welcomed us.
async fn greet(
    mut stream: UnixStream,
    place: &Place,
    hello: &Message,
) -> Result<Option<UnixStream>, LinkError> {
    let mut bytes = Vec::new();
    hello.encode(&mut bytes);
    let mut answer = [0; HEADER_LEN];
    // A host that turned us away has closed already; it may have told why.
    let _ = stream.write_all(&bytes).await;
    if stream.read_exact(&mut answer).await.is_err() {
        return Ok(None);
    }
    let what = match Message::decode(&answer) {
        Ok(Some((Message::Welcome, _))) => return Ok(Some(stream)),
        Ok(Some((Message::Leave, _))) => return Ok(None),
        Ok(Some((Message::Full(members), _))) => {
            let context = format!("joining bus:{}", place.name);
            let full = format!("the bus is full: it has {members} members");
            return Err(LinkError::io(
                context,
                io::Error::new(io::ErrorKind::QuotaExceeded, full),
            ));
        }
        Ok(_) => format!("{} answers without a welcome", place.socket().display()),
        Err(error) => format!("{}: {error}", place.socket().display()),
    };
    let link = format!("bus:{}", place.name);
    Err(LinkError::Protocol { link, what })
}
