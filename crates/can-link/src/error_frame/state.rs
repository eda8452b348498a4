//! The state of a controller on its bus, derived from its error reports.

use super::{Cause, ErrorFrame};

/// Fault confinement state of a controller (ISO 11898-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BusState {
    /// Nothing has been reported yet.
    #[default]
    Unknown,
    /// Error active: takes part normally.
    Active,
    /// An error counter reached 96.
    Warning,
    /// Error passive: an error counter reached 128.
    Passive,
    /// Off the bus: the transmit error counter passed 255.
    BusOff,
}

impl BusState {
    /// The state after `report`; unchanged when the report says nothing of it.
    ///
    /// Bus-off decides, then a restart, then the most serious controller condition.
    #[must_use]
    pub fn after(self, report: &ErrorFrame) -> Self {
        let mut state = self;
        for cause in report.causes() {
            match cause {
                Cause::BusOff => return Self::BusOff,
                Cause::Restarted => state = Self::Active,
                Cause::Controller(status) if status.any(0x30) => state = Self::Passive,
                Cause::Controller(status) if status.any(0x0C) => state = Self::Warning,
                Cause::Controller(status) if status.any(0x40) => state = Self::Active,
                _ => {}
            }
        }
        state
    }
}

impl core::fmt::Display for BusState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Active => "error active",
            Self::Warning => "error warning",
            Self::Passive => "error passive",
            Self::BusOff => "bus off",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::ErrorClasses;
    use super::*;

    fn report(classes: u32, controller: u8) -> ErrorFrame {
        ErrorFrame::new(ErrorClasses::from_bits(classes), &[0, controller])
    }

    #[test]
    fn the_state_follows_the_reports() {
        let steps = [
            (0x004, 0x0C, BusState::Warning),
            (0x004, 0x30, BusState::Passive),
            (0x080, 0x00, BusState::Passive),
            (0x040, 0x00, BusState::BusOff),
            (0x100, 0x00, BusState::Active),
            (0x004, 0x08, BusState::Warning),
            (0x004, 0x40, BusState::Active),
        ];
        let mut state = BusState::default();
        for (classes, controller, expected) in steps {
            state = state.after(&report(classes, controller));
            assert_eq!(state, expected, "class {classes:#x} data[1] {controller:#x}");
        }
    }

    #[test]
    fn bus_off_wins_over_everything_reported_with_it() {
        assert_eq!(BusState::Active.after(&report(0x144, 0x40)), BusState::BusOff);
    }
}
