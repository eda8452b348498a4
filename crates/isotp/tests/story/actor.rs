//! One socket of a story, and what it has told so far.

use core::future::poll_fn;
use core::pin::Pin;
use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use futures::{Sink as _, StreamExt as _};
use isotp::{KernelIsoTp, NResult, SendError, StreamError, TransferError};
use testkit::vectors::Value;

use super::{patience, quiet};

/// Errors of the interface, which ours tells to both directions.
const OF_BOTH: [&str; 2] = ["ENETDOWN", "ENODEV"];

/// What became of a message that was given.
#[derive(Debug)]
pub(super) enum Given {
    /// The kernel has taken it: so many bytes.
    Taken(usize),
    /// Not yet; it was taken back.
    Busy,
    /// It failed, by the name of the system's error.
    Failed(&'static str),
}

impl Given {
    pub(super) fn result(&self) -> Result<usize, String> {
        match self {
            Self::Taken(len) => Ok(*len),
            Self::Busy => Err("EAGAIN".into()),
            Self::Failed(name) => Err((*name).into()),
        }
    }
}

pub(super) struct Actor {
    socket: KernelIsoTp,
    /// Whether sending means to wait for the end.
    pub(super) waits: bool,
    pub(super) inbox: VecDeque<Bytes>,
    pub(super) errors: VecDeque<&'static str>,
    /// Errors that the story has told.
    claimed: Vec<String>,
    /// The message taken last.
    pub(super) last: Option<Bytes>,
    /// A message that a blocking call would hold, and what became of it.
    held: Option<Bytes>,
    returned: Option<(Result<usize, String>, usize)>,
    busy: bool,
    over: bool,
}

impl Actor {
    pub(super) fn new(socket: KernelIsoTp, sock: &Value) -> Self {
        let mut flags = sock["flags"].as_array().into_iter().flatten();
        Self {
            socket,
            waits: flags.any(|flag| flag == "WAIT_TX_DONE"),
            inbox: VecDeque::new(),
            errors: VecDeque::new(),
            claimed: Vec::new(),
            last: None,
            held: None,
            returned: None,
            busy: false,
            over: false,
        }
    }

    pub(super) const fn is_busy(&self) -> bool {
        self.busy
    }

    /// Whether its interface is gone.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    fn note(&mut self, error: &StreamError) {
        let name = errno(error);
        self.over |= name == "ENODEV";
        let told = OF_BOTH.contains(&name) && self.claimed.iter().any(|claimed| claimed == name);
        if !told {
            self.errors.push_back(name);
        }
    }

    /// Takes in what there is.
    pub(super) async fn look(&mut self) {
        while let Ok(Some(item)) = tokio::time::timeout(quiet(), self.socket.recv()).await {
            match item {
                Ok(message) => self.inbox.push_back(message),
                Err(error) => self.note(&error),
            }
        }
        self.push_on().await;
    }

    /// Lets the sending side go on.
    pub(super) async fn push_on(&mut self) {
        let flushed = poll_fn(|cx| Pin::new(&mut self.socket).poll_flush(cx));
        let flushed = tokio::time::timeout(quiet(), flushed).await;
        self.busy = flushed.is_err();
        if let Ok(Err(error)) = flushed {
            self.note(&error);
        }
        if let Some(message) = self.held.clone() {
            let len = message.len();
            let result = self.give(message, quiet()).await;
            if !matches!(result, Given::Busy) {
                self.held = None;
                self.returned = Some((result.result(), len));
            }
        }
    }

    pub(super) async fn message(&mut self) -> Option<Bytes> {
        let deadline = Instant::now() + patience();
        loop {
            if let Some(message) = self.inbox.pop_front() {
                self.last = Some(message.clone());
                return Some(message);
            }
            if Instant::now() > deadline || self.last.is_some() {
                self.look().await;
                let message = self.inbox.pop_front()?;
                self.last = Some(message.clone());
                return Some(message);
            }
            self.look().await;
        }
    }

