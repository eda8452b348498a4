//! The frames themselves: no link, no clock; the same seed gives the same frames.

use can_link::frame::{FdFlags, fd_padded_len};
use can_link::id::{extended, standard};
use can_link::{CanFrame, Id};

use crate::args::modes::{DataMode, IdMode, LengthMode};

/// Which frames are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) is_extended: bool,
    pub(super) body: Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Data,
    Remote,
    Fd(FdFlags),
}

/// Whether the kind changes from frame to frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mix {
    /// All frames are of the kind that was asked for.
    No,
    /// Classic kinds.
    Classic,
    /// Classic and FD kinds.
    WithFd,
}

/// An endless row of frames.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    pub(super) id: IdMode,
    pub(super) length: LengthMode,
    pub(super) data: DataMode,
    pub(super) kind: Kind,
    pub(super) mix: Mix,
    random: u64,
    made: u64,
}

impl Frames {
    pub(super) fn new(
        seed: u64,
        kind: Kind,
        mix: Mix,
        (id, length, data): (IdMode, LengthMode, DataMode),
    ) -> Self {
        Self {
            id,
            length,
            data,
            kind,
            mix,
            random: seed,
            made: 0,
        }
    }

    pub(super) fn make(&mut self) -> Option<CanFrame> {
        let kind = self.next_kind();
        let id = self.next_id(kind.is_extended);
        let length = self.next_length(kind.body);
        let frame = match kind.body {
            Body::Remote => CanFrame::remote(id, length),
            Body::Data => CanFrame::data(id, &self.next_data(length)),
            Body::Fd(flags) => CanFrame::fd(id, &self.next_data(length), flags),
        };
        self.made = self.made.wrapping_add(1);
        frame
    }

    fn next_kind(&mut self) -> Kind {
        if self.mix == Mix::No {
            return self.kind;
        }
        let bits = self.next_random();
        let body = match bits >> 1 & 3 {
            0 => Body::Remote,
            1 if self.mix == Mix::WithFd => {
                let flags = u8::try_from(bits >> 3 & 3).unwrap_or_default();
                Body::Fd(FdFlags::from_bits(flags))
            }
            _ => Body::Data,
        };
        Kind {
            is_extended: bits & 1 == 1,
            body,
        }
    }

    fn next_id(&mut self, is_extended: bool) -> Id {
        let low = |number: u64| u32::try_from(number & 0x1FFF_FFFF).unwrap_or_default();
        let value = match self.id {
            IdMode::Random => low(self.next_random()),
            IdMode::Even => low(self.next_random()) & !1,
            IdMode::Odd => low(self.next_random()) | 1,
            IdMode::Counted => low(self.made),
            IdMode::Fixed(value) => value,
        };
        if is_extended {
            extended(value).into()
        } else {
            standard(value).into()
        }
    }

    /// cangen's rules: half of the random classic lengths are 8, because half of the codes mean 8; counted
    /// data needs at least one byte.
    fn next_length(&mut self, body: Body) -> usize {
        let code = match self.length {
            LengthMode::Random => self.next_random(),
            LengthMode::Counted => self.made,
            LengthMode::Fixed(length) => return least(&self.data, fitting(body, length)),
        };
        let code = u8::try_from(code & 0xF).unwrap_or_default();
        let length = can_link::frame::Dlc::new(code).map_or(0, |dlc| match body {
            Body::Fd(_) => dlc.fd_len(),
            Body::Data | Body::Remote => dlc.classic_len(),
        });
        least(&self.data, length)
    }

    fn next_data(&mut self, length: usize) -> Vec<u8> {
        let made = self.made;
        match self.data.clone() {
            DataMode::Random => (0..length).map(|_| self.next_byte()).collect(),
            DataMode::Counted => {
                let mut data = made.to_le_bytes().to_vec();
                data.resize(length, 0);
                data
            }
            DataMode::Pattern(pattern) => {
                let mut data: Vec<u8> = pattern
                    .iter()
                    .take(length)
                    .map(|&(byte, random)| byte | self.next_byte() & random)
                    .collect();
                data.resize(length, 0);
                data
            }
        }
    }

