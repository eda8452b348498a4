//! What two processes of a layer say to each other.
//!
//! ```text
//! hello    "TWB1" longest(4) length of the name(1) 0(3) name
//! answer   "TWB1" result(1) 0(3) number(4)
//!           result 0: welcome, `number` is the longest packet taken here
//!                  1: denied    2: full, `number` members    3: not this layer
//! then both ways
//! message  kind(1) length(3) payload
//!           kind 1: a packet    2: so many packets (8) were dropped for you
//! ```
//!
//! Numbers are little endian.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::io;
use thiserror::Error;

use crate::name::{MAX_NAME_LEN, Name};

const MAGIC: [u8; 4] = *b"TWB1";
/// Bytes of a hello before the name.
pub const HELLO_LEN: usize = 12;
/// Bytes of the longest hello.
pub const MAX_HELLO_LEN: usize = HELLO_LEN + MAX_NAME_LEN;
/// Bytes of an answer.
pub const ANSWER_LEN: usize = 12;
const HEADER_LEN: usize = 4;
/// The longest packet whose length can be told.
pub const MAX_PACKET: usize = (1 << 24) - 1;
const PACKET: u8 = 1;
const DROPPED: u8 = 2;
/// Packets below this length are copied out of what was read, so that a small one that is kept does not keep
/// what came with it.
const COPY_BELOW: usize = 512;

/// Something that has no meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// It does not begin with what everything here begins with.
    #[error("not a broadcast layer's")]
    Magic,
    /// The layer's name is none.
    #[error("the name is none")]
    Name,
    /// The answer has a result that there is not.
    #[error("result {got} means nothing")]
    Result {
        /// The result.
        got: u8,
    },
    /// There is no such kind of message.
    #[error("message of the unknown kind {got}")]
    Kind {
        /// The kind.
        got: u8,
    },
    /// A message of that kind is not so long.
    #[error("message of kind {kind} with {got} bytes")]
    Length {
        /// The kind.
        kind: u8,
        /// The length in bytes.
        got: usize,
    },
}

impl From<WireError> for io::Error {
    fn from(error: WireError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// What the younger process says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The longest packet that it takes.
    pub longest: u32,
    /// Which layer it joins.
    pub layer: Name,
}

/// What the older process says to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// From now on it hears what is written here.
    Welcome {
        /// The longest packet that is taken here.
        longest: u32,
    },
    /// The layer is not open to its user.
    Denied,
    /// There are as many members as there may be.
    Full {
        /// How many.
        max: u32,
    },
    /// It is not in this layer, or not any more.
    Other,
}

/// What they say then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A packet, of 1 byte and more.
    Packet(Bytes),
    /// So many packets were dropped, which the other did not take.
    Dropped(u64),
}

impl Hello {
    /// Appends it to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        let name = self.layer.as_str().as_bytes();
        out.put_slice(&MAGIC);
        out.put_u32_le(self.longest);
        out.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX)); // a name is no longer than that
        out.put_bytes(0, 3);
        out.put_slice(name);
    }

    /// Takes a hello off `bytes`; `None` when it is not there whole.
    ///
    /// # Errors
    ///
    /// [`WireError`] as soon as what is there can be none.
    pub fn decode(bytes: &mut BytesMut) -> Result<Option<Self>, WireError> {
        check_magic(bytes)?;
        let mut rest: &[u8] = bytes;
        if rest.len() < HELLO_LEN {
            return Ok(None);
        }
        rest.advance(MAGIC.len());
        let longest = rest.get_u32_le();
        let len = usize::from(rest.get_u8());
        rest.advance(3);
        let Some(name) = rest.get(..len) else {
            return Ok(None);
        };
        let layer = Name::from_bytes(name).map_err(|_| WireError::Name)?;
        bytes.advance(HELLO_LEN + len);
        Ok(Some(Self { longest, layer }))
    }
}

impl Answer {
    /// Appends it to `out`.
    pub fn encode(self, out: &mut BytesMut) {
        let (result, number) = match self {
            Self::Welcome { longest } => (0, longest),
            Self::Denied => (1, 0),
            Self::Full { max } => (2, max),
            Self::Other => (3, 0),
        };
        out.put_slice(&MAGIC);
        out.put_slice(&[result, 0, 0, 0]);
        out.put_u32_le(number);
    }

