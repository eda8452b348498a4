//! The recorder's loop: it waits, hands over, and confirms; it decides nothing that the store could.

use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use std::vec::Vec;

use futures_core::Stream;
use tinwire_time::{Instant, Origin};
use tokio::sync::mpsc;

use super::{Order, Record, RecorderConfig, RecorderStats};
use crate::frame::{OwnedRun, Run};
use crate::rotate::Now;
use crate::store::{CloseError, Disk, Event, Store};

/// Most batches of one write: more pieces the system does not take at once.
const MAX_BATCHES: usize = 63;

/// Between two tries at the end, when there is little time left.
const LAST_TRIES: Duration = Duration::from_millis(10);

type Receipt<S> = <<S as Stream>::Item as Record>::Receipt;

/// A store, what it is fed from, and what waits to be confirmed.
pub(super) struct Driver<D: Disk, S: Stream<Item: Record>> {
    store: Store<D>,
    batches: S,
    config: RecorderConfig,
    orders: mpsc::Receiver<Order>,
    events: mpsc::Sender<Event>,
    shared: Arc<Mutex<RecorderStats>>,
    origin: Origin,
    /// What was taken from the stream and not yet by the store.
    runs: Vec<OwnedRun>,
    receipts: Vec<Receipt<S>>,
    /// What the store has taken: where it ends, and how to confirm it.
    taken: VecDeque<(u64, Receipt<S>)>,
    stats: RecorderStats,
    /// Whether no batch follows.
    is_over: bool,
}

/// What the loop was woken for.
enum Wake<T> {
    Batch(T),
    Over,
    Order(Order),
    Timeout,
}

impl<D: Disk, S: Stream<Item: Record> + Unpin> Driver<D, S> {
    pub(super) fn new(
        store: Store<D>,
        batches: S,
        config: RecorderConfig,
        orders: mpsc::Receiver<Order>,
        events: mpsc::Sender<Event>,
        shared: Arc<Mutex<RecorderStats>>,
    ) -> Self {
        Self {
            store,
            batches,
            config,
            orders,
            events,
            shared,
            origin: Origin::new(read().into_std()),
            runs: Vec::new(),
            receipts: Vec::new(),
            taken: VecDeque::new(),
            stats: RecorderStats::default(),
            is_over: false,
        }
    }

    /// Runs until the batches end, then closes the store.
    pub(super) async fn run(mut self) -> Result<(), CloseError> {
        self.report();
        while !self.is_over {
            let deadline = self.store.poll_timeout();
            match self.wait(deadline).await {
                Wake::Batch(batch) => self.gather(batch),
                Wake::Over | Wake::Order(Order::Close) => self.is_over = true,
                Wake::Order(order) => self.follow(order),
                Wake::Timeout => {}
            }
            self.work();
            if self.store.is_gone() {
                break;
            }
        }
        self.end().await
    }

