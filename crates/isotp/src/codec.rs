//! Single frames of a conversation, for those who watch or forge it: sniffers and tests.
//!
//! [`PciCodec`] fits `tokio_util::codec::Framed` over a [`can_link::RecordStream`]. It keeps no state and
//! answers nothing; who wants messages uses [`IsoTpStream`](crate::IsoTpStream).

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use can_link::record::{self, RECORD_LEN};
use can_link::{CanFrame, Id};
use tokio_util::codec::{Decoder, Encoder};

use crate::data_link::{DataLink, Padding};
use crate::error::IgnoreReason;
use crate::pci::{Pci, Prefix};

/// One frame of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pdu {
    /// The frame's identifier.
    pub id: Id,
    /// The byte before the PCI, if the addressing mode has one.
    pub address_byte: Option<u8>,
    /// What the frame is.
    pub pci: Pci,
    /// What follows the PCI; when decoded it may end with padding, except in a single frame.
    pub data: Bytes,
}

/// What a frame on the bus turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A PDU, if the conversation is ISO-TP at all: the codec looks at every identifier.
    Pdu(Pdu),
    /// A frame that no receiver would take for a PDU.
    Other {
        /// The frame.
        frame: CanFrame,
        /// Why it is none.
        reason: IgnoreReason,
    },
}

/// Frames as PDUs and back.
#[derive(Clone, Copy, Debug, Default)]
pub struct PciCodec {
    prefix: Prefix,
    data_link: DataLink,
    padding: Padding,
}

impl PciCodec {
    /// A codec for conversations with or without an address byte, which encodes classic frames padded to 8
    /// bytes.
    #[must_use]
    pub fn new(prefix: Prefix) -> Self {
        Self {
            prefix,
            ..Self::default()
        }
    }

    /// The kind of frame to encode. Default: classic.
    #[must_use]
    pub const fn data_link(self, data_link: DataLink) -> Self {
        Self { data_link, ..self }
    }

    /// How encoded frames are filled. Default: 0xCC to at least 8 bytes.
    #[must_use]
    pub const fn padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    fn pdu(&self, frame: &CanFrame) -> Result<Pdu, IgnoreReason> {
        if !matches!(frame, CanFrame::Data(_) | CanFrame::Fd(_)) {
            return Err(IgnoreReason::NotData);
        }
        let (byte, data) = match (self.prefix, frame.payload().split_first()) {
            (Prefix::AddressByte, Some((byte, data))) => (Some(*byte), data),
            _ => (None, frame.payload()),
        };
        let (pci, data) = Pci::decode_padded(data, self.prefix, self.padding.min_len())?;
        Ok(Pdu {
            id: frame.id(),
            address_byte: byte,
            pci,
            data: Bytes::copy_from_slice(data),
        })
    }
}

impl Decoder for PciCodec {
    type Item = Decoded;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Decoded>> {
        let Some(record) = source.first_chunk::<RECORD_LEN>() else {
            return Ok(None);
        };
        let frame = record::decode_record(record);
        source.advance(RECORD_LEN);
        let frame = frame.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Some(match self.pdu(&frame) {
            Ok(pdu) => Decoded::Pdu(pdu),
            Err(reason) => Decoded::Other { frame, reason },
        }))
    }
}

impl Encoder<Pdu> for PciCodec {
    type Error = io::Error;

    /// # Errors
    /// When the data does not fit the frame.
    fn encode(&mut self, pdu: Pdu, out: &mut BytesMut) -> io::Result<()> {
        let (frame, taken) = self
            .data_link
            .frame(pdu.id, pdu.address_byte, pdu.pci, &pdu.data, self.padding);
        let record = record::encode_record(&frame).filter(|_| taken == pdu.data.len());
        let record = record.ok_or_else(|| {
            let text = std::format!("{} data bytes; {taken} fit the frame", pdu.data.len());
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
        out.extend_from_slice(&record);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use can_link::RecordStream;
    use can_link::virtual_bus::VirtualBus;
    use can_link::{CanTxExt, StandardId};
    use futures::{SinkExt, StreamExt};
    use tokio_util::codec::Framed;

    use super::*;
    use crate::pci::{DecodeError, SequenceNumber};

    fn id(raw: u16) -> StandardId {
        StandardId::new(raw).unwrap()
    }

    fn pdu(pci: Pci, data: &'static [u8]) -> Pdu {
        Pdu {
            id: id(0x7E0).into(),
            address_byte: None,
            pci,
            data: Bytes::from_static(data),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_sniffer_sees_every_frame_of_a_conversation() {
        let bus = VirtualBus::new();
        let mut sniffer = Framed::new(RecordStream::new(bus.join()), PciCodec::default());
        let mut forger = Framed::new(RecordStream::new(bus.join()), PciCodec::default());
        let mut node = bus.join();

        let first = pdu(Pci::FirstFrame { len: 20 }, &[0, 1, 2, 3, 4, 5]);
        forger.send(first.clone()).await.unwrap();
        node.send(CanFrame::data(id(0x123), &[0x40]).unwrap())
            .await
            .unwrap();
        let sequence = SequenceNumber::FIRST;
        let next = pdu(Pci::ConsecutiveFrame { sequence }, &[6, 7, 8, 9, 10, 11, 12]);
        forger.send(next.clone()).await.unwrap();

        assert_eq!(sniffer.next().await.unwrap().unwrap(), Decoded::Pdu(first));
        let Some(Ok(Decoded::Other { frame, reason })) = sniffer.next().await else {
            panic!("a frame that is no PDU");
        };
        assert_eq!(frame.id(), id(0x123).into());
        assert_eq!(reason, IgnoreReason::Malformed(DecodeError::ReservedType(4)));
        assert_eq!(sniffer.next().await.unwrap().unwrap(), Decoded::Pdu(next));
    }

    #[test]
    fn data_that_does_not_fit_is_refused_and_leaves_no_record() {
        let mut out = BytesMut::new();
        let sequence = SequenceNumber::FIRST;
        let long = pdu(Pci::ConsecutiveFrame { sequence }, &[0; 8]);
        let error = PciCodec::default().encode(long, &mut out).unwrap_err();
        assert_eq!(error.to_string(), "8 data bytes; 7 fit the frame");
        assert!(out.is_empty());
    }

    #[test]
    fn any_cutting_of_the_records_gives_the_same_pdus() {
        let mut codec = PciCodec::new(Prefix::AddressByte).data_link(DataLink::fd());
        let mut bytes = BytesMut::new();
        for len in [1u8, 7, 61] {
            let mut pdu = pdu(Pci::SingleFrame { len }, &[0x55; 61]);
            pdu.address_byte = Some(0x33);
            pdu.data.truncate(len.into());
            codec.encode(pdu, &mut bytes).unwrap();
        }
        for step in [1, 5, 71, 72, 73, 500] {
            let mut source = BytesMut::new();
            let mut lengths = std::vec::Vec::new();
            for piece in bytes.chunks(step) {
                source.extend_from_slice(piece);
                while let Some(Decoded::Pdu(pdu)) = codec.decode(&mut source).unwrap() {
                    assert_eq!(pdu.address_byte, Some(0x33));
                    lengths.push(pdu.data.len());
                }
            }
            assert_eq!(lengths, [1, 7, 61], "pieces of {step}");
        }
    }
}
