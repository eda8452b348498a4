//! What sessions hand out, and how they learn what became of it.

use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll};
use std::sync::Arc;

use futures_core::Stream;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};

use super::doom::{Doom, Verdict};
use super::shared::Shared;
use super::{Peer, SessionId};
use crate::ContentType;
use crate::frame::OwnedRun;

/// Frames of one session, in the order in which they came.
///
/// Confirm it when its frames are where they should be. The session answers STOP with FINISH when all its
/// batches have been confirmed; one that is dropped unconfirmed closes its connection without FINISH.
#[derive(Debug)]
pub struct Batch {
    /// The frames, as they stand on the wire.
    pub run: OwnedRun,
    /// Which session they came by.
    pub session: SessionId,
    /// Who sent them.
    pub peer: Peer,
    /// The content type that START names.
    pub content_type: Option<ContentType>,
    pub(super) receipt: Receipt,
}

impl Batch {
    /// The frames are where they should be.
    pub fn confirm(self) {
        self.receipt.confirm();
    }

    /// The frames, and what confirms them later.
    pub fn split(self) -> (OwnedRun, Receipt) {
        (self.run, self.receipt)
    }
}

/// Confirms a batch. Dropped, it says that the frames are lost.
#[derive(Debug)]
#[must_use = "dropping it closes the session's connection"]
pub struct Receipt {
    ledger: Arc<Ledger>,
    /// The batch's share of the queue.
    _room: OwnedSemaphorePermit,
    frames: u64,
    is_confirmed: bool,
}

impl Receipt {
    pub(super) fn new(ledger: &Arc<Ledger>, room: OwnedSemaphorePermit, frames: u64) -> Self {
        ledger.open.fetch_add(1, Ordering::AcqRel);
        Self {
            ledger: Arc::clone(ledger),
            _room: room,
            frames,
            is_confirmed: false,
        }
    }

    /// The frames are where they should be.
    pub fn confirm(mut self) {
        self.is_confirmed = true;
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.ledger.settle(self.frames, self.is_confirmed);
    }
}

/// What a session has handed out and not heard of.
#[derive(Debug)]
pub(super) struct Ledger {
    open: AtomicU64,
    changed: Notify,
    doom: Arc<Doom>,
    shared: Arc<Shared>,
}

impl Ledger {
    pub(super) fn new(doom: Arc<Doom>, shared: Arc<Shared>) -> Self {
        Self {
            open: AtomicU64::new(0),
            changed: Notify::new(),
            doom,
            shared,
        }
    }

    fn settle(&self, frames: u64, is_confirmed: bool) {
        self.shared.count(|stats| {
            if is_confirmed {
                stats.confirmed_frames += frames;
            } else {
                stats.dropped.unconfirmed += frames;
            }
        });
        if !is_confirmed {
            self.doom.pass(Verdict::Unconfirmed);
        }
        self.open.fetch_sub(1, Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// Completes when nothing is out.
    pub(super) async fn settled(&self) {
        while self.open.load(Ordering::Acquire) > 0 {
            self.changed.notified().await;
        }
    }
}

/// The batches of all sessions: a `Stream`, which ends when the collector is closed.
///
/// Dropping it says that nobody wants frames any more: every session is closed.
#[derive(Debug)]
pub struct Batches {
    pub(super) receiver: mpsc::UnboundedReceiver<Batch>,
}

impl Batches {
    /// The next batch; `None` when the collector is closed and everything was taken.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Batch> {
        self.receiver.recv().await
    }

    /// The next batch, from a thread that may wait.
    ///
    /// # Panics
    /// When called from within an asynchronous task.
    pub fn blocking_next(&mut self) -> Option<Batch> {
        self.receiver.blocking_recv()
    }

    /// The next batch, if one is there.
    pub fn try_next(&mut self) -> Option<Batch> {
        self.receiver.try_recv().ok()
    }
}

impl Stream for Batches {
    type Item = Batch;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Batch>> {
        self.get_mut().receiver.poll_recv(cx)
    }
}
