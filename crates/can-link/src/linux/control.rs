//! Control messages of a received datagram: time stamps and the kernel's drop counter.
//!
//! ```text
//! size_t len | i32 level | i32 type | data ... | padding to the size of size_t
//! ```

use core::time::Duration;
use std::time::SystemTime;

const WORD: usize = size_of::<usize>();
const HEADER_LEN: usize = WORD + 8;
const TIMESPEC_LEN: usize = size_of::<libc::timespec>();

/// What came beside a datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Control {
    /// Wall clock at arrival, taken by the kernel.
    pub(super) software: Option<SystemTime>,
    /// The controller's clock.
    pub(super) hardware: Option<Duration>,
    /// Datagrams this socket has lost so far, modulo 2^32. Absent before the first loss.
    pub(super) lost: Option<u32>,
}

impl Control {
    pub(super) fn parse(mut bytes: &[u8]) -> Self {
        let mut control = Self::default();
        while let Some(message) = Message::first(bytes) {
            control.take(&message);
            bytes = message.following;
        }
        control
    }

    fn take(&mut self, message: &Message<'_>) {
        if message.level != libc::SOL_SOCKET {
            return;
        }
        let data = message.data;
        match message.kind {
            libc::SO_TIMESTAMPNS => self.software = timespec(data, 0).map(since_epoch),
            libc::SO_TIMESTAMPING => {
                self.software = timespec(data, 0).map(since_epoch);
                // The second stamp is a converted hardware time that no driver fills any more.
                self.hardware = timespec(data, 2);
            }
            libc::SO_RXQ_OVFL => self.lost = data.first_chunk().map(|lost| u32::from_ne_bytes(*lost)),
            _ => {}
        }
    }
}

struct Message<'a> {
    level: i32,
    kind: i32,
    data: &'a [u8],
    following: &'a [u8],
}

impl<'a> Message<'a> {
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let (len, rest) = bytes.split_first_chunk::<WORD>()?;
        let (level, rest) = rest.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let len = usize::from_ne_bytes(*len);
        Some(Self {
            level: i32::from_ne_bytes(*level),
            kind: i32::from_ne_bytes(*kind),
            data: bytes.get(HEADER_LEN..len)?,
            following: bytes.get(len.next_multiple_of(WORD)..).unwrap_or_default(),
        })
    }
}

/// The stamp at `position`, or `None` when it is absent or zero, which means "not taken".
fn timespec(data: &[u8], position: usize) -> Option<Duration> {
    let (seconds, rest) = data
        .get(position * TIMESPEC_LEN..)?
        .split_first_chunk::<{ size_of::<libc::time_t>() }>()?;
    let (nanos, _) = rest.split_first_chunk::<{ size_of::<libc::c_long>() }>()?;
    let seconds = u64::try_from(libc::time_t::from_ne_bytes(*seconds)).ok()?;
    let nanos = u32::try_from(libc::c_long::from_ne_bytes(*nanos)).ok()?;
    Some(Duration::new(seconds, nanos.min(999_999_999))).filter(|time| !time.is_zero())
}

fn since_epoch(time: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + time
}

/// Turns the kernel's running total into differences.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DropCounter(u32);

impl DropCounter {
    /// How many were lost since the last call; the total wraps at 2^32.
    pub(super) fn advance(&mut self, total: u32) -> u32 {
        total.wrapping_sub(core::mem::replace(&mut self.0, total))
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut out = (HEADER_LEN + data.len()).to_ne_bytes().to_vec();
        out.extend(level.to_ne_bytes());
        out.extend(kind.to_ne_bytes());
        out.extend(data);
        out.resize(out.len().next_multiple_of(WORD), 0);
        out
    }

    fn stamps(times: &[(i64, i64)]) -> Vec<u8> {
        times
            .iter()
            .flat_map(|(s, ns)| {
                let s = libc::time_t::try_from(*s).unwrap().to_ne_bytes();
                let ns = libc::c_long::try_from(*ns).unwrap().to_ne_bytes();
                s.into_iter().chain(ns)
            })
            .collect()
    }

    #[test]
    fn several_messages_are_read_together() {
        let times = stamps(&[(1_700_000_000, 5), (0, 0), (3, 7)]);
        let mut bytes = message(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, &97u32.to_ne_bytes());
        bytes.extend(message(libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &times));
        let control = Control::parse(&bytes);
        assert_eq!(
            control,
            Control {
                software: Some(since_epoch(Duration::new(1_700_000_000, 5))),
                hardware: Some(Duration::new(3, 7)),
                lost: Some(97),
            }
        );
    }

    #[test]
    fn a_zero_stamp_means_that_none_was_taken() {
        let bytes = message(
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPING,
            &stamps(&[(9, 0), (0, 0), (0, 0)]),
        );
        let control = Control::parse(&bytes);
        assert_eq!(control.hardware, None);
        assert_eq!(control.software, Some(since_epoch(Duration::from_secs(9))));
    }

    #[test]
    fn foreign_levels_and_cut_messages_are_skipped() {
        let mut bytes = message(101, libc::SO_RXQ_OVFL, &1u32.to_ne_bytes());
        bytes.extend(message(
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            &stamps(&[(1, 2)]),
        ));
        assert_eq!(Control::parse(&bytes).lost, None);
        for cut in 0..bytes.len() {
            let control = Control::parse(&bytes[..cut]);
            assert_eq!((control.lost, control.software), (None, None), "cut at {cut}");
        }
        assert!(Control::parse(&bytes).software.is_some());
    }

    #[test]
    fn the_drop_counter_gives_differences_across_its_wrap() {
        let mut counter = DropCounter::default();
        assert_eq!(counter.advance(97), 97);
        assert_eq!(counter.advance(97), 0);
        assert_eq!(counter.advance(u32::MAX), u32::MAX - 97);
        assert_eq!(counter.advance(2), 3);
    }
}