    /// Takes what is there, as much as one write takes; false when nothing is.
    fn gather_more(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut self.batches).poll_next(&mut cx) {
            Poll::Ready(Some(batch)) => {
                self.gather(batch);
                true
            }
            Poll::Ready(None) | Poll::Pending => false,
        }
    }

    /// Gathers what is there behind `first`, as much as one write takes.
    fn gather(&mut self, first: S::Item) {
        let mut len = self.take(first);
        let mut cx = Context::from_waker(Waker::noop());
        while self.runs.len() < MAX_BATCHES && len < self.config.write_len {
            match Pin::new(&mut self.batches).poll_next(&mut cx) {
                Poll::Ready(Some(batch)) => len += self.take(batch),
                Poll::Ready(None) => {
                    self.is_over = true;
                    return;
                }
                // The loop polls again, with its own waker, before it sleeps.
                Poll::Pending => return,
            }
        }
    }

    fn take(&mut self, batch: S::Item) -> usize {
        let (run, receipt) = batch.split();
        let len = run.as_wire().len();
        self.runs.push(run);
        self.receipts.push(receipt);
        self.stats.batches += 1;
        len
    }

    /// Hands what was gathered to the store, and confirms what the store has.
    fn work(&mut self) {
        let now = self.now();
        if self.runs.is_empty() {
            self.store.handle_timeout(now);
        } else {
            let runs: Vec<Run<'_>> = self.runs.iter().map(OwnedRun::as_run).collect();
            let mut position = self.store.accepted();
            if self.store.write_runs(now, &runs).is_ok() {
                let ends = runs.iter().map(|run| {
                    position += u64::try_from(run.as_wire().len()).unwrap_or(u64::MAX);
                    position
                });
                self.taken.extend(ends.zip(self.receipts.drain(..)));
                self.runs.clear();
            }
        }
        self.confirm();
        let unconfirmed = self.store.written().saturating_sub(self.store.confirmed());
        if unconfirmed > self.config.max_unconfirmed {
            self.store.sync(now);
            self.confirm();
        }
        self.report();
    }

    fn confirm(&mut self) {
        if let Some(doubt) = self.store.take_doubt() {
            while self.taken.front().is_some_and(|(end, _)| *end <= doubt) {
                // Dropped, it tells its owner.
                self.taken.pop_front();
                self.stats.unconfirmed += 1;
            }
        }
        let confirmed = self.store.confirmed();
        let done = self.taken.iter().take_while(|(end, _)| *end <= confirmed);
        let done = done.count();
        if done == 0 {
            return;
        }
        // Told first: who sees FINISH may look at the counters next.
        self.stats.confirmed += u64::try_from(done).unwrap_or(u64::MAX);
        self.report();
        for (_, receipt) in self.taken.drain(..done) {
            S::Item::confirm(receipt);
        }
    }

    fn follow(&mut self, order: Order) {
        let now = self.now();
        let answer = match order {
            Order::Rotate(answer) => {
                self.store.rotate(now);
                answer
            }
            Order::Flush(answer) => {
                self.store.flush(now);
                answer
            }
            Order::Sync(answer) => {
                self.store.sync(now);
                answer
            }
            Order::Close => return,
        };
        self.confirm();
        self.report();
        // Who asked may have gone.
        let _ = answer.send(());
    }

    /// Closes the store; a disk that fails gets some time.
    async fn end(mut self) -> Result<(), CloseError> {
        let deadline = self.now().at + self.config.close_timeout;
        loop {
            // A task that has taken a lot finds everything empty, until it has let others run.
            tokio::task::yield_now().await;
            if !self.runs.is_empty() || self.store.is_blocked() || !self.gather_more() {
                break;
            }
            self.work();
        }
        let outcome = loop {
            let now = self.now();
            self.work();
            let closed = if self.runs.is_empty() {
                self.store.close(now)
            } else {
                let frames = self.runs.iter().map(OwnedRun::frames).sum();
                let error = std::io::Error::from(std::io::ErrorKind::TimedOut).into();
                Err(CloseError { frames, error })
            };
            self.confirm();
            match closed {
                Err(_) if now.at < deadline && !self.store.is_gone() => {}
                closed => break closed,
            }
            sleep(&self.origin, Some(deadline.min(now.at + LAST_TRIES))).await;
        };
        let left = self.taken.len() + self.receipts.len();
        self.stats.unconfirmed += u64::try_from(left).unwrap_or(u64::MAX);
        self.report();
        outcome
    }

    /// Waits for the next batch, if there is room for it, for an order, or for the time.
    async fn wait(&mut self, deadline: Option<Instant>) -> Wake<S::Item> {
        let is_free = self.runs.is_empty() && !self.store.is_blocked();
        // What has come is taken before anything is slept for; when nothing has, nothing is left to wait.
        let mut slept = pin!(sleep(&self.origin, deadline));
        poll_fn(|cx| {
            if let Poll::Ready(Some(order)) = self.orders.poll_recv(cx) {
                return Poll::Ready(Wake::Order(order));
            }
            if is_free {
                match Pin::new(&mut self.batches).poll_next(cx) {
                    Poll::Ready(Some(batch)) => return Poll::Ready(Wake::Batch(batch)),
                    Poll::Ready(None) => return Poll::Ready(Wake::Over),
                    Poll::Pending if self.idle() => return Poll::Ready(Wake::Timeout),
                    Poll::Pending => {}
                }
            }
            slept.as_mut().poll(cx).map(|()| Wake::Timeout)
        })
        .await
    }

    /// Nothing more is there: what waits in the store is written now, if anything does.
    fn idle(&mut self) -> bool {
        let is_waiting = self.store.written() < self.store.accepted() && !self.store.is_blocked();
        if is_waiting {
            let now = self.now();
            self.store.flush(now);
        }
        is_waiting
    }

    /// Tells what happened.
    fn report(&mut self) {
        while let Some(event) = self.store.poll_event() {
            if self.events.try_send(event).is_err() {
                self.stats.events_lost += 1;
            }
        }
        self.stats.store = self.store.stats();
        self.stats.is_blocked = self.store.is_blocked();
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = self.stats;
    }

    fn now(&self) -> Now {
        Now {
            at: self.origin.at(read().into_std()),
            wall: SystemTime::now(),
        }
    }
}

/// Completes at `deadline`, if there is one.
fn sleep(origin: &Origin, deadline: Option<Instant>) -> impl Future<Output = ()> + use<> {
    let until = deadline.and_then(|deadline| origin.deadline(deadline));
    async move {
        match until {
            Some(until) => tokio::time::sleep_until(until.into()).await,
            None => core::future::pending().await,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a driver reads the clock here, for its store"
)]
fn read() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
