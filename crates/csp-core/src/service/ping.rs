//! Echo, port 1: the reply carries what the request carried.

use bytes::Bytes;
use thiserror::Error;

/// The payload of a ping of `len` bytes: 0, 1, 2, .. modulo 256, as libcsp sends.
#[must_use]
pub fn request(len: usize) -> Bytes {
    (0..=u8::MAX).cycle().take(len).collect()
}

/// The payload of a ping that nobody waits to be answered, as libcsp sends.
pub const NO_REPLY: &[u8] = &[0x55];

/// Checks that `reply` is what was sent in `request`.
///
/// # Errors
/// It has another length, or a byte differs.
pub fn check(request: &[u8], reply: &[u8]) -> Result<(), EchoError> {
    if request.len() != reply.len() {
        return Err(EchoError::Length {
            sent: request.len(),
            got: reply.len(),
        });
    }
    match request.iter().zip(reply).position(|(sent, got)| sent != got) {
        Some(at) => Err(EchoError::Data { at }),
        None => Ok(()),
    }
}

/// How an echo differs from what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EchoError {
    /// In its length.
    #[error("sent {sent} bytes, the reply has {got}")]
    Length {
        /// Bytes sent.
        sent: usize,
        /// Bytes received.
        got: usize,
    },
    /// In a byte.
    #[error("the reply differs at byte {at}")]
    Data {
        /// The first byte that differs.
        at: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_counts_up_and_wraps() {
        let request = request(258);
        assert_eq!((request[0], request[255], request[257]), (0, 255, 1));
    }

    #[test]
    fn an_echo_that_differs_is_told_where() {
        let sent = request(4);
        assert_eq!(check(&sent, &[0, 1, 2, 3]), Ok(()));
        assert_eq!(check(&sent, &[0, 1, 9, 3]), Err(EchoError::Data { at: 2 }));
        assert_eq!(check(&sent, &[0, 1]), Err(EchoError::Length { sent: 4, got: 2 }));
    }
}
