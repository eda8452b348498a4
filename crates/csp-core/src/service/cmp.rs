//! The management protocol, port 0: type, code, body.
//!
//! A request has type 0, its reply type 255 and the same code. What is no request, has an unknown code, or
//! fails gets no reply (SVC-3).

pub mod clock;
pub mod ident;
pub mod memory;
pub mod route;
pub mod stats;

use alloc::string::String;

use bytes::{BufMut, BytesMut};

use super::{ReplyError, RequestError};

/// Length of type and code.
pub const HEAD_LEN: usize = 2;

const REQUEST: u8 = 0;
const REPLY: u8 = 0xFF;

/// What a management request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// 1: who the node is.
    Identity,
    /// 2: add a route, with one-byte addresses.
    SetRoute1,
    /// 3: counters of an interface.
    InterfaceStats,
    /// 4: read memory at a 32-bit address.
    Peek,
    /// 5: write memory at a 32-bit address.
    Poke,
    /// 6: read or set the clock.
    Clock,
    /// 7: add a route, with two-byte addresses and a netmask.
    SetRoute2,
    /// 8: read memory at a 64-bit address (libcsp 2.2).
    Peek64,
    /// 9: write memory at a 64-bit address (libcsp 2.2).
    Poke64,
}

impl Code {
    const ALL: [Self; 9] = [
        Self::Identity,
        Self::SetRoute1,
        Self::InterfaceStats,
        Self::Peek,
        Self::Poke,
        Self::Clock,
        Self::SetRoute2,
        Self::Peek64,
        Self::Poke64,
    ];

    /// The code `bits`; `None` if there is no such service.
    #[must_use]
    pub fn from_bits(bits: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.to_bits() == bits)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        match self {
            Self::Identity => 1,
            Self::SetRoute1 => 2,
            Self::InterfaceStats => 3,
            Self::Peek => 4,
            Self::Poke => 5,
            Self::Clock => 6,
            Self::SetRoute2 => 7,
            Self::Peek64 => 8,
            Self::Poke64 => 9,
        }
    }

    /// What `request` asks for; its body is decoded by the module of the service.
    ///
    /// # Errors
    /// Too short, not a request, or an unknown code.
    pub fn of_request(request: &[u8]) -> Result<Self, RequestError> {
        let ([kind, code], _) = request.split_first_chunk().ok_or(RequestError::Short {
            need: HEAD_LEN,
            got: request.len(),
        })?;
        if *kind != REQUEST {
            return Err(RequestError::Type { got: *kind });
        }
        Self::from_bits(*code).ok_or(RequestError::UnknownCode { code: *code })
    }

    /// The beginning of a request of `len` bytes in all.
    fn request(self, len: usize) -> BytesMut {
        self.head(REQUEST, len)
    }

    /// The beginning of a reply of `len` bytes in all.
    fn reply(self, len: usize) -> BytesMut {
        self.head(REPLY, len)
    }

    fn head(self, kind: u8, len: usize) -> BytesMut {
        let mut head = BytesMut::with_capacity(len);
        head.put_slice(&[kind, self.to_bits()]);
        head
    }

    /// The body of `reply`, which must be one to this code and of `expected` bytes in all.
    fn body_of(self, reply: &[u8], expected: usize) -> Result<&[u8], ReplyError> {
        let got = reply.len();
        let wrong = ReplyError::Length { expected, got };
        let ([kind, code], body) = reply.split_first_chunk().ok_or(wrong)?;
        if *kind != REPLY {
            return Err(ReplyError::Type { got: *kind });
        }
        if *code != self.to_bits() {
            return Err(ReplyError::Code {
                expected: self.to_bits(),
                got: *code,
            });
        }
        if got == expected { Ok(body) } else { Err(wrong) }
    }
}

/// The first `N` bytes after type and code of `request`, and what follows.
fn fields<const N: usize>(request: &[u8]) -> Result<(&[u8; N], &[u8]), RequestError> {
    let short = RequestError::Short {
        need: HEAD_LEN.saturating_add(N),
        got: request.len(),
    };
    let body = request.get(HEAD_LEN..).ok_or(short)?;
    body.split_first_chunk().ok_or(short)
}

/// Puts `text` into a field of `len` bytes, cut between characters so that a zero ends it.
fn put_text(out: &mut BytesMut, text: &str, len: usize) {
    let ends = text.char_indices().map(|(at, char)| at + char.len_utf8());
    let cut = ends.take_while(|end| *end < len).last().unwrap_or(0);
    let kept = text.get(..cut).unwrap_or_default();
    out.put_slice(kept.as_bytes());
    out.put_bytes(0, len.saturating_sub(cut));
}

/// The bytes of a field up to its first zero.
fn until_zero(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The text of a field; what is not UTF-8 is replaced.
fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(until_zero(field)).into_owned()
}

/// Length of the field with an interface's name.
const NAME_LEN: usize = 11;

/// The interface named by a field: exactly, in at most 10 characters (SVC-6).
fn name(field: &[u8; NAME_LEN]) -> Option<crate::InterfaceName> {
    let (used, _) = field.split_at_checked(crate::MAX_NAME_LEN)?;
    crate::InterfaceName::new(str::from_utf8(until_zero(used)).ok()?)
}

fn put_name(out: &mut BytesMut, name: crate::InterfaceName) {
    put_text(out, name.as_str(), NAME_LEN);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_request_is_told_apart() {
        assert_eq!(Code::of_request(&[0, 6, 1]), Ok(Code::Clock));
        assert_eq!(
            Code::of_request(&[0]),
            Err(RequestError::Short { need: 2, got: 1 })
        );
        assert_eq!(
            Code::of_request(&[0xFF, 1]),
            Err(RequestError::Type { got: 0xFF })
        );
        assert_eq!(
            Code::of_request(&[0, 99]),
            Err(RequestError::UnknownCode { code: 99 })
        );
        for code in Code::ALL {
            assert_eq!(Code::from_bits(code.to_bits()), Some(code));
        }
    }

    #[test]
    fn a_text_is_cut_between_characters_and_always_ends_in_zero() {
        for (given, stored) in [
            ("abc", &b"abc\0"[..]),
            ("abcd", b"abc\0"),
            ("abß", b"ab\0\0"),
            ("", b"\0\0\0\0"),
        ] {
            let mut field = BytesMut::new();
            put_text(&mut field, given, 4);
            assert_eq!(field, stored, "{given}");
        }
        assert_eq!(text(b"ab\0cd"), "ab");
        assert_eq!(text(b"ab\xFF"), "ab\u{FFFD}");
    }

    #[test]
    fn a_reply_is_checked_for_type_code_and_length() {
        let check = |reply: &[u8]| Code::Clock.body_of(reply, 4).map(<[u8]>::len);
        assert_eq!(check(&[0xFF, 6, 1, 2]), Ok(2));
        assert_eq!(check(&[0, 6, 1, 2]), Err(ReplyError::Type { got: 0 }));
        let (expected, got) = (6, 1);
        assert_eq!(check(&[0xFF, 1, 1, 2]), Err(ReplyError::Code { expected, got }));
        for (reply, got) in [(&[0xFF, 6, 1][..], 3), (&[0xFF], 1), (&[0xFF, 6, 1, 2, 3], 5)] {
            assert_eq!(check(reply), Err(ReplyError::Length { expected: 4, got }));
        }
    }
}
