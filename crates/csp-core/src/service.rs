//! The services on ports 0 to 6.
//!
//! What a server answers and what a client asks and expects (section 11).
//!
//! One file per service, pure functions of a request. The node decides who may ask (SVC-1) and sends the
//! reply to where the request came from (SVC-2).

pub mod ping;

use bytes::Bytes;

use crate::Port;

/// A service that a node can offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Service {
    /// Echo, on port 1.
    Ping,
}

impl Service {
    /// The port it is on.
    #[must_use]
    pub const fn port(self) -> Port {
        match self {
            Self::Ping => Port::PING,
        }
    }

    /// The payload of the answer to `request`; `None`: no answer.
    pub(crate) fn answer(self, request: Bytes) -> Option<Bytes> {
        match self {
            Self::Ping => Some(request),
        }
    }
}
