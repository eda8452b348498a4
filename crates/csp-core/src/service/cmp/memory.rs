//! Reading and writing memory (codes 4, 5, 8 and 9).

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::{Code, HEAD_LEN, fields};
use crate::service::{ReplyError, RequestError};

/// Most bytes of one access at a 32-bit address.
pub const MAX_LEN: u8 = 200;
/// Most bytes of one access at a 64-bit address.
pub const MAX_LEN_64: u8 = 196;

/// The padding of the C structure, which the peers' clients send and we with them (SVC-4).
const PADDING: usize = 3;

/// How many bytes an address has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Width {
    Bits32,
    Bits64,
}

impl Width {
    const fn address_len(self) -> usize {
        match self {
            Self::Bits32 => 4,
            Self::Bits64 => 8,
        }
    }

    /// Where the data begin.
    const fn data_at(self) -> usize {
        HEAD_LEN + self.address_len() + 1
    }

    fn check(self, len: usize) -> Result<u8, TooMuch> {
        let max = match self {
            Self::Bits32 => MAX_LEN,
            Self::Bits64 => MAX_LEN_64,
        };
        u8::try_from(len)
            .ok()
            .filter(|len| *len <= max)
            .ok_or(TooMuch { len, max })
    }

    /// Address, length, and what follows in `request`.
    fn split(self, request: &[u8]) -> Result<(u64, u8, &[u8]), RequestError> {
        let (address, len, data) = match self {
            Self::Bits32 => {
                let ([a, b, c, d, len], data) = fields(request)?;
                (u32::from_be_bytes([*a, *b, *c, *d]).into(), *len, data)
            }
            Self::Bits64 => {
                let ([a, b, c, d, e, f, g, h, len], data) = fields(request)?;
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), *len, data)
            }
        };
        Ok((address, self.check(len.into())?, data))
    }

    /// Code, address, length and `data`, then the padding.
    fn request(self, code: Code, address: u64, len: u8, data: &[u8]) -> Bytes {
        let total = self.data_at().saturating_add(len.into()).saturating_add(PADDING);
        let mut request = code.request(total);
        let bytes = address.to_be_bytes();
        let unused = bytes.len() - self.address_len();
        request.put_slice(bytes.get(unused..).unwrap_or_default());
        request.put_u8(len);
        request.put_slice(data);
        request.resize(total, 0);
        request.freeze()
    }

    /// `request` as a reply: as long as it, its address byte-swapped as the peers send it (SVC-5).
    fn echo(self, code: Code, request: &[u8]) -> BytesMut {
        let mut reply = code.reply(request.len());
        let (address, rest) = request
            .get(HEAD_LEN..)
            .and_then(|body| body.split_at_checked(self.address_len()))
            .unwrap_or_default();
        reply.extend(address.iter().rev());
        reply.put_slice(rest);
        reply
    }

    /// The data of a reply to a request of `len` bytes of memory, checked.
    fn data_of(self, code: Code, len: u8, reply: &[u8]) -> Result<&[u8], ReplyError> {
        let expected = self.data_at().saturating_add(len.into()).saturating_add(PADDING);
        let body = code.body_of(reply, expected)?;
        let (got, data) = body
            .get(self.address_len()..)
            .and_then(<[u8]>::split_first)
            .unwrap_or((&0, &[]));
        if *got != len {
            return Err(ReplyError::Amount {
                expected: len,
                got: *got,
            });
        }
        Ok(data.get(..usize::from(len)).unwrap_or_default())
    }
}

/// More memory was asked for than a packet of the service has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{len} bytes of memory are too many for one request, at most {max}")]
pub struct TooMuch {
    /// Bytes asked for.
    pub len: usize,
    /// Most bytes of one request.
    pub max: u8,
}

/// A request to read memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peek {
    width: Width,
    address: u64,
    len: u8,
}

impl Peek {
    /// Reads `len` bytes at a 32-bit address.
    ///
    /// # Errors
    /// More than [`MAX_LEN`].
    pub fn new(address: u32, len: usize) -> Result<Self, TooMuch> {
        let width = Width::Bits32;
        Ok(Self {
            width,
            address: address.into(),
            len: width.check(len)?,
        })
    }

