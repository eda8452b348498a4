//! Thousands of lives of a sender, each decided by a seed.

use core::num::NonZeroU64;
use core::time::Duration;
use std::vec::Vec;

use super::wire::{Collector, Plan, payload, run};
use crate::queue::{Delivery, Policy};
use crate::sender::{Config, Sender};
use crate::{Mode, handshake, queue};

const SEEDS: u64 = 1000;
const FRAMES: u64 = 120;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn len(&mut self, most: u64) -> usize {
        usize::try_from(self.roll(most)).unwrap()
    }

    fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.roll(most))
    }

    /// A connection with at most one fault.
    fn plan(&mut self) -> Plan {
        let mut plan = Plan {
            connect_after: self.millis(3),
            answer_after: self.millis(3),
            vectored: self.roll(2) == 0,
            ..Plan::good()
        };
        if self.roll(3) == 0 {
            plan.gulp = 1 + self.len(300);
            plan.pause = self.millis(4);
        }
        match self.roll(8) {
            0 => plan.refuse = true,
            1 => plan.accept = false,
            2 => plan.finish = false,
            3 => plan.close_on_accept = true,
            4 => plan.stall_after = Some(self.len(3000)),
            5 => plan.connect_after = Duration::from_secs(60),
            _ => plan.cut_after = Some(self.len(6000)),
        }
        plan
    }
}

struct Outcome {
    collector: Collector,
    accepted: Vec<u64>,
    report: crate::sender::Report,
}

/// One life: frames and runs in bursts, over connections that fail, then over one that does not.
async fn live(seed: u64, policy: Policy, delivery: Delivery) -> Outcome {
    let mut dice = Dice(seed);
    for _ in 0..8 {
        dice.roll(2);
    }
    let mut plans: Vec<_> = (0..dice.roll(8)).map(|_| dice.plan()).collect();
    plans.push(Plan::good());
    let collector = Collector::default();
    let queue = queue::Config::new()
        .max_frames(NonZeroU64::new(1 + dice.roll(60)).unwrap())
        .max_bytes(NonZeroU64::new(100 + dice.roll(4000)).unwrap())
        .window_bytes(1 + dice.roll(5000))
        .coalesce_bytes(dice.roll(600));
    let config = Config::new()
        .queue(queue)
        .policy(policy)
        .delivery(delivery)
        .coalesce_delay(dice.millis(100))
        .confirm_interval(Duration::from_millis(1 + dice.roll(300)))
        .shutdown_timeout(Duration::from_secs(3600))
        .seed(seed);
    let sender = Sender::spawn(collector.connect(plans), config).unwrap();
    let mut accepted = Vec::new();
    let mut next = 0;
    while next < FRAMES {
        let before = next;
        let receipt = if dice.roll(3) == 0 {
            let frames = 1 + dice.roll(8);
            next += frames;
            sender.send_run(run(before..next, dice.len(60))).await
        } else {
            next += 1;
            let most = if dice.roll(10) == 0 { 2500 } else { 60 };
            sender.send(payload(before, dice.len(most))).await
        };
        if receipt.unwrap().queued > 0 {
            accepted.extend(before..next);
        }
        if dice.roll(4) == 0 {
            tokio::time::sleep(dice.millis(200)).await;
        }
        if dice.roll(30) == 0 {
            sender.flush().await.unwrap();
        }
        let frames = sender.stats().frames;
        assert_eq!(
            frames.offered,
            frames.sent + frames.dropped.frames() + frames.queued + frames.kept
        );
    }
    let report = sender.close().await;
    Outcome {
        collector,
        accepted,
        report,
    }
}

fn each_seed(policy: Policy, delivery: Delivery, check: impl Fn(u64, Outcome)) {
    for seed in 0..SEEDS {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        check(seed, runtime.unwrap().block_on(live(seed, policy, delivery)));
    }
}

fn is_in_order(frames: &[u64]) -> bool {
    frames.is_sorted_by(|a, b| a < b)
}

#[test]
fn confirmed_frames_arrive_whatever_happens() {
    each_seed(Policy::Block, Delivery::Confirmed, |seed, outcome| {
        let logs = outcome.collector.logs();
        assert!(logs.iter().all(|log| is_in_order(&log.frames)), "seed {seed}");
        let safe = logs
            .iter()
            .filter(|log| log.finished)
            .flat_map(|log| log.frames.iter().copied());
        let mut safe: Vec<_> = safe.collect();
        safe.sort_unstable();
        safe.dedup();
        assert_eq!(safe, outcome.accepted, "seed {seed}");
        assert!(
            outcome.report.is_complete() && outcome.report.finished,
            "seed {seed}"
        );
    });
}

#[test]
fn written_frames_are_torn_by_no_cut_and_counted_exactly() {
    each_seed(Policy::Block, Delivery::Written, |seed, outcome| {
        // Whatever the transport took whole is a frame; none of them twice.
        assert_eq!(outcome.collector.frames(), outcome.accepted, "seed {seed}");
        let frames = outcome.report.stats.frames;
        assert_eq!(
            (frames.sent, frames.dropped.frames()),
            (frames.offered, 0),
            "seed {seed}"
        );
    });
}

#[test]
fn what_a_drop_policy_drops_is_exactly_what_does_not_arrive() {
    for policy in [Policy::DropNewest, Policy::DropOldest] {
        each_seed(policy, Delivery::Written, |seed, outcome| {
            let arrived = outcome.collector.frames();
            let frames = outcome.report.stats.frames;
            assert!(is_in_order(&arrived), "seed {seed}");
            assert_eq!(frames.sent, u64::try_from(arrived.len()).unwrap(), "seed {seed}");
            assert_eq!(
                frames.sent + frames.dropped.frames(),
                frames.offered,
                "seed {seed}"
            );
        });
    }
}

#[test]
fn unidirectional_streams_lose_nothing_that_was_not_written() {
    for seed in 0..SEEDS / 2 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(async {
            let mut dice = Dice(seed);
            let mut plans: Vec<_> = (0..dice.roll(4)).map(|_| dice.plan()).collect();
            plans.push(Plan::good());
            let collector = Collector::default();
            let handshake = handshake::Config::new().mode(Mode::Unidirectional);
            let config = Config::new()
                .handshake(handshake)
                .seed(seed)
                .shutdown_timeout(Duration::from_secs(3600));
            let sender = Sender::spawn(collector.connect(plans), config).unwrap();
            for number in 0..50 {
                sender.send(payload(number, 60)).await.unwrap();
                tokio::time::sleep(dice.millis(50)).await;
            }
            assert!(sender.close().await.is_complete(), "seed {seed}");
            assert_eq!(collector.frames(), (0..50).collect::<Vec<_>>(), "seed {seed}");
        });
    }
}
