//! Deduplication: the same packet a second time, by another way or as an echo, goes no further (section 12).
//!
//! A packet is known by the CRC-32C of its header and payload as received, in the header version of its
//! interface. So the two forms of a packet that crosses between versions are two packets here, and take two
//! places.

use alloc::collections::VecDeque;
use core::time::Duration;

use tinwire_time::Instant;

use crate::{Packet, Version, crc};

/// Which packets are dropped when they come a second time.
///
/// The numbers are libcsp's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DedupMode {
    /// None; libcsp's default.
    #[default]
    Off = 0,
    /// Those for others.
    Forwarded = 1,
    /// Those for this node.
    Incoming = 2,
    /// All; the default of csh.
    All = 3,
}

impl DedupMode {
    /// The mode with libcsp's number, if there is one.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::Off),
            1 => Some(Self::Forwarded),
            2 => Some(Self::Incoming),
            3 => Some(Self::All),
            _ => None,
        }
    }

    /// libcsp's number of the mode.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self as u8
    }
}

/// Which packets are recognized when they come again, and for how long.
///
/// Genuine packets that are equal in every byte fall victim too, when they come within the window: two equal
/// requests from the same port, for instance. Packets of the node to itself are exempt.
#[derive(Clone, Copy, Debug)]
pub struct DedupConfig {
    mode: DedupMode,
    window: Duration,
    depth: usize,
}

impl DedupConfig {
    /// Which packets. Default [`DedupMode::Off`], as libcsp's library.
    #[must_use]
    pub const fn mode(mut self, mode: DedupMode) -> Self {
        self.mode = mode;
        self
    }

    /// How long a packet is remembered; an equal one does not prolong it.
    ///
    /// Default 100 ms, as libcsp 2.x (1.6: 1 s). A bridge uses it in every mode.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How many packets are remembered; another one pushes the oldest out.
    ///
    /// Default 16, as libcsp. With 0 none is.
    #[must_use]
    pub const fn depth(mut self, packets: usize) -> Self {
        self.depth = packets;
        self
    }
}

impl Default for DedupConfig {
    fn default() -> Self {
        Self {
            mode: DedupMode::Off,
            window: Duration::from_millis(100),
            depth: 16,
        }
    }
}

/// The packets of the last moments.
#[derive(Debug)]
pub(crate) struct Dedup {
    config: DedupConfig,
    /// Those seen, in order of time: apart from their times, for all of them are compared.
    keys: VecDeque<u32>,
    times: VecDeque<Instant>,
}

impl Dedup {
    pub(crate) const fn new(config: DedupConfig) -> Self {
        Self {
            config,
            keys: VecDeque::new(),
            times: VecDeque::new(),
        }
    }

    /// A memory of the same window that is deep enough for a bridge.
    pub(crate) fn deeper(&self, depth: usize) -> Self {
        Self::new(self.config.depth(depth.max(self.config.depth)))
    }

    pub(crate) fn configure(&mut self, config: DedupConfig) {
        *self = Self::new(config);
    }

    pub(crate) const fn mode(&self) -> DedupMode {
        self.config.mode
    }

    /// Whether `packet` was here before; if not, it has been from now on.
    pub(crate) fn is_known(&mut self, now: Instant, version: Version, packet: &Packet) -> bool {
        // What has no form in the version has never been on its link.
        let Ok(header) = packet.header.encode(version) else {
            return false;
        };
        let key = crc::checksum_with_header(&header, &packet.payload);
        let window = self.config.window;
        while self.times.front().is_some_and(|seen| now - *seen > window) {
            self.forget_oldest();
        }
        if self.keys.contains(&key) {
            return true;
        }
        if self.config.depth == 0 {
            return false;
        }
        if self.keys.len() >= self.config.depth {
            self.forget_oldest();
        }
        self.keys.push_back(key);
        self.times.push_back(now);
        false
    }

    fn forget_oldest(&mut self) {
        self.keys.pop_front();
        self.times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::{Address, Header, Port};

    fn packet(source: u16) -> Packet {
        let port = Port::new(10).unwrap();
        let header = Header::new(
            (Address::new(source).unwrap(), port),
            (Address::new(2).unwrap(), port),
        );
        Packet::new(header, Bytes::from_static(b"x"))
    }

    fn is_known(dedup: &mut Dedup, millis: u64, source: u16) -> bool {
        dedup.is_known(Instant::from_millis(millis), Version::V2, &packet(source))
    }

    #[test]
    fn a_packet_is_remembered_for_its_window_from_its_first_time_on() {
        let mut dedup = Dedup::new(DedupConfig::default());
        let known = [
            (0, false),
            (50, true),
            (100, true),
            (101, false),
            (201, true),
            (202, false),
        ];
        for (millis, known) in known {
            assert_eq!(is_known(&mut dedup, millis, 1), known, "at {millis} ms");
        }
    }

    #[test]
    fn the_oldest_of_too_many_is_forgotten() {
        let mut dedup = Dedup::new(DedupConfig::default().depth(2));
        assert_eq!(
            [1, 2, 3].map(|source| is_known(&mut dedup, 0, source)),
            [false; 3]
        );
        assert_eq!([2, 3].map(|source| is_known(&mut dedup, 0, source)), [true; 2]);
        assert!(!is_known(&mut dedup, 0, 1));
        let mut none = Dedup::new(DedupConfig::default().depth(0));
        assert_eq!([1, 1].map(|source| is_known(&mut none, 0, source)), [false; 2]);
    }

    #[test]
    fn the_two_forms_of_a_packet_are_two_packets() {
        let mut dedup = Dedup::new(DedupConfig::default());
        for known in [false, true] {
            for version in [Version::V1, Version::V2] {
                assert_eq!(dedup.is_known(Instant::ZERO, version, &packet(1)), known);
            }
        }
        let wide = [false; 2].map(|_| dedup.is_known(Instant::ZERO, Version::V1, &packet(5000)));
        assert_eq!(wide, [false; 2], "without a form there is nothing to know it by");
    }

    #[test]
    fn the_numbers_of_the_modes_are_those_of_libcsp() {
        for bits in 0..=u8::MAX {
            let mode = DedupMode::from_bits(bits);
            assert_eq!(mode.map(DedupMode::to_bits), (bits < 4).then_some(bits));
        }
    }

    proptest! {
        #[test]
        fn the_memory_is_bounded_and_never_forgets_early(
            depth in 0..6usize, arrivals in proptest::collection::vec((0..40u64, 0..6u16), 0..60),
        ) {
            let mut dedup = Dedup::new(DedupConfig::default().depth(depth));
            // All that was ever accepted; the last `depth` within the window still count.
            let mut accepted: alloc::vec::Vec<(u64, u16)> = alloc::vec![];
            let mut now = 0;
            for (wait, source) in arrivals {
                now += wait;
                let expected = accepted
                    .iter()
                    .rev()
                    .take(depth)
                    .any(|(time, other)| *other == source && now - time <= 100);
                let known = is_known(&mut dedup, now, source);
                prop_assert_eq!(known, expected);
                if !known {
                    accepted.push((now, source));
                }
                prop_assert!(dedup.keys.len() <= depth);
            }
        }
    }
}
