//! How ISO-TP transfers fail, and which direction a failure belongs to.

use std::io;

use thiserror::Error;

use crate::link::Bottleneck;

/// Why a message was not sent or not received.
///
/// The names are those of the standard's results where it has one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IsoTpError {
    /// A message has at least one byte.
    #[error("an ISO-TP message has at least one byte")]
    Empty,
    /// The message is longer than this socket can send.
    #[error("a message of {len} bytes; this socket sends at most {max}")]
    TooLong {
        /// Bytes of the message.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// N_Cr: a consecutive frame did not come in time. The reception was dropped.
    #[error("the next consecutive frame did not come in time (N_Cr)")]
    TimeoutCr,
    /// A consecutive frame had the wrong sequence number. The reception was dropped.
    #[error("a consecutive frame had the wrong sequence number")]
    WrongSequence,
    /// A frame had the wrong padding, or a flow control was malformed.
    #[error("a frame was malformed or wrongly padded")]
    Invalid,
    /// N_Bs or N_As: no flow control came within a second, or the controller did not send.
    #[error("no flow control came in time (N_Bs), or a frame could not be sent (N_As)")]
    TimeoutBs,
    /// The receiver refused the message because it is too long for it.
    #[error("the receiver has no room for the message")]
    Overflow,
    /// The message did not get away within [`send_timeout`](super::IsoTpOptions::send_timeout), or without
    /// one found no room in the interface's queue for 2 s; it was not taken.
    #[error("timed out waiting for {waiting_for}")]
    Timeout {
        /// [`Bottleneck::Socket`]: the message before is still under way.
        waiting_for: Bottleneck,
    },
    /// The interface is down.
    #[error("the interface is down")]
    Down,
    /// The interface was deleted.
    #[error("the interface is gone")]
    Gone,
    /// The system reported something else.
    #[error("ISO-TP socket: {0}")]
    Io(#[from] io::Error),
}

impl From<IsoTpError> for io::Error {
    fn from(error: IsoTpError) -> Self {
        let kind = match &error {
            IsoTpError::Empty | IsoTpError::TooLong { .. } => io::ErrorKind::InvalidInput,
            IsoTpError::TimeoutCr | IsoTpError::TimeoutBs | IsoTpError::Timeout { .. } => {
                io::ErrorKind::TimedOut
            }
            IsoTpError::WrongSequence | IsoTpError::Invalid => io::ErrorKind::InvalidData,
            IsoTpError::Overflow => io::ErrorKind::StorageFull,
            IsoTpError::Down => io::ErrorKind::NetworkDown,
            IsoTpError::Gone => io::ErrorKind::NotConnected,
            IsoTpError::Io(source) => source.kind(),
        };
        Self::new(kind, error)
    }
}

/// Which direction an error of the shared slot belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Receive,
    Send,
    Both,
}

/// The message last handed to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    /// None, or it is through.
    Idle,
    /// Under way, without an answer: a single frame or a broadcast.
    Plain,
    /// Under way, and the receiver answers.
    Answered,
    /// It has been reported as failed, but the kernel may still be at it: its end is no news.
    Abandoned,
}

/// The direction of an error. `EBADMSG` is a wrongly padded frame or a malformed answer; while one is awaited
/// there is no telling.
pub(super) fn side(errno: i32, transfer: Transfer) -> Side {
    match errno {
        libc::ETIMEDOUT | libc::EILSEQ => Side::Receive,
        libc::ECOMM | libc::EMSGSIZE => Side::Send,
        libc::EBADMSG if transfer != Transfer::Answered => Side::Receive,
        _ => Side::Both,
    }
}

pub(super) fn error(errno: i32) -> IsoTpError {
    match errno {
        libc::ETIMEDOUT => IsoTpError::TimeoutCr,
        libc::EILSEQ => IsoTpError::WrongSequence,
        libc::EBADMSG => IsoTpError::Invalid,
        libc::ECOMM => IsoTpError::TimeoutBs,
        libc::EMSGSIZE => IsoTpError::Overflow,
        libc::ENETDOWN => IsoTpError::Down,
        libc::ENODEV | libc::ENXIO | libc::EADDRNOTAVAIL => IsoTpError::Gone,
        other => IsoTpError::Io(io::Error::from_raw_os_error(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_goes_to_the_direction_it_belongs_to() {
        for transfer in [Transfer::Idle, Transfer::Plain, Transfer::Answered] {
            assert_eq!(side(libc::ETIMEDOUT, transfer), Side::Receive);
            assert_eq!(side(libc::EILSEQ, transfer), Side::Receive);
            assert_eq!(side(libc::ECOMM, transfer), Side::Send);
            assert_eq!(side(libc::EMSGSIZE, transfer), Side::Send);
            assert_eq!(side(libc::ENETDOWN, transfer), Side::Both);
        }
        assert_eq!(side(libc::EBADMSG, Transfer::Plain), Side::Receive);
        assert_eq!(side(libc::EBADMSG, Transfer::Answered), Side::Both);
    }

    #[test]
    fn errors_become_io_errors_of_a_fitting_kind() {
        let kind = |errno| io::Error::from(error(errno)).kind();
        assert_eq!(kind(libc::ECOMM), io::ErrorKind::TimedOut);
        assert_eq!(kind(libc::EILSEQ), io::ErrorKind::InvalidData);
        assert_eq!(kind(libc::ENETDOWN), io::ErrorKind::NetworkDown);
        assert_eq!(kind(libc::ENODEV), io::ErrorKind::NotConnected);
        assert_eq!(kind(libc::EACCES), io::ErrorKind::PermissionDenied);
    }
}