    fn next_byte(&mut self) -> u8 {
        let [byte, ..] = self.next_random().to_be_bytes();
        byte
    }

    /// SplitMix64: short, and good enough for traffic.
    const fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }
}

/// The length that such a frame can have.
fn fitting(body: Body, length: usize) -> usize {
    match body {
        Body::Fd(_) => fd_padded_len(length).unwrap_or(64),
        Body::Data | Body::Remote => length.min(8),
    }
}

fn least(data: &DataMode, length: usize) -> usize {
    if *data == DataMode::Counted {
        length.max(1)
    } else {
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSIC: Kind = Kind {
        is_extended: false,
        body: Body::Data,
    };

    fn frames(kind: Kind, id: &str, length: &str, data: &str) -> Frames {
        let modes = (
            id.parse().unwrap(),
            length.parse().unwrap(),
            data.parse().unwrap(),
        );
        Frames::new(7, kind, Mix::No, modes)
    }

    fn texts(mut frames: Frames, count: usize) -> Vec<String> {
        (0..count)
            .map(|_| can_link::candump::Message::from(frames.make().unwrap()).to_string())
            .collect()
    }

    #[test]
    fn fixed_values_stay_and_counted_ones_count() {
        assert_eq!(
            texts(frames(CLASSIC, "42A", "2", "i"), 3),
            ["42A#0000", "42A#0100", "42A#0200"]
        );
        assert_eq!(
            texts(frames(CLASSIC, "i", "i", "AABBCC"), 4),
            ["000#", "001#AA", "002#AABB", "003#AABBCC"]
        );
    }

    #[test]
    fn counted_data_has_at_least_one_byte() {
        assert_eq!(texts(frames(CLASSIC, "1", "0", "i"), 2), ["001#00", "001#01"]);
    }

    #[test]
    fn lengths_fit_the_kind_of_frame() {
        assert_eq!(
            texts(frames(CLASSIC, "1", "64", "AA"), 1),
            ["001#AA00000000000000"]
        );
        let fd = Kind {
            body: Body::Fd(FdFlags::BRS),
            ..CLASSIC
        };
        assert_eq!(frames(fd, "1", "9", "r").make().unwrap().payload().len(), 12);
        let remote = Kind {
            body: Body::Remote,
            ..CLASSIC
        };
        assert_eq!(texts(frames(remote, "1", "5", "r"), 1), ["001#R5"]);
    }

    #[test]
    fn even_and_odd_hold() {
        for (mode, low) in [("e", 0), ("o", 1)] {
            let mut row = frames(CLASSIC, mode, "0", "r");
            assert!(
                (0..100).all(|_| row.make().unwrap().id_word() & 1 == low),
                "{mode}"
            );
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_frames() {
        let row = || texts(frames(CLASSIC, "r", "r", "r"), 50);
        assert_eq!(row(), row());
        let other = Frames {
            random: 8,
            ..frames(CLASSIC, "r", "r", "r")
        };
        assert_ne!(row(), texts(other, 50));
    }

    #[test]
    fn a_mix_has_every_kind_that_the_link_carries() {
        let mut row = Frames {
            mix: Mix::WithFd,
            ..frames(CLASSIC, "r", "r", "r")
        };
        let made: Vec<_> = (0..200).map(|_| row.make().unwrap()).collect();
        assert!(made.iter().any(|frame| matches!(frame, CanFrame::Fd(_))));
        assert!(made.iter().any(CanFrame::is_remote));
        assert!(made.iter().any(|frame| matches!(frame.id(), Id::Extended(_))));
        let mut classic = Frames {
            mix: Mix::Classic,
            ..frames(CLASSIC, "r", "r", "r")
        };
        assert!((0..200).all(|_| !matches!(classic.make().unwrap(), CanFrame::Fd(_))));
    }
}