    /// Reads `len` bytes at a 64-bit address, which libcsp 2.2 and we understand.
    ///
    /// # Errors
    /// More than [`MAX_LEN_64`].
    pub fn new_64(address: u64, len: usize) -> Result<Self, TooMuch> {
        let width = Width::Bits64;
        Ok(Self {
            width,
            address,
            len: width.check(len)?,
        })
    }

    /// The first address.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// How many bytes.
    #[must_use]
    pub fn amount(&self) -> usize {
        self.len.into()
    }

    const fn code(&self) -> Code {
        match self.width {
            Width::Bits32 => Code::Peek,
            Width::Bits64 => Code::Peek64,
        }
    }

    /// The request, with room for the data.
    #[must_use]
    pub fn request(&self) -> Bytes {
        self.width.request(self.code(), self.address, self.len, &[])
    }

    /// What `request` wants read.
    ///
    /// # Errors
    /// Too short, another code, or too much memory.
    pub fn decode(request: &[u8]) -> Result<Self, RequestError> {
        let width = match Code::of_request(request)? {
            Code::Peek => Width::Bits32,
            Code::Peek64 => Width::Bits64,
            other => {
                return Err(RequestError::UnknownCode {
                    code: other.to_bits(),
                });
            }
        };
        let (address, len, _) = width.split(request)?;
        Ok(Self { width, address, len })
    }

    /// The reply to `request` that carries `data`, cut to the request's length (SVC-5).
    #[must_use]
    pub fn reply(&self, request: &[u8], data: &[u8]) -> Bytes {
        let mut reply = self.width.echo(self.code(), request);
        let room = reply.get_mut(self.width.data_at()..).unwrap_or_default();
        for (place, byte) in room.iter_mut().zip(data) {
            *place = *byte;
        }
        reply.freeze()
    }

    /// The memory in `reply`.
    ///
    /// # Errors
    /// It is not a reply to a request of this kind and amount.
    pub fn data<'a>(&self, reply: &'a [u8]) -> Result<&'a [u8], ReplyError> {
        self.width.data_of(self.code(), self.len, reply)
    }
}

/// A request to write memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Poke {
    width: Width,
    address: u64,
    data: Bytes,
}

impl Poke {
    /// Writes `data` to a 32-bit address.
    ///
    /// # Errors
    /// More than [`MAX_LEN`].
    pub fn new(address: u32, data: impl Into<Bytes>) -> Result<Self, TooMuch> {
        Self::try_new(Width::Bits32, address.into(), data.into())
    }

    /// Writes `data` to a 64-bit address, which libcsp 2.2 and we understand.
    ///
    /// # Errors
    /// More than [`MAX_LEN_64`].
    pub fn new_64(address: u64, data: impl Into<Bytes>) -> Result<Self, TooMuch> {
        Self::try_new(Width::Bits64, address, data.into())
    }

    fn try_new(width: Width, address: u64, data: Bytes) -> Result<Self, TooMuch> {
        width.check(data.len())?;
        Ok(Self { width, address, data })
    }

