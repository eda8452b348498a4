//! A packet as CAN frames.

use can_link::id::extended;
use can_link::{CanFrame, ExtendedId};
use csp_core::{Address, EncodeError, Header, HeaderBytes, Version};
use thiserror::Error;

use crate::{Cfp1Id, Cfp2Id, Sender};

/// Longest payload that CFP 1 can carry: 256 frames (CFP1-1).
pub const MAX_CFP1_PAYLOAD: usize = 2042;

/// Cuts the packets of one interface into frames, and counts them.
#[derive(Clone, Debug)]
pub struct Fragmenter {
    version: Version,
    sender: Sender,
    packet: u16,
    order: IdOrder,
}

/// Where source and destination stand in CFP 1 identifiers.
#[doc(alias = "cfp1_swapped_ids")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdOrder {
    /// Source, destination: as libcsp.
    #[default]
    SourceFirst,
    /// Destination, source: as csp-py.
    ///
    /// Nodes of libcsp with filters never see such frames; csp-py itself receives both orders.
    #[doc(alias = "cfp1_swapped_ids")]
    DestinationFirst,
}

impl Fragmenter {
    /// For an interface with `address`: CFP 1 with version 1 headers, CFP 2 with version 2.
    #[must_use]
    pub const fn new(version: Version, address: Address) -> Self {
        Self {
            version,
            sender: Sender::of(version, address),
            packet: 0,
            order: IdOrder::SourceFirst,
        }
    }

    /// The same with the packet counter at `packet` (modulo 1024 or 4).
    #[must_use]
    pub const fn with_packet_counter(self, packet: u16) -> Self {
        Self { packet, ..self }
    }

    /// The same with CFP 1 identifiers in this order.
    #[doc(alias = "cfp1_swapped_ids")]
    #[must_use]
    pub const fn with_id_order(self, order: IdOrder) -> Self {
        Self { order, ..self }
    }

    #[cfg(feature = "tokio")]
    pub(crate) const fn set_address(&mut self, address: Address) {
        self.sender = Sender::of(self.version, address);
    }

    /// The frames of the next packet, in order.
    ///
    /// `via` is the next hop: CFP 1 puts it into the identifiers in place of the destination, CFP 2 has no
    /// place for it (CAN-9).
    ///
    /// # Errors
    /// The header has no form in the version, or the payload is too long. The packet counter stays.
    pub fn fragments<'a>(
        &mut self,
        header: &Header,
        via: Option<Address>,
        payload: &'a [u8],
    ) -> Result<Fragments<'a>, FragmentError> {
        let bytes = header.encode(self.version)?;
        let (id, lead) = match self.version {
            Version::V1 => self.begin_cfp1(header, &bytes, via, payload)?,
            Version::V2 => self.begin_cfp2(header, &bytes),
        };
        self.packet = self.packet.wrapping_add(1);
        Ok(Fragments {
            version: self.version,
            id: id.as_raw(),
            lead,
            payload: Some(payload),
        })
    }

    fn begin_cfp1(
        &self,
        header: &Header,
        bytes: &HeaderBytes,
        via: Option<Address>,
        payload: &[u8],
    ) -> Result<(ExtendedId, Lead), FragmentError> {
        let too_long = FragmentError::TooLong {
            len: payload.len(),
            max: MAX_CFP1_PAYLOAD,
        };
        if payload.len() > MAX_CFP1_PAYLOAD {
            return Err(too_long);
        }
        let length = u16::try_from(payload.len()).map_err(|_| too_long)?;
        let remaining = u8::try_from((payload.len() + 5) / 8).map_err(|_| too_long)?;
        let (source, next_hop) = (header.source, via.unwrap_or(header.destination));
        let (source, destination) = match self.order {
            IdOrder::SourceFirst => (source, next_hop),
            IdOrder::DestinationFirst => (next_hop, source),
        };
        let id = Cfp1Id {
            source,
            destination,
            more: false,
            remaining,
            packet: self.packet & 0x3FF,
        };
        let mut lead = Lead::new(bytes);
        lead.put(&length.to_be_bytes());
        Ok((id.to_id(), lead))
    }

    fn begin_cfp2(&self, header: &Header, bytes: &HeaderBytes) -> (ExtendedId, Lead) {
        let [_, packet] = self.packet.to_be_bytes();
        let id = Cfp2Id {
            priority: header.priority,
            destination: header.destination,
            sender: self.sender,
            packet: packet & 3,
            fragment: 0,
            begin: true,
            end: false,
        };
        // Priority and destination, the first two bytes, are in the identifier.
        (id.to_id(), Lead::new(bytes.get(2..).unwrap_or_default()))
    }
}

/// Why a packet cannot be cut into frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FragmentError {
    /// The header has no form in the version.
    #[error(transparent)]
    Header(#[from] EncodeError),
    /// CFP 1 counts no more than 256 frames (peers of the 2.x line send rubbish).
    #[error("a payload of {len} bytes is too long for CFP 1, which carries {max}")]
    TooLong {
        /// Length of the payload.
        len: usize,
        /// Longest payload.
        max: usize,
    },
}

/// The data of a first frame: what comes before the payload, and as much of that as there is room for.
#[derive(Clone, Copy, Debug, Default)]
struct Lead {
    data: [u8; 8],
    len: usize,
}

