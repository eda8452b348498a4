//! Many threads at one sender, on the real clock: their futures are dropped at any poll, and every wake-up
//! that is lost is a thread that waits for ever.

use alloc::sync::Arc;
use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;
use std::task::Wake;
use std::thread::{self, Thread};
use std::vec::Vec;

use super::wire::{Collector, Plan, payload};
use crate::queue;
use crate::sender::{Config, Sender};

const THREADS: u64 = 4;
const OFFERS: u64 = 3_000;
/// Longer than all of it takes.
const PATIENCE: Duration = Duration::from_secs(120);

struct Bell(Thread, AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.1.store(true, Ordering::Release);
        self.0.unpark();
    }
}

/// Polls as often as that, each time after a wake-up; then drops the future.
fn poll<F: Future>(future: F, polls: u64) -> Option<F::Output> {
    let bell = Arc::new(Bell(thread::current(), AtomicBool::new(false)));
    let waker = Arc::clone(&bell).into();
    let mut future = pin!(future);
    for left in (0..polls).rev() {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        while left > 0 && !bell.1.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
    None
}

/// Offers numbers of its own; those that were taken.
fn offer(sender: &Sender, thread: u64) -> Vec<u64> {
    let mut taken = Vec::new();
    let mut dice = thread;
    for number in (thread * OFFERS..).take(usize::try_from(OFFERS).unwrap()) {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let polls = match dice >> 61 {
            0 => u64::MAX,
            few => few,
        };
        if let Some(receipt) = poll(sender.send(payload(number, 40)), polls) {
            assert_eq!(receipt.unwrap().queued, 1);
            taken.push(number);
        }
        match dice >> 40 & 0x3F {
            0 => assert_eq!(poll(sender.flush(), u64::MAX), Some(Ok(()))),
            1 => drop(poll(sender.flush(), polls)),
            2 => drop(poll(sender.next_event(), polls.min(1))),
            3 => drop(sender.clone()),
            _ => {}
        }
    }
    taken
}

#[test]
fn futures_dropped_at_any_poll_lose_nothing_and_no_wake_up_is_lost() {
    let mut plans: Vec<_> = (0..200)
        .map(|cut| Plan {
            cut_after: Some(1_000 + cut * 7),
            ..Plan::good()
        })
        .collect();
    plans.push(Plan::good());
    let few = queue::Config::new().max_frames(core::num::NonZeroU64::new(8).unwrap());
    let config = Config::new()
        .queue(few)
        .coalesce_delay(Duration::ZERO)
        .backoff(Duration::from_micros(100), Duration::from_millis(1));
    let collector = Collector::default();
    let (sender, driver) = Sender::with_driver(collector.connect(plans), config).unwrap();
    let (ended, end) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(driver);
    });
    thread::spawn(move || {
        let offering: Vec<_> = (0..THREADS)
            .map(|number| {
                let sender = sender.clone();
                thread::spawn(move || offer(&sender, number))
            })
            .collect();
        let mut taken: Vec<_> = offering.into_iter().flat_map(|it| it.join().unwrap()).collect();
        taken.sort_unstable();
        let report = poll(sender.close(), u64::MAX).unwrap();
        ended.send((taken, report)).unwrap();
    });
    let (taken, report) = end.recv_timeout(PATIENCE).expect("somebody waits for ever");
    let frames = report.stats.frames;
    assert!(report.is_complete() && report.stats.lost > 50, "{report:?}");
    assert_eq!(frames.offered, u64::try_from(taken.len()).unwrap());
    let mut arrived = collector.frames();
    arrived.sort_unstable();
    assert!(arrived == taken, "{} of {}", arrived.len(), taken.len());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_events_sleeps_through_what_is_written() {
    let collector = Collector::default();
    let sender = Sender::spawn(collector.connect(Vec::from([Plan::good()])), Config::new()).unwrap();
    assert!(sender.next_event().await.is_some(), "connected");
    let bell = Arc::new(Bell(thread::current(), AtomicBool::new(false)));
    let waker = Arc::clone(&bell).into();
    let mut event = pin!(sender.next_event());
    assert!(event.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    for number in 0..10 {
        sender.send(payload(number, 8)).await.unwrap();
        sender.flush().await.unwrap();
    }
    assert!(!bell.1.load(Ordering::Acquire));
    assert!(sender.clone().close().await.finished);
    assert!(bell.1.load(Ordering::Acquire) && event.await.is_none());
}
