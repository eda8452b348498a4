use core::num::NonZeroU64;
use std::vec;
use std::vec::Vec;

use bytes::Buf;
use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;
use crate::frame::Beginning;
use crate::{Frame, FrameConfig, Parser};

fn config(frames: u64, bytes: u64) -> Config {
    Config::new()
        .max_frames(NonZeroU64::new(frames).unwrap())
        .max_bytes(NonZeroU64::new(bytes).unwrap())
}

/// A payload that begins with its number.
fn payload(number: u64, len: usize) -> Bytes {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(len.max(8), 0xA5);
    payload.into()
}

fn run(first: u64, frames: u64, len: usize) -> OwnedRun {
    let payloads: Vec<_> = (first..first + frames)
        .map(|number| payload(number, len))
        .collect();
    OwnedRun::encode(payloads.iter().map(|payload| &payload[..]), FrameConfig::new()).unwrap()
}

/// Numbers of the whole frames in `wire`, and whether something is left behind them.
fn numbers(mut wire: &[u8]) -> (Vec<u64>, bool) {
    let mut parser = Parser::new(FrameConfig::new().beginning(Beginning::Any));
    let mut numbers = Vec::new();
    loop {
        let parsed = parser.parse(wire).unwrap();
        wire = &wire[parsed.consumed..];
        match parsed.frame {
            Some(Frame::Data(payload)) => {
                numbers.push(u64::from_be_bytes(*payload.first_chunk().unwrap()));
            }
            Some(other) => panic!("{other:?}"),
            None => return (numbers, !wire.is_empty()),
        }
    }
}

/// Takes the next batch and gives its first `len` bytes to the transport.
fn write(queue: &mut Queue, len: usize) -> Vec<u8> {
    let mut batch = queue.take_batch();
    let len = len.min(batch.len());
    let wire = batch.copy_to_bytes(len).to_vec();
    queue.handle_written(len);
    wire
}

fn assert_sum(queue: &Queue) {
    let stats = queue.stats();
    assert_eq!(
        stats.offered,
        stats.sent + stats.dropped.frames() + stats.queued + stats.kept
    );
    assert_eq!(
        stats.offered_bytes,
        stats.sent_bytes + stats.dropped.bytes + stats.queued_bytes + stats.kept_bytes
    );
}

#[test]
fn a_full_queue_asks_to_wait_and_counts_nothing() {
    let mut queue = Queue::new(config(2, 1000));
    for number in 0..2 {
        queue.offer(&payload(number, 8)).unwrap();
    }
    assert_eq!(queue.offer(&payload(2, 8)), Err(OfferError::Full));
    assert_eq!(queue.stats().offered, 2);
    assert_eq!(numbers(&write(&mut queue, usize::MAX)), (vec![0, 1], false));
    queue.offer(&payload(2, 8)).unwrap();
}

#[test]
fn the_bound_in_bytes_counts_headers() {
    let mut queue = Queue::new(config(100, 24));
    queue.offer(&payload(0, 8)).unwrap();
    queue.offer(&payload(1, 8)).unwrap();
    assert_eq!(queue.stats().queued_bytes, 24);
    assert_eq!(queue.offer(&payload(2, 8)), Err(OfferError::Full));
}

#[test]
fn whatever_comes_fits_into_an_empty_queue() {
    let mut queue = Queue::new(config(2, 10));
    assert_eq!(
        queue.offer_run(&run(0, 5, 8)),
        Ok(Receipt {
            queued: 5,
            dropped: 0
        })
    );
    assert_eq!(queue.offer_run(&run(5, 5, 8)), Err(OfferError::Full));
}

#[test]
fn the_newest_run_is_dropped_whole() {
    let mut queue = Queue::new(config(4, 1000).policy(Policy::DropNewest));
    queue.offer_run(&run(0, 3, 8)).unwrap();
    let receipt = queue.offer_run(&run(3, 2, 8)).unwrap();
    assert_eq!(
        receipt,
        Receipt {
            queued: 0,
            dropped: 2
        }
    );
    assert_eq!(queue.stats().dropped.newest, 2);
    assert_sum(&queue);
    assert_eq!(numbers(&write(&mut queue, usize::MAX)).0, [0, 1, 2]);
}

