//! Why a message was not accepted, not sent, or not received.

use core::fmt;

use thiserror::Error;

use crate::padding::PaddingFault;
use crate::pci::{DecodeError, FlowStatus, SequenceNumber};

/// Why [`Channel::send`](crate::Channel::send) refused a message. No frame has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// A message has at least one byte.
    #[error("an empty message cannot be sent")]
    Empty,
    /// The message is longer than can be announced.
    #[error("a message of {len} bytes; at most {max} can be sent")]
    TooLong {
        /// The message's length.
        len: usize,
        /// The longest possible.
        max: usize,
    },
    /// A functional message must fit a single frame.
    #[error("a functional message of {len} bytes; at most {max} fit a single frame")]
    FunctionalTooLong {
        /// The message's length.
        len: usize,
        /// What a single frame holds.
        max: usize,
    },
    /// The previous transfer is still running.
    #[error("a transfer is running; one message is sent at a time")]
    Busy,
    /// The channel only listens.
    #[error("a listener does not send")]
    Listener,
    /// The link has no functional messages.
    #[error("this link has no functional messages")]
    NoFunctional,
}

/// Why a parameter cannot have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// The value is too small or too large.
    #[error("{name} of {got} {unit}; {min} to {max} {unit} are possible")]
    OutOfRange {
        /// The parameter.
        name: &'static str,
        /// What its values count.
        unit: &'static str,
        /// The value.
        got: u64,
        /// The least possible value.
        min: u64,
        /// The greatest possible value.
        max: u64,
    },
    /// A frame length that CAN FD does not have, or below that of a classic frame.
    #[error("TX_DL of {got} bytes; 8, 12, 16, 20, 24, 32, 48 or 64 bytes are possible")]
    FrameLength {
        /// The length in bytes.
        got: usize,
    },
    /// An STmin byte without a meaning.
    #[error("STmin {got:#04x} is reserved; 0x00 to 0x7f (ms) and 0xf1 to 0xf9 (100 us) are possible")]
    ReservedStMin {
        /// The byte.
        got: u8,
    },
}

/// The timers of ISO 15765-2 that can expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timeout {
    /// N_As: a frame of an outgoing message was not confirmed.
    NAs,
    /// N_Ar: a flow control was not confirmed.
    NAr,
    /// N_Bs: no flow control came.
    NBs,
    /// N_Cr: no consecutive frame came.
    NCr,
}

/// Why a transfer ended without success; the standard's N_Result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum TransferError {
    /// A timer expired.
    #[error("{}: {}", self.n_result(), timeout_text(*.0))]
    Timeout(Timeout),
    /// A backend that tells no details reports this outcome.
    #[error("{0}")]
    Reported(NResult),
    /// A consecutive frame was lost, doubled or reordered.
    #[error("N_WRONG_SN: consecutive frame {} arrived, {} expected", .got.value(), .expected.value())]
    WrongSequence {
        /// The number due.
        expected: SequenceNumber,
        /// The number received.
        got: SequenceNumber,
    },
    /// The receiver answered with a reserved flow status.
    #[error("N_INVALID_FS: flow control with the reserved status {}", .0.to_bits())]
    InvalidFlowStatus(FlowStatus),
    /// The sender began another message before this one was complete.
    #[error("N_UNEXP_PDU: another message began before this one was complete")]
    UnexpectedPdu,
    /// The receiver asked to wait more often than accepted.
    #[error("N_WFT_OVRN: more than {max} flow controls in a row asked to wait")]
    TooManyWaits {
        /// The configured limit.
        max: u8,
    },
    /// The message is longer than the receiver takes.
    #[error("N_BUFFER_OVFLW: the receiver cannot take a message of this length")]
    Overflow,
    /// The link did not send a frame.
    #[error("N_ERROR: the link did not send a frame")]
    Link,
    /// The user ended the transfer.
    #[error("N_ERROR: aborted")]
    Aborted,
    /// The source of the message ended before the announced length.
    #[error("N_ERROR: the source of the message ended before the announced length")]
    SourceEnded,
    /// The source of the message failed.
    #[error("N_ERROR: the source of the message failed")]
    SourceFailed,
}

impl TransferError {
    /// The standard's name for it.
    #[must_use]
    pub const fn n_result(&self) -> NResult {
        match self {
            Self::Timeout(Timeout::NAs | Timeout::NAr) => NResult::TimeoutA,
            Self::Timeout(Timeout::NBs) => NResult::TimeoutBs,
            Self::Timeout(Timeout::NCr) => NResult::TimeoutCr,
            Self::Reported(result) => *result,
            Self::WrongSequence { .. } => NResult::WrongSn,
            Self::InvalidFlowStatus(_) => NResult::InvalidFs,
            Self::UnexpectedPdu => NResult::UnexpPdu,
            Self::TooManyWaits { .. } => NResult::WftOvrn,
            Self::Overflow => NResult::BufferOvflw,
            Self::Link | Self::Aborted | Self::SourceEnded | Self::SourceFailed => NResult::Error,
        }
    }
}

