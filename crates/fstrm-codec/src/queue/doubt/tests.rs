use core::num::NonZeroU64;
use std::vec;
use std::vec::Vec;

use bytes::{Buf, Bytes};

use crate::FrameConfig;
use crate::frame::OwnedRun;
use crate::queue::{Config, Delivery, Queue};

fn run(payloads: &[Vec<u8>]) -> OwnedRun {
    OwnedRun::encode(payloads.iter().map(|payload| &payload[..]), FrameConfig::new()).unwrap()
}

fn payloads(count: u32, long: u32, len: usize) -> Vec<Vec<u8>> {
    let payload = |number: u32| {
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(if number == long { len } else { 4 }, 0);
        payload
    };
    (0..count).map(payload).collect()
}

fn confirmed() -> Queue {
    let most = NonZeroU64::new(1 << 30).unwrap();
    let config = Config::new().delivery(Delivery::Confirmed).max_bytes(most);
    Queue::new(config)
}

/// What is written in one stream.
fn written(queue: &mut Queue) -> OwnedRun {
    let mut wire = Vec::new();
    loop {
        let mut batch = queue.take_batch();
        let len = batch.len();
        wire.extend(batch.copy_to_bytes(len));
        queue.handle_written(len);
        if len == 0 || queue.wants_confirmation() {
            break;
        }
    }
    OwnedRun::decode(wire.into(), FrameConfig::new()).unwrap()
}

/// What a stream brings to a collector that leaves at the first frame longer than `max`; whether it left.
fn stream(queue: &mut Queue, max: usize) -> (Vec<Bytes>, bool) {
    let run = written(queue);
    let whole: Vec<_> = run
        .payloads()
        .take_while(|payload| payload.len() <= max)
        .collect();
    let is_refused = u64::try_from(whole.len()).unwrap() < run.frames();
    if is_refused {
        queue.handle_refused();
    } else {
        queue.handle_confirmed();
    }
    (whole, is_refused)
}

#[test]
fn a_long_frame_among_thousands_is_found_and_given_up_and_the_others_arrive() {
    for long in [0, 1, 777, 4_999] {
        let mut queue = confirmed();
        queue.offer_run(&run(&payloads(5_000, long, 90_000))).unwrap();
        let (mut safe, mut rounds) = (Vec::new(), 0);
        while !queue.is_empty() {
            let (arrived, is_refused) = stream(&mut queue, 80_000);
            if !is_refused {
                safe.extend(arrived);
            }
            rounds += 1;
            assert!(rounds < 100, "{:?}", queue.stats());
        }
        assert!(safe.is_sorted() && safe.len() == 4_999);
        let stats = queue.stats();
        assert_eq!(
            (stats.sent, stats.dropped.refused, stats.dropped.frames()),
            (4_999, 1, 1)
        );
        assert!(stats.resent < 5 * 5_000, "{stats:?}");
    }
}

#[test]
fn a_frame_that_any_reader_takes_is_never_given_up() {
    let mut queue = confirmed();
    queue.offer_run(&run(&payloads(100, 50, 65_536))).unwrap();
    for _ in 0..1_000 {
        stream(&mut queue, 1_000);
    }
    let stats = queue.stats();
    assert_eq!((stats.sent, stats.queued, stats.dropped.frames()), (50, 50, 0));
    stream(&mut queue, 1 << 20);
    while !queue.is_empty() {
        let (_, is_refused) = stream(&mut queue, 1 << 20);
        assert!(!is_refused);
    }
    assert_eq!(queue.stats().sent, 100);
}

#[test]
fn a_collector_that_is_gone_once_is_sent_as_much_as_before() {
    let mut queue = confirmed();
    queue.offer_run(&run(&payloads(100, 0, 4))).unwrap();
    queue.take_batch();
    queue.handle_written(800);
    queue.handle_refused();
    let (arrived, _) = stream(&mut queue, 1 << 20);
    assert_eq!(arrived.len(), 100);
}

#[test]
fn a_frame_that_is_torn_by_each_collector_is_given_up_under_written_delivery_too() {
    let mut queue = Queue::new(Config::new());
    queue.offer_run(&run(&payloads(3, 1, 70_000))).unwrap();
    let mut refused = Vec::new();
    for _ in 0..8 {
        queue.take_batch();
        queue.handle_written(1_000);
        refused.push(queue.handle_refused());
    }
    assert_eq!(refused, vec![0, 0, 0, 0, 0, 0, 0, 1]);
    let stats = queue.stats();
    assert_eq!((stats.sent, stats.queued, stats.dropped.refused), (1, 1, 1));
}

#[test]
fn a_collector_that_confirms_only_short_streams_gets_them_and_no_frame_is_given_up() {
    let mut queue = confirmed();
    queue.offer_run(&run(&payloads(100, 0, 70_000))).unwrap();
    let mut lens = Vec::new();
    while !queue.is_empty() {
        lens.push(written(&mut queue).frames());
        // The first twelve times the disk is full; then it is slow.
        if lens.len() <= 12 || lens.ends_with(&[4]) {
            queue.handle_unconfirmed();
        } else {
            queue.handle_confirmed();
        }
    }
    assert_eq!((queue.stats().sent, queue.stats().dropped.frames()), (100, 0));
    assert_eq!(lens[..9], [100, 100, 50, 25, 12, 6, 3, 1, 1]);
}
