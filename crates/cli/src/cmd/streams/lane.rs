//! A bounded queue in front of one output, with its own rule for "full".

use core::pin::Pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::ValueEnum;
use fstrm_codec::OwnedRun;
use fstrm_codec::store::Record;
use futures::Stream;
use tokio::sync::Notify;

use super::Ticket;

/// What becomes of frames that an output has no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFull {
    /// Everybody waits, the other outputs too; nothing is lost
    #[default]
    Block,
    /// They are dropped for this output, and counted
    DropNew,
    /// The oldest that wait are dropped for this output, and counted
    DropOld,
}

/// A parcel's ticket, shared by all outputs that have to confirm.
#[derive(Debug)]
#[must_use = "dropping it says that the frames are lost"]
pub(crate) struct Ack(Arc<Pending>);

#[derive(Debug)]
struct Pending {
    ticket: Mutex<Option<Ticket>>,
    left: AtomicUsize,
}

impl Ack {
    /// One for each of `outputs`; the ticket is confirmed when all of them are.
    pub(crate) fn share(ticket: Ticket, outputs: usize) -> impl Iterator<Item = Self> {
        let pending = Arc::new(Pending {
            ticket: Mutex::new(Some(ticket)),
            left: AtomicUsize::new(outputs),
        });
        core::iter::repeat_n(pending, outputs).map(Self)
    }

    /// This output is done with the frames.
    pub(crate) fn confirm(self) {
        if self.0.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let ticket = self
                .0
                .ticket
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(ticket) = ticket {
                ticket.confirm();
            }
        }
    }
}

/// Frames on their way to one output.
#[derive(Debug)]
pub(crate) struct Freight {
    /// The frames, as they stand on the wire.
    pub(crate) run: OwnedRun,
    /// To be confirmed when they are where they should be.
    pub(crate) ack: Ack,
}

impl Record for Freight {
    type Receipt = Ack;

    fn split(self) -> (OwnedRun, Ack) {
        (self.run, self.ack)
    }

    fn confirm(receipt: Ack) {
        receipt.confirm();
    }
}

/// Counters of a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LaneStats {
    /// Frames that came to the output, dropped ones included.
    pub(crate) offered: u64,
    /// Frames dropped by the rule.
    pub(crate) dropped: u64,
}

/// A lane of at most `max_bytes`; an empty one takes a run of any length.
pub(crate) fn lane(on_full: OnFull, max_bytes: usize) -> (Entry, Exit) {
    let shared = Arc::new(Shared {
        state: Mutex::default(),
        room: Notify::new(),
        closed: Notify::new(),
        on_full,
        max_bytes,
    });
    (Entry(Arc::clone(&shared)), Exit(shared))
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    room: Notify,
    closed: Notify,
    on_full: OnFull,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Freight>,
    bytes: usize,
    stats: LaneStats,
    waker: Option<Waker>,
    /// Nothing more comes.
    is_closed: bool,
    /// Nobody takes anything any more.
    is_dead: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts freight in, or gives it back where there is no room and one has to wait.
    fn put(&self, freight: Freight) -> Option<Freight> {
        let mut state = self.lock();
        let (len, frames) = (freight.run.as_wire().len(), freight.run.frames());
        let has_room = |state: &State| {
            !state.is_dead && (state.waiting.is_empty() || state.bytes + len <= self.max_bytes)
        };
        match self.on_full {
            OnFull::Block if !has_room(&state) => return Some(freight),
            OnFull::DropNew if !has_room(&state) => {
                state.stats.offered += frames;
                state.stats.dropped += frames;
                drop(state);
                // That it is dropped is what was asked for: the sender has not to send it again.
                freight.ack.confirm();
                return None;
            }
            OnFull::DropOld => {
                while !has_room(&state)
                    && let Some(oldest) = state.waiting.pop_front()
                {
                    state.bytes -= oldest.run.as_wire().len();
                    state.stats.dropped += oldest.run.frames();
                    oldest.ack.confirm();
                }
                if state.is_dead {
                    state.stats.offered += frames;
                    state.stats.dropped += frames;
                    freight.ack.confirm();
                    return None;
                }
            }
            OnFull::Block | OnFull::DropNew => {}
        }
        state.stats.offered += frames;
        state.bytes += len;
        state.waiting.push_back(freight);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        None
    }
}

/// Where freight goes in.
#[derive(Debug)]
pub(crate) struct Entry(Arc<Shared>);

impl Entry {
    /// Puts freight in, by the rule. With [`OnFull::Block`] it waits for room, for ever if the output has
    /// ended.
    pub(crate) async fn offer(&self, mut freight: Freight) {
        loop {
            // Made before the look at the queue: what is told in between is not missed.
            let room = self.0.room.notified();
            match self.0.put(freight) {
                None => return,
                Some(back) => freight = back,
            }
            room.await;
        }
    }

