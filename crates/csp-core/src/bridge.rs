//! A bridge: two interfaces, and everything from one goes to the other (section 12).

use thiserror::Error;

use crate::InterfaceId;
use crate::dedup::Dedup;

/// Packets that a bridge remembers within the window of
/// [`DedupConfig`](crate::DedupConfig), or more if that is set deeper.
///
/// More than a 1 Mbit/s bus carries in 100 ms: in a loop of links every packet is on its way at once.
pub const BRIDGE_DEPTH: usize = 1024;

/// Why two interfaces cannot be bridged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BridgeError {
    /// There is no such interface.
    #[error("there is no {interface:?}")]
    UnknownInterface {
        /// The interface given.
        interface: InterfaceId,
    },
    /// Both ends are the same interface.
    #[error("an interface cannot be bridged with itself")]
    SameInterface,
    /// One end is the loopback, where nothing arrives from others.
    #[error("the loopback interface cannot be bridged")]
    Loopback,
}

/// The bridge of a node.
#[derive(Debug)]
pub(crate) struct Bridge {
    pub(crate) ends: [InterfaceId; 2],
    /// Packets that were on one of the two links; one that comes again has gone round in a loop.
    pub(crate) memory: Dedup,
}

impl Bridge {
    /// The other end, if `interface` is one.
    pub(crate) fn across(&self, interface: InterfaceId) -> Option<InterfaceId> {
        match self.ends {
            [one, other] if one == interface => Some(other),
            [other, one] if one == interface => Some(other),
            _ => None,
        }
    }
}
