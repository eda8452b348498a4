//! Names of ISO 14229-1, as `isotpdump -u` writes them.

use core::fmt;

/// Bit of a positive response, added to the service that it answers.
const RESPONSE: u8 = 0x40;
const NEGATIVE: u8 = 0x7F;

/// What kind of message the first byte makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Response,
    Negative,
    Unknown,
}

impl Kind {
    const fn flag(self) -> &'static str {
        match self {
            Self::Request => "[SRQ]",
            Self::Response => "[PSR]",
            Self::Negative => "[NRC]",
            Self::Unknown => "[???]",
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Negative => "negative-response",
            Self::Unknown => "unknown",
        }
    }
}

/// A message's kind, and the name of its service, or of what was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.flag(), self.name)
    }
}

/// Describes a message by its first byte; a negative response by its third one, too.
pub(super) fn of(message: &[u8]) -> Description {
    let at = |at: usize| message.get(at).copied().unwrap_or_default();
    describe(at(0), at(2))
}

fn describe(first: u8, code: u8) -> Description {
    let (kind, name) = match first {
        NEGATIVE => (Kind::Negative, refusal(code)),
        0x50..=0x7E | 0xC3..=0xC8 => (Kind::Response, service(first - RESPONSE)),
        0x10..=0x3E | 0x83..=0x88 | 0xBA..=0xBE => (Kind::Request, service(first)),
        _ => (Kind::Unknown, service(first)),
    };
    Description {
        kind,
        name: name.unwrap_or("Unknown"),
    }
}

/// The name of a service identifier.
const fn service(id: u8) -> Option<&'static str> {
    Some(match id {
        0x10 => "DiagnosticSessionControl",
        0x11 => "ECUReset",
        0x14 => "ClearDiagnosticInformation",
        0x19 => "ReadDTCInformation",
        0x22 => "ReadDataByIdentifier",
        0x23 => "ReadMemoryByAddress",
        0x24 => "ReadScalingDataByIdentifier",
        0x27 => "SecurityAccess",
        0x28 => "CommunicationControl",
        0x2A => "ReadDataByPeriodicIdentifier",
        0x2C => "DynamicallyDefineDataIdentifier",
        0x2E => "WriteDataByIdentifier",
        0x2F => "InputOutputControlByIdentifier",
        0x31 => "RoutineControl",
        0x34 => "RequestDownload",
        0x35 => "RequestUpload",
        0x36 => "TransferData",
        0x37 => "RequestTransferExit",
        0x38 => "RequestFileTransfer",
        0x3D => "WriteMemoryByAddress",
        0x3E => "TesterPresent",
        0x83 => "AccessTimingParameter",
        0x84 => "SecuredDataTransmission",
        0x85 => "ControlDTCSetting",
        0x86 => "ResponseOnEvent",
        0x87 => "LinkControl",
        _ => return None,
    })
}

/// The name of a negative response code.
const fn refusal(code: u8) -> Option<&'static str> {
    Some(match code {
        0x00 => "positiveResponse",
        0x10 => "generalReject",
        0x11 => "serviceNotSupported",
        0x12 => "sub-functionNotSupported",
        0x13 => "incorrectMessageLengthOrInvalidFormat",
        0x14 => "responseTooLong",
        0x21 => "busyRepeatRequest",
        0x22 => "conditionsNotCorrect",
        0x24 => "requestSequenceError",
        0x25 => "noResponseFromSubnetComponent",
        0x26 => "FailurePreventsExecutionOfRequestedAction",
        0x31 => "requestOutOfRange",
        0x33 => "securityAccessDenied",
        0x35 => "invalidKey",
        0x36 => "exceedNumberOfAttempts",
        0x37 => "requiredTimeDelayNotExpired",
        0x70 => "uploadDownloadNotAccepted",
        0x71 => "transferDataSuspended",
        0x72 => "generalProgrammingFailure",
        0x73 => "wrongBlockSequenceCounter",
        0x78 => "requestCorrectlyReceived-ResponsePending",
        0x7E => "sub-functionNotSupportedInActiveSession",
        0x7F => "serviceNotSupportedInActiveSession",
        0x81 => "rpmTooHigh",
        0x82 => "rpmTooLow",
        0x83 => "engineIsRunning",
        0x84 => "engineIsNotRunning",
        0x85 => "engineRunTimeTooLow",
        0x86 => "temperatureTooHigh",
        0x87 => "temperatureTooLow",
        0x88 => "vehicleSpeedTooHigh",
        0x89 => "vehicleSpeedTooLow",
        0x8A => "throttle/PedalTooHigh",
        0x8B => "throttle/PedalTooLow",
        0x8C => "transmissionRangeNotInNeutral",
        0x8D => "transmissionRangeNotInGear",
        0x8F => "brakeSwitch(es)NotClosed (Brake Pedal not pressed or not applied)",
        0x90 => "shifterLeverNotInPark",
        0x91 => "torqueConverterClutchLocked",
        0x92 => "voltageTooHigh",
        0x93 => "voltageTooLow",
        0x38..=0x4F => "reservedByExtendedDataLinkSecurityDocument",
        0x94..=0xEF => "reservedForSpecificConditionsNotCorrect",
        0xF0..=0xFD => "vehicleManufacturerSpecificConditionsNotCorrect",
        _ => "ISOSAEReserved",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_says_request_response_or_neither() {
        for (first, code, expected) in [
            (0x22, 0, "[SRQ] ReadDataByIdentifier"),
            (0x62, 0, "[PSR] ReadDataByIdentifier"),
            (0xC5, 0, "[PSR] ControlDTCSetting"),
            (0x7F, 0x78, "[NRC] requestCorrectlyReceived-ResponsePending"),
            (
                0x7F,
                0xF3,
                "[NRC] vehicleManufacturerSpecificConditionsNotCorrect",
            ),
            (0xBA, 0, "[SRQ] Unknown"),
            (0x01, 0, "[???] Unknown"),
        ] {
            assert_eq!(describe(first, code).to_string(), expected, "{first:02X}");
        }
    }
}
