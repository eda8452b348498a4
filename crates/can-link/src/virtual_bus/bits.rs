//! How long a frame occupies the bus.

use core::time::Duration;

use embedded_can::Id;

use crate::frame::{CanFrame, Dlc};

/// Bit rates of a bus, in bit/s. Both are at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BitRate {
    nominal: u32,
    data: u32,
}

impl BitRate {
    /// A bus with one rate, or `None` for 0. Typical: 125 000, 250 000, 500 000, 1 000 000.
    #[must_use]
    pub const fn new(nominal: u32) -> Option<Self> {
        Self::with_data(nominal, nominal)
    }

    /// A bus whose CAN FD frames with bit-rate switch send their data phase at `data`; `None` when either is
    /// 0.
    #[must_use]
    pub const fn with_data(nominal: u32, data: u32) -> Option<Self> {
        if nominal == 0 || data == 0 {
            None
        } else {
            Some(Self { nominal, data })
        }
    }

    /// The rate of the arbitration phase.
    #[must_use]
    pub const fn nominal(self) -> u32 {
        self.nominal
    }

    /// The rate of the data phase.
    #[must_use]
    pub const fn data(self) -> u32 {
        self.data
    }
}

/// How long `frame` occupies a bus: start of frame to the end of the intermission.
///
/// Classic and FD frames are counted bit by bit with their stuff bits (ISO 11898-1:2015). For CAN XL it is an
/// approximation without the padding of the transceiver mode switch.
#[must_use]
pub fn frame_duration(frame: &CanFrame, rate: BitRate) -> Duration {
    let (nominal, data) = frame_bits(frame);
    let nanos = |bits: u64, rate: u32| (bits * 1_000_000_000).div_ceil(rate.into());
    Duration::from_nanos(nanos(nominal, rate.nominal) + nanos(data, rate.data))
}

/// Bits at the nominal rate and at the data rate.
fn frame_bits(frame: &CanFrame) -> (u64, u64) {
    match frame {
        CanFrame::Data(data) => (classic_bits(frame, data.dlc()), 0),
        CanFrame::Remote(remote) => (classic_bits(frame, remote.dlc()), 0),
        CanFrame::Fd(fd) => {
            let (arbitration, data) = fd_bits(frame, fd.data());
            if fd.flags().contains(crate::frame::FdFlags::BRS) {
                (arbitration, data)
            } else {
                (arbitration + data, 0)
            }
        }
        // 32 bits of arbitration and control and 10 of acknowledgement, end and intermission at the nominal
        // rate; 13 bytes of header, check sequences and format fields beside the data, one stuff bit in ten,
        // at the data rate
        CanFrame::Xl(xl) => (
            42,
            (8 * (13 + u64::try_from(xl.data().len()).unwrap_or(2048))) * 11 / 10,
        ),
    }
}

/// Counts bits and the stuff bits among them: one of the other value after five equal ones.
#[derive(Default)]
struct BitCount {
    bits: u64,
    last: Option<bool>,
    run: u8,
    crc15: u16,
}

impl BitCount {
    fn push(&mut self, bit: bool) {
        let feedback = bit != (self.crc15 & 0x4000 != 0);
        self.crc15 = (self.crc15 << 1) & 0x7FFF ^ if feedback { 0x4599 } else { 0 };
        self.stuff(bit);
    }

    fn stuff(&mut self, bit: bool) {
        self.bits += 1;
        self.run = if self.last == Some(bit) { self.run + 1 } else { 1 };
        self.last = Some(bit);
        if self.run == 5 {
            self.bits += 1;
            self.last = Some(!bit);
            self.run = 1;
        }
    }

    fn field(&mut self, value: u32, width: u32) {
        (0..width).rev().for_each(|bit| self.push(value >> bit & 1 == 1));
    }

    /// Start of frame, identifier, and the remote and format bits up to (not including) the control field.
    fn arbitration(&mut self, id: Id, remote: bool) {
        self.push(false);
        match id {
            Id::Standard(id) => {
                self.field(id.as_raw().into(), 11);
                self.push(remote);
                self.push(false); // IDE
            }
            Id::Extended(id) => {
                self.field(id.as_raw() >> 18, 11);
                self.push(true); // SRR
                self.push(true); // IDE
                self.field(id.as_raw() & 0x3_FFFF, 18);
                self.push(remote);
            }
        }
    }
}

/// CRC delimiter, acknowledgement slot and delimiter, end of frame, intermission.
const TAIL: u64 = 1 + 2 + 7 + 3;

