//! A packet: a header and the payload after it.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{DecodeError, EncodeError, Header, Version};

/// A header and a payload.
///
/// On a link the payload still carries its trailers ([`seal`](crate::seal)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who sends what to whom.
    pub header: Header,
    /// What follows the header.
    pub payload: Bytes,
}

impl Packet {
    /// A packet of the two.
    #[must_use]
    pub const fn new(header: Header, payload: Bytes) -> Self {
        Self { header, payload }
    }

    /// Header and payload as one run of bytes.
    ///
    /// # Errors
    /// The header has no form in `version`.
    pub fn encode(&self, version: Version) -> Result<Bytes, EncodeError> {
        let header = self.header.encode(version)?;
        let mut frame = BytesMut::with_capacity(header.len().saturating_add(self.payload.len()));
        frame.put_slice(&header);
        frame.put_slice(&self.payload);
        Ok(frame.freeze())
    }

    /// The packet in `frame`; the payload shares its memory.
    ///
    /// # Errors
    /// [`DecodeError::Short`]: `frame` is shorter than a header.
    pub fn decode(version: Version, mut frame: Bytes) -> Result<Self, DecodeError> {
        let (header, _) = Header::decode(version, &frame)?;
        let payload = frame.split_off(version.header_len());
        Ok(Self { header, payload })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_frame_is_refused_as_short_or_encodes_back_to_itself(
            frame in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            for version in [Version::V1, Version::V2] {
                let frame = Bytes::copy_from_slice(&frame);
                match Packet::decode(version, frame.clone()) {
                    Ok(packet) => prop_assert_eq!(packet.encode(version), Ok(frame)),
                    Err(DecodeError::Short { need, .. }) => prop_assert!(frame.len() < need),
                }
            }
        }
    }
}
