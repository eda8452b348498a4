//! A number in four bytes: free memory (port 3), free buffers (port 5), uptime (port 6).

use bytes::Bytes;

use super::ReplyError;

/// Length of a reply.
pub const REPLY_LEN: usize = 4;

/// What a client sends: nothing, and servers ignore what they get.
pub const REQUEST: &[u8] = &[];

/// The reply that tells `figure`.
#[must_use]
pub fn reply(figure: u32) -> Bytes {
    Bytes::copy_from_slice(&figure.to_be_bytes())
}

/// The figure in `reply`.
///
/// # Errors
/// [`ReplyError::Length`]: it is not of exactly four bytes.
pub fn decode(reply: &[u8]) -> Result<u32, ReplyError> {
    let bytes = reply.try_into().map_err(|_| ReplyError::Length {
        expected: REPLY_LEN,
        got: reply.len(),
    })?;
    Ok(u32::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_big_endian_and_needs_exactly_four_bytes() {
        assert_eq!(reply(0x00a1_b2c3), [0x00, 0xa1, 0xb2, 0xc3][..]);
        assert_eq!(decode(&reply(123)), Ok(123));
        for wrong in [&[0; 3][..], &[0; 5], &[]] {
            let got = wrong.len();
            assert_eq!(decode(wrong), Err(ReplyError::Length { expected: 4, got }));
        }
    }
}
