//! What can be read and written by identifier, and the trouble codes.

use std::collections::BTreeMap;
use std::vec::Vec;

use super::access::{Access, Level, Session};

/// DID of the vehicle identification number.
pub const VIN_DID: u16 = 0xF190;
/// The number that an [`Ecu`](super::Ecu) has unless told otherwise.
pub const VIN: &str = "TW1WRES1MXECU0001";
/// DID of the session at hand, which the controller answers itself.
pub(super) const SESSION_DID: u16 = 0xF186;

/// Bits of a trouble code's status that the controller keeps: all but the warning lamp's.
pub const STATUS_AVAILABILITY: u8 = 0x7F;
/// Status after clearing: no test has run since, nor in this operation cycle.
const CLEARED: u8 = 0x50;
/// The group of all trouble codes.
const ALL_GROUPS: [u8; 3] = [0xFF; 3];

/// What a data identifier stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub(super) data: Vec<u8>,
    pub(super) read: Access,
    pub(super) write: Access,
}

impl Record {
    /// Data that everybody may read and nobody may write.
    #[must_use]
    pub fn new(data: impl Into<Vec<u8>>) -> Self {
        Self {
            data: data.into(),
            read: Access::Free,
            write: Access::Never,
        }
    }

    /// What it takes to read it.
    #[must_use]
    pub fn readable(self, read: Access) -> Self {
        Self { read, ..self }
    }

    /// What it takes to write it. What is written must have the length of what is there.
    #[must_use]
    pub fn writable(self, write: Access) -> Self {
        Self { write, ..self }
    }
}

/// A diagnostic trouble code and its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TroubleCode {
    /// Two bytes of code and one of failure type: P0301-00 is `03 01 00`.
    pub code: [u8; 3],
    /// Bit 0 test failed, 1 failed in this operation cycle, 2 pending, 3 confirmed, 4 not tested since
    /// clearing, 5 failed since clearing, 6 not tested in this cycle, 7 warning lamp.
    pub status: u8,
}

pub(super) fn factory_records() -> BTreeMap<u16, Record> {
    let calibration = Record::new([0x12, 0x34, 0x56, 0x78]);
    BTreeMap::from([
        // Engine speed when idle, in revolutions per minute: any workshop may adjust it.
        (
            0x0101,
            Record::new([0x03, 0x20]).writable(Access::In(Session::Extended)),
        ),
        (0x0C00, calibration.readable(Access::Unlocked(Level::Diagnostic))),
        // Who programmed it and when.
        (
            0xF15A,
            Record::new([0; 9]).writable(Access::Unlocked(Level::Programming)),
        ),
        (0xF187, Record::new("TW-1042-A")),
        (0xF18A, Record::new("TINWIRE")),
        (0xF18B, Record::new([0x20, 0x25, 0x03, 0x14])),
        (0xF18C, Record::new("SIM-0001")),
        (
            VIN_DID,
            Record::new(VIN).writable(Access::Unlocked(Level::Diagnostic)),
        ),
        (0xF191, Record::new("HW-3")),
        (0xF195, Record::new("1.0.0")),
        (0xF197, Record::new("SIMULATED ENGINE")),
    ])
}

/// A misfire that is there, a low voltage that was, and a test that has not run yet.
pub(super) fn factory_troubles() -> Vec<TroubleCode> {
    let trouble = |code, status| TroubleCode { code, status };
    [
        trouble([0x03, 0x01, 0x00], 0x2F), // P0301
        trouble([0x05, 0x62, 0x00], 0x28), // P0562
        trouble([0xC1, 0x21, 0x00], 0x50), // U0121
    ]
    .to_vec()
}

/// Codes with any of these status bits.
pub(super) fn matching(troubles: &[TroubleCode], mask: u8) -> impl Iterator<Item = &TroubleCode> {
    troubles
        .iter()
        .filter(move |trouble| trouble.status & mask & STATUS_AVAILABILITY != 0)
}

/// As they are told: code and status, one after the other.
pub(super) fn listed<'a>(troubles: impl Iterator<Item = &'a TroubleCode>) -> impl Iterator<Item = u8> {
    troubles.flat_map(|trouble| {
        let [high, middle, low] = trouble.code;
        [high, middle, low, trouble.status & STATUS_AVAILABILITY]
    })
}

/// Whether a group of trouble codes, or the one that is named, exists.
pub(super) fn exists(troubles: &[TroubleCode], group: [u8; 3]) -> bool {
    group == ALL_GROUPS || troubles.iter().any(|trouble| trouble.code == group)
}

/// Clears all codes, or the one that is named.
pub(super) fn clear(troubles: &mut [TroubleCode], group: [u8; 3]) {
    let named = |trouble: &&mut TroubleCode| group == ALL_GROUPS || trouble.code == group;
    for trouble in troubles.iter_mut().filter(named) {
        trouble.status = CLEARED;
    }
}