/// Which part this node had in a transfer that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// It sent the message.
    Sender,
    /// It received the message.
    Receiver,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        })
    }
}

/// The outcomes that ISO 15765-2 names (N_Result), apart from N_OK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NResult {
    /// N_TIMEOUT_A: a frame was not confirmed in time.
    TimeoutA,
    /// N_TIMEOUT_Bs: no flow control in time.
    TimeoutBs,
    /// N_TIMEOUT_Cr: no consecutive frame in time.
    TimeoutCr,
    /// N_WRONG_SN: a consecutive frame was lost, doubled or reordered.
    WrongSn,
    /// N_INVALID_FS: a flow control with a reserved status.
    InvalidFs,
    /// N_UNEXP_PDU: another message began before this one was complete.
    UnexpPdu,
    /// N_WFT_OVRN: too many flow controls asked to wait.
    WftOvrn,
    /// N_BUFFER_OVFLW: the message is longer than the receiver takes.
    BufferOvflw,
    /// N_ERROR: anything else.
    Error,
}

impl NResult {
    /// The name as the standard writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimeoutA => "N_TIMEOUT_A",
            Self::TimeoutBs => "N_TIMEOUT_Bs",
            Self::TimeoutCr => "N_TIMEOUT_Cr",
            Self::WrongSn => "N_WRONG_SN",
            Self::InvalidFs => "N_INVALID_FS",
            Self::UnexpPdu => "N_UNEXP_PDU",
            Self::WftOvrn => "N_WFT_OVRN",
            Self::BufferOvflw => "N_BUFFER_OVFLW",
            Self::Error => "N_ERROR",
        }
    }
}

impl fmt::Display for NResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const fn timeout_text(timeout: Timeout) -> &'static str {
    match timeout {
        Timeout::NAs => "a frame was not confirmed in time",
        Timeout::NAr => "a flow control was not confirmed in time",
        Timeout::NBs => "no flow control in time",
        Timeout::NCr => "no consecutive frame in time",
    }
}

/// Why a received frame had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum IgnoreReason {
    /// The frame is no valid PDU.
    #[error("malformed PDU: {0}")]
    Malformed(#[from] DecodeError),
    /// A remote frame, or a kind of frame that carries no PDU.
    #[error("not a data frame")]
    NotData,
    /// A consecutive frame while no message is being received.
    #[error("consecutive frame without a first frame")]
    UnexpectedConsecutiveFrame,
    /// A consecutive frame longer than the first frame, or too short for its part of the message.
    #[error("consecutive frame of {got} data bytes; {need} expected")]
    ConsecutiveFrameLength {
        /// Bytes expected behind the PCI.
        need: u8,
        /// Bytes there.
        got: u8,
    },
    /// A flow control that nobody waits for.
    #[error("flow control while none is awaited")]
    UnexpectedFlowControl,
    /// A functional message must be a single frame.
    #[error("functional frame that is not a single frame")]
    FunctionalSegmented,
    /// A frame of a message while this node sends one, or a flow control while it receives one, with
    /// [`Duplex::Half`](crate::Duplex::Half).
    #[error("half duplex: the other direction is in use")]
    HalfDuplex,
    /// A consecutive frame sooner after the one before it than
    /// [`Config::forced_rx_gap`](crate::Config::forced_rx_gap) allows.
    #[error("consecutive frame too soon after the one before it")]
    TooSoon,
    /// The padding is not what [`Config::padding_check`](crate::Config::padding_check) asks for.
    #[error("padding: {0}")]
    Padding(#[from] PaddingFault),
    /// A single frame that came before the user had taken the previous message.
    #[error("no room: the previous message was not taken yet")]
    NoRoom,
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn outcomes_carry_the_standards_name() {
        let errors = [
            (
                TransferError::Timeout(Timeout::NBs),
                "N_TIMEOUT_Bs: no flow control in time",
            ),
            (
                TransferError::WrongSequence {
                    expected: SequenceNumber::FIRST,
                    got: SequenceNumber::FIRST.after(1),
                },
                "N_WRONG_SN: consecutive frame 2 arrived, 1 expected",
            ),
            (
                TransferError::InvalidFlowStatus(FlowStatus::Reserved(5)),
                "N_INVALID_FS: flow control with the reserved status 5",
            ),
        ];
        for (error, text) in errors {
            assert_eq!(error.to_string(), text);
            assert!(text.starts_with(error.n_result().name()));
        }
    }

    #[test]
    fn a_refused_message_tells_its_length_and_the_limit() {
        assert_eq!(
            SendError::FunctionalTooLong { len: 8, max: 7 }.to_string(),
            "a functional message of 8 bytes; at most 7 fit a single frame"
        );
    }
}