impl Lead {
    fn new(bytes: &[u8]) -> Self {
        let mut lead = Self::default();
        lead.put(bytes);
        lead
    }

    /// Adds bytes, which must have room.
    fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if let Some(room) = self.data.get_mut(self.len..end) {
            room.copy_from_slice(bytes);
            self.len = end;
        }
    }

    const fn room(&self) -> usize {
        self.data.len() - self.len
    }

    fn get(&self) -> &[u8] {
        self.data.get(..self.len).unwrap_or(&self.data)
    }
}

/// The frames of one packet.
#[derive(Clone, Debug)]
pub struct Fragments<'a> {
    version: Version,
    /// The next frame's identifier, not yet told whether it is the last.
    id: u32,
    /// What the next frame begins with: nothing after the first.
    lead: Lead,
    /// What is left; `None` after the last frame.
    payload: Option<&'a [u8]>,
}

impl Fragments<'_> {
    /// This frame's identifier; then it is the next frame's.
    fn step(&mut self, is_last: bool) -> ExtendedId {
        let id = self.id;
        match self.version {
            Version::V1 => {
                self.id = Cfp1Id::next(id);
                extended(id)
            }
            Version::V2 => {
                self.id = Cfp2Id::next(id);
                extended(id | u32::from(is_last))
            }
        }
    }
}

impl Iterator for Fragments<'_> {
    type Item = CanFrame;

    fn next(&mut self) -> Option<CanFrame> {
        let payload = self.payload.take()?;
        let split = payload.split_at_checked(self.lead.room());
        let (now, later) = split.unwrap_or((payload, &[]));
        if !later.is_empty() {
            self.payload = Some(later);
        }
        let id = self.step(later.is_empty());
        if self.lead.len == 0 {
            return CanFrame::data(id, now);
        }
        let mut lead = core::mem::take(&mut self.lead);
        lead.put(now);
        CanFrame::data(id, lead.get())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.payload.map_or(0, |payload| {
            1 + payload.len().saturating_sub(self.lead.room()).div_ceil(8)
        });
        (left, Some(left))
    }
}

impl ExactSizeIterator for Fragments<'_> {}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec;
    use std::vec::Vec;

    use csp_core::{Flags, Port};

    use super::*;

    fn header() -> Header {
        let port = |bits| Port::new(bits).unwrap();
        let address = |bits| Address::new(bits).unwrap();
        Header::new((address(4), port(33)), (address(9), port(10)))
    }

    /// How many frames there were said to be, and their identifiers.
    fn train(version: Version, len: usize) -> (usize, Vec<ExtendedId>) {
        let payload = vec![7; len];
        let mut fragmenter = Fragmenter::new(version, header().source);
        let fragments = fragmenter.fragments(&header(), None, &payload).unwrap();
        let said = fragments.len();
        let ids = fragments.map(|frame| match frame.id() {
            can_link::Id::Extended(id) => id,
            can_link::Id::Standard(id) => panic!("{id:?}"),
        });
        (said, ids.collect())
    }

    #[test]
    fn every_length_has_as_many_frames_as_it_says_and_the_last_one_ends_it() {
        for len in 0..100 {
            let (said, ids) = train(Version::V2, len);
            let ids: Vec<_> = ids.into_iter().map(Cfp2Id::from_id).collect();
            assert_eq!(ids.len(), said, "{len}");
            assert!(ids.iter().enumerate().all(|(at, id)| id.begin == (at == 0)));
            assert!(ids.iter().enumerate().all(|(at, id)| id.end == (at + 1 == said)));
            assert!(
                ids.iter()
                    .enumerate()
                    .all(|(at, id)| usize::from(id.fragment) == at % 8)
            );
        }
    }

    #[test]
    fn cfp_1_counts_the_frames_down_to_zero() {
        for len in (0..100).chain([MAX_CFP1_PAYLOAD]) {
            let (said, ids) = train(Version::V1, len);
            let ids: Vec<_> = ids.into_iter().map(Cfp1Id::from_id).collect();
            assert_eq!(ids.len(), said, "{len}");
            assert!(ids.iter().enumerate().all(|(at, id)| id.more == (at != 0)));
            assert!(
                ids.iter()
                    .rev()
                    .enumerate()
                    .all(|(left, id)| usize::from(id.remaining) == left)
            );
        }
    }

    #[test]
    fn a_packet_too_long_for_cfp_1_is_refused_with_the_limit() {
        let payload = vec![0; 2043];
        let refused = Fragmenter::new(Version::V1, header().source).fragments(&header(), None, &payload);
        assert_eq!(
            refused.unwrap_err(),
            FragmentError::TooLong { len: 2043, max: 2042 }
        );
    }

    #[test]
    fn a_header_without_a_form_costs_no_packet_counter() {
        let mut fragmenter = Fragmenter::new(Version::V2, header().source);
        let mut wrong = header();
        wrong.flags = Flags::from_bits(0x40);
        assert!(fragmenter.fragments(&wrong, None, &[]).is_err());
        let mut fresh = Fragmenter::new(Version::V2, header().source);
        let frame = |fragmenter: &mut Fragmenter| fragmenter.fragments(&header(), None, &[]).unwrap().next();
        assert_eq!(frame(&mut fragmenter), frame(&mut fresh));
    }
}
