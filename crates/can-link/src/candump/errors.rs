//! Error reports in candump's words.

use core::fmt;

use crate::error_frame::{Cause, ErrorFrame};

/// The causes of `report` as `candump -e` prints them, one for each of its lines.
///
/// [`Cause`]'s own `Display` tells more, in plainer words.
pub fn error_details(report: &ErrorFrame) -> impl Iterator<Item = impl fmt::Display> {
    report.causes().map(Words)
}

struct Words(Cause);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Cause::TransmitTimeout => f.write_str("tx-timeout"),
            Cause::ArbitrationLost { bit } => {
                write!(f, "lost-arbitration{{at bit {}}}", bit.unwrap_or_default())
            }
            Cause::Controller(status) => {
                f.write_str("controller-problem{")?;
                list(f, status.to_bits(), &CONTROLLER)?;
                f.write_str("}")
            }
            Cause::Protocol { violation, location } => {
                f.write_str("protocol-violation{{")?;
                list(f, violation.to_bits(), &VIOLATION)?;
                write!(f, "}}{{{}}}}}", place(location.code()))
            }
            Cause::Transceiver { .. } => f.write_str("transceiver-status"),
            Cause::NoAcknowledgement => f.write_str("no-acknowledgement-on-tx"),
            Cause::BusOff => f.write_str("bus-off"),
            Cause::BusError => f.write_str("bus-error"),
            Cause::Restarted => f.write_str("restarted-after-bus-off"),
            Cause::Counters { tx, rx } => write!(f, "error-counter-tx-rx{{{{{tx}}}{{{rx}}}}}"),
            Cause::Unknown(class) => write!(f, "error-class-{class:08X}"),
        }
    }
}

const CONTROLLER: [&str; 8] = [
    "rx-overflow",
    "tx-overflow",
    "rx-error-warning",
    "tx-error-warning",
    "rx-error-passive",
    "tx-error-passive",
    "back-to-error-active",
    "unknown-bit-7",
];

const VIOLATION: [&str; 8] = [
    "single-bit-error",
    "frame-format-error",
    "bit-stuffing-error",
    "tx-dominant-bit-error",
    "tx-recessive-bit-error",
    "bus-overload",
    "active-error",
    "error-on-tx",
];

/// Prints the names of the set bits, from bit 0 on, with commas between.
fn list(f: &mut fmt::Formatter<'_>, bits: u8, names: &[&str; 8]) -> fmt::Result {
    let mut set = names
        .iter()
        .enumerate()
        .filter(|(bit, _)| bits >> bit & 1 == 1)
        .map(|(_, name)| *name);
    if let Some(first) = set.next() {
        f.write_str(first)?;
    }
    set.try_for_each(|name| write!(f, ",{name}"))
}

const fn place(code: u8) -> &'static str {
    match code {
        0x02 => "id.28-to-id.21",
        0x03 => "start-of-frame",
        0x04 => "bit-srtr",
        0x05 => "bit-ide",
        0x06 => "id.20-to-id.18",
        0x07 => "id.17-to-id.13",
        0x08 => "crc-sequence",
        0x09 => "reserved-bit-0",
        0x0A => "data-field",
        0x0B => "data-length-code",
        0x0C => "bit-rtr",
        0x0D => "reserved-bit-1",
        0x0E => "id.4-to-id.0",
        0x0F => "id.12-to-id.5",
        0x11 => "active-error-flag",
        0x12 => "intermission",
        0x13 => "tolerate-dominant-bits",
        0x16 => "passive-error-flag",
        0x17 => "error-delimiter",
        0x18 => "crc-delimiter",
        0x19 => "acknowledge-slot",
        0x1A => "end-of-frame",
        0x1B => "acknowledge-delimiter",
        0x1C => "overload-flag",
        _ => "unspecified",
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;
    use crate::error_frame::ErrorClasses;

    #[test]
    fn several_classes_become_several_lines() {
        let report = ErrorFrame::new(
            ErrorClasses::from_bits(0x28C),
            &[0, 0x30, 0x84, 0x19, 0, 0, 128, 0],
        );
        let lines: Vec<_> = error_details(&report).map(|line| line.to_string()).collect();
        assert_eq!(
            lines,
            [
                "controller-problem{rx-error-passive,tx-error-passive}",
                "protocol-violation{{bit-stuffing-error,error-on-tx}{acknowledge-slot}}",
                "bus-error",
                "error-counter-tx-rx{{128}{0}}",
            ]
        );
    }
}
