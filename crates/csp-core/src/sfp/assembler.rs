//! A blob put together in memory of its own.

use core::time::Duration;

use bytes::{Bytes, BytesMut};
use thiserror::Error;
use tinwire_time::Instant;

use super::{AssembleError, Tracker};
use crate::Flags;

/// Puts together the blobs that one connection receives.
///
/// The owner's loop: [`handle_fragment`](Self::handle_fragment) for each packet, which may give a blob, and
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) is due.
///
/// It holds the bytes that have arrived of one blob: never more than the limit, and nothing because of what a
/// fragment announces (SFP-5). `Debug` shows how many bytes there are, not which.
#[derive(Debug)]
pub struct Assembler {
    tracker: Tracker,
    timeout: Duration,
    received: Received,
    deadline: Option<Instant>,
}

impl Assembler {
    /// Takes blobs of up to `limit` bytes.
    ///
    /// Gives one up when `timeout` passes without a fragment. [`DEFAULT_LIMIT`](super::DEFAULT_LIMIT) is a
    /// limit that does no harm; a usual timeout is a second.
    #[must_use]
    pub fn new(limit: u32, timeout: Duration) -> Self {
        Self {
            tracker: Tracker::new(limit),
            timeout,
            received: Received::default(),
            deadline: None,
        }
    }

    /// Takes the next packet: its flags, and its payload without outer trailers. Gives the blob it completes.
    ///
    /// # Errors
    /// A protocol error. The blob that had begun is given up, and so is the packet; the next one is expected
    /// to begin another.
    pub fn handle_fragment(
        &mut self,
        now: Instant,
        flags: Flags,
        payload: &[u8],
    ) -> Result<Option<Bytes>, AssembleError> {
        let piece = match self.tracker.accept(flags, payload) {
            Ok(piece) => piece,
            Err(error) => {
                self.reset();
                return Err(error);
            }
        };
        self.received.0.extend_from_slice(piece.data);
        if piece.complete {
            self.deadline = None;
            return Ok(Some(core::mem::take(&mut self.received.0).freeze()));
        }
        self.deadline = Some(now + self.timeout);
        Ok(None)
    }

    /// Bytes received of the blob that has begun, and its length.
    #[must_use]
    pub fn progress(&self) -> Option<(u32, u32)> {
        self.tracker.progress()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due. Each fragment moves it.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// Gives up the blob that has waited too long. Early or repeated calls do nothing.
    ///
    /// # Errors
    /// [`Stalled`]: there was one. (libcsp 2.2 reports success then, SFP-7.)
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Stalled> {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        let (got, total) = self.progress().unwrap_or_default();
        self.reset();
        Err(Stalled { got, total })
    }

    /// Gives up the blob that has begun, and its memory.
    pub fn reset(&mut self) {
        self.tracker.reset();
        self.received = Received::default();
        self.deadline = None;
    }
}

/// The rest of a blob never came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the rest of the blob never came, {got} of {total} bytes did")]
#[non_exhaustive]
pub struct Stalled {
    /// Bytes received.
    pub got: u32,
    /// Length of the blob.
    pub total: u32,
}

/// Bytes that `Debug` only counts.
#[derive(Default)]
struct Received(BytesMut);

impl core::fmt::Debug for Received {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::sfp::{Fragments, Trailer};

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn assembler() -> Assembler {
        Assembler::new(1000, Duration::from_secs(1))
    }

    fn fragments(blob: &[u8], mtu: usize) -> Vec<Bytes> {
        let fragments = Fragments::try_new(blob, mtu, 256).unwrap();
        fragments.map(|fragment| fragment.to_bytes()).collect()
    }

    #[test]
    fn each_fragment_restarts_the_timeout_and_its_end_is_an_error() {
        let mut assembler = assembler();
        let parts = fragments(b"abcdef", 2);
        assert_eq!(assembler.poll_timeout(), None);
        assert_eq!(assembler.handle_fragment(at(0), Flags::FRAG, &parts[0]), Ok(None));
        assert_eq!(assembler.poll_timeout(), Some(at(1000)));
        assert_eq!(
            assembler.handle_fragment(at(900), Flags::FRAG, &parts[1]),
            Ok(None)
        );
        assert_eq!(assembler.handle_timeout(at(1899)), Ok(()));
        assert_eq!(assembler.progress(), Some((4, 6)));
        assert_eq!(
            assembler.handle_timeout(at(1900)),
            Err(Stalled { got: 4, total: 6 })
        );
        assert_eq!(assembler.handle_timeout(at(1900)), Ok(()));
        assert_eq!(assembler.poll_timeout(), None);
        let late = assembler.handle_fragment(at(1900), Flags::FRAG, &parts[2]);
        assert_eq!(late, Err(AssembleError::Offset { expected: 0, got: 4 }));
    }

    #[test]
    fn an_announced_length_takes_no_memory() {
        let mut assembler = Assembler::new(u32::MAX, Duration::from_secs(1));
        let trailer = Trailer {
            offset: 0,
            total: u32::MAX,
        };
        let payload = [&b"x"[..], &trailer.encode()].concat();
        assert_eq!(assembler.handle_fragment(at(0), Flags::FRAG, &payload), Ok(None));
        assert!(assembler.received.0.capacity() < 1000);
        let shown = format!("{assembler:?}");
        assert!(shown.contains("1 bytes"), "{shown}");
    }

    #[test]
    fn after_an_error_the_next_blob_is_taken() {
        let mut assembler = assembler();
        let parts = fragments(b"abcdef", 2);
        assert_eq!(assembler.handle_fragment(at(0), Flags::FRAG, &parts[0]), Ok(None));
        assert!(assembler.handle_fragment(at(0), Flags::FRAG, &parts[2]).is_err());
        assert_eq!(assembler.poll_timeout(), None);
        for part in &parts[..2] {
            assert_eq!(assembler.handle_fragment(at(0), Flags::FRAG, part), Ok(None));
        }
        let blob = assembler.handle_fragment(at(0), Flags::FRAG, &parts[2]);
        assert_eq!(blob, Ok(Some(Bytes::from_static(b"abcdef"))));
    }

    proptest! {
        #[test]
        fn blobs_of_any_size_come_out_as_they_went_in(
            blobs in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 1..300), 1..40_usize), 1..4,
            ),
        ) {
            let mut assembler = assembler();
            for (blob, mtu) in blobs {
                let parts = fragments(&blob, mtu);
                let (last, others) = parts.split_last().unwrap();
                for part in others {
                    prop_assert_eq!(assembler.handle_fragment(at(0), Flags::FRAG, part), Ok(None));
                }
                let got = assembler.handle_fragment(at(0), Flags::FRAG, last);
                prop_assert_eq!(got, Ok(Some(blob.into())));
            }
        }
    }
}