#[test]
fn no_more_of_the_oldest_are_dropped_than_have_to_be() {
    let mut queue = Queue::new(config(4, 10_000).policy(Policy::DropOldest));
    queue.offer_run(&run(0, 3, 8)).unwrap();
    queue.offer(&payload(3, 2000)).unwrap();
    let receipt = queue.offer_run(&run(4, 2, 8)).unwrap();
    assert_eq!(
        receipt,
        Receipt {
            queued: 2,
            dropped: 2
        }
    );
    assert_sum(&queue);
    assert_eq!(numbers(&write(&mut queue, usize::MAX)).0, [2, 3, 4, 5]);
}

#[test]
fn what_cannot_be_framed_is_refused_and_harms_nothing() {
    let mut queue = Queue::new(config(4, 100));
    assert_eq!(
        queue.offer(&Bytes::new()),
        Err(OfferError::Encode(EncodeError::EmptyFrame))
    );
    assert_eq!(queue.stats(), Stats::default());
}

#[test]
fn a_batch_cut_within_a_frame_is_sent_again_from_that_frame() {
    for frames in [run(0, 4, 8), run(0, 4, 3000)] {
        let each = frames.as_wire().len() / 4;
        let mut queue = Queue::new(Config::new());
        queue.offer_run(&frames).unwrap();
        write(&mut queue, 2 * each + 1);
        queue.handle_lost();
        let stats = queue.stats();
        assert_eq!((stats.sent, stats.queued, stats.kept, stats.resent), (2, 2, 0, 1));
        assert_eq!(numbers(&write(&mut queue, usize::MAX)), (vec![2, 3], false));
        assert_sum(&queue);
    }
}

#[test]
fn a_long_payload_cut_in_its_header_is_sent_again_whole() {
    let mut queue = Queue::new(Config::new());
    queue.offer(&payload(7, 5000)).unwrap();
    assert_eq!(write(&mut queue, 3), [0, 0, 0x13]);
    queue.handle_lost();
    assert_eq!(numbers(&write(&mut queue, usize::MAX)), (vec![7], false));
}

#[test]
fn what_no_finish_covers_is_sent_again_in_order() {
    let mut queue = Queue::new(Config::new().delivery(Delivery::Confirmed));
    queue.offer(&payload(0, 8)).unwrap();
    write(&mut queue, usize::MAX);
    queue.handle_confirmed();
    for number in 1..4 {
        queue.offer(&payload(number, 8)).unwrap();
        write(&mut queue, if number == 3 { 5 } else { 100 });
    }
    assert_eq!((queue.stats().sent, queue.stats().kept), (1, 3));
    queue.handle_lost();
    queue.offer(&payload(4, 8)).unwrap();
    assert_eq!(queue.stats().resent, 3);
    assert_eq!(numbers(&write(&mut queue, usize::MAX)), (vec![1, 2, 3, 4], false));
    assert!(!queue.is_empty());
    queue.handle_confirmed();
    assert!(queue.is_empty());
    assert_sum(&queue);
}

#[test]
fn a_half_full_window_asks_for_confirmation_and_a_full_one_waits_for_it() {
    let delivery = Config::new().delivery(Delivery::Confirmed);
    let mut queue = Queue::new(delivery.window_bytes(100).coalesce_bytes(0));
    queue.offer_run(&run(0, 4, 8)).unwrap();
    write(&mut queue, usize::MAX);
    assert!(!queue.wants_confirmation());
    queue.offer_run(&run(4, 5, 8)).unwrap();
    assert_eq!(queue.readiness(), Readiness::Due);
    write(&mut queue, usize::MAX);
    assert!(queue.wants_confirmation());
    queue.offer_run(&run(9, 1, 8)).unwrap();
    assert_eq!(queue.readiness(), Readiness::WindowFull);
    assert!(queue.take_batch().is_empty());
    queue.handle_confirmed();
    assert_eq!(numbers(&write(&mut queue, usize::MAX)).0, [9]);
}