    /// The first address.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// The bytes to write.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    const fn code(&self) -> Code {
        match self.width {
            Width::Bits32 => Code::Poke,
            Width::Bits64 => Code::Poke64,
        }
    }

    fn len(&self) -> u8 {
        u8::try_from(self.data.len()).unwrap_or(u8::MAX)
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> Bytes {
        self.width
            .request(self.code(), self.address, self.len(), &self.data)
    }

    /// What `request` wants written; the data share its memory.
    ///
    /// # Errors
    /// Too short, another code, or too much memory.
    pub fn decode(request: &Bytes) -> Result<Self, RequestError> {
        let width = match Code::of_request(request)? {
            Code::Poke => Width::Bits32,
            Code::Poke64 => Width::Bits64,
            other => {
                return Err(RequestError::UnknownCode {
                    code: other.to_bits(),
                });
            }
        };
        let (address, len, data) = width.split(request)?;
        let short = RequestError::Short {
            need: width.data_at().saturating_add(len.into()),
            got: request.len(),
        };
        let data = data.get(..len.into()).ok_or(short)?;
        Ok(Self {
            width,
            address,
            data: request.slice_ref(data),
        })
    }

    /// The reply to `request`.
    #[must_use]
    pub fn reply(&self, request: &[u8]) -> Bytes {
        self.width.echo(self.code(), request).freeze()
    }

    /// Checks that `reply` confirms the request.
    ///
    /// # Errors
    /// It is not a reply to a request of this kind and amount.
    pub fn confirm(&self, reply: &[u8]) -> Result<(), ReplyError> {
        self.width.data_of(self.code(), self.len(), reply).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_peek_asks_for_as_much_room_as_the_peers_structures_have() {
        assert_eq!(Peek::new(0x1000_0020, 16).unwrap().request().len(), 10 + 16);
        assert_eq!(Peek::new_64(0x20, 16).unwrap().request().len(), 14 + 16);
        assert_eq!(
            Poke::new(0x20, Bytes::from_static(b"abc"))
                .unwrap()
                .request()
                .len(),
            13
        );
        assert_eq!(Peek::new(0, 201), Err(TooMuch { len: 201, max: 200 }));
        assert_eq!(Peek::new_64(0, 197), Err(TooMuch { len: 197, max: 196 }));
        assert!(Poke::new(0, Bytes::from(Vec::from([0; 300]))).is_err());
    }

    #[test]
    fn the_data_of_a_reply_are_cut_to_the_length_of_the_request() {
        let peek = Peek::new(0x1020_3040, 4).unwrap();
        let full = peek.request();
        let reply = peek.reply(&full, &[1, 2, 3, 4]);
        assert_eq!(
            reply,
            [0xFF, 4, 0x40, 0x30, 0x20, 0x10, 4, 1, 2, 3, 4, 0, 0, 0][..]
        );
        assert_eq!(peek.data(&reply), Ok(&[1, 2, 3, 4][..]));
        let (short, _) = full.split_at(9);
        assert_eq!(Peek::decode(short), Ok(peek));
        let cut = peek.reply(short, &[1, 2, 3, 4]);
        assert_eq!(cut, reply[..9]);
        let (expected, got) = (14, 9);
        assert_eq!(peek.data(&cut), Err(ReplyError::Length { expected, got }));
    }

    #[test]
    fn a_reply_that_tells_of_another_amount_is_refused() {
        let peek = Peek::new(0, 4).unwrap();
        let mut reply = peek.reply(&peek.request(), &[1, 2, 3, 4]).to_vec();
        reply[6] = 3;
        let (expected, got) = (4, 3);
        assert_eq!(peek.data(&reply), Err(ReplyError::Amount { expected, got }));
    }

    #[test]
    fn a_poke_must_carry_all_its_data() {
        let request = Bytes::from_static(&[0, 5, 0, 0, 0, 1, 3, 7, 8]);
        assert_eq!(
            Poke::decode(&request),
            Err(RequestError::Short { need: 10, got: 9 })
        );
        let request = Bytes::from_static(&[0, 5, 0, 0, 0, 1, 201, 7, 8]);
        let error = TooMuch { len: 201, max: 200 };
        assert_eq!(Poke::decode(&request), Err(RequestError::TooMuch(error)));
    }

    proptest! {
        #[test]
        fn a_poke_is_read_as_it_was_made_and_its_reply_confirms_it(
            address: u64, wide: bool, data in proptest::collection::vec(any::<u8>(), 0..196),
        ) {
            let low = u32::try_from(address & 0xFFFF_FFFF).unwrap();
            let poke = if wide { Poke::new_64(address, data) } else { Poke::new(low, data) }.unwrap();
            let request = poke.request();
            prop_assert_eq!(Poke::decode(&request), Ok(poke.clone()));
            prop_assert_eq!(poke.confirm(&poke.reply(&request)), Ok(()));
        }

        #[test]
        fn any_request_is_refused_or_answered_at_its_length(
            code in prop::sample::select(Vec::from([4, 5, 8, 9])),
            body in proptest::collection::vec(any::<u8>(), 0..260),
        ) {
            let request = Bytes::from([&[0, code][..], &body].concat());
            let reply = match Peek::decode(&request) {
                Ok(peek) => Some(peek.reply(&request, &[1; 200])),
                Err(_) => Poke::decode(&request).ok().map(|poke| poke.reply(&request)),
            };
            prop_assert!(reply.is_none_or(|reply| reply.len() == request.len()));
        }
    }
}
