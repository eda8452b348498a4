//! One task per listener: connections in, sessions out.

use core::time::Duration;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;

use super::race::{Won, race};
use super::session::Session;
use super::shared::Task;
use super::{Event, Overflow, Peer};
use crate::endpoint::{Connection, Listener};

/// First pause after a listener failed; doubles with each failure in a row.
const MIN_PAUSE: Duration = Duration::from_millis(10);
/// Longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Where connections come from.
pub trait Accept: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Waits for the next connection. The future may be dropped; nothing may be lost by that.
    ///
    /// An error does not end the listener: it is counted and told, and after a pause of 10 ms, doubling to 1
    /// s, the next one is waited for.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Peer)>> + Send;
}

impl Accept for Listener {
    type Io = Connection;

    fn accept(&mut self) -> impl Future<Output = io::Result<(Connection, Peer)>> + Send {
        Self::accept(self)
    }
}

/// Accepts until the collector closes.
pub(super) async fn run(mut listener: impl Accept, task: Task) {
    let closing = task.shared.closing.clone();
    race(closing.cancelled(), serve(&mut listener, &task)).await;
    // Dropping the listener removes its socket, so that nobody connects to a collector that is gone: that is
    // before the last task is, for whoever waits for that may end the process.
    drop(listener);
}

async fn serve(listener: &mut impl Accept, task: &Task) {
    let shared = &task.shared;
    let mut pause = MIN_PAUSE;
    loop {
        let slot = match shared.config.overflow {
            Overflow::Wait => free_slot(task).await,
            Overflow::Refuse => None,
        };
        match listener.accept().await {
            Ok((io, peer)) => {
                pause = MIN_PAUSE;
                let slot = slot.or_else(|| Arc::clone(&shared.slots).try_acquire_owned().ok());
                match slot {
                    Some(slot) => Session::begin(io, peer, slot, task.clone()),
                    None => refuse(task, peer),
                }
            }
            Err(error) => {
                shared.count(|stats| stats.accept_errors += 1);
                shared.tell(Event::AcceptFailed {
                    error: Arc::new(error),
                });
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }
}

/// A single connection that somebody else made.
pub(super) async fn admit<S>(io: S, peer: Peer, task: Task)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let shared = Arc::clone(&task.shared);
    let slot = match shared.config.overflow {
        Overflow::Wait => match race(free_slot(&task), shared.closing.cancelled()).await {
            Won::First(slot) => slot,
            Won::Second(()) => None,
        },
        Overflow::Refuse => Arc::clone(&shared.slots).try_acquire_owned().ok(),
    };
    match slot {
        Some(slot) => Session::begin(io, peer, slot, task),
        None => refuse(&task, peer),
    }
}

async fn free_slot(task: &Task) -> Option<OwnedSemaphorePermit> {
    // The semaphore is never closed.
    Arc::clone(&task.shared.slots).acquire_owned().await.ok()
}

fn refuse(task: &Task, peer: Peer) {
    task.shared.count(|stats| stats.refused += 1);
    task.shared.tell(Event::Refused { peer });
}