#[test]
fn a_lone_frame_lingers_until_it_is_expedited_or_others_join_it() {
    let mut queue = Queue::new(Config::new().coalesce_bytes(30));
    assert_eq!(queue.readiness(), Readiness::Empty);
    queue.offer(&payload(0, 8)).unwrap();
    assert_eq!(queue.readiness(), Readiness::Lingering);
    queue.expedite();
    assert_eq!(queue.readiness(), Readiness::Due);
    write(&mut queue, usize::MAX);
    queue.offer(&payload(1, 8)).unwrap();
    assert_eq!(queue.readiness(), Readiness::Lingering);
    queue.offer(&payload(2, 100)).unwrap();
    assert_eq!(queue.readiness(), Readiness::Due);
}

#[test]
fn nothing_lingers_in_a_queue_that_is_half_full_or_that_somebody_waits_for() {
    let mut queue = Queue::new(config(4, 1000));
    queue.offer(&payload(0, 8)).unwrap();
    queue.offer(&payload(1, 8)).unwrap();
    assert_eq!(queue.readiness(), Readiness::Lingering);
    queue.offer(&payload(2, 8)).unwrap();
    assert_eq!(queue.readiness(), Readiness::Due);
    let mut queue = Queue::new(config(100, 1000));
    queue.offer(&payload(0, 8)).unwrap();
    assert_eq!(queue.offer_run(&run(1, 10, 100)), Err(OfferError::Full));
    assert_eq!(queue.readiness(), Readiness::Due);
}

#[test]
fn a_mark_is_reached_when_all_before_it_are_done() {
    let mut queue = Queue::new(Config::new().delivery(Delivery::Confirmed));
    queue.offer(&payload(0, 8)).unwrap();
    let mark = queue.expedite_all();
    queue.offer(&payload(1, 8)).unwrap();
    assert!(!queue.is_done(mark));
    write(&mut queue, usize::MAX);
    assert!(queue.wants_confirmation() && !queue.is_done(mark));
    queue.handle_confirmed();
    assert!(queue.is_done(mark));
    assert!(queue.is_done(2) && !queue.is_done(3));
}

#[test]
fn what_is_abandoned_is_counted_but_for_what_was_written() {
    let mut queue = Queue::new(Config::new());
    queue.offer_run(&run(0, 4, 8)).unwrap();
    write(&mut queue, 13);
    queue.offer(&payload(4, 8)).unwrap();
    assert_eq!(queue.abandon(), 4);
    assert_eq!((queue.stats().sent, queue.stats().dropped.shutdown), (1, 4));
    assert!(queue.is_empty());
    assert_sum(&queue);
}

#[test]
fn small_payloads_share_pieces() {
    let mut queue = Queue::new(Config::new());
    for number in 0..10_000 {
        queue.offer(&payload(number, 60)).unwrap();
    }
    // 640,000 bytes; the first pieces are smaller.
    assert!(queue.queued.len() < 16, "{} pieces", queue.queued.len());
}

#[derive(Clone, Debug)]
enum Step {
    Offer(usize),
    OfferRun(u64, usize),
    Write(usize),
    Lose,
    Confirm,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop_oneof![4 => 8_usize..40, 1 => 1000_usize..1100].prop_map(Step::Offer),
        3 => (1_u64..6, 8_usize..40).prop_map(|(frames, len)| Step::OfferRun(frames, len)),
        6 => prop_oneof![0_usize..200, Just(usize::MAX)].prop_map(Step::Write),
        2 => Just(Step::Lose),
        1 => Just(Step::Confirm),
    ];
    vec_of(step, 1..120)
}

fn policies() -> impl Strategy<Value = Policy> {
    prop_oneof![
        Just(Policy::Block),
        Just(Policy::DropNewest),
        Just(Policy::DropOldest)
    ]
}

