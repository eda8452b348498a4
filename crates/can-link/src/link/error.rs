//! Why a link cannot be used, and why a frame was not sent.

use alloc::string::String;
use std::io;

use thiserror::Error;

use crate::error_frame::BusState;

/// Why a link cannot be opened or used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// There is no such link.
    #[error(
        "{link}: no such CAN interface{}",
        .fix.map_or_else(String::new, |fix| alloc::format!("; {fix}"))
    )]
    NotFound {
        /// The link as it was named.
        link: String,
        /// What would help, where that is known.
        fix: Option<&'static str>,
    },
    /// The interface is down.
    #[error("{link}: interface is down; bring it up with: ip link set {link} up")]
    Down {
        /// The interface.
        link: String,
    },
    /// The interface or peer is gone for good.
    #[error("{link}: the link is gone")]
    Gone {
        /// The link as it was named.
        link: String,
    },
    /// The system refuses access.
    #[error("{link}: permission denied")]
    Permission {
        /// The link as it was named.
        link: String,
    },
    /// The peer does not speak the link's protocol.
    #[error("{link}: {what}")]
    Protocol {
        /// The link as it was named.
        link: String,
        /// What was expected and what came.
        what: String,
    },
    /// The link was closed.
    #[error("the link is closed")]
    Closed,
    /// This link, build or system cannot do it.
    #[error("{what}")]
    Unsupported {
        /// What is not supported, and what would help.
        what: String,
    },
    /// The system reported something else.
    #[error("{context}: {source}")]
    Io {
        /// What was being done.
        context: String,
        /// The system's error.
        source: io::Error,
    },
}

impl LinkError {
    /// An unexpected system error while doing `context`.
    pub fn io(context: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            context: context.into(),
            source,
        }
    }

    /// Something that this link, build or system cannot do.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }
}

impl From<LinkError> for io::Error {
    fn from(error: LinkError) -> Self {
        let kind = match &error {
            LinkError::NotFound { .. } => io::ErrorKind::NotFound,
            LinkError::Down { .. } => io::ErrorKind::NetworkDown,
            LinkError::Gone { .. } | LinkError::Closed => io::ErrorKind::NotConnected,
            LinkError::Permission { .. } => io::ErrorKind::PermissionDenied,
            LinkError::Protocol { .. } => io::ErrorKind::InvalidData,
            LinkError::Unsupported { .. } => io::ErrorKind::Unsupported,
            LinkError::Io { source, .. } => source.kind(),
        };
        Self::new(kind, error)
    }
}

/// What a send waited for in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bottleneck {
    /// The socket's own memory.
    Socket,
    /// The interface's transmit queue, which other programs share.
    DeviceQueue,
    /// A queue of this process or of the peer.
    Queue,
}

impl core::fmt::Display for Bottleneck {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Socket => "the socket's send memory",
            Self::DeviceQueue => "the interface's transmit queue",
            Self::Queue => "the send queue",
        })
    }
}

/// Why a frame was not sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The link cannot carry such a frame.
    #[error("the link does not carry {what}")]
    Unsupported {
        /// The kind of frame.
        what: &'static str,
    },
    /// The interface is down.
    #[error("the interface is down")]
    Down,
    /// The interface or peer is gone for good.
    #[error("the link is gone")]
    Gone,
    /// The link was closed.
    #[error("the link is closed")]
    Closed,
    /// The controller is off the bus; frames would be sent stale after a restart.
    #[error("the controller is bus-off")]
    BusOff,
    /// The frame was sent, but its echo may have been lost, so that nothing proves the transmission.
    #[error("the frame was sent, but its echo was lost")]
    Unconfirmed,
    /// The configured send timeout passed.
    #[error("timed out waiting for {waiting_for} (bus state: {state})")]
    Timeout {
        /// What was full.
        waiting_for: Bottleneck,
        /// The controller's last known state.
        state: BusState,
    },
    /// The system reported something else.
    #[error("sending a CAN frame: {0}")]
    Io(#[from] io::Error),
}

impl From<SendError> for io::Error {
    fn from(error: SendError) -> Self {
        let kind = match &error {
            SendError::Unsupported { .. } => io::ErrorKind::InvalidInput,
            SendError::Down => io::ErrorKind::NetworkDown,
            SendError::Gone | SendError::Closed => io::ErrorKind::NotConnected,
            SendError::BusOff | SendError::Unconfirmed => io::ErrorKind::ConnectionAborted,
            SendError::Timeout { .. } => io::ErrorKind::TimedOut,
            SendError::Io(source) => source.kind(),
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn errors_tell_the_fix_where_it_is_known() {
        let error = LinkError::NotFound {
            link: "vcan0".into(),
            fix: Some("ip link add vcan0 type vcan"),
        };
        assert_eq!(
            error.to_string(),
            "vcan0: no such CAN interface; ip link add vcan0 type vcan"
        );
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_send_timeout_names_the_bottleneck_and_the_bus_state() {
        let error = SendError::Timeout {
            waiting_for: Bottleneck::DeviceQueue,
            state: BusState::Passive,
        };
        assert_eq!(
            error.to_string(),
            "timed out waiting for the interface's transmit queue (bus state: error passive)"
        );
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
    }
}
