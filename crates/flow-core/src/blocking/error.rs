//! The exceptions of PyOuroboros, as it should have raised them.

use alloc::boxed::Box;
use alloc::format;
#[cfg(unix)]
use core::error::Error as _;
use std::io;

use thiserror::Error;

use super::bell::Ended;
use crate::error::{
    AcceptError, AllocError, BindError, DeallocError, Errno, JoinError, ReadError, ReadLineError, SetError,
    WriteError, WriteLineError,
};
use crate::name::NameError;
#[cfg(unix)]
use crate::{error::LayerError, providers::machine::NamesError};

/// What failed beneath an [`enum@Error`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// A text is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No flow was allocated.
    #[error(transparent)]
    Alloc(#[from] AllocError),
    /// No flow was accepted.
    #[error(transparent)]
    Accept(#[from] AcceptError),
    /// A broadcast layer was not joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// A name was not bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A name's settings were not changed.
    #[cfg(unix)]
    #[error(transparent)]
    Names(#[from] NamesError),
    /// Nothing was read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nothing was written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// No line was read.
    #[error(transparent)]
    ReadLine(#[from] ReadLineError),
    /// No line was written.
    #[error(transparent)]
    WriteLine(#[from] WriteLineError),
    /// A flow was not added to a set.
    #[error(transparent)]
    Set(#[from] SetError),
    /// The flow keeps no order, so it has none of the flags that govern how.
    #[error("the flow keeps no order")]
    Unordered,
    /// There is no layer that gives flows to this process.
    #[error("{reason}")]
    Layer {
        /// Why.
        reason: Box<str>,
        /// The number that says so.
        errno: Errno,
    },
}

impl Failure {
    #[cfg(unix)]
    pub(super) fn layer(error: &LayerError) -> Self {
        Self::Layer {
            reason: match error.source() {
                Some(source) => format!("{error}: {source}").into(),
                None => format!("{error}").into(),
            },
            errno: error.errno(),
        }
    }

    pub(super) fn thread(error: &io::Error) -> Self {
        Self::Layer {
            reason: format!("starting a thread for flows: {error}").into(),
            errno: Errno::NoMem,
        }
    }

    /// The number of the C peer for it.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Name(_) => Errno::Inval,
            Self::Alloc(error) => error.errno(),
            Self::Accept(error) => error.errno(),
            Self::Join(error) => error.errno(),
            Self::Bind(error) => error.errno(),
            #[cfg(unix)]
            Self::Names(error) => error.errno(),
            Self::Read(error) => error.errno(),
            Self::Write(error) => error.errno(),
            Self::ReadLine(error) => error.errno(),
            Self::WriteLine(error) => error.errno(),
            Self::Set(error) => error.errno(),
            Self::Unordered => Errno::Perm,
            Self::Layer { errno, .. } => *errno,
        }
    }
}

/// Why a call failed: the exceptions of PyOuroboros, and those of Python that it raises or should.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The object has a flow already.
    #[error("the flow is allocated already")]
    FlowAllocatedException,
    /// The object has no flow: it never had, or it was deallocated (ENOTALLOC).
    #[error("the flow is not allocated")]
    FlowNotAllocatedException,
    /// The flow is down, or its peer is gone (EFLOWDOWN, EFLOWPEER, ECONNRESET).
    #[error(transparent)]
    FlowDownException(Failure),
    /// The flow, or the user, may not do that (EPERM, EAUTH).
    #[error(transparent)]
    FlowPermissionException(Failure),
    /// Another failure of a flow.
    #[error(transparent)]
    FlowException(Failure),
    /// The flow is deallocated, and the peer has not read everything.
    #[error(transparent)]
    FlowDeallocWarning(DeallocError),
    /// A set cannot tell events any more. Time that ran out is a [`TimeoutError`](Self::TimeoutError).
    #[error(transparent)]
    FlowEventError(Failure),
    /// Names cannot be managed here.
    #[error(transparent)]
    IrmError(Failure),
    /// A name was not created or destroyed.
    #[error(transparent)]
    NameError(Failure),
    /// A program or process was not bound to a name, or not let go.
    #[error(transparent)]
    BindError(Failure),
    /// Time ran out (ETIMEDOUT).
    #[error("time ran out")]
    TimeoutError,
    /// An argument makes no sense (EINVAL).
    #[error(transparent)]
    ValueError(Failure),
    /// A limit is reached (ENOMEM).
    #[error(transparent)]
    MemoryError(Failure),
    /// Nothing there, or no room, and the call does not wait (EAGAIN).
    #[error(transparent)]
    BlockingIOError(Failure),
    /// Another thread ended the wait.
    #[error("the wait was ended by another thread")]
    KeyboardInterrupt,
}

impl Error {
    /// The number of the C peer for it; `None` of a wait that another thread ended, and of a flow that is
    /// allocated already, which are none of its calls' outcomes.
    #[must_use]
    pub const fn errno(&self) -> Option<Errno> {
        Some(match self {
            Self::FlowAllocatedException | Self::KeyboardInterrupt => return None,
            Self::FlowNotAllocatedException => Errno::NotAlloc,
            Self::FlowDownException(failure)
            | Self::FlowPermissionException(failure)
            | Self::FlowException(failure)
            | Self::FlowEventError(failure)
            | Self::IrmError(failure)
            | Self::NameError(failure)
            | Self::BindError(failure)
            | Self::ValueError(failure)
            | Self::MemoryError(failure)
            | Self::BlockingIOError(failure) => failure.errno(),
            Self::FlowDeallocWarning(error) => error.errno(),
            Self::TimeoutError => Errno::TimedOut,
        })
    }
}

impl<F: Into<Failure>> From<F> for Error {
    fn from(failure: F) -> Self {
        let failure = failure.into();
        match failure.errno() {
            Errno::TimedOut => Self::TimeoutError,
            Errno::NotAlloc => Self::FlowNotAllocatedException,
            Errno::Again => Self::BlockingIOError(failure),
            Errno::NoMem => Self::MemoryError(failure),
            Errno::Inval => Self::ValueError(failure),
            Errno::Perm | Errno::Auth => Self::FlowPermissionException(failure),
            Errno::FlowDown | Errno::FlowPeer | Errno::ConnReset => Self::FlowDownException(failure),
            _ => Self::FlowException(failure),
        }
    }
}

impl From<Ended> for Error {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::TimedOut => Self::TimeoutError,
            Ended::Interrupted => Self::KeyboardInterrupt,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match (&error, error.errno()) {
            (Error::FlowAllocatedException, _) => io::ErrorKind::AlreadyExists,
            (_, Some(errno)) => errno.kind(),
            (_, None) => io::ErrorKind::Interrupted,
        };
        Self::new(kind, error)
    }
}