fn classic_bits(frame: &CanFrame, dlc: Dlc) -> u64 {
    let mut count = BitCount::default();
    count.arbitration(frame.id(), frame.is_remote());
    let reserved = if matches!(frame.id(), Id::Extended(_)) {
        2
    } else {
        1
    };
    count.field(0, reserved);
    count.field(dlc.raw().into(), 4);
    frame
        .payload()
        .iter()
        .for_each(|&byte| count.field(byte.into(), 8));
    let crc = count.crc15;
    (0..15).rev().for_each(|bit| count.stuff(crc >> bit & 1 == 1));
    count.bits + TAIL
}

fn fd_bits(frame: &CanFrame, data: &[u8]) -> (u64, u64) {
    let mut count = BitCount::default();
    count.arbitration(frame.id(), false);
    let flags = match frame {
        CanFrame::Fd(fd) => fd.flags().to_bits(),
        _ => 0,
    };
    count.push(true); // FDF
    count.push(false); // reserved
    count.push(flags & 1 != 0); // BRS; the data phase begins here
    let arbitration = count.bits;
    count.push(flags & 2 != 0); // ESI
    count.field(Dlc::covering(data.len()).map_or(15, |dlc| dlc.raw().into()), 4);
    data.iter().for_each(|&byte| count.field(byte.into(), 8));
    // stuff count (4 bits) and CRC, with a fixed stuff bit first and after every fourth bit
    let check = if data.len() <= 16 { 4 + 17 + 6 } else { 4 + 21 + 7 };
    (arbitration + TAIL, count.bits - arbitration + check)
}

#[cfg(test)]
mod tests {
    use embedded_can::{ExtendedId, StandardId};

    use super::*;
    use crate::frame::FdFlags;

    fn bits(frame: &CanFrame) -> u64 {
        frame_bits(frame).0 + frame_bits(frame).1
    }

    #[test]
    fn an_unstuffed_standard_frame_has_44_bits_and_three_of_intermission_plus_data() {
        // 0x555 alternates, so that only the zeros around the control field and in the CRC can be stuffed
        let alternating = CanFrame::data(StandardId::new(0x555).unwrap(), &[0x55; 8]).unwrap();
        let plain = 44 + 3 + 64;
        assert!(
            (plain..=plain + 3).contains(&bits(&alternating)),
            "{}",
            bits(&alternating)
        );
    }

    #[test]
    fn the_worst_case_of_a_full_frame_is_not_exceeded() {
        // at most (34 + 64 - 1) / 4 = 24 stuff bits in a standard frame, (54 + 64 - 1) / 4 = 29 in an
        // extended one
        for byte in [0x00, 0xFF, 0x3C, 0xC3, 0x0F, 0xF0] {
            let standard = CanFrame::data(StandardId::ZERO, &[byte; 8]).unwrap();
            assert!(bits(&standard) <= 111 + 24, "{byte:#x}: {}", bits(&standard));
            let extended = CanFrame::data(ExtendedId::ZERO, &[byte; 8]).unwrap();
            assert!(bits(&extended) <= 131 + 29, "{byte:#x}: {}", bits(&extended));
        }
    }

    #[test]
    fn five_equal_bits_are_followed_by_one_stuff_bit() {
        let mut count = BitCount::default();
        (0..5).for_each(|_| count.stuff(false));
        assert_eq!(count.bits, 6);
        (0..4).for_each(|_| count.stuff(true)); // the stuff bit counts as the first of the new run
        assert_eq!(count.bits, 11);
    }

    #[test]
    fn the_crc_gives_the_catalogued_check_value() {
        let mut count = BitCount::default();
        b"123456789".iter().for_each(|&byte| count.field(byte.into(), 8));
        assert_eq!(count.crc15, 0x059E, "CRC-15/CAN");
    }

    #[test]
    fn a_bit_rate_switch_shortens_the_data_phase_only() {
        let rate = BitRate::with_data(500_000, 2_000_000).unwrap();
        let id = StandardId::new(0x123).unwrap();
        let slow = CanFrame::fd(id, &[0xA5; 64], FdFlags::NONE).unwrap();
        let fast = CanFrame::fd(id, &[0xA5; 64], FdFlags::BRS).unwrap();
        assert!(frame_duration(&fast, rate) < frame_duration(&slow, rate) / 2);
        let (nominal, data) = frame_bits(&fast);
        assert!((28..=36).contains(&nominal) && data > 512, "{nominal} {data}");
    }

    #[test]
    fn a_zero_rate_cannot_be_built() {
        assert_eq!(BitRate::new(0), None);
        assert_eq!(BitRate::with_data(1, 0), None);
    }
}