/// A queue, the connection it writes to, and what the collector behind that has.
struct Story {
    queue: Queue,
    batch: Batch,
    connection: Vec<u8>,
    /// Frames that arrived whole, a list for each connection.
    arrived: Vec<Vec<u64>>,
    accepted: Vec<u64>,
    next: u64,
}

impl Story {
    fn new(config: Config) -> Self {
        Self {
            queue: Queue::new(config),
            batch: Batch::default(),
            connection: Vec::new(),
            arrived: Vec::new(),
            accepted: Vec::new(),
            next: 0,
        }
    }

    fn offer(&mut self, frames: u64, offered: Result<Receipt, OfferError>) {
        match offered {
            Ok(receipt) if receipt.queued > 0 => self.accepted.extend(self.next..self.next + frames),
            Ok(_) | Err(OfferError::Full) => {}
            Err(error) => panic!("{error}"),
        }
        self.next += frames;
    }

    fn write(&mut self, len: usize) {
        if self.batch.is_empty() {
            self.batch = self.queue.take_batch();
        }
        let len = len.min(self.batch.len());
        self.connection.extend(self.batch.copy_to_bytes(len));
        self.queue.handle_written(len);
    }

    fn lose(&mut self) {
        self.batch = Batch::default();
        self.queue.handle_lost();
        self.arrived.push(numbers(&self.connection).0);
        self.connection.clear();
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Offer(len) => {
                let offered = self.queue.offer(&payload(self.next, len));
                self.offer(1, offered);
            }
            Step::OfferRun(frames, len) => {
                let offered = self.queue.offer_run(&run(self.next, frames, len));
                self.offer(frames, offered);
            }
            Step::Write(len) => self.write(len),
            Step::Lose => self.lose(),
            // FINISH answers STOP, which is sent when nothing is in flight.
            Step::Confirm if self.batch.is_empty() && self.queue.flight.is_empty() => {
                self.queue.handle_confirmed();
                self.lose();
            }
            Step::Confirm => {}
        }
        assert_sum(&self.queue);
    }

    /// Writes all that is left over a connection that holds.
    fn finish(&mut self) {
        while !self.queue.is_empty() {
            self.write(usize::MAX);
            self.queue.handle_confirmed();
        }
        self.lose();
    }
}

proptest! {
    #[test]
    fn written_frames_arrive_once_in_order_and_are_counted(policy in policies(), steps in steps()) {
        let mut story = Story::new(config(12, 400).policy(policy));
        for step in &steps {
            story.step(step);
        }
        story.finish();
        let arrived = story.arrived.concat();
        let stats = story.queue.stats();
        prop_assert_eq!(stats.sent, u64::try_from(arrived.len()).unwrap());
        prop_assert!(arrived.is_sorted_by(|a, b| a < b), "{:?}", arrived);
        if policy == Policy::DropOldest {
            prop_assert_eq!(stats.sent + stats.dropped.oldest, u64::try_from(story.accepted.len()).unwrap());
        } else {
            prop_assert_eq!(arrived, story.accepted);
        }
    }

    #[test]
    fn confirmed_frames_arrive_at_least_once_in_order_within_a_connection(
        policy in policies(),
        steps in steps(),
        window in 1_u64..500,
    ) {
        let delivery = config(12, 400).delivery(Delivery::Confirmed).window_bytes(window);
        let mut story = Story::new(delivery.policy(policy));
        for step in &steps {
            story.step(step);
        }
        story.finish();
        for connection in &story.arrived {
            prop_assert!(connection.is_sorted_by(|a, b| a < b), "{:?}", connection);
        }
        let mut arrived = story.arrived.concat();
        arrived.sort_unstable();
        let again = arrived.len();
        arrived.dedup();
        let again = u64::try_from(again - arrived.len()).unwrap();
        let stats = story.queue.stats();
        prop_assert!(again <= stats.resent, "{} came again, {:?}", again, stats);
        if policy == Policy::DropOldest {
            let missing = u64::try_from(story.accepted.len() - arrived.len()).unwrap();
            prop_assert!(missing <= stats.dropped.oldest);
        } else {
            prop_assert_eq!(arrived, story.accepted);
        }
    }
}