    pub(crate) fn stats(&self) -> LaneStats {
        self.0.lock().stats
    }

    /// For whoever shows figures.
    pub(crate) fn meter(&self) -> Meter {
        Meter(Arc::clone(&self.0))
    }

    /// Nothing more comes; what waits can still be taken.
    pub(crate) fn close(&self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        self.0.closed.notify_one();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.close();
    }
}

/// A way to a lane's figures that outlives borrows.
#[derive(Clone, Debug)]
pub(crate) struct Meter(Arc<Shared>);

/// How a lane stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) stats: LaneStats,
    /// Frames that wait.
    pub(crate) frames: u64,
    /// Their bytes.
    pub(crate) bytes: usize,
}

impl Meter {
    pub(crate) fn level(&self) -> Level {
        let state = self.0.lock();
        Level {
            stats: state.stats,
            frames: state.waiting.iter().map(|freight| freight.run.frames()).sum(),
            bytes: state.bytes,
        }
    }
}

/// Where freight comes out: a stream, which ends when the entry is closed and the lane empty.
#[derive(Debug)]
pub(crate) struct Exit(Arc<Shared>);

impl Exit {
    /// To be told when nothing more comes in.
    pub(crate) fn closing(&self) -> Closing {
        Closing(Arc::clone(&self.0))
    }
}

/// Waits for the end of a lane; for one waiter.
#[derive(Debug)]
pub(crate) struct Closing(Arc<Shared>);

impl Closing {
    pub(crate) async fn wait(&self) {
        while !self.0.lock().is_closed {
            self.0.closed.notified().await;
        }
    }
}

impl Stream for Exit {
    type Item = Freight;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Freight>> {
        let mut state = self.0.lock();
        if let Some(freight) = state.waiting.pop_front() {
            state.bytes -= freight.run.as_wire().len();
            self.0.room.notify_one();
            return Poll::Ready(Some(freight));
        }
        if state.is_closed {
            return Poll::Ready(None);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Exit {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_dead = true;
        state.bytes = 0;
        let left = core::mem::take(&mut state.waiting);
        drop(state);
        drop(left);
        self.0.room.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use fstrm_codec::frame::FrameConfig;
    use futures::StreamExt as _;

    use super::*;

    fn freight(payload: &'static str) -> Freight {
        let run = OwnedRun::encode([payload.as_bytes()], FrameConfig::new()).unwrap();
        let ack = Ack::share(Ticket(None), 1).next().unwrap();
        Freight { run, ack }
    }

    async fn taken(exit: &mut Exit) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(freight) = exit.next().await {
            all.extend(
                freight
                    .run
                    .payloads()
                    .map(|it| String::from_utf8_lossy(&it).into_owned()),
            );
        }
        all
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_lane_keeps_whoever_offers_waiting() {
        let (entry, mut exit) = lane(OnFull::Block, 10);
        entry.offer(freight("aa")).await;
        let full = tokio::time::timeout(Duration::from_secs(1), entry.offer(freight("bb"))).await;
        assert!(full.is_err());
        let (first, ()) = tokio::join!(exit.next(), entry.offer(freight("cc")));
        first.unwrap();
        entry.close();
        assert_eq!(taken(&mut exit).await, ["cc"]);
        assert_eq!(
            entry.stats(),
            LaneStats {
                offered: 2,
                dropped: 0
            }
        );
    }

    #[tokio::test]
    async fn a_full_lane_drops_the_new_or_the_old_and_counts() {
        for (on_full, left) in [(OnFull::DropNew, ["aa", "bb"]), (OnFull::DropOld, ["bb", "cc"])] {
            let (entry, mut exit) = lane(on_full, 12);
            for payload in ["aa", "bb", "cc"] {
                entry.offer(freight(payload)).await;
            }
            entry.close();
            assert_eq!(taken(&mut exit).await, left);
            assert_eq!(
                entry.stats(),
                LaneStats {
                    offered: 3,
                    dropped: 1
                }
            );
        }
    }

    #[tokio::test]
    async fn an_output_that_has_ended_takes_nothing_and_stops_only_whoever_has_to_wait() {
        for (on_full, waits) in [
            (OnFull::Block, true),
            (OnFull::DropNew, false),
            (OnFull::DropOld, false),
        ] {
            let (entry, exit) = lane(on_full, 100);
            entry.offer(freight("aa")).await;
            drop(exit);
            let offered = tokio::time::timeout(Duration::from_millis(1), entry.offer(freight("bb"))).await;
            assert_eq!(offered.is_err(), waits, "{on_full:?}");
        }
    }
}
