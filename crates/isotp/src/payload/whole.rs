//! Messages for those who take them as a whole.

use alloc::vec::Vec;

use bytes::Bytes;

use super::{Payload, SourceFailed};
use crate::error::{SendError, TransferError};
use crate::event::TransferId;
use crate::stream::StreamError;

/// Memory that a source gets before it has shown that it fills it.
const STEP: usize = 4096;

/// All bytes of `source`, which may be `max`.
pub(crate) fn collect(mut source: impl Payload, max: usize) -> Result<Bytes, StreamError> {
    let len = source.message_len();
    if len > max {
        return Err(SendError::TooLong { len, max }.into());
    }
    let mut bytes = Vec::new();
    while bytes.len() < len {
        let offset = bytes.len();
        bytes.resize(len.min(offset + STEP), 0);
        let part = bytes.get_mut(offset..).unwrap_or_default();
        let failed = |error| StreamError::SendFailed {
            id: TransferId::default(),
            error,
            sent: Some(0),
            len: u32::try_from(len).unwrap_or(u32::MAX),
            cause: None,
        };
        match source.supply(offset, part) {
            Ok(had) if had < part.len() => return Err(failed(TransferError::SourceEnded)),
            Ok(_) => {}
            Err(SourceFailed) => return Err(failed(TransferError::SourceFailed)),
        }
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{FromFn, FromIter};

    fn failure(result: Result<Bytes, StreamError>) -> TransferError {
        match result.unwrap_err() {
            StreamError::SendFailed { error, .. } => error,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_source_is_collected_in_order_up_to_the_limit() {
        let bytes = || (0..=250).cycle();
        let whole = collect(FromIter::new(10_000, bytes()), 10_000).unwrap();
        assert!(whole.iter().copied().eq(bytes().take(10_000)));
    }

    #[test]
    fn a_source_that_is_too_long_is_not_asked() {
        let untouched = FromFn::new(11, |_, _: &mut [u8]| panic!("asked"));
        let refused = collect(untouched, 10).unwrap_err();
        let expected = SendError::TooLong { len: 11, max: 10 };
        assert!(matches!(refused, StreamError::NotSent(error) if error == expected));
    }

    #[test]
    fn a_source_that_ends_or_fails_is_told_as_such() {
        let short = FromIter::new(5000, core::iter::repeat_n(1, 4999));
        assert_eq!(failure(collect(short, usize::MAX)), TransferError::SourceEnded);
        let failing = FromFn::new(5, |_, _: &mut [u8]| Err(SourceFailed));
        assert_eq!(failure(collect(failing, usize::MAX)), TransferError::SourceFailed);
    }
}
