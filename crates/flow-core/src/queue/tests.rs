use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use std::vec::Vec;

use super::PartialReads::{Allowed, Refused};
use super::*;

fn queue_of(packets: &[&'static [u8]]) -> PacketQueue {
    let mut queue = PacketQueue::new(QueueConfig::default());
    for packet in packets {
        queue.push(Bytes::from_static(packet)).unwrap();
    }
    queue
}

/// Reads once into a buffer of `room` bytes.
fn read(queue: &mut PacketQueue, room: usize, partial: PartialReads) -> Option<Result<Vec<u8>, TooSmall>> {
    let mut buffer = std::vec![0; room];
    let read = queue.read(&mut buffer, partial)?;
    Some(read.map(|read| buffer[..read].to_vec()))
}

#[test]
fn a_second_read_returns_the_remainder() {
    let mut queue = queue_of(&[b"abcdefg", b"next"]);
    let pieces = [3, 3, 3, 9].map(|room| read(&mut queue, room, Allowed).unwrap().unwrap());
    assert_eq!(pieces, [&b"abc"[..], b"def", b"g", b"next"]);
    assert_eq!(read(&mut queue, 3, Allowed), None);
}

#[test]
fn only_a_piece_that_fills_the_buffer_exactly_is_followed_by_a_read_of_nothing() {
    let mut queue = queue_of(&[b"abcd", b"xy"]);
    let pieces = [2, 2, 2, 2, 2].map(|room| read(&mut queue, room, Allowed).unwrap().unwrap());
    assert_eq!(pieces, [&b"ab"[..], b"cd", b"", b"xy", b""]);
    assert!(!queue.is_readable());
}

#[test]
fn a_pending_mark_is_readable_though_the_queue_is_empty() {
    let mut queue = queue_of(&[b"ab"]);
    assert_eq!(read(&mut queue, 2, Allowed), Some(Ok(b"ab".to_vec())));
    assert!(queue.is_empty() && queue.is_readable());
    assert_eq!(
        read(&mut queue, 0, Allowed),
        Some(Ok(Vec::new())),
        "no buffer, no mark"
    );
    assert_eq!(read(&mut queue, 1, Allowed), Some(Ok(Vec::new())));
    assert_eq!(read(&mut queue, 1, Allowed), None);
}

#[test]
fn without_partial_reads_what_does_not_fit_is_discarded_and_counted() {
    let mut queue = queue_of(&[b"abc", b"de", b"f"]);
    assert_eq!(
        read(&mut queue, 2, Refused),
        Some(Err(TooSmall { need: 3, got: 2 }))
    );
    assert_eq!(queue.discarded(), 1);
    assert_eq!(read(&mut queue, 2, Refused), Some(Ok(b"de".to_vec())));
    assert_eq!(
        read(&mut queue, 2, Refused),
        Some(Ok(b"f".to_vec())),
        "no mark between"
    );
    assert_eq!(queue.bytes(), 0);
}

#[test]
fn refusing_partial_reads_forgets_a_pending_mark() {
    let mut queue = queue_of(&[b"ab", b"c"]);
    assert_eq!(read(&mut queue, 2, Allowed), Some(Ok(b"ab".to_vec())));
    assert_eq!(read(&mut queue, 2, Refused), Some(Ok(b"c".to_vec())));
}

#[test]
fn whole_packets_are_taken_between_pieces_and_need_no_mark() {
    let mut queue = queue_of(&[b"abcd", b"ef", b"gh"]);
    assert_eq!(read(&mut queue, 1, Allowed), Some(Ok(b"a".to_vec())));
    assert_eq!((queue.len(), queue.untouched()), (3, 2));
    assert_eq!(queue.pop().unwrap(), "bcd", "the rest of the packet begun");
    assert_eq!(read(&mut queue, 2, Allowed), Some(Ok(b"ef".to_vec())));
    assert_eq!(queue.pop().unwrap(), "gh");
    assert_eq!((queue.pop(), queue.is_readable()), (None, false));
}

#[test]
fn a_queue_is_full_by_packets_or_by_bytes_whichever_comes_first() {
    let mut queue = PacketQueue::new(QueueConfig::default().packets(2).bytes(8));
    queue.push(Bytes::from_static(b"12345")).unwrap();
    assert_eq!(
        queue.push(Bytes::from_static(b"1234")),
        Err(PushError::Full),
        "bytes"
    );
    queue.push(Bytes::from_static(b"1")).unwrap();
    assert_eq!(
        queue.push(Bytes::from_static(b"1")),
        Err(PushError::Full),
        "packets"
    );
    assert_eq!(read(&mut queue, 1, Allowed), Some(Ok(b"1".to_vec())));
    assert_eq!(
        queue.push(Bytes::from_static(b"1")),
        Err(PushError::Full),
        "a packet begun still counts"
    );
    queue.pop().unwrap();
    queue.push(Bytes::from_static(b"1234567")).unwrap();
}

#[test]
fn what_can_never_be_queued_is_no_matter_of_waiting() {
    let mut queue = PacketQueue::new(QueueConfig::default().bytes(3));
    assert_eq!(queue.push(Bytes::new()), Err(PushError::Empty));
    let error = PushError::TooLong { len: 4, max: 3 };
    assert_eq!(queue.push(Bytes::from_static(b"1234")), Err(error));
}

#[test]
fn the_default_limits_are_256_packets_and_one_mebibyte() {
    let mut queue = PacketQueue::new(QueueConfig::default());
    let taken = (0..1_000)
        .filter(|_| queue.push(Bytes::from_static(b"x")).is_ok())
        .count();
    assert_eq!(taken, 256);
    let mut queue = PacketQueue::new(QueueConfig::default());
    queue.push(std::vec![0; 1 << 20].into()).unwrap();
    assert_eq!(queue.push(Bytes::from_static(b"x")), Err(PushError::Full));
    assert_eq!((queue.clear(), queue.bytes()), (1, 0));
}

proptest! {
    #[test]
    fn bytes_in_are_bytes_out_under_any_read_sizes(
        packets in vec_of(vec_of(any::<u8>(), 1..20), 0..20),
        rooms in vec_of(1..25usize, 1..10),
    ) {
        let mut queue = PacketQueue::new(QueueConfig::default());
        for packet in &packets {
            queue.push(packet.clone().into()).unwrap();
        }
        // a reader that knows only the rule: a read shorter than its buffer ends the packet
        let (mut got, mut packet) = (Vec::new(), Vec::new());
        let mut rooms = rooms.into_iter().cycle();
        while queue.is_readable() {
            let room = rooms.next().unwrap();
            let piece = read(&mut queue, room, Allowed).unwrap().unwrap();
            let ended = piece.len() < room;
            packet.extend(piece);
            if ended {
                got.push(core::mem::take(&mut packet));
            }
        }
        prop_assert!(packet.is_empty(), "each packet was ended");
        prop_assert_eq!(got, packets);
        prop_assert_eq!((queue.bytes(), queue.len()), (0, 0));
    }

    #[test]
    fn no_order_of_operations_breaks_the_limits_or_the_accounts(
        operations in vec_of((0..6u8, 0..12usize), 0..200),
    ) {
        let config = QueueConfig::default().packets(5).bytes(20);
        let mut queue = PacketQueue::new(config);
        let (mut bytes_in, mut bytes_out) = (0, 0);
        for (operation, size) in operations {
            match operation {
                0 | 1 => bytes_in += queue.push(std::vec![7; size].into()).map_or(0, |()| size),
                2 => bytes_out += queue.pop().map_or(0, |packet| packet.len()),
                3 | 4 => bytes_out += read(&mut queue, size, Allowed).map_or(0, |read| read.unwrap().len()),
                _ => bytes_out += match read(&mut queue, size, Refused) {
                    Some(Ok(piece)) => piece.len(),
                    Some(Err(error)) => error.need,
                    None => 0,
                },
            }
            prop_assert_eq!(queue.bytes(), bytes_in - bytes_out);
            prop_assert!(queue.len() <= 5 && queue.bytes() <= 20 && queue.untouched() <= queue.len());
            prop_assert_eq!(queue.is_empty(), queue.bytes() == 0);
        }
    }
}
