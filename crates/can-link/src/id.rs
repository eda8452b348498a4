//! Identifiers as one 32-bit word with flag bits, and their order on the bus.
//!
//! ```text
//! bit 31   30   29   28 ........................ 0
//!    EFF  RTR  ERR   identifier (29 bits, or 11 in bits 10..0)
//! ```
//!
//! This is the word of Linux' `can_id`, of filters, and of several CAN-over-something formats. The identifier
//! types are [`embedded_can`]'s.

use embedded_can::{ExtendedId, Id, StandardId};

/// Bit 31: the identifier has 29 bits (extended frame format).
pub const EFF_FLAG: u32 = 0x8000_0000;
/// Bit 30: remote transmission request.
pub const RTR_FLAG: u32 = 0x4000_0000;
/// Bit 29: not traffic but a report of bus errors; in a filter: inverted.
pub const ERR_FLAG: u32 = 0x2000_0000;
/// The identifier bits of a standard frame.
pub const STANDARD_MASK: u32 = 0x7FF;
/// The identifier bits of an extended frame.
pub const EXTENDED_MASK: u32 = 0x1FFF_FFFF;

/// The identifier as a word: its value, with [`EFF_FLAG`] when it is extended.
#[must_use]
pub fn to_word(id: Id) -> u32 {
    match id {
        Id::Standard(id) => u32::from(id.as_raw()),
        Id::Extended(id) => id.as_raw() | EFF_FLAG,
    }
}

/// The identifier in a word; bits outside its format (and the RTR and ERR flags) are ignored.
#[must_use]
pub fn from_word(word: u32) -> Id {
    if word & EFF_FLAG == 0 {
        Id::Standard(standard(word))
    } else {
        Id::Extended(extended(word))
    }
}

/// The low 11 bits as an identifier.
#[must_use]
pub fn standard(value: u32) -> StandardId {
    u16::try_from(value & STANDARD_MASK)
        .ok()
        .and_then(StandardId::new)
        .unwrap_or(StandardId::MAX)
}

/// The low 29 bits as an identifier.
#[must_use]
pub fn extended(value: u32) -> ExtendedId {
    ExtendedId::new(value & EXTENDED_MASK).unwrap_or(ExtendedId::MAX)
}

/// A number that orders frames as arbitration does: the smaller one wins the bus.
///
/// The bits are those a transmitter sends, most significant first: 11 base bits, then RTR (or SRR), IDE, 18
/// more bits, RTR. Hence standard wins over extended with the same base, and data over remote.
#[must_use]
pub fn arbitration_key(id: Id, remote: Remote) -> u32 {
    let rtr = u32::from(remote == Remote::Request);
    match id {
        Id::Standard(id) => u32::from(id.as_raw()) << 21 | rtr << 20,
        Id::Extended(id) => {
            let (base, low) = (id.as_raw() >> 18, id.as_raw() & 0x3_FFFF);
            base << 21 | 1 << 20 | 1 << 19 | low << 1 | rtr
        }
    }
}

/// Whether a frame carries data or asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remote {
    /// A data frame.
    Data,
    /// A remote frame.
    Request,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn std_id(raw: u16) -> Id {
        StandardId::new(raw).unwrap().into()
    }

    fn ext_id(raw: u32) -> Id {
        ExtendedId::new(raw).unwrap().into()
    }

    #[test]
    fn a_word_keeps_the_format_apart_from_the_value() {
        assert_eq!(to_word(std_id(0x123)), 0x123);
        assert_eq!(to_word(ext_id(0x123)), 0x8000_0123);
        assert_eq!(from_word(0x123), std_id(0x123));
        assert_eq!(from_word(0x8000_0123), ext_id(0x123));
        assert_eq!(
            from_word(0x1234),
            std_id(0x234),
            "bits above a standard identifier are cut"
        );
    }

    #[test]
    fn arbitration_prefers_low_base_then_standard_then_data() {
        let order = [
            arbitration_key(std_id(0x100), Remote::Data),
            arbitration_key(std_id(0x100), Remote::Request),
            arbitration_key(ext_id(0x100 << 18), Remote::Data),
            arbitration_key(ext_id(0x100 << 18), Remote::Request),
            arbitration_key(ext_id((0x100 << 18) + 1), Remote::Data),
            arbitration_key(std_id(0x101), Remote::Data),
        ];
        assert!(order.is_sorted_by(|a, b| a < b), "{order:x?}");
    }

    #[test]
    fn arbitration_agrees_with_embedded_can_for_data_frames() {
        let ids = [
            std_id(0),
            std_id(0x7FF),
            ext_id(0),
            ext_id(0x1FFF_FFFF),
            std_id(0x400),
            ext_id(0x400 << 18),
        ];
        for a in ids {
            for b in ids {
                let ours = arbitration_key(a, Remote::Data).cmp(&arbitration_key(b, Remote::Data));
                assert_eq!(ours, a.cmp(&b), "{a:?} {b:?}");
            }
        }
    }
}
