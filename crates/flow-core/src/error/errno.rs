//! The error numbers of the C peer.

use core::fmt;

use super::{
    AcceptError, AllocError, BindError, DeallocError, FlowError, JoinError, ReadError, SetError, WriteError,
};
#[cfg(feature = "std")]
use super::{LayerError, ReadLineError, WriteLineError};

/// An error number of the C peer, whose calls return it negated.
///
/// Each variant of each error has exactly one, by its `errno()`:
///
/// | number | name | who gives it |
/// |---|---|---|
/// | 1 | EPERM | `ReadError::WriteOnly`, `WriteError::{ReadOnly,PeerNotReading}`, `SetError::AlreadyMember` |
/// | 11 | EAGAIN | `AllocError::Busy`, `{Read,Write}Error::WouldBlock` |
/// | 12 | ENOMEM | `{Alloc,Accept,Join,Bind}Error::Full` |
/// | 22 | EINVAL | `{Alloc,Join,Bind}Error::Address`, `WriteError::Empty`, `SetError::NoQueue`, lines |
/// | 90 | EMSGSIZE | `ReadError::TooSmall`, `{Write,ReadLine,WriteLine}Error::TooLong` |
/// | 95 | ENOTSUP | `AllocError::Qos`, `JoinError::Unsupported` |
/// | 104 | ECONNRESET | `{Read,Write}Error::Reset` |
/// | 110 | ETIMEDOUT | `{Alloc,Accept,Join,Read,Write}Error::TimedOut`, `DeallocError::Unread` |
/// | 1000 | ENOTALLOC | `WriteError::Closed`, `blocking::Error::FlowNotAllocatedException` |
/// | 1002 | EIRMD | `LayerError::{NoDirectory, Directory}`, `{Accept,Bind}Error::Layer` |
/// | 1003 | EIPCP | `{Alloc,Join}Error::Unreachable` |
/// | 1005 | EFLOWDOWN | `{Read,Write}Error::{Deallocated, Down}`, `DeallocError::Discarded` |
/// | 1006 | EFLOWPEER | `{Read,Write}Error::PeerGone` |
/// | 1007 | ENAME | `AllocError::UnknownName`, `AcceptError::NoName` |
/// | 1009 | EAUTH | `{Alloc,Join,Bind}Error::Denied`, `LayerError::{Foreign, Open}` |
///
/// Errors that contain another one, of a line or of a `Stream`, have its number. A line that is not UTF-8 or
/// that is two is EINVAL.
///
/// EBADF 9, EIPCPTYPE 1001, EIPCPSTATE 1004 and ECRYPT 1008 are of things that are not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum Errno {
    /// EPERM: the flow cannot be used so.
    Perm = 1,
    /// EBADF: not a number of a flow. A flow is a value here, so nothing gives it.
    BadF = 9,
    /// EAGAIN: nothing there, or no room, and nobody waits.
    Again = 11,
    /// ENOMEM: a limit is reached.
    NoMem = 12,
    /// EINVAL: an argument makes no sense.
    Inval = 22,
    /// EMSGSIZE: packet and buffer, or packet and flow, do not fit.
    MsgSize = 90,
    /// ENOTSUP: not to be had here.
    NotSup = 95,
    /// ECONNRESET: the transport gave up.
    ConnReset = 104,
    /// ETIMEDOUT: time is over.
    TimedOut = 110,
    /// ENOTALLOC: no such flow.
    NotAlloc = 1000,
    /// EIPCPTYPE: no IPCP of that type. There are no IPCPs here, so nothing gives it.
    IpcpType = 1001,
    /// EIRMD: the daemon cannot be reached; here, the directory that stands in its place.
    Irmd = 1002,
    /// EIPCP: nobody can reach the name.
    Ipcp = 1003,
    /// EIPCPSTATE: an IPCP is in the wrong state. There are none here, so nothing gives it.
    IpcpState = 1004,
    /// EFLOWDOWN: the flow is down, or its peer let go.
    FlowDown = 1005,
    /// EFLOWPEER: the peer is silent.
    FlowPeer = 1006,
    /// ENAME: no such name.
    Name = 1007,
    /// ECRYPT: the two sides do not agree on encryption. No layer here negotiates it, so nothing gives it.
    Crypt = 1008,
    /// EAUTH: who asks is not who may.
    Auth = 1009,
}

