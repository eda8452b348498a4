//! When a file ends and how the next one is named. No I/O: it is told the time, and asked.
//!
//! Time is told twice: a clock that never goes back for ages, and the clock on the wall for names and for
//! files that end on the hour. Not here: files ([`store`](crate::store)); strftime, which is a closure of
//! whoever wants it.

mod names;

use core::num::NonZeroU64;
use core::time::Duration;
use std::time::SystemTime;

use tinwire_time::Instant;

pub use names::{Names, numbered};
pub(crate) use names::{NumberedBy, part};

/// The time, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Never goes back.
    pub at: Instant,
    /// What a calendar is made of; may be set.
    pub wall: SystemTime,
}

/// How long a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// So long from its opening, as `fstrm_capture -s`.
    SinceOpening(Duration),
    /// To the next multiple of this, counted from midnight: with an hour, to the full hour.
    Aligned(Duration),
}

/// When files end. By default never.
///
/// ```
/// use core::time::Duration;
/// use fstrm_codec::rotate::{Period, Rotation};
///
/// let hourly = Rotation::new().period(Period::Aligned(Duration::from_secs(3600)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    period: Option<Period>,
    max_len: Option<NonZeroU64>,
}

impl Rotation {
    /// Files never end by themselves.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            period: None,
            max_len: None,
        }
    }

    /// How long a file is written; a period of zero counts as none. Default: for ever, as `fstrm_capture`.
    ///
    /// `fstrm_capture` looks at the time after each frame only; here an idle file ends in time too.
    #[must_use]
    pub const fn period(mut self, period: Period) -> Self {
        let (Period::SinceOpening(duration) | Period::Aligned(duration)) = period;
        self.period = if duration.is_zero() { None } else { Some(period) };
        self
    }

    /// Longest a file gets, START and STOP included, in bytes. Default: no limit.
    ///
    /// A frame that does not fit into an empty file is written all the same, alone.
    #[must_use]
    pub const fn max_len(mut self, len: NonZeroU64) -> Self {
        self.max_len = Some(len);
        self
    }
}

/// Why a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Its time was over.
    Age,
    /// The next frame would have made it too long, or the system allows no longer file.
    Size,
    /// Somebody asked for the next one.
    Asked,
    /// The store was closed.
    Closed,
    /// It was removed, cut or written by somebody else, or cannot be written any more.
    Lost,
}

/// Tells when the file at hand ends.
///
/// [`handle_open`](Self::handle_open) begins a file and [`handle_close`](Self::handle_close) ends it; in
/// between [`is_over`](Self::is_over) and [`room`](Self::room) may be asked at any time, and
/// [`poll_timeout`](Self::poll_timeout) tells when to ask again though nothing happens.
#[derive(Clone, Copy, Debug)]
pub struct Rotator {
    rotation: Rotation,
    border: Option<Border>,
}

/// Where the time of a file is over.
#[derive(Clone, Copy, Debug)]
enum Border {
    At(Instant),
    Wall {
        border: SystemTime,
        /// When to look at the wall again.
        at: Instant,
    },
}

impl Rotator {
    /// No file is open.
    #[must_use]
    pub const fn new(rotation: Rotation) -> Self {
        Self {
            rotation,
            border: None,
        }
    }

    /// A file was opened. Local time is `utc_offset` seconds ahead of UTC at a moment: it may be asked about
    /// the moment when the file ends, too, for clocks may change until then.
    pub fn handle_open(&mut self, now: Now, utc_offset: impl Fn(SystemTime) -> i32) {
        self.border = match self.rotation.period {
            None => None,
            Some(Period::SinceOpening(age)) => Some(Border::At(now.at + age)),
            Some(Period::Aligned(period)) => {
                let left = to_next(now.wall, period, utc_offset);
                now.wall.checked_add(left).map(|border| Border::Wall {
                    border,
                    at: now.at + left,
                })
            }
        };
    }

    /// The file was closed.
    pub const fn handle_close(&mut self) {
        self.border = None;
    }

    /// Whether the file's time is over.
    ///
    /// Where it is not although the deadline has come, because the clock on the wall was set back, the
    /// deadline moves.
    pub fn is_over(&mut self, now: Now) -> bool {
        match &mut self.border {
            None => false,
            Some(Border::At(at)) => now.at >= *at,
            Some(Border::Wall { border, at }) => match border.duration_since(now.wall) {
                Ok(left) if !left.is_zero() => {
                    *at = now.at + left;
                    false
                }
                _ => true,
            },
        }
    }

    /// How many bytes may follow in a file of `len` bytes, with room left for STOP; `None` is no limit.
    #[must_use]
    pub fn room(&self, len: u64, stop_len: u64) -> Option<u64> {
        let max = self.rotation.max_len?.get();
        Some(max.saturating_sub(len).saturating_sub(stop_len))
    }

    /// When to ask [`is_over`](Self::is_over) though nothing happens.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        match self.border {
            None => None,
            Some(Border::At(at) | Border::Wall { at, .. }) => Some(at),
        }
    }
}

/// How long it is to the next multiple of `period` by the clock on the wall, which may change until then.
fn to_next(wall: SystemTime, period: Duration, utc_offset: impl Fn(SystemTime) -> i32) -> Duration {
    let before = utc_offset(wall);
    let left = to_border(wall, period, before);
    let offset_after = |left| wall.checked_add(left).map_or(before, &utc_offset);
    let after = offset_after(left);
    if after == before {
        return left;
    }
    // Multiples by the new time, as soon as it is the new time.
    let first = to_border(wall, period, after);
    let by_new_time = [first, first.saturating_add(period)]
        .into_iter()
        .find(|left| offset_after(*left) == after);
    match by_new_time {
        // A multiple that the clock jumps over is reached when it has jumped.
        Some(by_new_time) if after > before => by_new_time.min(left),
        Some(by_new_time) => by_new_time,
        None => left,
    }
}

/// How long it is to the next multiple of `period`, never zero.
fn to_border(wall: SystemTime, period: Duration, utc_offset: i32) -> Duration {
    let nanos = match wall.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(0),
        Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(0),
    };
    let local = nanos + i128::from(utc_offset) * 1_000_000_000;
    let period = i128::try_from(period.as_nanos()).unwrap_or(i128::MAX).max(1);
    let left = period - local.rem_euclid(period);
    let seconds = u64::try_from(left / 1_000_000_000).unwrap_or(u64::MAX);
    let nanos = u32::try_from(left % 1_000_000_000).unwrap_or(0);
    Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests;
