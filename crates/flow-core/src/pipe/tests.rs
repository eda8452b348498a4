use std::vec::Vec;

use super::*;

fn pipe() -> Pipe {
    Pipe::new(QueueConfig::default().packets(2).bytes(8))
}

fn packet() -> Bytes {
    Bytes::from_static(b"abc")
}

fn events(pipe: &mut Pipe) -> Vec<EventKind> {
    core::iter::from_fn(|| pipe.take_event()).collect()
}

#[test]
fn what_is_queued_is_read_before_the_end() {
    for (end, error) in [
        (End::Dealloc, ReadError::Deallocated),
        (End::Silent, ReadError::PeerGone),
    ] {
        let mut pipe = pipe();
        pipe.write(packet()).unwrap();
        pipe.end(end);
        assert_eq!(pipe.pop(), Ok(Some(packet())));
        assert_eq!(pipe.pop(), Err(error));
        assert_eq!(pipe.read(&mut [0; 4], PartialReads::Allowed), Err(error));
    }
}

#[test]
fn an_end_of_packet_mark_comes_before_the_end_of_the_flow() {
    let mut pipe = pipe();
    pipe.write(packet()).unwrap();
    pipe.end(End::Dealloc);
    let reads = [(); 3].map(|()| pipe.read(&mut [0; 3], PartialReads::Allowed));
    assert_eq!(reads, [Ok(Some(3)), Ok(Some(0)), Err(ReadError::Deallocated)]);
}

/// Every reason a write is refused for, in the order in which they are looked at.
#[test]
fn a_write_that_cannot_arrive_is_an_error_with_its_reason() {
    let mut pipe = pipe();
    pipe.set_reading(Reading::No);
    assert_eq!(pipe.write(packet()), Err(WriteError::PeerNotReading));
    pipe.mark_by_reader(Mark::Down);
    assert_eq!(pipe.write(packet()), Err(WriteError::Down));
    pipe.mark_by_reader(Mark::Up);
    pipe.mark_by_writer(Mark::Down);
    assert_eq!(pipe.write(packet()), Err(WriteError::Down));
    pipe.let_go(End::Silent);
    assert_eq!(pipe.write(packet()), Err(WriteError::PeerGone));
    pipe.set_reading(Reading::Yes);
    assert_eq!(pipe.write(packet()), Err(WriteError::PeerGone), "gone for good");
    pipe.end(End::Dealloc);
    assert_eq!(pipe.write(packet()), Err(WriteError::Closed));
}

#[test]
fn a_packet_is_told_once_unless_it_was_read_before() {
    let mut pipe = pipe();
    for _ in 0..2 {
        pipe.write(packet()).unwrap();
    }
    pipe.pop().unwrap();
    assert_eq!(events(&mut pipe), [EventKind::Packet]);
    assert_eq!(pipe.len(), 1, "telling takes nothing");
    pipe.pop().unwrap();
    assert_eq!(events(&mut pipe), []);
}

#[test]
fn a_packet_that_is_being_read_is_not_told_any_more() {
    let mut pipe = pipe();
    pipe.write(packet()).unwrap();
    pipe.read(&mut [0; 1], PartialReads::Allowed).unwrap();
    assert_eq!(events(&mut pipe), []);
}

#[test]
fn events_come_in_one_order_whatever_happened_first() {
    let mut pipe = pipe();
    pipe.mark_by_writer(Mark::Down);
    assert_eq!(events(&mut pipe), [EventKind::Down]);
    pipe.mark_by_writer(Mark::Up);
    for _ in 0..4 {
        let _ = pipe.write_or_drop(packet());
    }
    pipe.end(End::Dealloc);
    let dropped = EventKind::Dropped { count: 2 };
    let expected = [
        EventKind::Packet,
        EventKind::Packet,
        dropped,
        EventKind::Up,
        EventKind::Dealloc,
    ];
    assert_eq!(events(&mut pipe), expected);
    assert_eq!((pipe.stats().packets, pipe.stats().dropped), (2, 2));
}

#[test]
fn down_and_up_again_unobserved_is_no_news() {
    let mut pipe = pipe();
    pipe.mark_by_writer(Mark::Down);
    pipe.mark_by_writer(Mark::Up);
    assert!(!pipe.has_event());
}

#[test]
fn a_new_listener_is_told_what_is_still_true() {
    let mut pipe = pipe();
    pipe.write(packet()).unwrap();
    pipe.end(End::Silent);
    assert_eq!(events(&mut pipe), [EventKind::Packet, EventKind::Peer]);
    assert_eq!(events(&mut pipe), []);
    pipe.tell_anew();
    assert_eq!(events(&mut pipe), [EventKind::Packet, EventKind::Peer]);
}

#[test]
fn a_pipe_is_drained_when_everything_was_read_and_never_when_it_was_thrown_away() {
    let mut pipe = pipe();
    pipe.write(packet()).unwrap();
    assert_eq!(pipe.drained(), None);
    pipe.pop().unwrap();
    assert_eq!(pipe.drained(), Some(Ok(())));
    pipe.write(packet()).unwrap();
    pipe.let_go(End::Dealloc);
    assert_eq!((pipe.drained(), pipe.len()), (Some(Err(())), 0));
}