    /// Takes an answer off `bytes`; `None` when it is not there whole.
    ///
    /// # Errors
    ///
    /// [`WireError`] as soon as what is there can be none.
    pub fn decode(bytes: &mut BytesMut) -> Result<Option<Self>, WireError> {
        check_magic(bytes)?;
        let mut rest: &[u8] = bytes;
        if rest.len() < ANSWER_LEN {
            return Ok(None);
        }
        rest.advance(MAGIC.len());
        let result = rest.get_u8();
        rest.advance(3);
        let number = rest.get_u32_le();
        bytes.advance(ANSWER_LEN);
        match result {
            0 => Ok(Some(Self::Welcome { longest: number })),
            1 => Ok(Some(Self::Denied)),
            2 => Ok(Some(Self::Full { max: number })),
            3 => Ok(Some(Self::Other)),
            got => Err(WireError::Result { got }),
        }
    }
}

impl Message {
    /// Appends it to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Packet(packet) => {
                out.put_u8(PACKET);
                let len = u32::try_from(packet.len()).unwrap_or(u32::MAX); // at most MAX_PACKET
                out.put_uint_le(len.into(), 3);
                out.put_slice(packet);
            }
            Self::Dropped(count) => {
                out.put_u8(DROPPED);
                out.put_uint_le(8, 3);
                out.put_u64_le(*count);
            }
        }
    }

    /// Takes a message off `bytes`; `None` when it is not there whole. `max` is the longest packet.
    ///
    /// # Errors
    ///
    /// [`WireError`] as soon as what is there can be none.
    pub fn decode(bytes: &mut BytesMut, max: usize) -> Result<Option<Self>, WireError> {
        let mut rest: &[u8] = bytes;
        if rest.len() < HEADER_LEN {
            return Ok(None);
        }
        let kind = rest.get_u8();
        let len = usize::try_from(rest.get_uint_le(3)).unwrap_or(usize::MAX);
        let fits = match kind {
            PACKET => (1..=max).contains(&len),
            DROPPED => len == 8,
            got => return Err(WireError::Kind { got }),
        };
        if !fits {
            return Err(WireError::Length { kind, got: len });
        }
        if rest.len() < len {
            return Ok(None);
        }
        bytes.advance(HEADER_LEN);
        let mut payload = bytes.split_to(len);
        Ok(Some(if kind == DROPPED {
            Self::Dropped(payload.get_u64_le())
        } else if len < COPY_BELOW {
            Self::Packet(Bytes::copy_from_slice(&payload))
        } else {
            Self::Packet(payload.freeze())
        }))
    }
}

/// Looks at as much of the magic as is there.
fn check_magic(bytes: &[u8]) -> Result<(), WireError> {
    let same = bytes.iter().zip(&MAGIC).all(|(got, wanted)| got == wanted);
    if same { Ok(()) } else { Err(WireError::Magic) }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn messages() -> impl Strategy<Value = Vec<Message>> {
        let packet = proptest::collection::vec(any::<u8>(), 1..700);
        let message = prop_oneof![
            packet.prop_map(|packet| Message::Packet(packet.into())),
            any::<u64>().prop_map(Message::Dropped),
        ];
        proptest::collection::vec(message, 0..9)
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_messages(messages in messages(), cut in 1_usize..97) {
            let mut wire = BytesMut::new();
            messages.iter().for_each(|message| message.encode(&mut wire));
            let (mut read, mut got) = (BytesMut::new(), Vec::new());
            for piece in wire.chunks(cut) {
                read.extend_from_slice(piece);
                while let Some(message) = Message::decode(&mut read, 700).unwrap() {
                    got.push(message);
                }
            }
            prop_assert_eq!(got, messages);
            prop_assert!(read.is_empty());
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), begin in any::<bool>()) {
            let mut wire = BytesMut::from(if begin { &MAGIC[..] } else { &[] });
            wire.extend_from_slice(&bytes);
            let _ = Hello::decode(&mut wire.clone());
            let _ = Answer::decode(&mut wire.clone());
            let _ = Message::decode(&mut wire, 100);
        }

        #[test]
        fn a_handshake_is_what_was_said(longest in any::<u32>(), name in "[^\0]{1,60}", result in 0_u8..4) {
            let hello = Hello { longest, layer: Name::new(&name).unwrap() };
            let answer = match result {
                0 => Answer::Welcome { longest },
                1 => Answer::Denied,
                2 => Answer::Full { max: longest },
                _ => Answer::Other,
            };
            let mut wire = BytesMut::new();
            hello.encode(&mut wire);
            prop_assert_eq!(Hello::decode(&mut wire), Ok(Some(hello)));
            answer.encode(&mut wire);
            prop_assert_eq!(Answer::decode(&mut wire), Ok(Some(answer)));
            prop_assert!(wire.is_empty());
        }
    }

    #[test]
    fn a_packet_longer_than_agreed_is_refused_before_it_comes() {
        let mut wire = BytesMut::from(&[1, 101, 0, 0][..]);
        let error = Message::decode(&mut wire, 100).unwrap_err();
        assert_eq!(error, WireError::Length { kind: 1, got: 101 });
    }
}
