//! The CRC-32 trailer of a flow that has no bit errors (`ber` 0).

use crc::{CRC_32_ISO_HDLC, Crc, Table};

/// Length of the trailer.
pub const CRC_LEN: usize = 4;

/// The CRC-32 of IEEE 802.3: reflected 0x04C11DB7, begun and ended with all ones.
static CRC: Crc<u32, Width> = Crc::<u32, Width>::new(&CRC_32_ISO_HDLC);

/// 16 KiB of tables where there is an operating system, 1 KiB where there is none.
#[cfg(feature = "std")]
type Width = Table<16>;
#[cfg(not(feature = "std"))]
type Width = Table<1>;

/// The trailer for `packet`: its CRC-32, most significant byte first.
#[must_use]
pub fn crc32(packet: &[u8]) -> [u8; CRC_LEN] {
    CRC.checksum(packet).to_be_bytes()
}

/// The packet in front of its trailer, if that is right.
pub(super) fn strip(packet: &[u8]) -> Result<&[u8], Unfit> {
    let (packet, trailer) = packet.split_last_chunk().ok_or(Unfit::Short)?;
    if crc32(packet) == *trailer {
        Ok(packet)
    } else {
        Err(Unfit::Mismatch)
    }
}

/// Why a trailer is not right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Short,
    Mismatch,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), [0xCB, 0xF4, 0x39, 0x26]);
        assert_eq!(crc32(b""), [0; 4]);
    }

    #[test]
    fn every_flipped_bit_is_noticed_and_so_is_a_missing_trailer() {
        let mut packet = *b"packet\0\0\0\0";
        packet[6..].copy_from_slice(&crc32(b"packet"));
        assert_eq!(strip(&packet), Ok(&b"packet"[..]));
        for bit in 0..packet.len() * 8 {
            packet[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(strip(&packet), Err(Unfit::Mismatch));
            packet[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(strip(b"abc"), Err(Unfit::Short));
    }
}
