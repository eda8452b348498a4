//! Packets over CAN records, for stock `Framed<RecordStream<L>, CfpCodec>`.

use std::io;

use bytes::{Buf, BufMut, BytesMut};
use can_link::record::{RECORD_LEN, decode_record, encode_record};
use csp_core::{Address, Packet, Transmit, Version};
use tinwire_time::{Instant, Origin};
use tokio_util::codec::{Decoder, Encoder};

use crate::{Fragmenter, IdOrder, Reassembler, ReassemblyConfig, Received};

/// Decodes records into [`Received`] and encodes packets into records.
///
/// A frame or packet that cannot be used is an item, [`Received::Discarded`] or [`Received::Ignored`], never
/// an error: the bus is shared. The age of packets in the making is looked at whenever a frame comes; who
/// wants them discarded on time without traffic asks [`poll_timeout`](Self::poll_timeout) and calls
/// [`handle_timeout`](Self::handle_timeout), as [`CanInterface`](crate::CanInterface) does.
#[derive(Debug)]
pub struct CfpCodec {
    fragmenter: Fragmenter,
    reassembler: Reassembler,
    origin: Origin,
}

impl CfpCodec {
    /// For an interface with `address`. The clock is tokio's.
    #[must_use]
    pub fn new(version: Version, address: Address, config: ReassemblyConfig) -> Self {
        Self {
            fragmenter: Fragmenter::new(version, address),
            reassembler: Reassembler::new(version, config),
            origin: Origin::new(clock()),
        }
    }

    /// The same with CFP 1 identifiers in this order.
    #[doc(alias = "cfp1_swapped_ids")]
    #[must_use]
    pub fn with_id_order(self, order: IdOrder) -> Self {
        Self {
            fragmenter: self.fragmenter.with_id_order(order),
            ..self
        }
    }

    /// The reassembler, for its counters.
    #[must_use]
    pub const fn reassembler(&self) -> &Reassembler {
        &self.reassembler
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    ///
    /// `None`: nothing is in the making.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<tokio::time::Instant> {
        let deadline = self.reassembler.poll_timeout()?;
        self.origin.deadline(deadline).map(tokio::time::Instant::from_std)
    }

    /// Discards what has waited too long, and gives the first item that waits.
    pub fn handle_timeout(&mut self) -> Option<Received> {
        let now = self.now();
        self.reassembler.handle_timeout(now);
        self.reassembler.poll_received()
    }

    /// Discards what is in the making: the link went down, and frames may be missing.
    pub fn handle_link_down(&mut self) {
        self.reassembler.handle_link_down();
    }

    fn now(&self) -> Instant {
        self.origin.at(clock())
    }

    fn encode_parts(
        &mut self,
        packet: &Packet,
        via: Option<Address>,
        records: &mut BytesMut,
    ) -> io::Result<()> {
        let fragments = self.fragmenter.fragments(&packet.header, via, &packet.payload);
        let fragments = fragments.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        records.reserve(fragments.len().saturating_mul(RECORD_LEN));
        for record in fragments.filter_map(|frame| encode_record(&frame)) {
            records.put_slice(&record);
        }
        Ok(())
    }
}

impl Decoder for CfpCodec {
    type Item = Received;
    type Error = io::Error;

    fn decode(&mut self, records: &mut BytesMut) -> io::Result<Option<Received>> {
        let now = self.now();
        self.reassembler.handle_timeout(now);
        loop {
            if let Some(received) = self.reassembler.poll_received() {
                return Ok(Some(received));
            }
            let Some(record) = records.first_chunk::<RECORD_LEN>() else {
                return Ok(None);
            };
            match decode_record(record) {
                Ok(frame) => self.reassembler.handle_frame(now, &frame),
                // A record stream has valid records only.
                Err(error) => self.reassembler.ignore(error.into()),
            }
            records.advance(RECORD_LEN);
        }
    }
}

impl Encoder<Packet> for CfpCodec {
    type Error = io::Error;

    fn encode(&mut self, packet: Packet, records: &mut BytesMut) -> io::Result<()> {
        self.encode_parts(&packet, None, records)
    }
}

impl Encoder<Transmit> for CfpCodec {
    type Error = io::Error;

    fn encode(&mut self, transmit: Transmit, records: &mut BytesMut) -> io::Result<()> {
        self.encode_parts(&transmit.packet, transmit.via, records)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the codec is where the reassembler's time comes from"
)]
fn clock() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
