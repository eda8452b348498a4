//! The error numbers of the C peer.

use super::{
    AcceptError, AllocError, BindError, DeallocError, FlowError, JoinError, ReadError, SetError, WriteError,
};

/// An error number of the C peer, whose calls return it negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum Errno {
    /// EPERM.
    Perm = 1,
    /// EAGAIN.
    Again = 11,
    /// ENOMEM.
    NoMem = 12,
    /// EINVAL.
    Inval = 22,
    /// EMSGSIZE.
    MsgSize = 90,
    /// ENOTSUP.
    NotSup = 95,
    /// ETIMEDOUT.
    TimedOut = 110,
    /// ENOTALLOC: no such flow.
    NotAlloc = 1000,
    /// EFLOWDOWN: the flow is down.
    FlowDown = 1005,
    /// EFLOWPEER: the peer is silent.
    FlowPeer = 1006,
    /// ENAME: no such name.
    Name = 1007,
}

impl Errno {
    /// The number, positive.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The name that the C headers have for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Perm => "EPERM",
            Self::Again => "EAGAIN",
            Self::NoMem => "ENOMEM",
            Self::Inval => "EINVAL",
            Self::MsgSize => "EMSGSIZE",
            Self::NotSup => "ENOTSUP",
            Self::TimedOut => "ETIMEDOUT",
            Self::NotAlloc => "ENOTALLOC",
            Self::FlowDown => "EFLOWDOWN",
            Self::FlowPeer => "EFLOWPEER",
            Self::Name => "ENAME",
        }
    }
}

impl AllocError {
    /// What the C peer would have returned. It says EPERM where its own default timeout ran out; this is
    /// ETIMEDOUT.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::UnknownName { .. } => Errno::Name,
            Self::Qos(_) => Errno::NotSup,
            Self::Busy { .. } => Errno::Again,
            Self::TimedOut => Errno::TimedOut,
        }
    }
}

impl AcceptError {
    /// What the C peer would have returned.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::NoName => Errno::Name,
            Self::TimedOut => Errno::TimedOut,
        }
    }
}

impl JoinError {
    /// What the C peer would have returned.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Unsupported => Errno::NotSup,
            Self::Full { .. } => Errno::NoMem,
            Self::TimedOut => Errno::TimedOut,
        }
    }
}

impl BindError {
    /// What the C peer would have returned.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Full { .. } => Errno::NoMem,
        }
    }
}

impl ReadError {
    /// What the C peer would have returned.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Deallocated | Self::Down => Errno::FlowDown,
            Self::PeerGone => Errno::FlowPeer,
            Self::WriteOnly => Errno::Perm,
            Self::TooSmall(_) => Errno::MsgSize,
            Self::WouldBlock => Errno::Again,
            Self::TimedOut => Errno::TimedOut,
        }
    }
}

impl WriteError {
    /// What the C peer would have returned, did it not swallow errors of writing.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Empty => Errno::Inval,
            Self::TooLong { .. } => Errno::MsgSize,
            Self::Closed => Errno::NotAlloc,
            Self::Deallocated | Self::Down => Errno::FlowDown,
            Self::PeerGone => Errno::FlowPeer,
            Self::ReadOnly | Self::PeerNotReading => Errno::Perm,
            Self::WouldBlock => Errno::Again,
            Self::TimedOut => Errno::TimedOut,
        }
    }
}

impl FlowError {
    /// What the C peer would have returned.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Read(error) => error.errno(),
            Self::Write(error) => error.errno(),
        }
    }
}

impl DeallocError {
    /// What the C peer would have returned, did it not wait for ever.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Unread { .. } => Errno::TimedOut,
            Self::Discarded => Errno::FlowDown,
        }
    }
}

impl SetError {
    /// What the C peer would have returned.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::AlreadyMember => Errno::Perm,
            Self::NoQueue => Errno::Inval,
        }
    }
}

/// Gives each error an `std::io::Error` of the kind that fits its number.
#[cfg(feature = "std")]
macro_rules! into_io_error {
    ($($error:ty),*) => {$(
        impl From<$error> for std::io::Error {
            fn from(error: $error) -> Self {
                Self::new(error.errno().kind(), error)
            }
        }
    )*};
}

#[cfg(feature = "std")]
into_io_error!(
    AllocError,
    AcceptError,
    JoinError,
    BindError,
    ReadError,
    WriteError,
    FlowError,
    DeallocError,
    SetError
);

#[cfg(feature = "std")]
impl Errno {
    /// The kind of I/O error nearest to it.
    #[must_use]
    pub const fn kind(self) -> std::io::ErrorKind {
        use std::io::ErrorKind;
        match self {
            Self::Perm => ErrorKind::PermissionDenied,
            Self::Again => ErrorKind::WouldBlock,
            Self::NoMem => ErrorKind::OutOfMemory,
            Self::Inval | Self::MsgSize => ErrorKind::InvalidInput,
            Self::NotSup => ErrorKind::Unsupported,
            Self::TimedOut | Self::FlowPeer => ErrorKind::TimedOut,
            Self::NotAlloc => ErrorKind::NotConnected,
            Self::FlowDown => ErrorKind::BrokenPipe,
            Self::Name => ErrorKind::NotFound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_peer() {
        assert_eq!(Errno::MsgSize.number(), 90);
        assert_eq!(ReadError::Deallocated.errno().number(), 1005);
        assert_eq!(WriteError::PeerGone.errno().number(), 1006);
        assert_eq!(FlowError::from(ReadError::WouldBlock).errno().name(), "EAGAIN");
    }

    #[cfg(feature = "std")]
    #[test]
    fn an_io_error_has_a_fitting_kind_and_the_same_words() {
        let error = std::io::Error::from(WriteError::TooLong { len: 9, max: 8 });
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert_eq!(
            std::format!("{error}"),
            "packet of 9 bytes, the flow carries at most 8"
        );
    }
}
