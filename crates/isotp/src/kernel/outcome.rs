//! What the kernel's errors mean for a message.

use std::string::String;

use can_link::LinkError;
use can_link::error_frame::BusState;
use can_link::link::Bottleneck;
use can_link::linux::IsoTpError;

use crate::error::{NResult, SendError, TransferError};
use crate::event::TransferId;
use crate::stream::StreamError;

/// The failure of an outgoing message.
pub(super) fn send_error(error: IsoTpError, id: TransferId, len: u32) -> StreamError {
    let (error, cause) = match error {
        IsoTpError::Empty => return SendError::Empty.into(),
        IsoTpError::TooLong { len, max } => return SendError::TooLong { len, max }.into(),
        IsoTpError::TimeoutBs => (TransferError::Reported(NResult::TimeoutBs), None),
        IsoTpError::Overflow => (TransferError::Overflow, None),
        IsoTpError::Invalid => (TransferError::Reported(NResult::InvalidFs), None),
        IsoTpError::Down => (TransferError::Link, Some(can_link::SendError::Down)),
        IsoTpError::Gone => (TransferError::Link, Some(can_link::SendError::Gone)),
        IsoTpError::Timeout { waiting_for } => {
            let state = BusState::Unknown;
            let timeout = can_link::SendError::Timeout { waiting_for, state };
            let error = match waiting_for {
                // A frame that the interface does not take is not confirmed either.
                Bottleneck::DeviceQueue => TransferError::Reported(NResult::TimeoutA),
                _ => TransferError::Link,
            };
            (error, Some(timeout))
        }
        IsoTpError::Io(error) => (TransferError::Link, Some(error.into())),
        _ => (TransferError::Reported(NResult::Error), None),
    };
    StreamError::SendFailed {
        id,
        error,
        sent: None,
        len,
        cause,
    }
}

/// The failure of an incoming message, or of the interface.
pub(super) fn receive_error(error: IsoTpError, interface: impl Fn() -> String) -> StreamError {
    let (error, cause) = match error {
        IsoTpError::TimeoutCr => (TransferError::Reported(NResult::TimeoutCr), None),
        IsoTpError::WrongSequence => (TransferError::Reported(NResult::WrongSn), None),
        IsoTpError::Down => (TransferError::Link, Some(can_link::SendError::Down)),
        IsoTpError::Gone => return LinkError::Gone { link: interface() }.into(),
        IsoTpError::Io(error) => return LinkError::io("receiving from an ISO-TP socket", error).into(),
        _ => (TransferError::Reported(NResult::Error), None),
    };
    StreamError::ReceiveFailed {
        error,
        progress: None,
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_stays_full_is_a_frame_that_is_not_confirmed() {
        let outcome = |waiting_for| {
            let error = send_error(IsoTpError::Timeout { waiting_for }, TransferId::default(), 8);
            let told = matches!(
                error,
                StreamError::SendFailed {
                    sent: None,
                    len: 8,
                    cause: Some(can_link::SendError::Timeout { .. }),
                    ..
                }
            );
            assert!(told, "{error:?}");
            error.n_result()
        };
        assert_eq!(outcome(Bottleneck::DeviceQueue), Some(NResult::TimeoutA));
        assert_eq!(outcome(Bottleneck::Socket), Some(NResult::Error));
    }
}
