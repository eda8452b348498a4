//! One cause of a bus error and its details.

use core::fmt;

/// One reported cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The driver gave up on a transmission.
    TransmitTimeout,
    /// Another node won the bus.
    ArbitrationLost {
        /// At which bit, when the controller tells.
        bit: Option<u8>,
    },
    /// The controller's own state; an empty set is "unspecified".
    Controller(ControllerStatus),
    /// A frame on the bus broke the protocol.
    Protocol {
        /// What was wrong; an empty set is "unspecified".
        violation: Violation,
        /// Where in the frame.
        location: Location,
    },
    /// A fault of the bus wires.
    Transceiver {
        /// The CAN-H wire.
        can_h: Option<LineFault>,
        /// The CAN-L wire.
        can_l: Option<LineFault>,
    },
    /// Nobody acknowledged a transmission.
    NoAcknowledgement,
    /// The controller left the bus.
    BusOff,
    /// A bus error (may come in floods).
    BusError,
    /// The controller was restarted after bus-off.
    Restarted,
    /// The error counters, cut to 8 bits by the format.
    Counters {
        /// Transmit error counter.
        tx: u8,
        /// Receive error counter.
        rx: u8,
    },
    /// A class that has no name here.
    Unknown(u32),
}

impl Cause {
    /// The cause that one class bit reports, with its details from `data`.
    pub(super) fn of(class: u32, data: &[u8; 8]) -> Self {
        let [bit, controller, violation, location, transceiver, _, tx, rx] = *data;
        match class {
            0x001 => Self::TransmitTimeout,
            0x002 => Self::ArbitrationLost {
                bit: (bit != 0).then_some(bit),
            },
            0x004 => Self::Controller(ControllerStatus::from_bits(controller)),
            0x008 => Self::Protocol {
                violation: Violation::from_bits(violation),
                location: Location::from_code(location),
            },
            0x010 => Self::Transceiver {
                can_h: LineFault::from_nibble(transceiver & 0x0F),
                can_l: LineFault::from_nibble(transceiver >> 4),
            },
            0x020 => Self::NoAcknowledgement,
            0x040 => Self::BusOff,
            0x080 => Self::BusError,
            0x100 => Self::Restarted,
            0x200 => Self::Counters { tx, rx },
            other => Self::Unknown(other),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TransmitTimeout => f.write_str("transmit timeout"),
            Self::ArbitrationLost { bit: None } => f.write_str("arbitration lost"),
            Self::ArbitrationLost { bit: Some(bit) } => write!(f, "arbitration lost at bit {bit}"),
            Self::Controller(status) => write!(f, "controller problem: {status}"),
            Self::Protocol { violation, location } => {
                write!(f, "protocol violation: {violation}, {location}")
            }
            Self::Transceiver { can_h, can_l } => {
                f.write_str("transceiver:")?;
                can_h.iter().try_for_each(|fault| write!(f, " CAN-H {fault}"))?;
                can_l.iter().try_for_each(|fault| write!(f, " CAN-L {fault}"))
            }
            Self::NoAcknowledgement => f.write_str("no acknowledgement"),
            Self::BusOff => f.write_str("bus off"),
            Self::BusError => f.write_str("bus error"),
            Self::Restarted => f.write_str("restarted after bus off"),
            Self::Counters { tx, rx } => write!(f, "error counters tx {tx} rx {rx}"),
            Self::Unknown(class) => write!(f, "unknown class {class:#x}"),
        }
    }
}

/// Prints the names of the set bits, separated by commas.
fn names(f: &mut fmt::Formatter<'_>, bits: u8, table: &[(u8, &str)]) -> fmt::Result {
    let mut set = table
        .iter()
        .filter(|(bit, _)| bits & bit != 0)
        .map(|(_, name)| *name);
    f.write_str(set.next().unwrap_or("unspecified"))?;
    set.try_for_each(|name| write!(f, ", {name}"))
}

/// A set of controller conditions (byte 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ControllerStatus(u8);

impl ControllerStatus {
    /// Receive buffer overflow.
    pub const RX_OVERFLOW: Self = Self(0x01);
    /// Transmit buffer overflow.
    pub const TX_OVERFLOW: Self = Self(0x02);
    /// Receive error counter reached the warning level (96).
    pub const RX_WARNING: Self = Self(0x04);
    /// Transmit error counter reached the warning level (96).
    pub const TX_WARNING: Self = Self(0x08);
    /// Receive error counter reached the passive level (128).
    pub const RX_PASSIVE: Self = Self(0x10);
    /// Transmit error counter reached the passive level (128).
    pub const TX_PASSIVE: Self = Self(0x20);
    /// Back to error active.
    pub const ACTIVE: Self = Self(0x40);

    /// The conditions in `bits`.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The conditions as bits.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.0
    }

    /// Whether all conditions of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any condition of `bits` is set.
    pub(super) const fn any(self, bits: u8) -> bool {
        self.0 & bits != 0
    }
}

