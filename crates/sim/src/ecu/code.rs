//! Why a request is refused: the negative response codes of ISO 14229-1 that the controller knows.

use core::fmt;
use std::string::String;

/// A negative response code (NRC): the third byte of `7F SID NRC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseCode {
    /// 10: refused, and no other code says why.
    GeneralReject,
    /// 11: there is no such service here.
    ServiceNotSupported,
    /// 12: the service has no such subfunction.
    SubFunctionNotSupported,
    /// 13: too short, too long, or of the wrong shape.
    WrongLength,
    /// 14: the response does not fit what the transport carries.
    ResponseTooLong,
    /// 21: another request is still being worked on.
    BusyRepeatRequest,
    /// 22: not in this situation; the engine runs, the memory is not erased.
    ConditionsNotCorrect,
    /// 24: something else has to be asked first.
    RequestSequenceError,
    /// 31: an identifier, address or parameter that does not exist here, or not in this session.
    RequestOutOfRange,
    /// 33: security access has to be gained first.
    SecurityAccessDenied,
    /// 35: the key does not fit the seed.
    InvalidKey,
    /// 36: too many wrong keys.
    ExceededNumberOfAttempts,
    /// 37: the delay after too many wrong keys is not over.
    RequiredTimeDelayNotExpired,
    /// 70: a download is not accepted.
    UploadDownloadNotAccepted,
    /// 71: more data than the download was announced with.
    TransferDataSuspended,
    /// 72: the memory could not be written.
    GeneralProgrammingFailure,
    /// 73: a block is missing.
    WrongBlockSequenceCounter,
    /// 78: it takes longer; the response follows.
    ResponsePending,
    /// 7E: the subfunction exists, but not in this session.
    SubFunctionNotSupportedInActiveSession,
    /// 7F: the service exists, but not in this session.
    ServiceNotSupportedInActiveSession,
}

impl ResponseCode {
    const ALL: [Self; 20] = [
        Self::GeneralReject,
        Self::ServiceNotSupported,
        Self::SubFunctionNotSupported,
        Self::WrongLength,
        Self::ResponseTooLong,
        Self::BusyRepeatRequest,
        Self::ConditionsNotCorrect,
        Self::RequestSequenceError,
        Self::RequestOutOfRange,
        Self::SecurityAccessDenied,
        Self::InvalidKey,
        Self::ExceededNumberOfAttempts,
        Self::RequiredTimeDelayNotExpired,
        Self::UploadDownloadNotAccepted,
        Self::TransferDataSuspended,
        Self::GeneralProgrammingFailure,
        Self::WrongBlockSequenceCounter,
        Self::ResponsePending,
        Self::SubFunctionNotSupportedInActiveSession,
        Self::ServiceNotSupportedInActiveSession,
    ];

    /// The byte on the wire.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.entry().0
    }

    /// The code of a byte; `None` for one that this controller never sends.
    #[must_use]
    pub fn from_bits(bits: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.to_bits() == bits)
    }

    /// Whether a controller that was asked together with all others keeps this to itself.
    ///
    /// ISO 14229-1 has it so for the codes that say no more than "not me".
    #[must_use]
    pub const fn is_silent_when_functional(self) -> bool {
        matches!(
            self,
            Self::ServiceNotSupported
                | Self::SubFunctionNotSupported
                | Self::RequestOutOfRange
                | Self::SubFunctionNotSupportedInActiveSession
                | Self::ServiceNotSupportedInActiveSession
        )
    }

    const fn entry(self) -> (u8, &'static str) {
        match self {
            Self::GeneralReject => (0x10, "general reject"),
            Self::ServiceNotSupported => (0x11, "service not supported"),
            Self::SubFunctionNotSupported => (0x12, "subfunction not supported"),
            Self::WrongLength => (0x13, "incorrect message length or invalid format"),
            Self::ResponseTooLong => (0x14, "response too long"),
            Self::BusyRepeatRequest => (0x21, "busy, repeat the request"),
            Self::ConditionsNotCorrect => (0x22, "conditions not correct"),
            Self::RequestSequenceError => (0x24, "request sequence error"),
            Self::RequestOutOfRange => (0x31, "request out of range"),
            Self::SecurityAccessDenied => (0x33, "security access denied"),
            Self::InvalidKey => (0x35, "invalid key"),
            Self::ExceededNumberOfAttempts => (0x36, "exceeded number of attempts"),
            Self::RequiredTimeDelayNotExpired => (0x37, "required time delay not expired"),
            Self::UploadDownloadNotAccepted => (0x70, "upload or download not accepted"),
            Self::TransferDataSuspended => (0x71, "transfer data suspended"),
            Self::GeneralProgrammingFailure => (0x72, "general programming failure"),
            Self::WrongBlockSequenceCounter => (0x73, "wrong block sequence counter"),
            Self::ResponsePending => (0x78, "response pending"),
            Self::SubFunctionNotSupportedInActiveSession => {
                (0x7E, "subfunction not supported in the active session")
            }
            Self::ServiceNotSupportedInActiveSession => (0x7F, "service not supported in the active session"),
        }
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry().1)
    }
}

/// What a negative response code says, in words.
#[must_use]
pub fn negative_response(code: u8) -> String {
    ResponseCode::from_bits(code)
        .map_or_else(|| std::format!("code {code:02X}"), |code| std::format!("{code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_one_code_and_each_code_its_byte() {
        for code in ResponseCode::ALL {
            assert_eq!(ResponseCode::from_bits(code.to_bits()), Some(code));
        }
        let known = (0..=u8::MAX).filter(|&bits| ResponseCode::from_bits(bits).is_some());
        assert_eq!(known.count(), ResponseCode::ALL.len());
    }

    #[test]
    fn a_code_is_told_in_words_where_it_has_some() {
        assert_eq!(negative_response(0x78), "response pending");
        assert_eq!(negative_response(0xA5), "code A5");
    }
}