impl Errno {
    /// All of them, by number.
    pub const ALL: [Self; 19] = [
        Self::Perm,
        Self::BadF,
        Self::Again,
        Self::NoMem,
        Self::Inval,
        Self::MsgSize,
        Self::NotSup,
        Self::ConnReset,
        Self::TimedOut,
        Self::NotAlloc,
        Self::IpcpType,
        Self::Irmd,
        Self::Ipcp,
        Self::IpcpState,
        Self::FlowDown,
        Self::FlowPeer,
        Self::Name,
        Self::Crypt,
        Self::Auth,
    ];

    /// The number, positive.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The one with that number, positive or, as the C calls return it, negated.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        let number = number.checked_abs()?;
        Self::ALL.into_iter().find(|errno| errno.number() == number)
    }

    /// The name that the C headers have for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Perm => "EPERM",
            Self::BadF => "EBADF",
            Self::Again => "EAGAIN",
            Self::NoMem => "ENOMEM",
            Self::Inval => "EINVAL",
            Self::MsgSize => "EMSGSIZE",
            Self::NotSup => "ENOTSUP",
            Self::ConnReset => "ECONNRESET",
            Self::TimedOut => "ETIMEDOUT",
            Self::NotAlloc => "ENOTALLOC",
            Self::IpcpType => "EIPCPTYPE",
            Self::Irmd => "EIRMD",
            Self::Ipcp => "EIPCP",
            Self::IpcpState => "EIPCPSTATE",
            Self::FlowDown => "EFLOWDOWN",
            Self::FlowPeer => "EFLOWPEER",
            Self::Name => "ENAME",
            Self::Crypt => "ECRYPT",
            Self::Auth => "EAUTH",
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.number())
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
            Self::Unreachable { .. } => Errno::Ipcp,
            Self::Address { .. } => Errno::Inval,
            Self::Denied { .. } => Errno::Auth,
            Self::Full { .. } => Errno::NoMem,
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
            Self::Full { .. } => Errno::NoMem,
            Self::Layer { .. } => Errno::Irmd,
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
            Self::Unreachable { .. } => Errno::Ipcp,
            Self::Address { .. } => Errno::Inval,
            Self::Denied => Errno::Auth,
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
            Self::Address { .. } => Errno::Inval,
            Self::Denied { .. } => Errno::Auth,
            Self::Layer { .. } => Errno::Irmd,
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
            Self::Reset => Errno::ConnReset,
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
            Self::Reset => Errno::ConnReset,
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
    ReadLineError,
    WriteError,
    WriteLineError,
    FlowError,
    DeallocError,
    SetError,
    LayerError
);

#[cfg(feature = "std")]
impl Errno {
    /// The kind of I/O error nearest to it.
    #[must_use]
    pub const fn kind(self) -> std::io::ErrorKind {
        use std::io::ErrorKind;
        match self {
            Self::Perm | Self::Auth | Self::Crypt => ErrorKind::PermissionDenied,
            Self::Again => ErrorKind::WouldBlock,
            Self::NoMem => ErrorKind::OutOfMemory,
            Self::Inval | Self::MsgSize | Self::BadF => ErrorKind::InvalidInput,
            Self::NotSup | Self::IpcpType => ErrorKind::Unsupported,
            Self::ConnReset => ErrorKind::ConnectionReset,
            Self::TimedOut | Self::FlowPeer => ErrorKind::TimedOut,
            Self::NotAlloc => ErrorKind::NotConnected,
            Self::FlowDown => ErrorKind::BrokenPipe,
            Self::Name => ErrorKind::NotFound,
            Self::Irmd | Self::Ipcp | Self::IpcpState => ErrorKind::ConnectionRefused,
        }
    }
}

#[cfg(test)]
mod tests;