impl fmt::Display for ControllerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const TABLE: [(u8, &str); 7] = [
            (0x01, "rx overflow"),
            (0x02, "tx overflow"),
            (0x04, "rx warning"),
            (0x08, "tx warning"),
            (0x10, "rx passive"),
            (0x20, "tx passive"),
            (0x40, "back to error active"),
        ];
        names(f, self.0, &TABLE)
    }
}

/// A set of protocol violations (byte 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Violation(u8);

impl Violation {
    /// The violations in `bits`: 0x01 single bit, 0x02 form, 0x04 stuff, 0x08 could not send dominant, 0x10
    /// could not send recessive, 0x20 overload, 0x40 active error announcement, 0x80 while transmitting.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The violations as bits.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const TABLE: [(u8, &str); 8] = [
            (0x01, "single bit"),
            (0x02, "form"),
            (0x04, "stuff"),
            (0x08, "could not send dominant"),
            (0x10, "could not send recessive"),
            (0x20, "overload"),
            (0x40, "active error announcement"),
            (0x80, "while transmitting"),
        ];
        names(f, self.0, &TABLE)
    }
}

/// Where in a frame a violation happened (byte 3); unknown codes keep their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Location(u8);

impl Location {
    /// The location with this code; 0 is "unspecified".
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        Self(code)
    }

    /// The code.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// The field's name, when the code has one.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0x02 => "ID bits 28-21",
            0x03 => "start of frame",
            0x04 => "substitute RTR",
            0x05 => "identifier extension",
            0x06 => "ID bits 20-18",
            0x07 => "ID bits 17-13",
            0x08 => "CRC sequence",
            0x09 => "reserved bit 0",
            0x0A => "data section",
            0x0B => "data length code",
            0x0C => "RTR",
            0x0D => "reserved bit 1",
            0x0E => "ID bits 4-0",
            0x0F => "ID bits 12-5",
            0x11 => "active error flag",
            0x12 => "intermission",
            0x13 => "tolerated dominant bits",
            0x16 => "passive error flag",
            0x17 => "error delimiter",
            0x18 => "CRC delimiter",
            0x19 => "ACK slot",
            0x1A => "end of frame",
            0x1B => "ACK delimiter",
            0x1C => "overload flag",
            _ => return None,
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self.0) {
            (Some(name), _) => write!(f, "at {name}"),
            (None, 0) => f.write_str("at an unspecified place"),
            (None, code) => write!(f, "at place {code:#04x}"),
        }
    }
}

/// A fault of one bus wire (one nibble of byte 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LineFault {
    /// No wire.
    NoWire,
    /// Short to battery.
    ShortToBattery,
    /// Short to VCC.
    ShortToVcc,
    /// Short to ground.
    ShortToGround,
    /// CAN-L shorted to CAN-H (CAN-L only).
    ShortToCanH,
    /// A code without a name.
    Unknown(u8),
}

impl LineFault {
    const fn from_nibble(nibble: u8) -> Option<Self> {
        Some(match nibble {
            0 => return None,
            0x4 => Self::NoWire,
            0x5 => Self::ShortToBattery,
            0x6 => Self::ShortToVcc,
            0x7 => Self::ShortToGround,
            0x8 => Self::ShortToCanH,
            other => Self::Unknown(other),
        })
    }
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWire => f.write_str("no wire"),
            Self::ShortToBattery => f.write_str("short to battery"),
            Self::ShortToVcc => f.write_str("short to VCC"),
            Self::ShortToGround => f.write_str("short to ground"),
            Self::ShortToCanH => f.write_str("short to CAN-H"),
            Self::Unknown(code) => write!(f, "fault {code:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn causes_read_as_sentences() {
        let data = [29, 0x30, 0x81, 0x0A, 0x57, 0, 1, 2];
        assert_eq!(Cause::of(0x002, &data).to_string(), "arbitration lost at bit 29");
        assert_eq!(
            Cause::of(0x004, &data).to_string(),
            "controller problem: rx passive, tx passive"
        );
        assert_eq!(
            Cause::of(0x008, &data).to_string(),
            "protocol violation: single bit, while transmitting, at data section"
        );
        assert_eq!(
            Cause::of(0x010, &data).to_string(),
            "transceiver: CAN-H short to ground CAN-L short to battery"
        );
        assert_eq!(Cause::of(0x200, &data).to_string(), "error counters tx 1 rx 2");
    }

    #[test]
    fn what_is_unspecified_says_so() {
        let data = [0; 8];
        assert_eq!(
            Cause::of(0x004, &data).to_string(),
            "controller problem: unspecified"
        );
        assert_eq!(
            Cause::of(0x008, &data).to_string(),
            "protocol violation: unspecified, at an unspecified place"
        );
        assert_eq!(
            Cause::of(0x010, &data),
            Cause::Transceiver {
                can_h: None,
                can_l: None
            }
        );
    }
}
