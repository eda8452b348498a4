//! Names of endpoints and groups.

use core::fmt;

use super::slab::Key;

/// Names an endpoint for as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub(super) Key);

impl EndpointId {
    /// A small number that no other endpoint of the same bus has at the same time.
    #[cfg(feature = "tokio")]
    pub(crate) fn place(self) -> usize {
        self.0.place()
    }
}

/// Names a group for as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub(super) Key);

impl GroupId {
    /// A small number that no other group of the same bus has at the same time.
    #[cfg(feature = "tokio")]
    pub(crate) fn place(self) -> usize {
        self.0.place()
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0.place(), self.0.generation())
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0.place(), self.0.generation())
    }
}
