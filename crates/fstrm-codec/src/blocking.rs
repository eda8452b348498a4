//! A sender for programs without a runtime.
//!
//! [`Sender`] runs a [sender](crate::sender) on a thread of its own. Any number of threads may use clones of
//! it, and dropping the last one waits until what is queued is sent, for as long as the shutdown timeout
//! allows. Within an async task use [`crate::Sender`]: these calls would hold up its runtime.
//!
//! ```no_run
//! use fstrm_codec::endpoint::{DialConfig, Dialer};
//! use fstrm_codec::queue::Policy;
//! use fstrm_codec::sender::Config;
//! use fstrm_codec::{ContentType, blocking};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let collector = Dialer::new(&"unix:/run/collector.sock".parse()?, DialConfig::new())?;
//! let content_type = ContentType::from_static(b"protobuf:dnstap.Dnstap").ok_or("too long")?;
//! let config = Config::new().content_type(content_type).policy(Policy::DropOldest);
//!
//! let sender = blocking::Sender::spawn(collector, config)?;
//! for number in 0..1000 {
//!     sender.send(format!("message {number}").into())?;
//! }
//! let report = sender.close();
//! println!("{} sent, {} dropped", report.stats.frames.sent, report.stats.frames.dropped.frames());
//! # Ok(()) }
//! ```

mod wait;

use alloc::sync::Arc;
use core::time::Duration;
use std::io;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use thiserror::Error;
use wait::block_on;

use crate::endpoint::Connect;
use crate::frame::OwnedRun;
use crate::sender::{Config, ConfigError, Event, Receipt, Report, SendError, Stats, TrySendError};

/// Why there can be no such sender.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// Its configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There can be no thread, or no runtime on it.
    #[error("starting a thread for the sender")]
    Thread(#[source] io::Error),
}

/// A handle of a sender on a thread of its own. Clones feed the same queue.
#[derive(Clone, Debug)]
pub struct Sender {
    // In this order: the sender is closed before its thread is waited for.
    sender: crate::Sender,
    runner: Arc<Runner>,
}

/// The thread. Whoever drops the last handle waits for it, unless it is that thread.
#[derive(Debug)]
struct Runner(Option<JoinHandle<()>>);

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take()
            && thread.thread().id() != thread::current().id()
        {
            // A thread that panicked has ended too.
            let _ = thread.join();
        }
    }
}

impl Sender {
    /// Starts a sender, which connects at once; `connect` is polled within a runtime on its thread.
    ///
    /// # Errors
    /// When the configuration contradicts itself, or there can be no thread.
    pub fn spawn<C: Connect + Send + 'static>(connect: C, config: Config) -> Result<Self, SpawnError> {
        // In this order: a runtime must not be dropped within another one, where this may be called.
        let (sender, driver) = crate::Sender::with_driver(connect, config)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(SpawnError::Thread)?;
        let thread = thread::Builder::new().name("fstrm-sender".into());
        let thread = thread
            .spawn(move || runtime.block_on(driver))
            .map_err(SpawnError::Thread)?;
        Ok(Self {
            sender,
            runner: Arc::new(Runner(Some(thread))),
        })
    }

    /// Offers one payload, and waits for room if that is the policy.
    ///
    /// # Errors
    /// When the payload is empty or too long, or the sender is closed.
    pub fn send(&self, payload: Bytes) -> Result<Receipt, SendError> {
        match self.sender.try_send(&payload) {
            Ok(receipt) => Ok(receipt),
            Err(TrySendError::Full) => block_on(self.sender.send(payload)),
            Err(TrySendError::Encode(error)) => Err(error.into()),
            Err(TrySendError::Closed) => Err(SendError::Closed),
        }
    }

    /// Offers one payload without waiting.
    ///
    /// # Errors
    /// As [`send`](Self::send), and when there is no room and the policy is to wait.
    pub fn try_send(&self, payload: &Bytes) -> Result<Receipt, TrySendError> {
        self.sender.try_send(payload)
    }

    /// Offers a run, all of it or nothing, and waits for room if that is the policy.
    ///
    /// # Errors
    /// When the sender is closed.
    pub fn send_run(&self, run: OwnedRun) -> Result<Receipt, SendError> {
        block_on(self.sender.send_run(run))
    }

    /// Waits until everything offered so far is written, or confirmed, or dropped by policy; as long as there
    /// is no collector.
    ///
    /// # Errors
    /// When the sender ended before.
    pub fn flush(&self) -> Result<(), SendError> {
        block_on(self.sender.flush())
    }

    /// Ends the sender: what is queued is sent, then STOP, and FINISH is awaited; all within the
    /// [`shutdown_timeout`](Config::shutdown_timeout). Other handles can send no more.
    pub fn close(self) -> Report {
        let Self { sender, runner } = self;
        let report = block_on(sender.close());
        drop(runner);
        report
    }

    /// As [`close`](Self::close), within that time.
    pub fn close_within(self, timeout: Duration) -> Report {
        let Self { sender, runner } = self;
        let report = block_on(sender.close_within(timeout));
        drop(runner);
        report
    }

    /// The oldest event that was not taken.
    #[must_use]
    pub fn poll_event(&self) -> Option<Event> {
        self.sender.poll_event()
    }

    /// The counters. `offered == sent + dropped + queued + kept`, always.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.sender.stats()
    }
}

#[cfg(test)]
mod tests;
