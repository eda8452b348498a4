//! A packet as CAN frames.

use can_link::CanFrame;
use csp_core::{Address, EncodeError, Header, Version};

use crate::{CfpId, Sender};

/// Payload bytes that the first frame has room for after the header.
const FIRST_DATA: usize = 4;

/// Cuts the packets of one interface into frames, and counts them.
#[derive(Clone, Debug)]
pub struct Fragmenter {
    sender: Sender,
    packet: u8,
}

impl Fragmenter {
    /// For an interface with `address`; its low six bits go into every identifier.
    #[must_use]
    pub const fn new(address: Address) -> Self {
        Self {
            sender: Sender::of(address),
            packet: 0,
        }
    }

    /// The same with the packet counter at `packet` (modulo 4).
    #[must_use]
    pub const fn with_packet_counter(self, packet: u8) -> Self {
        Self {
            packet: packet & 3,
            ..self
        }
    }

    /// The frames of the next packet, in order.
    ///
    /// CFP 2 has no place for a next hop, so a route's via has no effect.
    ///
    /// # Errors
    /// The header has no form in version 2; the packet counter stays.
    pub fn fragments<'a>(
        &mut self,
        header: &Header,
        payload: &'a [u8],
    ) -> Result<Fragments<'a>, EncodeError> {
        let bytes = header.encode(Version::V2)?;
        let rest = bytes.last_chunk().copied().unwrap_or_default();
        let id = CfpId {
            priority: header.priority,
            destination: header.destination,
            sender: self.sender,
            packet: self.packet,
            fragment: 0,
            begin: true,
            end: false,
        };
        self.packet = (self.packet + 1) & 3;
        Ok(Fragments {
            id,
            header: rest,
            payload: Some(payload),
        })
    }
}

/// The frames of one packet.
#[derive(Clone, Debug)]
pub struct Fragments<'a> {
    /// The next frame's identifier, its end bit not yet decided.
    id: CfpId,
    /// The low 32 bits of the header.
    header: [u8; 4],
    /// What is left; `None` after the last frame.
    payload: Option<&'a [u8]>,
}

impl Fragments<'_> {
    fn left(&self) -> usize {
        let Some(payload) = self.payload else { return 0 };
        if !self.id.begin {
            return payload.len().div_ceil(8);
        }
        1 + payload.len().saturating_sub(FIRST_DATA).div_ceil(8)
    }
}

impl Iterator for Fragments<'_> {
    type Item = CanFrame;

    fn next(&mut self) -> Option<CanFrame> {
        let payload = self.payload.take()?;
        let mut data = [0; 8];
        let room = if self.id.begin { FIRST_DATA } else { 8 };
        let (now, later) = payload.split_at_checked(room).unwrap_or((payload, &[]));
        let header = if self.id.begin { &self.header[..] } else { &[] };
        let len = header.len() + now.len();
        for (to, from) in data.iter_mut().zip(header.iter().chain(now)) {
            *to = *from;
        }
        if later.is_empty() {
            self.id.end = true;
        } else {
            self.payload = Some(later);
        }
        let frame = CanFrame::data(self.id.to_id(), data.get(..len)?);
        self.id.begin = false;
        self.id.fragment = (self.id.fragment + 1) & 7;
        frame
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left(), Some(self.left()))
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

    #[test]
    fn every_length_has_as_many_frames_as_it_says_and_the_last_one_ends_it() {
        for len in 0..100 {
            let payload = vec![7; len];
            let mut fragmenter = Fragmenter::new(header().source);
            let fragments = fragmenter.fragments(&header(), &payload).unwrap();
            let said = fragments.len();
            let frames: Vec<_> = fragments.collect();
            assert_eq!(frames.len(), said, "{len}");
            let ids: Vec<_> = frames
                .iter()
                .map(|frame| match frame.id() {
                    can_link::Id::Extended(id) => CfpId::from_id(id),
                    can_link::Id::Standard(id) => panic!("{id:?}"),
                })
                .collect();
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
    fn a_header_without_a_form_costs_no_packet_counter() {
        let mut fragmenter = Fragmenter::new(header().source);
        let mut wrong = header();
        wrong.flags = Flags::from_bits(0x40);
        assert!(fragmenter.fragments(&wrong, &[]).is_err());
        let frame = fragmenter.fragments(&header(), &[]).unwrap().next().unwrap();
        assert_eq!(
            frame,
            Fragmenter::new(header().source)
                .fragments(&header(), &[])
                .unwrap()
                .next()
                .unwrap()
        );
    }
}
