//! Reading and setting the clock (code 6).

use core::fmt;
use core::time::Duration;

use bytes::{BufMut, Bytes};

use super::{Code, fields};
use crate::service::{ReplyError, RequestError};

/// Length of requests and replies.
pub const LEN: usize = 10;

/// A time of day as the clock service carries it.
///
/// The peers count from 1970-01-01 UTC, which ends in 2106.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds.
    pub seconds: u32,
    /// Nanoseconds, 0 to 999 999 999; what a peer sent may be more.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// The time `since_epoch` after the clock's zero; `None` beyond 2^32 seconds.
    #[must_use]
    pub fn new(since_epoch: Duration) -> Option<Self> {
        Some(Self {
            seconds: u32::try_from(since_epoch.as_secs()).ok()?,
            nanoseconds: since_epoch.subsec_nanos(),
        })
    }

    /// How long after the clock's zero it is.
    #[must_use]
    pub fn since_epoch(self) -> Duration {
        Duration::from_secs(self.seconds.into()) + Duration::from_nanos(self.nanoseconds.into())
    }

    /// The reply that tells it.
    #[must_use]
    pub fn reply(self) -> Bytes {
        let mut reply = Code::Clock.reply(LEN);
        reply.put_u32(self.seconds);
        reply.put_u32(self.nanoseconds);
        reply.freeze()
    }

    /// The time in `reply`.
    ///
    /// # Errors
    /// It is not a reply to a clock request, or not of [`LEN`] bytes.
    pub fn decode(reply: &[u8]) -> Result<Self, ReplyError> {
        let wrong = ReplyError::Length {
            expected: LEN,
            got: reply.len(),
        };
        let body = Code::Clock.body_of(reply, LEN)?;
        Ok(Self::from_fields(body.try_into().map_err(|_| wrong)?))
    }

    const fn from_fields(fields: &[u8; 8]) -> Self {
        let [s0, s1, s2, s3, n0, n1, n2, n3] = *fields;
        Self {
            seconds: u32::from_be_bytes([s0, s1, s2, s3]),
            nanoseconds: u32::from_be_bytes([n0, n1, n2, n3]),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.seconds, self.nanoseconds)
    }
}

/// A request that reads the clock (`None`) or sets it.
///
/// A time in second 0 reads, whatever its nanoseconds.
#[must_use]
pub fn request(set: Option<Timestamp>) -> Bytes {
    let time = set.unwrap_or_default();
    let mut request = Code::Clock.request(LEN);
    request.put_u32(time.seconds);
    request.put_u32(time.nanoseconds);
    request.freeze()
}

/// The time that a clock request wants set; `None`: it only reads.
///
/// # Errors
/// [`RequestError::Short`].
pub fn decode_request(request: &[u8]) -> Result<Option<Timestamp>, RequestError> {
    let time = Timestamp::from_fields(fields(request)?.0);
    Ok((time.seconds != 0).then_some(time))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn second_zero_reads_and_any_other_sets() {
        let time = Timestamp {
            seconds: 1_700_000_000,
            nanoseconds: 123_456_789,
        };
        assert_eq!(decode_request(&request(None)), Ok(None));
        assert_eq!(decode_request(&request(Some(time))), Ok(Some(time)));
        let zero = Timestamp {
            seconds: 0,
            nanoseconds: 7,
        };
        assert_eq!(decode_request(&request(Some(zero))), Ok(None));
        assert_eq!(
            decode_request(&[0, 6, 0]),
            Err(RequestError::Short { need: 10, got: 3 })
        );
        assert_eq!(Timestamp::decode(&time.reply()), Ok(time));
    }

    #[test]
    fn a_time_is_a_duration_since_the_epoch() {
        let time = Timestamp {
            seconds: 2,
            nanoseconds: 5_000_000,
        };
        assert_eq!(time.since_epoch(), Duration::from_millis(2005));
        assert_eq!(Timestamp::new(time.since_epoch()), Some(time));
        assert_eq!(Timestamp::new(Duration::from_secs(1 << 32)), None);
        assert_eq!(time.to_string(), "2.005000000");
        // What a careless peer sends is carried on.
        let most = Timestamp {
            seconds: u32::MAX,
            nanoseconds: u32::MAX,
        };
        assert_eq!(most.since_epoch(), Duration::new(4_294_967_299, 294_967_295));
    }
}
