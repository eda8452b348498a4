//! How much a channel may send: a sliding window.

use core::time::Duration;

use tinwire_time::Instant;

use crate::error::ParameterError;

/// Parts that a window is counted in.
const PARTS: u32 = 16;
/// Bits of data in a classic frame: what a window must have room for.
const LEAST_BITS: u64 = 64;

/// At most so many bits of frame data in each window of so much time.
///
/// The data bytes of the frames of messages count, with address byte, PCI and padding; identifiers and other
/// overhead of the bus do not, nor do flow controls, which must not be late. A frame longer than what a
/// window holds leaves when nothing else is in its window. The window is counted in 16 parts: a frame may
/// leave up to a sixteenth of a window later than the limit asks for, and never sooner.
///
/// Delay is not told to the receiver: a limit that makes the gap between frames longer than its N_Cr makes
/// it give up.
///
/// # Examples
/// ```
/// use core::time::Duration;
/// use isotp::{Config, ParameterError, RateLimit};
///
/// let limit = RateLimit::new(50_000, Duration::from_millis(200))?;
/// let config = Config::default().rate_limit(Some(limit));
///
/// let refused = RateLimit::new(100, Duration::from_millis(200)).unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "a rate limit of 100 bit/s; 320 to 500000000 bit/s are possible"
/// );
/// # Ok::<(), ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// Bytes in a window.
    bytes: u32,
    /// Microseconds of a part.
    part: u32,
}

impl RateLimit {
    /// The highest limit, far above any bus.
    pub const MAX_BITS_PER_SECOND: u32 = 500_000_000;
    /// The shortest window.
    pub const MIN_WINDOW: Duration = Duration::from_millis(1);
    /// The longest window.
    pub const MAX_WINDOW: Duration = Duration::from_secs(60);

    /// At most `bits_per_second`, up to 500 million, on the average of any `window` of 1 ms to 60 s.
    ///
    /// python-can-isotp's default window is 200 ms.
    ///
    /// # Errors
    /// When one of them is out of its range, or the window would not hold 64 bit, the data of one classic
    /// frame.
    pub fn new(bits_per_second: u32, window: Duration) -> Result<Self, ParameterError> {
        if !(Self::MIN_WINDOW..=Self::MAX_WINDOW).contains(&window) {
            return Err(ParameterError::OutOfRange {
                name: "a window",
                unit: "us",
                got: u64::try_from(window.as_micros()).unwrap_or(u64::MAX),
                min: 1_000,
                max: 60_000_000,
            });
        }
        let micros = u64::try_from(window.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX);
        // A window must hold one classic frame's data.
        let least = (LEAST_BITS * 1_000_000).div_ceil(micros);
        if !(least..=Self::MAX_BITS_PER_SECOND.into()).contains(&bits_per_second.into()) {
            return Err(ParameterError::OutOfRange {
                name: "a rate limit",
                unit: "bit/s",
                got: bits_per_second.into(),
                min: least,
                max: Self::MAX_BITS_PER_SECOND.into(),
            });
        }
        let bytes = u64::from(bits_per_second) * micros / 8_000_000;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let part = u32::try_from(micros.div_ceil(PARTS.into())).unwrap_or(u32::MAX);
        Ok(Self { bytes, part })
    }

    /// How many bytes of frame data a window holds.
    #[must_use]
    pub const fn bytes_per_window(&self) -> u32 {
        self.bytes
    }
}

/// What was sent in the window that ends now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limiter {
    /// Bytes sent in each part; that of part `n` is at `n` modulo the length.
    sent: [u32; PARTS as usize + 1],
    /// The latest part anything was counted in.
    latest: u64,
    total: u32,
}

impl Limiter {
    pub(crate) const fn new() -> Self {
        Self {
            sent: [0; PARTS as usize + 1],
            latest: 0,
            total: 0,
        }
    }

    /// Counts a frame of `len` bytes, or tells when to ask again.
    pub(crate) fn admit(&mut self, now: Instant, len: usize, limit: &RateLimit) -> Result<(), Instant> {
        let part = now.as_micros() / u64::from(limit.part);
        self.forget(part);
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        if self.total > 0 && self.total.saturating_add(len) > limit.bytes {
            return Err(self.room(len, limit));
        }
        if let Some(sent) = self.at(part) {
            *sent = sent.saturating_add(len);
            self.total = self.total.saturating_add(len);
        }
        Ok(())
    }

