//! Many senders, one stream of batches.
//!
//! ```text
//! listener ─┐            8 KiB + a share of the memory each
//! listener ─┼─► sessions ─────────────► room in the queue ─► Batches ─► whoever keeps the frames
//! add ──────┘       ▲                   in turn                             │
//!                   └──────── FINISH when all is confirmed ◄──── confirm ───┘
//! ```
//!
//! A session reads, cuts whole frames off as they stand, hands them out, and reads on when there is room: who
//! is not read from waits. What one peer does wrong ends its own session and touches no other. Every limit
//! has a default, every connection that is ended by one a reason in [`Stats`].
//!
//! Not here: files (`store`), sockets (`endpoint`), what a frame means.

mod accept;
mod batch;
mod buffer;
mod clock;
mod config;
mod doom;
mod memory;
mod race;
mod session;
mod shared;
mod stats;

use core::fmt;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

pub use accept::Accept;
pub use batch::{Batch, Batches, Receipt};
pub use config::{
    Config, DEFAULT_CLOSE_TIMEOUT, DEFAULT_FIRST_BYTE_TIMEOUT, DEFAULT_FRAME_TIMEOUT,
    DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_MAX_CONNECTIONS, DEFAULT_MEMORY, DEFAULT_QUEUE, DEFAULT_REFUSAL_PAUSE,
    Handshake, Overflow,
};
pub use stats::{Dropped, Ended, Event, Failed, SessionError, SessionStats, Stats};

use self::race::{Won, race};
use self::shared::{Shared, Task};
use crate::endpoint::Peer;

/// A session's number, in the order in which connections came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

impl SessionId {
    /// The number, from 0.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Receives from many senders at once.
///
/// Dropping it is [`close`](Self::close) without the wait: nothing more is accepted or read.
#[derive(Debug)]
pub struct Collector {
    task: Option<Task>,
    shared: Arc<Shared>,
}

impl Collector {
    /// A collector that listens nowhere yet, and where its frames come out.
    ///
    /// Listeners and sessions are tasks of the runtime that [`listen`](Self::listen) and [`add`](Self::add)
    /// are called in.
    #[must_use]
    pub fn spawn(config: Config) -> (Self, Batches) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(config));
        let task = Task::new(&shared, &sender);
        let collector = Self {
            task: Some(task),
            shared,
        };
        (collector, Batches { receiver })
    }

    /// Accepts connections from `listener` until the collector is closed.
    #[expect(clippy::disallowed_methods, reason = "a driver spawns its listeners here")]
    pub fn listen(&self, listener: impl Accept) {
        if let Some(task) = self.task.clone() {
            tokio::spawn(accept::run(listener, task));
        }
    }

    /// Takes a connection that somebody else has made; which side connected does not matter.
    ///
    /// It counts as any other: over the limit it waits or is closed.
    #[expect(clippy::disallowed_methods, reason = "a driver spawns its sessions here")]
    pub fn add<S>(&self, io: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        if let Some(task) = self.task.clone() {
            tokio::spawn(accept::admit(io, peer, task));
        }
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// A way to the counters that outlives borrows, for whoever shows them.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Waits for the next thing to tell. At most 1,024 wait to be told; the oldest are lost, and counted.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next_event(&self) -> Event {
        self.shared.next_event().await
    }

    /// The next thing to tell, if there is one.
    #[must_use]
    pub fn poll_event(&self) -> Option<Event> {
        self.shared.poll_event()
    }

    /// Stops accepting, reads what has come, waits until the sessions are done, and ends [`Batches`].
    ///
    /// A peer that has sent STOP gets FINISH once its batches are confirmed; the others are closed without,
    /// for they have not said that they are done. Somebody has to go on taking and confirming batches
    /// meanwhile. After the close timeout every session is ended as it is.
    ///
    /// # Cancel safety
    /// Dropping the future ends every session at once.
    pub async fn close(mut self) -> Stats {
        self.shared.closing.cancel();
        self.task = None;
        let timeout = tokio::time::sleep(self.shared.config.close_timeout);
        if let Won::Second(()) = race(self.shared.idle(), timeout).await {
            self.shared.end_all();
            self.shared.idle().await;
        }
        self.shared.stats()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.shared.closing.cancel();
        self.shared.end_all();
    }
}

/// The counters of a collector, wherever they are wanted.
#[derive(Clone, Debug)]
pub struct Watch {
    shared: Arc<Shared>,
}

impl Watch {
    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Waits for the next thing to tell, as [`Collector::next_event`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next_event(&self) -> Event {
        self.shared.next_event().await
    }

    /// The next thing to tell, if there is one.
    #[must_use]
    pub fn poll_event(&self) -> Option<Event> {
        self.shared.poll_event()
    }
}

#[cfg(test)]
mod tests;
