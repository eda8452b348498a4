//! From bytes to messages, without copying.

use thiserror::Error;

use crate::enums::{
    DnstapType, HttpProtocol, MessageType, PolicyAction, PolicyMatch, SocketFamily, SocketProtocol,
};
use crate::wire::{Fields, Value};
use crate::{Dnstap, Message, Policy};

/// Why bytes are not a dnstap payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("payload ends inside a field, expected {need} bytes, got {got}")]
    Short {
        /// Bytes that the field needs.
        need: usize,
        /// Bytes that are left.
        got: usize,
    },
    /// A number of more than ten bytes.
    #[error("number of more than ten bytes")]
    Varint,
    /// A field of no kind that there is, the end of a group that never began, or more than 100 groups within
    /// each other.
    #[error("field {field} is of no known wire type")]
    WireType {
        /// The field's number.
        field: u64,
    },
    /// A required field is missing.
    #[error("required field {field} is missing")]
    Missing {
        /// Its name in the schema.
        field: &'static str,
    },
}

impl<'a> Dnstap<'a> {
    /// Decodes the content of one data frame.
    ///
    /// Unknown fields, and known ones of another kind, are passed over, as protobuf asks. Of a repeated field
    /// the last counts; repeated messages add up. The DNS messages inside are not looked at.
    ///
    /// # Errors
    /// When the bytes are not protobuf, or a type is missing. Count the frame and go on with the next one.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let (mut identity, mut version, mut extra, mut message, mut dnstap_type) =
            (None, None, None, None, None);
        let mut fields = Fields::new(payload);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(bytes)) => identity = Some(bytes),
                (2, Value::Bytes(bytes)) => version = Some(bytes),
                (3, Value::Bytes(bytes)) => extra = Some(bytes),
                (14, Value::Bytes(bytes)) => message = Some(Message::decode(bytes, message)?),
                (15, Value::Varint(number)) => dnstap_type = Some(DnstapType::from_bits(enumeration(number))),
                _ => {}
            }
        }
        Ok(Self {
            identity,
            version,
            extra,
            message,
            dnstap_type: dnstap_type.ok_or(DecodeError::Missing { field: "Dnstap.type" })?,
        })
    }
}

impl<'a> Message<'a> {
    /// Decodes field 14 of a payload. A second one adds to the first, as protobuf asks.
    fn decode(bytes: &'a [u8], before: Option<Self>) -> Result<Self, DecodeError> {
        let mut message_type = before.map(|before| before.message_type);
        // The number stands for "not seen": the schema has no type 0.
        let mut message = before.unwrap_or(Message::new(MessageType::Unknown(0)));
        let mut fields = Fields::new(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Varint(number)) => {
                    message_type = Some(MessageType::from_bits(enumeration(number)))
                }
                (2, Value::Varint(number)) => {
                    message.socket_family = Some(SocketFamily::from_bits(enumeration(number)));
                }
                (3, Value::Varint(number)) => {
                    message.socket_protocol = Some(SocketProtocol::from_bits(enumeration(number)));
                }
                (4, Value::Bytes(bytes)) => message.query_address = Some(bytes),
                (5, Value::Bytes(bytes)) => message.response_address = Some(bytes),
                (6, Value::Varint(number)) => message.query_port = Some(low_half(number)),
                (7, Value::Varint(number)) => message.response_port = Some(low_half(number)),
                (8, Value::Varint(number)) => message.query_time_sec = Some(number),
                (9, Value::Fixed32(number)) => message.query_time_nsec = Some(number),
                (10, Value::Bytes(bytes)) => message.query_message = Some(bytes),
                (11, Value::Bytes(bytes)) => message.query_zone = Some(bytes),
                (12, Value::Varint(number)) => message.response_time_sec = Some(number),
                (13, Value::Fixed32(number)) => message.response_time_nsec = Some(number),
                (14, Value::Bytes(bytes)) => message.response_message = Some(bytes),
                (15, Value::Bytes(bytes)) => message.policy = Some(Policy::decode(bytes, message.policy)?),
                (16, Value::Varint(number)) => {
                    message.http_protocol = Some(HttpProtocol::from_bits(enumeration(number)));
                }
                _ => {}
            }
        }
        message.message_type = message_type.ok_or(DecodeError::Missing {
            field: "Message.type",
        })?;
        Ok(message)
    }
}

impl<'a> Policy<'a> {
    /// Decodes field 15 of a message, likewise.
    fn decode(bytes: &'a [u8], before: Option<Self>) -> Result<Self, DecodeError> {
        let mut policy = before.unwrap_or_default();
        let mut fields = Fields::new(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(bytes)) => policy.policy_type = Some(bytes),
                (2, Value::Bytes(bytes)) => policy.rule = Some(bytes),
                (3, Value::Varint(number)) => {
                    policy.action = Some(PolicyAction::from_bits(enumeration(number)))
                }
                (4, Value::Varint(number)) => {
                    policy.matched = Some(PolicyMatch::from_bits(enumeration(number)))
                }
                (5, Value::Bytes(bytes)) => policy.value = Some(bytes),
                _ => {}
            }
        }
        Ok(policy)
    }
}

/// An enumeration's number: the low 32 bits, signed.
fn enumeration(number: u64) -> i32 {
    low_half(number).cast_signed()
}

/// The low 32 bits, which is what protobuf keeps of a number that is too long for its field.
fn low_half(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
#[cfg(feature = "alloc")]
mod tests;