    /// Gives up what was sent more than a window before `part`.
    fn forget(&mut self, part: u64) {
        let new = (self.latest + 1..=part).rev().take(self.sent.len());
        for part in new {
            let sent = self.at(part).map(core::mem::take);
            self.total -= sent.unwrap_or(0);
        }
        self.latest = part;
    }

    /// When there is room for `len` bytes more, or nothing is left of what was sent.
    fn room(&mut self, len: u32, limit: &RateLimit) -> Instant {
        let oldest = self.latest.saturating_sub(PARTS.into());
        let mut left = self.total;
        for part in oldest..=self.latest {
            left -= self.at(part).copied().unwrap_or(0);
            if left == 0 || left.saturating_add(len) <= limit.bytes {
                let free = part + u64::from(PARTS) + 1;
                return Instant::from_micros(free.saturating_mul(limit.part.into()));
            }
        }
        Instant::MAX
    }

    fn at(&mut self, part: u64) -> Option<&mut u32> {
        let index = part % (u64::from(PARTS) + 1);
        self.sent.get_mut(usize::try_from(index).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec::Vec;

    use super::*;

    /// Sends frames of these lengths, each as soon as it may leave and was there.
    fn sent(limit: &RateLimit, frames: &[(u64, usize)]) -> Vec<(u64, usize)> {
        let mut limiter = Limiter::new();
        let mut now = 0;
        let mut out = Vec::new();
        for &(after, len) in frames {
            now += after;
            while let Err(later) = limiter.admit(Instant::from_micros(now), len, limit) {
                assert!(later > Instant::from_micros(now));
                now = later.as_micros();
            }
            out.push((now, len));
        }
        out
    }

    #[test]
    fn a_full_window_goes_at_once_and_the_next_one_a_window_later() {
        let limit = RateLimit::new(8_000, Duration::from_millis(100)).unwrap();
        assert_eq!(limit.bytes_per_window(), 100);
        let times: Vec<_> = sent(&limit, &[(0, 8); 25]).iter().map(|(at, _)| *at).collect();
        assert!(times[..12].iter().all(|&at| at == 0));
        assert!(
            times[12..24].iter().all(|&at| (100_000..=106_250).contains(&at)),
            "{times:?}"
        );
        assert!((200_000..=212_500).contains(&times[24]), "{times:?}");
    }

    #[test]
    fn a_frame_longer_than_a_window_leaves_alone() {
        let limit = RateLimit::new(1_000, Duration::from_millis(64)).unwrap();
        assert_eq!(limit.bytes_per_window(), 8);
        let times: Vec<_> = sent(&limit, &[(0, 64); 3]).iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [0, 68_000, 136_000]);
    }

    #[test]
    fn limits_that_cannot_be_kept_are_refused_with_their_range() {
        let text = |bits, window| {
            let error = RateLimit::new(bits, window).unwrap_err();
            std::string::ToString::to_string(&error)
        };
        let window = Duration::from_millis(200);
        assert_eq!(
            text(0, window),
            "a rate limit of 0 bit/s; 320 to 500000000 bit/s are possible"
        );
        assert_eq!(
            text(1_000, Duration::from_micros(999)),
            "a window of 999 us; 1000 to 60000000 us are possible"
        );
        let most = RateLimit::new(RateLimit::MAX_BITS_PER_SECOND, RateLimit::MAX_WINDOW).unwrap();
        assert_eq!(most.bytes_per_window(), 3_750_000_000);
        assert!(RateLimit::new(1, RateLimit::MAX_WINDOW).is_err());
        assert!(RateLimit::new(2, RateLimit::MAX_WINDOW).is_ok());
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_its_limit(
            bits in 1_000u32..=1_000_000,
            window in 1_000u64..=500_000,
            frames in prop::collection::vec((0u64..=20_000, 1usize..=8), 1..200),
        ) {
            let Ok(limit) = RateLimit::new(bits, Duration::from_micros(window)) else {
                return Ok(());
            };
            let out = sent(&limit, &frames);
            for (begin, &(start, _)) in out.iter().enumerate() {
                let within = out[begin..].iter().take_while(|(at, _)| *at < start + window);
                let bytes: usize = within.map(|(_, len)| len).sum();
                prop_assert!(bytes <= usize::try_from(limit.bytes_per_window()).unwrap());
            }
        }
    }
}
