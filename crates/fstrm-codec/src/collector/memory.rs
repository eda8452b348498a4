//! Who may hold how much of what has been read.
//!
//! ```text
//! every session    8 KiB, always                                       what common frames need
//! reads            half of the limit, whoever asks first; given back   larger read buffers for busy senders
//!                  by sessions that were quiet for a second
//! frames           the limit, in turn, for a whole frame at a time;    frames that do not fit into the above
//!                  when it is all out, the oldest incomplete frame
//!                  goes if it has had a second
//! ```

use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::SessionId;
use super::clock;
use super::doom::{Doom, Verdict};
use super::race::{Won, race};

/// Semaphores count in these, so that any limit fits.
pub(super) const UNIT: usize = 1024;
/// An incomplete frame is safe for so long.
const GRACE: Duration = Duration::from_secs(1);

/// The memory of all sessions.
#[derive(Debug)]
pub(super) struct Memory {
    reads: AtomicUsize,
    max_reads: usize,
    frames: Arc<Semaphore>,
    max_frames: u32,
    /// Sessions with memory of `frames`, by when their frame began.
    holders: Mutex<BTreeMap<(Instant, SessionId), Arc<Doom>>>,
}

/// Memory of `frames` that a session holds.
#[derive(Debug)]
pub(super) struct Held {
    memory: Arc<Memory>,
    permit: OwnedSemaphorePermit,
    since: (Instant, SessionId),
}

impl Held {
    /// How much it is.
    pub(super) fn bytes(&self) -> usize {
        self.permit.num_permits() * UNIT
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.lock().remove(&self.since);
    }
}

/// What cannot be had, not even alone.
#[derive(Debug)]
pub(super) struct TooMuch;

impl Memory {
    pub(super) fn new(limit: usize) -> Self {
        let max_frames = units(limit);
        Self {
            reads: AtomicUsize::new(0),
            max_reads: limit / 2,
            // A u32 fits everywhere this compiles for.
            frames: Arc::new(Semaphore::new(
                usize::try_from(max_frames).unwrap_or(usize::MAX >> 3),
            )),
            max_frames,
            holders: Mutex::default(),
        }
    }

    /// Bytes that are out.
    pub(super) fn used(&self) -> usize {
        let free = self.frames.available_permits();
        let frames = usize::try_from(self.max_frames)
            .unwrap_or(usize::MAX)
            .saturating_sub(free);
        self.reads.load(Ordering::Relaxed) + frames * UNIT
    }

    /// Takes memory for reading, if there is some.
    pub(super) fn take_reads(&self, bytes: usize) -> bool {
        let taken = self
            .reads
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                Some(used + bytes).filter(|used| *used <= self.max_reads)
            });
        taken.is_ok()
    }

    /// Gives memory for reading back.
    pub(super) fn give_reads(&self, bytes: usize) {
        self.reads.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Takes memory for a frame as a whole, so that nobody holds a part while waiting for the rest. Waits for
    /// its turn; the caller has to watch for its own doom meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future takes nothing and loses the turn.
    pub(super) async fn hold(
        self: &Arc<Self>,
        bytes: usize,
        session: SessionId,
        doom: &Arc<Doom>,
    ) -> Result<Held, TooMuch> {
        let need = units(bytes);
        if need > self.max_frames {
            return Err(TooMuch);
        }
        let mut turn = pin!(Arc::clone(&self.frames).acquire_many_owned(need));
        let mut look = None;
        let permit = loop {
            let waited = match look {
                None => race(turn.as_mut(), core::future::ready(())).await,
                Some(at) => race(turn.as_mut(), tokio::time::sleep_until(at)).await,
            };
            match waited {
                Won::First(permit) => break permit.map_err(|_closed| TooMuch)?,
                Won::Second(()) => look = Some(self.evict(clock::now())),
            }
        };
        let since = (clock::now(), session);
        self.lock().insert(since, Arc::clone(doom));
        Ok(Held {
            memory: Arc::clone(self),
            permit,
            since,
        })
    }

    /// Ends the session with the oldest incomplete frame, if it is old enough; says when to look again.
    fn evict(&self, now: Instant) -> Instant {
        let mut holders = self.lock();
        let Some(oldest) = holders.first_entry() else {
            return now + GRACE;
        };
        let safe_until = oldest.key().0 + GRACE;
        if safe_until > now {
            return safe_until;
        }
        oldest.remove().pass(Verdict::Memory);
        now + GRACE
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(Instant, SessionId), Arc<Doom>>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes in units, rounded up.
pub(super) fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}
