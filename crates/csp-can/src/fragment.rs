//! A packet as CAN frames.

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdOrder {
    /// Source, destination: as libcsp.
    #[default]
    SourceFirst,
    /// Destination, source: as csp-py, whose frames nodes of libcsp with filters never see.
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
    #[must_use]
    pub const fn with_id_order(self, order: IdOrder) -> Self {
        Self { order, ..self }
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
        let (id, first) = match self.version {
            Version::V1 => self.first_of_cfp1(header, &bytes, via, payload)?,
            Version::V2 => self.first_of_cfp2(header, &bytes),
        };
        self.packet = self.packet.wrapping_add(1);
        Ok(Fragments {
            id,
            first,
            payload: Some(payload),
        })
    }

    fn first_of_cfp1(
        &self,
        header: &Header,
        bytes: &HeaderBytes,
        via: Option<Address>,
        payload: &[u8],
    ) -> Result<(Id, First), FragmentError> {
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
        let mut first = First::new(bytes);
        first.put(&length.to_be_bytes());
        Ok((Id::Cfp1(id), first))
    }

    fn first_of_cfp2(&self, header: &Header, bytes: &HeaderBytes) -> (Id, First) {
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
        (Id::Cfp2(id), First::new(bytes.get(2..).unwrap_or_default()))
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

/// What comes before the payload in the first frame.
#[derive(Clone, Copy, Debug, Default)]
struct First {
    bytes: [u8; 6],
    len: usize,
}

impl First {
    fn new(bytes: &[u8]) -> Self {
        let mut first = Self::default();
        first.put(bytes);
        first
    }

    fn put(&mut self, bytes: &[u8]) {
        for (to, from) in self.bytes.iter_mut().skip(self.len).zip(bytes) {
            *to = *from;
        }
        self.len += bytes.len();
    }

    fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}

#[derive(Clone, Copy, Debug)]
enum Id {
    Cfp1(Cfp1Id),
    Cfp2(Cfp2Id),
}

impl Id {
    /// This frame's identifier, and the next frame's.
    fn step(self, is_last: bool) -> (ExtendedId, Self) {
        match self {
            Self::Cfp1(id) => {
                let next = Cfp1Id {
                    more: true,
                    remaining: id.remaining.wrapping_sub(1),
                    ..id
                };
                (id.to_id(), Self::Cfp1(next))
            }
            Self::Cfp2(id) => {
                let next = Cfp2Id {
                    begin: false,
                    fragment: (id.fragment + 1) & 7,
                    ..id
                };
                (Cfp2Id { end: is_last, ..id }.to_id(), Self::Cfp2(next))
            }
        }
    }
}

/// The frames of one packet.
#[derive(Clone, Debug)]
pub struct Fragments<'a> {
    /// The next frame's identifier, not yet told whether it is the last.
    id: Id,
    /// What the next frame begins with: nothing after the first.
    first: First,
    /// What is left; `None` after the last frame.
    payload: Option<&'a [u8]>,
}

impl Iterator for Fragments<'_> {
    type Item = CanFrame;

    fn next(&mut self) -> Option<CanFrame> {
        let payload = self.payload.take()?;
        let first = core::mem::take(&mut self.first);
        let room = 8 - first.len;
        let (now, later) = payload.split_at_checked(room).unwrap_or((payload, &[]));
        let mut data = [0; 8];
        for (to, from) in data.iter_mut().zip(first.get().iter().chain(now)) {
            *to = *from;
        }
        if !later.is_empty() {
            self.payload = Some(later);
        }
        let (id, next) = self.id.step(later.is_empty());
        self.id = next;
        CanFrame::data(id, data.get(..first.len + now.len())?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.payload.map_or(0, |payload| {
            let room = 8 - self.first.len;
            1 + payload.len().saturating_sub(room).div_ceil(8)
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
