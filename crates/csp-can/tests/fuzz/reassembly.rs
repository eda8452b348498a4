//! Frames, times and interruptions, against small limits.

use core::time::Duration;
use std::collections::BTreeMap;

use can_link::{CanFrame, ExtendedId};
use csp_can::{Cfp1Id, Cfp2Id, Fragmenter, Reassembler, ReassemblyConfig, Received};
use csp_core::{Address, Header, Packet, Port, Version};
use testkit::fuzz::Input;
use tinwire_time::Instant;

/// Limits of one run.
#[derive(Clone, Copy, Debug)]
struct Limits {
    payload: usize,
    packets: usize,
    bytes: usize,
}

/// What is made of the frames beside what is under test.
#[derive(Debug)]
struct World {
    version: Version,
    limits: Limits,
    now: Instant,
    reassembler: Reassembler,
    /// The frames since the last first one, under each key.
    trains: BTreeMap<u32, Vec<CanFrame>>,
    frames: u64,
    packets: u64,
    discarded: u64,
    ignored: u64,
}

/// Whatever frames come when: what is told was counted, no limit is exceeded, and each packet is made of all
/// frames since its first, in order.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut next = || input.byte();
    let version = [Version::V1, Version::V2][usize::from(next() & 1)];
    let limits = Limits {
        payload: usize::from(next()),
        packets: usize::from(next() % 6),
        bytes: usize::from(next()),
    };
    let config = ReassemblyConfig::default()
        .max_payload(limits.payload)
        .max_pending(limits.packets)
        .max_bytes(limits.bytes)
        .max_per_sender(usize::from(next() % 4))
        .max_bytes_per_sender(usize::from(next()))
        .max_age(Duration::from_millis(u64::from(next()) * 8));
    let mut world = World {
        version,
        limits,
        now: Instant::ZERO,
        reassembler: Reassembler::new(version, config),
        trains: BTreeMap::new(),
        frames: 0,
        packets: 0,
        discarded: 0,
        ignored: 0,
    };
    while !input.is_empty() {
        let choice = input.byte();
        let mut next = || input.byte();
        match choice % 8 {
            0 | 1 => world.any_frame([next(), next(), next()], choice, &mut next),
            2..=4 => world.packet(next(), next(), next()),
            5 => world.now += Duration::from_millis(u64::from(next()) * 4),
            6 => world.reassembler.handle_timeout(world.now),
            _ => world.down(),
        }
        world.check(None);
    }
    world.quiet();
}

impl World {
    /// A frame of few identifiers, so that frames meet.
    fn any_frame(&mut self, [high, middle, low]: [u8; 3], choice: u8, next: &mut impl FnMut() -> u8) {
        let bits = match self.version {
            Version::V1 => {
                let id = Cfp1Id {
                    source: Address::new(u16::from(high & 3)).unwrap(),
                    destination: Address::new(9).unwrap(),
                    more: middle & 1 != 0,
                    remaining: middle >> 1 & 7,
                    packet: u16::from(low & 3),
                };
                id.to_id().as_raw()
            }
            Version::V2 => 9 << 13 | u32::from(high & 3) << 7 | u32::from(low & 0x7F),
        };
        let len = usize::from(choice >> 4) % 9;
        let data: Vec<u8> = (0..len).map(|_| next()).collect();
        self.frame(&CanFrame::data(ExtendedId::new(bits).unwrap(), &data).unwrap());
    }

    /// A packet as it should be, but for the frames that `lost` names.
    fn packet(&mut self, source: u8, len: u8, lost: u8) {
        let end = |bits, port| (Address::new(bits).unwrap(), Port::new(port).unwrap());
        let header = Header::new(end(u16::from(source & 3), 33), end(9, 10));
        let payload: Vec<u8> = (0..len).map(|at| at ^ lost).collect();
        let mut fragmenter =
            Fragmenter::new(self.version, header.source).with_packet_counter(u16::from(source >> 2 & 3));
        let frames: Vec<_> = fragmenter.fragments(&header, None, &payload).unwrap().collect();
        for (at, frame) in frames.iter().enumerate() {
            if at >= 8 || lost >> at & 1 == 0 {
                self.frame(frame);
            }
        }
    }

