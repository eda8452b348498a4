//! From messages to bytes, fields in ascending order.

use thiserror::Error;

use crate::wire::{Count, Put, Writer};
use crate::{Dnstap, Message, Policy};

/// Why a payload was not encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The buffer is too small.
    #[error("payload of {need} bytes, the buffer holds {got}")]
    Short {
        /// Length of the payload, in bytes.
        need: usize,
        /// Length of the buffer.
        got: usize,
    },
}

impl Dnstap<'_> {
    /// Length of the encoded payload, in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let mut count = Count::default();
        self.put(&mut count);
        count.0
    }

    /// Encodes into the front of `buffer` and gives the length.
    ///
    /// # Errors
    /// When the buffer is shorter than [`encoded_len`](Self::encoded_len); it is left as it was.
    pub fn encode_into(&self, buffer: &mut [u8]) -> Result<usize, EncodeError> {
        let (need, got) = (self.encoded_len(), buffer.len());
        if need > got {
            return Err(EncodeError::Short { need, got });
        }
        self.put(&mut Front(buffer.iter_mut()));
        Ok(need)
    }

    /// Encodes into a new vector.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn encode(&self) -> alloc::vec::Vec<u8> {
        let mut payload = alloc::vec::Vec::with_capacity(self.encoded_len());
        self.put(&mut payload);
        payload
    }

    fn put<P: Put>(&self, to: &mut P) {
        let mut writer = Writer(to);
        writer.bytes(1, self.identity);
        writer.bytes(2, self.version);
        writer.bytes(3, self.extra);
        if let Some(message) = &self.message {
            let mut count = Count::default();
            message.put(&mut count);
            writer.header(14, count.0);
            message.put(writer.0);
        }
        writer.enumeration(15, Some(self.dnstap_type.to_bits()));
    }
}

impl Message<'_> {
    fn put<P: Put>(&self, to: &mut P) {
        let mut writer = Writer(to);
        writer.enumeration(1, Some(self.message_type.to_bits()));
        writer.enumeration(2, self.socket_family.map(crate::SocketFamily::to_bits));
        writer.enumeration(3, self.socket_protocol.map(crate::SocketProtocol::to_bits));
        writer.bytes(4, self.query_address);
        writer.bytes(5, self.response_address);
        writer.number(6, self.query_port.map(u64::from));
        writer.number(7, self.response_port.map(u64::from));
        writer.number(8, self.query_time_sec);
        writer.fixed32(9, self.query_time_nsec);
        writer.bytes(10, self.query_message);
        writer.bytes(11, self.query_zone);
        writer.number(12, self.response_time_sec);
        writer.fixed32(13, self.response_time_nsec);
        writer.bytes(14, self.response_message);
        if let Some(policy) = &self.policy {
            let mut count = Count::default();
            policy.put(&mut count);
            writer.header(15, count.0);
            policy.put(writer.0);
        }
        writer.enumeration(16, self.http_protocol.map(crate::HttpProtocol::to_bits));
    }
}

impl Policy<'_> {
    fn put<P: Put>(&self, to: &mut P) {
        let mut writer = Writer(to);
        writer.bytes(1, self.policy_type);
        writer.bytes(2, self.rule);
        writer.enumeration(3, self.action.map(crate::PolicyAction::to_bits));
        writer.enumeration(4, self.matched.map(crate::PolicyMatch::to_bits));
        writer.bytes(5, self.value);
    }
}

/// Writes to the front of a slice that is long enough.
struct Front<'b>(core::slice::IterMut<'b, u8>);

impl Put for Front<'_> {
    fn put(&mut self, bytes: &[u8]) {
        for (from, to) in bytes.iter().zip(&mut self.0) {
            *to = *from;
        }
    }
}
