//! A message to send, wherever its bytes are.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::{Payload, SourceFailed};

/// A message to send: in memory, or a source of any kind.
pub struct Outgoing(Inner);

enum Inner {
    Memory(Bytes),
    Source(Box<dyn Payload + Send>),
}

// An idle endpoint has room for one of them.
const _: () = assert!(size_of::<Outgoing>() == size_of::<Bytes>());

impl Outgoing {
    /// A message that `source` produces while it is sent.
    pub fn from_source(source: impl Payload + Send + 'static) -> Self {
        Self(Inner::Source(Box::new(source)))
    }
}

impl From<Bytes> for Outgoing {
    fn from(message: Bytes) -> Self {
        Self(Inner::Memory(message))
    }
}

impl From<Vec<u8>> for Outgoing {
    fn from(message: Vec<u8>) -> Self {
        Bytes::from(message).into()
    }
}

impl Payload for Outgoing {
    fn message_len(&self) -> usize {
        match &self.0 {
            Inner::Memory(bytes) => bytes.len(),
            Inner::Source(source) => source.message_len(),
        }
    }

    fn supply(&mut self, offset: usize, part: &mut [u8]) -> Result<usize, SourceFailed> {
        match &mut self.0 {
            Inner::Memory(bytes) => bytes.supply(offset, part),
            Inner::Source(source) => source.supply(offset, part),
        }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Inner::Memory(_) => "Memory",
            Inner::Source(_) => "Source",
        };
        f.debug_struct(kind).field("len", &self.message_len()).finish()
    }
}
