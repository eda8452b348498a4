//! The protobuf wire format, as far as dnstap needs it.
//!
//! ```text
//! field = varint(number << 3 | wire type)  value
//! wire type 0: varint   1: 8 bytes   2: varint length, then as many bytes   5: 4 bytes, little endian
//!           3: fields up to the one of wire type 4 with the same number (a group)
//! ```

use crate::DecodeError;

/// Most groups within each other. prost has the same limit.
const MAX_GROUPS: u8 = 100;

/// One field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64,
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Walks the fields of one message.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// Bytes that have not been read.
    #[cfg(feature = "alloc")]
    pub(crate) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next field's number and value; `None` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => {
                self.take(8)?;
                Value::Fixed64
            }
            2 => {
                let len = self.varint()?;
                Value::Bytes(self.take(usize::try_from(len).unwrap_or(usize::MAX))?)
            }
            5 => {
                let bytes = self.take(4)?;
                let (number, _) = bytes.split_first_chunk().ok_or(DecodeError::Varint)?;
                Value::Fixed32(u32::from_le_bytes(*number))
            }
            3 => {
                self.rest = skip_group(self.rest, key >> 3, MAX_GROUPS)?;
                // What no field of ours is, either.
                Value::Fixed64
            }
            _ => return Err(DecodeError::WireType { field: key >> 3 }),
        };
        Ok(Some((key >> 3, value)))
    }

    /// At most ten bytes of seven bits, least significant first; bits beyond 64 are dropped, as protobuf
    /// does.
    #[inline]
    fn varint(&mut self) -> Result<u64, DecodeError> {
        match self.rest.split_first() {
            // Nearly all keys, lengths and enumerations.
            Some((byte, rest)) if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0_u64;
        for shift in (0..70).step_by(7) {
            let (byte, rest) = self
                .rest
                .split_first()
                .ok_or(DecodeError::Short { need: 1, got: 0 })?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(DecodeError::Varint)
    }

    #[inline]
    fn take(&mut self, need: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(need).ok_or(DecodeError::Short {
            need,
            got: self.rest.len(),
        })?;
        self.rest = rest;
        Ok(taken)
    }
}

/// What follows a group whose content begins here. Nobody sends one: apart from the walk through fields, so
/// that this one stays as short as it can be.
#[cold]
#[inline(never)]
fn skip_group(rest: &[u8], field: u64, groups: u8) -> Result<&[u8], DecodeError> {
    let Some(groups) = groups.checked_sub(1) else {
        return Err(DecodeError::WireType { field });
    };
    let mut inner = Fields::new(rest);
    loop {
        let key = inner.long_varint()?;
        match key & 7 {
            0 => {
                inner.long_varint()?;
            }
            1 => {
                inner.take(8)?;
            }
            2 => {
                let len = inner.long_varint()?;
                inner.take(usize::try_from(len).unwrap_or(usize::MAX))?;
            }
            3 => inner.rest = skip_group(inner.rest, key >> 3, groups)?,
            4 if key >> 3 == field => return Ok(inner.rest),
            5 => {
                inner.take(4)?;
            }
            _ => return Err(DecodeError::WireType { field: key >> 3 }),
        }
    }
}

/// Where encoded bytes go: a slice, a vector, or only into a count.
pub(crate) trait Put {
    fn put(&mut self, bytes: &[u8]);
}

/// Counts bytes.
#[derive(Debug, Default)]
pub(crate) struct Count(pub(crate) usize);

impl Put for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

#[cfg(feature = "alloc")]
impl Put for alloc::vec::Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Writes fields, which the caller gives in ascending order.
#[derive(Debug)]
pub(crate) struct Writer<'p, P>(pub(crate) &'p mut P);

impl<P: Put> Writer<'_, P> {
    pub(crate) fn bytes(&mut self, field: u64, bytes: Option<&[u8]>) {
        if let Some(bytes) = bytes {
            self.header(field, bytes.len());
            self.0.put(bytes);
        }
    }

    /// The head of a field of `len` bytes, which the caller writes next.
    pub(crate) fn header(&mut self, field: u64, len: usize) {
        self.varint(field << 3 | 2);
        self.varint(u64::try_from(len).unwrap_or(u64::MAX));
    }

    pub(crate) fn number(&mut self, field: u64, number: Option<u64>) {
        if let Some(number) = number {
            self.varint(field << 3);
            self.varint(number);
        }
    }

    /// Enumerations are 32-bit signed and sign-extended on the wire.
    pub(crate) fn enumeration(&mut self, field: u64, number: Option<i32>) {
        self.number(field, number.map(|number| i64::from(number).cast_unsigned()));
    }

    pub(crate) fn fixed32(&mut self, field: u64, number: Option<u32>) {
        if let Some(number) = number {
            self.varint(field << 3 | 5);
            self.0.put(&number.to_le_bytes());
        }
    }

    fn varint(&mut self, mut number: u64) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                return self.0.put(&[low & 0x7f]);
            }
            self.0.put(&[low | 0x80]);
        }
    }
}
