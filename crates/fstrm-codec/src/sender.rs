//! A sender that survives its collector: handles, one task, a bounded queue.
//!
//! ```text
//! Sender ─┐                             ┌─ connect, READY, ACCEPT, START
//! Sender ─┼─► Queue ──► task ──► batch ─┤  write ── lost ──► wait, connect anew
//! Sender ─┘   policy                    └─ STOP, FINISH
//! ```
//!
//! Frames that are offered while there is no collector wait in the [queue](crate::queue), which is bounded
//! and has a named policy for "full". Nothing is dropped without being counted, by cause, in [`Stats`] and
//! told as an [`Event`]. The task reconnects by itself, after 10 ms and ever longer up to 5 s, notices at
//! once when an idle collector goes away, and waits for nothing without a limit.
//!
//! With [`Delivery::Confirmed`] the stream is ended from time to time by
//! STOP, and the next one begun when FINISH has come, over a new connection since the C tools close theirs.
//! What is offered meanwhile waits for that moment in the queue.
//!
//! ```
//! use bytes::Bytes;
//! use fstrm_codec::ContentType;
//! use fstrm_codec::sender::{Config, Sender};
//! # use fstrm_codec::FstrmReader;
//! # use futures_util::StreamExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn core::error::Error>> {
//! # let (near, far) = tokio::io::duplex(1024);
//! # let mut near = Some(near);
//! # let connect = move || {
//! #     let near = near.take().ok_or_else(|| std::io::ErrorKind::ConnectionRefused.into());
//! #     async move { near }
//! # };
//! # let collector = tokio::spawn(async move {
//! #     let mut reader = FstrmReader::open(far, Default::default()).await.unwrap();
//! #     assert_eq!(reader.next().await.unwrap().unwrap(), "a message");
//! #     assert!(reader.next().await.is_none());
//! # });
//! // `connect` is a Dialer, or a closure that makes connections.
//! let content_type = ContentType::from_static(b"x-example").ok_or("too long")?;
//! let sender = Sender::spawn(connect, Config::new().content_type(content_type))?;
//! sender.send(Bytes::from("a message")).await?;
//! let report = sender.close().await;
//! assert!(report.is_complete() && report.finished);
//! # collector.await?;
//! # Ok(()) }
//! ```
//!
//! Programs without a runtime have [`blocking::Sender`](crate::blocking::Sender). Not here: making
//! connections ([`endpoint`](crate::endpoint)).

mod backoff;
mod config;
mod driver;
mod event;
mod session;
mod shared;

use alloc::sync::Arc;
use core::future::Future;
use core::time::Duration;

use bytes::Bytes;

pub use config::{
    Config, DEFAULT_COALESCE_DELAY, DEFAULT_CONFIRM_INTERVAL, DEFAULT_CONNECT_TIMEOUT, DEFAULT_FIRST_BACKOFF,
    DEFAULT_LAST_BACKOFF, DEFAULT_SHUTDOWN_TIMEOUT, DEFAULT_WRITE_TIMEOUT,
};
pub use event::{Cause, ConfigError, Event, Report, SendError, Stats, TrySendError};
use shared::Shared;

use crate::Mode;
use crate::endpoint::Connect;
use crate::frame::OwnedRun;
use crate::handshake::WriterMachine;
pub use crate::queue::Receipt;
use crate::queue::{Delivery, OfferError, Queue};

/// A handle of a sender. Clones feed the same queue, from any task or thread.
///
/// Dropping the last handle closes the sender: its task sends what is queued, for as long as
/// [`shutdown_timeout`](Config::shutdown_timeout) allows. [`close`](Self::close) does that too, and tells
/// what came of it.
#[derive(Debug)]
pub struct Sender {
    shared: Arc<Shared>,
    shutdown_timeout: Duration,
}

