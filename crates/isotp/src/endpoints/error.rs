//! Why there is no room for another endpoint.

use core::fmt;

use can_link::{Id, StandardId};
use thiserror::Error;

use super::{EndpointId, GroupId};
use crate::address::{RxAddress, Target};

/// Who on a bus receives certain frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// An endpoint.
    Endpoint(EndpointId),
    /// Whoever may answer the requests of a group.
    Group(GroupId),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(id) => write!(f, "endpoint {id}"),
            Self::Group(id) => write!(f, "group {id}"),
        }
    }
}

/// Why an endpoint or a group was not added. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum InsertError {
    /// Both would receive, and acknowledge, the same frames.
    #[error("{} is received by {holder} already", Frames { id: *id, byte: *byte })]
    Clash {
        /// The identifier that the new one would receive.
        id: Id,
        /// The address byte that it would expect.
        byte: Option<u8>,
        /// Who receives such frames already.
        holder: Holder,
    },
    /// There are as many as the limit allows.
    #[error("there are {limit} endpoints, which is the limit")]
    Full {
        /// The limit.
        limit: usize,
    },
}

impl InsertError {
    pub(super) fn clash(rx: &RxAddress, holder: Holder) -> Self {
        Self::Clash {
            // Every address has a physical identifier.
            id: rx.id(Target::Physical).unwrap_or(Id::Standard(StandardId::ZERO)),
            byte: rx.address_byte(),
            holder,
        }
    }
}

/// Frames by identifier and address byte, in words.
struct Frames {
    id: Id,
    byte: Option<u8>,
}

impl fmt::Display for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Id::Standard(id) => write!(f, "CAN identifier {:03X}", id.as_raw())?,
            Id::Extended(id) => write!(f, "CAN identifier {:08X}", id.as_raw())?,
        }
        match self.byte {
            Some(byte) => write!(f, " with address byte {byte:02X}"),
            None => Ok(()),
        }
    }
}
