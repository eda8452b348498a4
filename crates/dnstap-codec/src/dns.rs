//! DNS messages, as far as they can be walked without knowing record types: header, questions, records.
//!
//! Nothing is allocated, and what comes before a cut or a malformed part can always be read.

mod mnemonic;
mod name;
mod record;

use core::fmt;

use thiserror::Error;

pub use mnemonic::{Class, MnemonicError, Opcode, QType, Rcode};
pub use name::Name;
pub use record::{Message, Questions, Record, Records, Section};

/// Why a part of a DNS message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DnsError {
    /// The message ends too early.
    #[error("DNS message ends inside its {field}")]
    Short {
        /// Which part.
        field: &'static str,
    },
    /// A label that is neither text nor a pointer back, or too many of them.
    #[error("malformed name in a DNS message")]
    Label,
}

/// The header of a DNS message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Query identifier.
    pub id: u16,
    /// All flag bits, opcode and rcode included.
    pub flags: u16,
    /// Questions.
    pub questions: u16,
    /// Answer records.
    pub answers: u16,
    /// Authority records.
    pub authorities: u16,
    /// Additional records.
    pub additionals: u16,
}

impl Header {
    /// Length on the wire, in bytes.
    pub const LEN: usize = 12;

    /// Reads the header of `message`.
    ///
    /// # Errors
    /// When the message is shorter than 12 bytes.
    pub fn decode(message: &[u8]) -> Result<Self, DnsError> {
        let (head, _) = message
            .split_first_chunk::<{ Self::LEN }>()
            .ok_or(DnsError::Short { field: "header" })?;
        let [i, j, f, g, q, r, a, b, n, o, x, y] = *head;
        Ok(Self {
            id: u16::from_be_bytes([i, j]),
            flags: u16::from_be_bytes([f, g]),
            questions: u16::from_be_bytes([q, r]),
            answers: u16::from_be_bytes([a, b]),
            authorities: u16::from_be_bytes([n, o]),
            additionals: u16::from_be_bytes([x, y]),
        })
    }

    /// Whether it is a response.
    #[must_use]
    pub const fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// Kind of query, 0 to 15; 0 is a plain query.
    #[must_use]
    pub const fn opcode(&self) -> u8 {
        self.flags.to_be_bytes()[0] >> 3 & 0x0f
    }

    /// The same as a number with a name.
    #[must_use]
    pub const fn opcode_name(&self) -> Opcode {
        Opcode(self.opcode())
    }

    /// Response code.
    #[must_use]
    pub const fn rcode(&self) -> Rcode {
        Rcode(self.flags & 0x0f)
    }
}

/// The first question of a DNS message. Displays as `AAAA example.org.`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The name asked for.
    pub name: Name<'a>,
    /// The record type asked for.
    pub qtype: QType,
    /// The class asked for; 1 is the Internet.
    pub class: u16,
}

impl<'a> Question<'a> {
    /// Reads the first question of `message`; `None` when it has none.
    ///
    /// # Errors
    /// When the message is cut or its name malformed.
    pub fn decode(message: &'a [u8]) -> Result<Option<Self>, DnsError> {
        if Header::decode(message)?.questions == 0 {
            return Ok(None);
        }
        Self::at(message, Header::LEN).map(|(question, _)| Some(question))
    }

    /// The question at `offset`, and where the bytes behind it begin.
    fn at(message: &'a [u8], offset: usize) -> Result<(Self, usize), DnsError> {
        let (name, behind) = Name::decode(message, offset)?;
        let fixed = message.get(behind..).and_then(<[u8]>::first_chunk::<4>);
        let [t, u, c, d] = *fixed.ok_or(DnsError::Short { field: "question" })?;
        let question = Self {
            name,
            qtype: QType(u16::from_be_bytes([t, u])),
            class: u16::from_be_bytes([c, d]),
        };
        Ok((question, behind + 4))
    }
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.qtype, self.name)
    }
}

#[cfg(test)]
mod tests;
