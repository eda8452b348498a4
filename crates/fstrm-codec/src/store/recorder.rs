//! A thread that writes what a collector receives.

mod drive;

use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};

use super::{CloseError, Disk, Event, Store};
use crate::collector::{Batch, Receipt};
use crate::frame::OwnedRun;
use drive::Driver;

/// Orders that wait to be followed.
const MAX_ORDERS: usize = 16;
/// Events that wait to be told.
const MAX_EVENTS: usize = 64;

/// What a recorder takes: frames, and a receipt that says what became of them.
pub trait Record: Send + 'static {
    /// Kept until the frames are written; dropped, it says that they are lost.
    type Receipt: Send + 'static;

    /// The frames, and their receipt.
    fn split(self) -> (OwnedRun, Self::Receipt);

    /// The frames are where they should be.
    fn confirm(receipt: Self::Receipt);
}

impl Record for Batch {
    type Receipt = Receipt;

    fn split(self) -> (OwnedRun, Receipt) {
        self.split()
    }

    fn confirm(receipt: Receipt) {
        receipt.confirm();
    }
}

/// How a [`Recorder`] treats its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderConfig {
    write_len: usize,
    max_unconfirmed: u64,
    close_timeout: Duration,
}

impl RecorderConfig {
    /// The defaults: 1 MiB, 4 MiB, 5 s.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            write_len: 1 << 20,
            max_unconfirmed: 4 << 20,
            close_timeout: Duration::from_secs(5),
        }
    }

    /// Bytes at which no more batches are gathered for one write. At least one batch is written. Default 1
    /// MiB.
    #[must_use]
    pub const fn write_len(mut self, len: usize) -> Self {
        self.write_len = len;
        self
    }

    /// Bytes that may be written and not confirmed, while the disk is asked at intervals only; more are
    /// brought to the disk at once. Default 4 MiB.
    #[must_use]
    pub const fn max_unconfirmed(mut self, len: u64) -> Self {
        self.max_unconfirmed = len;
        self
    }

    /// How long the end waits for a disk that fails. Default 5 s.
    #[must_use]
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }
}

impl Default for RecorderConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// Counters of a [`Recorder`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecorderStats {
    /// Counters of the store.
    pub store: super::Stats,
    /// Batches taken.
    pub batches: u64,
    /// Batches confirmed.
    pub confirmed: u64,
    /// Batches that were not confirmed and never will be.
    pub unconfirmed: u64,
    /// Events that nobody had polled when they were too many.
    pub events_lost: u64,
    /// Whether writing fails at present.
    pub is_blocked: bool,
}

/// Asks a [`Recorder`]; a handle may be cloned.
#[derive(Clone, Debug)]
pub struct RecorderHandle {
    orders: mpsc::Sender<Order>,
    stats: Arc<Mutex<RecorderStats>>,
}

/// What a recorder is told.
#[derive(Debug)]
enum Order {
    Rotate(oneshot::Sender<()>),
    Flush(oneshot::Sender<()>),
    Sync(oneshot::Sender<()>),
    Close,
}

/// Writes batches on a thread of its own, and confirms each when the store has it.
///
/// - What is there is written together, without being copied; when nothing more is there, nothing waits: the
///   flush interval of the store matters only while batches keep coming.
/// - A batch is confirmed when its bytes are written, and on the disk where the store's
///   [`Sync`](super::Sync) asks for that.
/// - While writing fails, no batch is taken: who sends them has to wait. Memory: one write.
///
/// When the batches end, it closes the store and [`finished`](Self::finished) completes: when the disk is
/// full, not before there is room. [`close`](Self::close) does not wait so long. Dropped, it goes on alone.
#[derive(Debug)]
pub struct Recorder {
    handle: RecorderHandle,
    events: mpsc::Receiver<Event>,
    outcome: Option<oneshot::Receiver<Result<(), CloseError>>>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Begins to write `batches` to `store`.
    ///
    /// # Errors
    /// When the thread or its clock cannot be had.
    pub fn spawn<D, S>(store: Store<D>, batches: S, config: RecorderConfig) -> io::Result<Self>
    where
        D: Disk + 'static,
        D::File: 'static,
        S: Stream<Item: Record> + Send + Unpin + 'static,
    {
        let (orders, ordered) = mpsc::channel(MAX_ORDERS);
        let (tell, events) = mpsc::channel(MAX_EVENTS);
        let (end, outcome) = oneshot::channel();
        let stats = Arc::new(Mutex::new(RecorderStats::default()));
        let driver = Driver::new(store, batches, config, ordered, tell, Arc::clone(&stats));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("fstrm-recorder".into())
            .spawn(move || {
                // Nobody may be left to hear it.
                let _ = end.send(runtime.block_on(driver.run()));
            })?;
        Ok(Self {
            handle: RecorderHandle { orders, stats },
            events,
            outcome: Some(outcome),
            thread: Some(thread),
        })
    }

    /// A handle for others.
    #[must_use]
    pub fn handle(&self) -> RecorderHandle {
        self.handle.clone()
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> RecorderStats {
        self.handle.stats()
    }

    /// The next thing that happened to a file; `None` when the recorder has ended.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next_event(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Completes when the batches have ended, and everything is in files.
    ///
    /// # Errors
    /// When something that was taken could not be written in time.
    ///
    /// # Panics
    /// When the thread has.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; call it again. After it has completed, it does so at once.
    pub async fn finished(&mut self) -> Result<RecorderStats, CloseError> {
        if let Some(outcome) = &mut self.outcome {
            let ended = outcome.await;
            self.outcome = None;
            match (ended, self.thread.take().map(JoinHandle::join)) {
                (_, Some(Err(panic))) => std::panic::resume_unwind(panic),
                (Ok(outcome), _) => outcome?,
                (Err(_), _) => {}
            }
        }
        Ok(self.stats())
    }

    /// Takes the batches that are there and no more, writes what it has, and closes the store. A disk that
    /// fails gets the time of [`RecorderConfig::close_timeout`]; what is not written then is told lost.
    ///
    /// # Errors
    /// As [`finished`](Self::finished).
    ///
    /// # Panics
    /// As [`finished`](Self::finished).
    ///
    /// # Cancel safety
    /// Not cancel safe: whether the recorder heard of it is not known.
    pub async fn close(mut self) -> Result<RecorderStats, CloseError> {
        // Where nobody listens, it has ended already.
        let _ = self.handle.orders.send(Order::Close).await;
        self.finished().await
    }
}

impl RecorderHandle {
    /// Ends the file at hand, once what was taken is in it. Completes when the store has been told.
    ///
    /// # Cancel safety
    /// Dropping the future loses the answer, and perhaps the request.
    pub async fn rotate(&self) {
        self.ask(Order::Rotate).await;
    }

    /// Hands everything that was taken to the file, as `fstrm_capture` does on SIGHUP.
    ///
    /// # Cancel safety
    /// Dropping the future loses the answer, and perhaps the request.
    pub async fn flush(&self) {
        self.ask(Order::Flush).await;
    }

    /// Brings everything that was taken to the disk.
    ///
    /// # Cancel safety
    /// Dropping the future loses the answer, and perhaps the request.
    pub async fn sync(&self) {
        self.ask(Order::Sync).await;
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> RecorderStats {
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, order: impl FnOnce(oneshot::Sender<()>) -> Order) {
        let (answer, answered) = oneshot::channel();
        if self.orders.send(order(answer)).await.is_ok() {
            // A recorder that ends has done it.
            let _ = answered.await;
        }
    }
}

#[cfg(test)]
mod tests;