impl Sender {
    /// Starts the sender's task, which connects at once.
    ///
    /// # Errors
    /// When the content types do not fit into READY, or the stream cannot be confirmed as it is asked to.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn<C: Connect + Send + 'static>(connect: C, config: Config) -> Result<Self, ConfigError> {
        let (sender, driver) = Self::with_driver(connect, config)?;
        spawn(driver);
        Ok(sender)
    }

    /// The sender and its task, to be run by the caller. It ends some time after the last handle.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub fn with_driver<C: Connect + Send + 'static>(
        connect: C,
        config: Config,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), ConfigError> {
        // What cannot be sent is better said now than at every attempt.
        WriterMachine::new(config.handshake.clone(), tinwire_time::Instant::ZERO)?;
        let queue = config.queue.clone().max_data(config.handshake.frame().max_data);
        if config.handshake.mode == Mode::Unidirectional && queue.delivery == Delivery::Confirmed {
            return Err(ConfigError::Unconfirmable);
        }
        let sender = Self {
            shared: Arc::new(Shared::new(Queue::new(queue))),
            shutdown_timeout: config.shutdown_timeout,
        };
        let driver = driver::drive(connect, Arc::clone(&sender.shared), config);
        Ok((sender, driver))
    }

    /// Offers one payload, and waits for room if that is the policy.
    ///
    /// The receipt tells what was dropped instead, if that is the policy. Who sends in a loop gives way to
    /// other tasks from time to time.
    ///
    /// # Errors
    /// When the payload is empty or too long, or the sender is closed.
    ///
    /// # Cancel safety
    /// Cancel safe: dropped before it is ready, it has offered nothing.
    pub async fn send(&self, payload: Bytes) -> Result<Receipt, SendError> {
        self.offer(|queue| queue.offer(&payload)).await
    }

    /// Offers one payload without waiting.
    ///
    /// # Errors
    /// As [`send`](Self::send), and when there is no room and the policy is to wait.
    pub fn try_send(&self, payload: &Bytes) -> Result<Receipt, TrySendError> {
        self.try_offer(|queue| queue.offer(payload))
    }

    /// Offers a run, all of it or nothing, and waits for room if that is the policy. Its frames are not
    /// looked at.
    ///
    /// # Errors
    /// When the sender is closed.
    ///
    /// # Cancel safety
    /// Cancel safe: dropped before it is ready, it has offered nothing.
    pub async fn send_run(&self, run: OwnedRun) -> Result<Receipt, SendError> {
        self.offer(|queue| queue.offer_run(&run)).await
    }

    /// Offers a run without waiting.
    ///
    /// # Errors
    /// As [`send_run`](Self::send_run), and when there is no room and the policy is to wait.
    pub fn try_send_run(&self, run: &OwnedRun) -> Result<Receipt, TrySendError> {
        self.try_offer(|queue| queue.offer_run(run))
    }

    /// Waits until everything offered so far is written, or confirmed, or dropped by policy.
    ///
    /// It waits as long as there is no collector.
    ///
    /// # Errors
    /// When the sender ended before.
    ///
    /// # Cancel safety
    /// Cancel safe: dropped, it leaves what it asked for in hand.
    pub async fn flush(&self) -> Result<(), SendError> {
        let (mark, waker) = {
            let mut state = self.shared.lock();
            (state.queue.expedite_all(), state.rouse())
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        loop {
            let progress = self.shared.progress.notified();
            {
                let state = self.shared.lock();
                if let Some(report) = &state.report {
                    return if report.left() == 0 {
                        Ok(())
                    } else {
                        Err(SendError::Closed)
                    };
                }
                if state.queue.is_done(mark) {
                    return Ok(());
                }
            }
            progress.await;
        }
    }

    /// Ends the sender: what is queued is sent, then STOP, and FINISH is awaited; all within the
    /// [`shutdown_timeout`](Config::shutdown_timeout). Other handles can send no more.
    ///
    /// # Cancel safety
    /// Dropped, it leaves the sender to end by itself.
    pub async fn close(self) -> Report {
        let timeout = self.shutdown_timeout;
        self.close_within(timeout).await
    }

    /// As [`close`](Self::close), within that time.
    ///
    /// # Cancel safety
    /// Dropped, it leaves the sender to end by itself.
    pub async fn close_within(self, timeout: Duration) -> Report {
        self.shared.close(timeout);
        self.ended().await
    }

    /// Waits for the sender's end, which another handle or its runtime brings about.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ended(&self) -> Report {
        loop {
            let progress = self.shared.progress.notified();
            if let Some(report) = self.shared.lock().report {
                return report;
            }
            progress.await;
        }
    }

    /// The oldest event that was not taken. All handles take from the same events; at most 64 are held.
    #[must_use]
    pub fn poll_event(&self) -> Option<Event> {
        self.shared.lock().next_event()
    }

    /// Waits for the next event; `None` when the sender has ended and there is none left.
    ///
    /// # Cancel safety
    /// Cancel safe: dropped before it is ready, it has taken nothing.
    pub async fn next_event(&self) -> Option<Event> {
        loop {
            let told = self.shared.told.notified();
            {
                let mut state = self.shared.lock();
                let event = state.next_event();
                if event.is_some() || state.report.is_some() {
                    return event;
                }
            }
            told.await;
        }
    }

    /// The counters. `offered == sent + dropped + queued + kept`, always.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.lock().stats()
    }

    async fn offer(
        &self,
        mut offer: impl FnMut(&mut Queue) -> Result<Receipt, OfferError>,
    ) -> Result<Receipt, SendError> {
        tokio::task::coop::consume_budget().await;
        if let Some(receipt) = self.shared.offer(&mut offer)? {
            return Ok(receipt);
        }
        loop {
            // Made before the look at the queue: what is told in between is not missed.
            let room = self.shared.room.notified();
            if let Some(receipt) = self.shared.offer(&mut offer)? {
                return Ok(receipt);
            }
            room.await;
        }
    }

    fn try_offer(
        &self,
        offer: impl FnOnce(&mut Queue) -> Result<Receipt, OfferError>,
    ) -> Result<Receipt, TrySendError> {
        match self.shared.offer(offer) {
            Ok(receipt) => receipt.ok_or(TrySendError::Full),
            Err(SendError::Encode(error)) => Err(error.into()),
            Err(SendError::Closed) => Err(TrySendError::Closed),
        }
    }
}

impl Clone for Sender {
    fn clone(&self) -> Self {
        self.shared.lock().handles += 1;
        Self {
            shared: Arc::clone(&self.shared),
            shutdown_timeout: self.shutdown_timeout,
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let is_last = {
            let mut state = self.shared.lock();
            state.handles -= 1;
            state.handles == 0
        };
        if is_last {
            self.shared.close(self.shutdown_timeout);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a sender's one task is spawned here")]
fn spawn(driver: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(driver);
}

#[cfg(test)]
mod tests;
