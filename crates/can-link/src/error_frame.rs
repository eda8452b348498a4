//! Reports of bus errors, decoded into named causes.
//!
//! A controller reports what went wrong as a message whose identifier is a set of *classes* and whose eight
//! bytes give details. Several classes are set at once in real life, so [`ErrorFrame::causes`] is a list.
//! Layout (Linux `can/error.h`):
//!
//! ```text
//! class bit   cause                  details
//!   0x001     transmit timeout
//!   0x002     arbitration lost       data[0] bit number, 0 unspecified
//!   0x004     controller problem     data[1] set of ControllerStatus
//!   0x008     protocol violation     data[2] set of Violation, data[3] Location
//!   0x010     transceiver status     data[4] low nibble CAN-H, high nibble CAN-L
//!   0x020     no acknowledgement
//!   0x040     bus off
//!   0x080     bus error
//!   0x100     restarted
//!   0x200     counters               data[6] transmit, data[7] receive
//! ```

mod cause;
mod state;

pub use cause::{Cause, ControllerStatus, LineFault, Location, Violation};
pub use state::BusState;

/// A set of error classes (the identifier bits of an error frame, or a socket's error mask).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ErrorClasses(u32);

impl ErrorClasses {
    /// No class.
    pub const NONE: Self = Self(0);
    /// Every class, also those not known today.
    pub const ALL: Self = Self(crate::id::EXTENDED_MASK);

    /// The classes in bits 28..0; higher bits are ignored.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & crate::id::EXTENDED_MASK)
    }

    /// The classes as bits.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// Whether any class is in both sets.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A report of bus errors: received, and sent only through an explicit method for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorFrame {
    classes: ErrorClasses,
    data: [u8; 8],
}

impl ErrorFrame {
    /// A report of `classes` with details; missing bytes count as zero, as for short reports of old drivers.
    #[must_use]
    pub fn new(classes: ErrorClasses, details: &[u8]) -> Self {
        let mut data = [0; 8];
        for (to, from) in data.iter_mut().zip(details) {
            *to = *from;
        }
        Self { classes, data }
    }

    /// The error classes.
    #[must_use]
    pub const fn classes(&self) -> ErrorClasses {
        self.classes
    }

    /// The eight detail bytes.
    #[must_use]
    pub const fn data(&self) -> &[u8; 8] {
        &self.data
    }

    /// Every cause that is reported, in ascending order of class; unknown classes as [`Cause::Unknown`].
    pub fn causes(&self) -> impl Iterator<Item = Cause> + '_ {
        (0..29)
            .map(|bit| 1 << bit)
            .filter(|class| self.classes.0 & class != 0)
            .map(|class| Cause::of(class, &self.data))
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn several_classes_give_several_causes() {
        let frame = ErrorFrame::new(
            ErrorClasses::from_bits(0x2CC),
            &[0, 0x0C, 0x80, 0x19, 0, 0, 130, 96],
        );
        let causes: Vec<_> = frame.causes().collect();
        assert_eq!(
            causes,
            [
                Cause::Controller(ControllerStatus::from_bits(0x0C)),
                Cause::Protocol {
                    violation: Violation::from_bits(0x80),
                    location: Location::from_code(0x19)
                },
                Cause::BusOff,
                Cause::BusError,
                Cause::Counters { tx: 130, rx: 96 },
            ]
        );
    }

    #[test]
    fn a_short_report_is_filled_with_zeros() {
        let frame = ErrorFrame::new(ErrorClasses::from_bits(0x002), &[]);
        assert_eq!(
            frame.causes().collect::<Vec<_>>(),
            [Cause::ArbitrationLost { bit: None }]
        );
    }

    #[test]
    fn an_unknown_class_is_kept_as_a_number() {
        let frame = ErrorFrame::new(ErrorClasses::from_bits(0x0800_0000), &[]);
        assert_eq!(frame.causes().collect::<Vec<_>>(), [Cause::Unknown(0x0800_0000)]);
    }
}