    fn down(&mut self) {
        self.reassembler.handle_link_down();
        self.trains.clear();
        assert_eq!(
            (self.reassembler.pending(), self.reassembler.pending_bytes()),
            (0, 0)
        );
        assert_eq!(self.reassembler.poll_timeout(), None);
    }

    fn frame(&mut self, frame: &CanFrame) {
        let (key, begins) = self.place(frame);
        if begins {
            self.trains.insert(key, vec![]);
        }
        self.trains.entry(key).or_default().push(frame.clone());
        self.frames += 1;
        self.reassembler.handle_frame(self.now, frame);
        self.check(Some(key));
    }

    /// The key of a frame, and whether it begins a packet.
    fn place(&self, frame: &CanFrame) -> (u32, bool) {
        let bits = frame.id_word() & 0x1FFF_FFFF;
        match self.version {
            Version::V1 => (bits & !(0x1FF << 10), bits & 1 << 18 == 0),
            Version::V2 => (bits >> 5, bits & 2 != 0),
        }
    }

    /// Takes what was told after a frame of `key`, or after something that is no frame.
    fn check(&mut self, key: Option<u32>) {
        while let Some(received) = self.reassembler.poll_received() {
            match received {
                Received::Packet(complete) => {
                    let train = self.trains.remove(&key.expect("a packet ends with a frame"));
                    assert_eq!(Some(complete.packet), train.and_then(|train| self.joined(&train)));
                    self.packets += 1;
                }
                Received::Discarded { .. } => self.discarded += 1,
                Received::Ignored(_) => self.ignored += 1,
                _ => {}
            }
        }
        let stats = self.reassembler.stats();
        assert_eq!((stats.frames, stats.packets), (self.frames, self.packets));
        assert_eq!(
            (stats.discarded(), stats.ignored()),
            (self.discarded, self.ignored)
        );
        assert!(self.reassembler.pending() <= self.limits.packets);
        assert!(self.reassembler.pending_bytes() <= self.limits.bytes);
        assert!(self.reassembler.pending_bytes() <= self.limits.payload * self.reassembler.pending());
        if self.reassembler.pending() > 0 {
            assert!(
                self.reassembler.poll_timeout().is_some(),
                "what is pending expires"
            );
        }
    }

    /// The packet of a train whose counters are right.
    fn joined(&self, train: &[CanFrame]) -> Option<Packet> {
        let ids = train
            .iter()
            .map(|frame| ExtendedId::new(frame.id_word() & 0x1FFF_FFFF).unwrap());
        let (header, rest) = match self.version {
            Version::V1 => {
                let ids: Vec<_> = ids.map(Cfp1Id::from_id).collect();
                let counts = ids
                    .windows(2)
                    .all(|pair| pair[0].remaining == pair[1].remaining + 1);
                assert!(counts, "{ids:?}");
                let (header, rest) = Header::decode(self.version, train.first()?.payload()).ok()?;
                (header, rest[2..].to_vec())
            }
            Version::V2 => {
                let ids: Vec<_> = ids.map(Cfp2Id::from_id).collect();
                let counts = ids
                    .iter()
                    .enumerate()
                    .skip(1)
                    .all(|(at, id)| usize::from(id.fragment) == at % 8);
                assert!(counts && ids.last()?.end, "{ids:?}");
                let high = u16::from(ids[0].priority.to_bits()) << 14 | ids[0].destination.to_bits();
                let head = [&high.to_be_bytes(), train.first()?.payload()].concat();
                let (header, rest) = Header::decode(self.version, &head).ok()?;
                (header, rest.to_vec())
            }
        };
        let later = train[1..].iter().flat_map(CanFrame::payload);
        let payload: Vec<u8> = rest.iter().chain(later).copied().collect();
        assert!(payload.len() <= self.limits.payload);
        Some(Packet::new(header, payload.into()))
    }

    /// With no more frames, the timer clears everything, and then rests.
    fn quiet(&mut self) {
        while let Some(due) = self.reassembler.poll_timeout() {
            self.now = self.now.max(due);
            self.reassembler.handle_timeout(self.now);
            self.check(None);
            assert!(self.reassembler.poll_timeout().is_none_or(|next| next > self.now));
        }
        assert_eq!(
            (self.reassembler.pending(), self.reassembler.pending_bytes()),
            (0, 0)
        );
    }
}