    /// Gives a message, and takes it back when the kernel has not taken it within `window`.
    pub(super) async fn give(&mut self, message: Bytes, window: Duration) -> Given {
        let len = message.len();
        let mut sending = self.socket.start(message);
        let outcome = tokio::time::timeout(window, async {
            loop {
                match sending.next().await {
                    Some(Err(error)) => return Given::Failed(errno(&error)),
                    Some(Ok(_)) if sending.id().is_none() => {}
                    Some(Ok(_)) | None => return Given::Taken(len),
                }
            }
        });
        let outcome = outcome.await.unwrap_or_else(|_| {
            if sending.id().is_some() {
                Given::Taken(len)
            } else {
                Given::Busy
            }
        });
        drop(sending);
        self.busy |= matches!(outcome, Given::Taken(_));
        outcome
    }

    /// Sends a message to its end.
    pub(super) async fn send(&mut self, message: Bytes) -> Result<usize, String> {
        let len = message.len();
        match tokio::time::timeout(patience(), self.socket.send(message)).await {
            Ok(Ok(())) => Ok(len),
            Ok(Err(error)) => Err(errno(&error).into()),
            Err(_) => Err("nothing".into()),
        }
    }

    /// Gives a message as soon as the kernel takes it.
    pub(super) fn give_when_possible(&mut self, message: Bytes) {
        self.held = Some(message);
    }

    /// What a blocking call would have returned by now.
    pub(super) async fn returned(&mut self) -> (Result<usize, String>, usize) {
        let deadline = Instant::now() + patience();
        while self.returned.is_none() && Instant::now() < deadline {
            self.push_on().await;
        }
        let Some((result, len)) = self.returned.take() else {
            return (Err("EAGAIN".into()), 0);
        };
        if !self.waits || result.is_err() {
            return (result, len);
        }
        let flushed = poll_fn(|cx| Pin::new(&mut self.socket).poll_flush(cx));
        match tokio::time::timeout(patience(), flushed).await {
            Ok(Ok(())) => (result, len),
            Ok(Err(error)) => (Err(errno(&error).into()), len),
            Err(_) => (Err("nothing".into()), len),
        }
    }

    /// Takes the error, if it has come, with its like for the other direction.
    pub(super) fn claim(&mut self, name: &str) -> bool {
        let before = self.errors.len();
        self.errors.retain(|error| *error != name);
        let found = self.errors.len() < before;
        if found {
            self.claimed.push(name.into());
        }
        found
    }

    /// Whether a later error of a message is no news, because it has failed before.
    pub(super) fn has_failed_once(&self, name: &str) -> bool {
        name == "ECOMM" && self.claimed.iter().any(|claimed| claimed == "ENETDOWN")
    }
}

/// The system's error behind one of ours.
fn errno(error: &StreamError) -> &'static str {
    match error {
        StreamError::NotSent(SendError::Empty | SendError::TooLong { .. }) => "EINVAL",
        StreamError::SendFailed { error, cause, .. } | StreamError::ReceiveFailed { error, cause, .. } => {
            match (error, cause) {
                (TransferError::Overflow, _) => "EMSGSIZE",
                (TransferError::Link, Some(can_link::SendError::Down)) => "ENETDOWN",
                (TransferError::Link, Some(can_link::SendError::Gone)) => "ENODEV",
                (TransferError::Reported(NResult::TimeoutBs), _) => "ECOMM",
                (TransferError::Reported(NResult::TimeoutCr), _) => "ETIMEDOUT",
                (TransferError::Reported(NResult::WrongSn), _) => "EILSEQ",
                (TransferError::Reported(NResult::InvalidFs | NResult::Error), _) => "EBADMSG",
                _ => panic!("{error:?}: {cause:?}"),
            }
        }
        StreamError::Link(can_link::LinkError::Gone { .. }) => "ENODEV",
        other => panic!("{other:?}"),
    }
}
