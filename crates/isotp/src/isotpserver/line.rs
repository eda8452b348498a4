//! Messages as `<hex>` text and back.

use alloc::vec::Vec;
use core::mem;
use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::{DEFAULT_MAX_LEN, Malformed, tolerant};
use crate::error::SendError;

/// Stray bytes after which they are told, though more may follow.
const MAX_STRAY: usize = 4096;

/// What text is taken for a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reading {
    /// An even number of hex digits, at least two, in either case. A `<` always begins a message.
    #[default]
    Strict,
    /// Whatever the original takes (ISO-TP spec ch. 13): within brackets another `<` is a character like any
    /// other, and every two characters are read as `sscanf` does: `<1z>` is 01, `<0x11>` is 00 11.
    Tolerant,
}

/// Whose text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// What text turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A message.
    Message(Bytes),
    /// Text that is none. Decoding goes on behind it.
    Malformed(Malformed),
}

/// Messages of the isotpserver protocol, for `tokio_util::codec::Framed` on a stream of bytes.
///
/// It takes all bytes that it is given and keeps at most the characters of one message, as they arrive.
/// Malformed text is an item and never an error, so that it does not end the stream.
#[derive(Clone, Debug)]
pub struct LineCodec {
    side: Side,
    reading: Reading,
    max_len: usize,
    state: State,
    /// What stood behind the opening bracket so far.
    text: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a `<`, behind so many bytes that do not belong there.
    Outside { stray: usize },
    /// Behind a `<`.
    Inside,
    /// In what follows the part of a message that was too long.
    Excess,
}

const OUTSIDE: State = State::Outside { stray: 0 };

impl LineCodec {
    /// A codec that writes as the server does: `<HEX>` and a line feed, in upper case.
    #[must_use]
    pub const fn server() -> Self {
        Self::new(Side::Server)
    }

    /// A codec that writes as aioisotp does: `<hex>` in lower case and nothing behind it.
    #[must_use]
    pub const fn client() -> Self {
        Self::new(Side::Client)
    }

    const fn new(side: Side) -> Self {
        Self {
            side,
            reading: Reading::Strict,
            max_len: DEFAULT_MAX_LEN,
            state: OUTSIDE,
            text: Vec::new(),
        }
    }

    /// What text is taken for a message. Default: strict.
    #[must_use]
    pub fn reading(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }

    /// The longest message in bytes, in either direction. Default: 6000, as the original.
    #[must_use]
    pub fn max_len(self, max_len: usize) -> Self {
        Self { max_len, ..self }
    }

    /// Takes bytes up to the first one that ends an item.
    fn step(&mut self, source: &mut BytesMut) -> Option<Decoded> {
        match self.state {
            State::Outside { stray } => self.outside(source, stray),
            State::Inside => match self.reading {
                Reading::Strict => self.inside_strict(source),
                Reading::Tolerant => self.inside_tolerant(source),
            },
            State::Excess => {
                let end = source.iter().position(|byte| matches!(byte, b'<' | b'>'));
                let closed = end.and_then(|end| source.get(end)) == Some(&b'>');
                source.advance(end.map_or(source.len(), |end| end + usize::from(closed)));
                if end.is_some() {
                    self.state = OUTSIDE;
                }
                None
            }
        }
    }

    fn outside(&mut self, source: &mut BytesMut, mut stray: usize) -> Option<Decoded> {
        let is_end = |byte: u8| matches!(byte, b'<' | b'\r' | b'\n');
        let room = MAX_STRAY - stray;
        let found = source.iter().take(room).position(|&byte| is_end(byte));
        let taken = found.unwrap_or_else(|| source.len().min(room));
        source.advance(taken);
        stray += taken;
        if stray > 0 && (found.is_some() || stray == MAX_STRAY) {
            self.state = OUTSIDE;
            return Some(Decoded::Malformed(Malformed::Stray { len: stray }));
        }
        self.state = State::Outside { stray };
        if found.is_some() && source.get_u8() == b'<' {
            self.state = State::Inside;
        }
        None
    }

    fn inside_strict(&mut self, source: &mut BytesMut) -> Option<Decoded> {
        // One character more than fits tells that the message is too long.
        let room = self.max_text() + 1 - self.text.len();
        let is_bracket = |byte: &u8| matches!(byte, b'<' | b'>');
        let found = source.iter().take(room).position(is_bracket);
        self.take(source, found.unwrap_or_else(|| source.len().min(room)));
        if found.is_none() {
            return (self.text.len() > self.max_text()).then(|| self.too_long());
        }
        if source.first() == Some(&b'<') {
            self.state = OUTSIDE;
            let len = mem::take(&mut self.text).len();
            return Some(Decoded::Malformed(Malformed::Unfinished { len }));
        }
        source.advance(1);
        Some(self.finish(strict))
    }

