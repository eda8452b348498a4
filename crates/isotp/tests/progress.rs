//! What a sender is told of its message while it is under way.
#![cfg(feature = "alloc")]
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod pair;

use bytes::Bytes;
use isotp::{BlockSize, Config, Event, StMin};
use pair::Pair;

fn message(len: usize) -> Bytes {
    Bytes::from(vec![0x11; len])
}

fn progress(events: &[Event]) -> impl Iterator<Item = (u32, u32)> {
    events.iter().filter_map(|event| match event {
        Event::Progress { sent, len, .. } => Some((*sent, *len)),
        _ => None,
    })
}

#[test]
fn progress_is_told_with_each_answered_block() {
    let mut pair = Pair::perfect(
        Config::default(),
        Config::default().block_size(BlockSize::from_bits(4)),
    );
    pair.a.outbox.push_back(message(100));
    pair.run();
    let told: Vec<_> = progress(&pair.a.events).collect();
    assert_eq!(told, [(34, 100), (62, 100), (90, 100)]);
}

#[test]
fn progress_without_blocks_is_told_every_64_frames() {
    let mut pair = Pair::perfect(Config::default(), Config::default());
    pair.a.outbox.push_back(message(1000));
    pair.run();
    let told: Vec<_> = progress(&pair.a.events).collect();
    assert_eq!(told, [(6 + 64 * 7, 1000), (6 + 128 * 7, 1000)]);
}

#[test]
fn progress_of_a_slow_message_is_told_every_tenth_of_a_second() {
    let slow = Config::default().st_min(StMin::from_millis(30).unwrap());
    let mut pair = Pair::perfect(Config::default(), slow);
    pair.a.outbox.push_back(message(70));
    pair.run();
    let told: Vec<_> = progress(&pair.a.events).collect();
    // The first consecutive frame leaves at once, the others every 30 ms: 4 of them are 120 ms.
    assert_eq!(told, [(6 + 5 * 7, 70), (6 + 9 * 7, 70)]);
}