    /// The original stores a character, even a bracket, before it sees that there is no room for it.
    fn inside_tolerant(&mut self, source: &mut BytesMut) -> Option<Decoded> {
        let room = self.max_text() + 2 - self.text.len();
        let found = source.iter().take(room).position(|&byte| byte == b'>');
        self.take(source, found.unwrap_or_else(|| source.len().min(room)));
        if self.text.len() > self.max_text() && (found.is_some() || self.text.len() == self.max_text() + 2) {
            let too_long = self.too_long();
            if found.is_some() {
                source.advance(1);
                self.state = OUTSIDE;
            }
            return Some(too_long);
        }
        found?;
        source.advance(1);
        Some(self.finish(tolerant::parse))
    }

    /// The characters of the longest message.
    const fn max_text(&self) -> usize {
        // Far from where sums of it overflow.
        let longest = usize::MAX / 4;
        if self.max_len < longest {
            self.max_len * 2
        } else {
            longest * 2
        }
    }

    fn take(&mut self, source: &mut BytesMut, count: usize) {
        self.text
            .extend_from_slice(source.get(..count).unwrap_or_default());
        source.advance(count);
    }

    fn too_long(&mut self) -> Decoded {
        self.state = State::Excess;
        self.text = Vec::new();
        Decoded::Malformed(Malformed::TooLong { max: self.max_len })
    }

    fn finish(&mut self, parse: fn(&[u8]) -> Result<Bytes, Malformed>) -> Decoded {
        self.state = OUTSIDE;
        let decoded = parse(&self.text).map_or_else(Decoded::Malformed, Decoded::Message);
        self.text.clear();
        decoded
    }
}

fn strict(text: &[u8]) -> Result<Bytes, Malformed> {
    let foreign = text.iter().zip(0..).find(|(byte, _)| !byte.is_ascii_hexdigit());
    if let Some((&byte, at)) = foreign {
        return Err(Malformed::NotHex { at, byte });
    }
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Malformed::Odd { digits: text.len() });
    }
    if pairs.is_empty() {
        return Err(Malformed::Empty);
    }
    let value = |digit| tolerant::digit(digit).unwrap_or_default();
    Ok(pairs
        .iter()
        .map(|&[high, low]| value(high) << 4 | value(low))
        .collect())
}

impl Decoder for LineCodec {
    type Item = Decoded;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Decoded>> {
        while !source.is_empty() {
            if let Some(decoded) = self.step(source) {
                return Ok(Some(decoded));
            }
        }
        Ok(None)
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> io::Result<Option<Decoded>> {
        if let Some(decoded) = self.decode(source)? {
            return Ok(Some(decoded));
        }
        let left = match mem::replace(&mut self.state, OUTSIDE) {
            State::Outside { stray: 0 } | State::Excess => None,
            State::Outside { stray } => Some(Malformed::Stray { len: stray }),
            State::Inside => Some(Malformed::Unfinished {
                len: mem::take(&mut self.text).len(),
            }),
        };
        Ok(left.map(Decoded::Malformed))
    }
}

impl Encoder<Bytes> for LineCodec {
    type Error = io::Error;

    /// # Errors
    /// When the message is empty or too long; nothing is written then.
    fn encode(&mut self, message: Bytes, out: &mut BytesMut) -> io::Result<()> {
        self.check(&message)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let (letters, end): (_, &[u8]) = match self.side {
            Side::Client => (b'a', b">"),
            Side::Server => (b'A', b">\n"),
        };
        out.reserve(message.len() * 2 + 1 + end.len());
        out.put_u8(b'<');
        for byte in message {
            for value in [byte >> 4, byte & 0xF] {
                out.put_u8(if value < 10 {
                    b'0' + value
                } else {
                    letters + (value - 10)
                });
            }
        }
        out.put_slice(end);
        Ok(())
    }
}

impl LineCodec {
    /// Whether a message can be written.
    pub(super) fn check(&self, message: &[u8]) -> Result<(), SendError> {
        match message.len() {
            0 => Err(SendError::Empty),
            len if len > self.max_len => Err(SendError::TooLong {
                len,
                max: self.max_len,
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
