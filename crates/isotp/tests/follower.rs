//! Listening to a conversation between two other nodes.
#![cfg(feature = "alloc")]
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use bytes::Bytes;
use can_link::{CanFrame, StandardId};
use isotp::{
    Address, BlockSize, BytesChannel, Config, Direction, Event, Follower, IgnoreReason, NResult, SendError,
    Target,
};
use tinwire_time::Instant;

fn address() -> Address {
    let (us, them) = (StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap());
    Address::normal(us, them).unwrap()
}

fn frame(id: u16, data: &[u8]) -> CanFrame {
    CanFrame::data(StandardId::new(id).unwrap(), data).unwrap()
}

fn message(len: usize) -> Bytes {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// Moves every frame of `from` to `to`, in sight of the follower; whether there was one.
fn relay(from: &mut BytesChannel, to: &mut BytesChannel, follower: &mut Follower<bytes::BytesMut>) -> bool {
    let mut any = false;
    while let Some(frame) = from.poll_transmit(at(0)) {
        from.handle_transmitted(at(0), &frame);
        follower.handle_frame(at(0), &frame);
        to.handle_frame(at(0), &frame);
        any = true;
    }
    any
}

type Events = Vec<(Direction, Event)>;

fn events<R: isotp::Buffer>(follower: &mut Follower<R>) -> Events {
    core::iter::from_fn(|| follower.poll_event()).collect()
}

fn failure(events: &Events) -> Option<(Direction, NResult)> {
    events.iter().find_map(|(direction, event)| match event {
        Event::ReceiveFailed { error, .. } => Some((*direction, error.n_result())),
        _ => None,
    })
}

#[test]
fn both_directions_are_put_together_while_they_run_at_once() {
    let config = Config::default().block_size(BlockSize::from_bits(3));
    let mut tester = BytesChannel::new(address(), config);
    let mut ecu = BytesChannel::new(address().reversed(), config);
    let mut follower = Follower::new(address(), Config::default());
    tester.send(at(0), message(300)).unwrap();
    ecu.send(at(0), message(200)).unwrap();
    while relay(&mut tester, &mut ecu, &mut follower) | relay(&mut ecu, &mut tester, &mut follower) {}
    let forth = follower.take_received(at(0)).unwrap();
    assert_eq!(forth, (Direction::Forth, Target::Physical, message(300)));
    assert_eq!(follower.received().unwrap().0, Direction::Back);
    let back = follower.take_received(at(0)).unwrap();
    assert_eq!(back, (Direction::Back, Target::Physical, message(200)));
    assert!(follower.take_received(at(0)).is_none());
    for direction in [Direction::Forth, Direction::Back] {
        let stats = follower.stats(direction);
        assert_eq!(
            (stats.messages_received, stats.ignored(), stats.frames_sent),
            (1, 0, 0)
        );
    }
}

#[test]
fn a_receiver_that_asks_to_wait_is_waited_for() {
    let mut follower = Follower::new(address(), Config::default());
    follower.handle_frame(at(0), &frame(0x7E0, &[0x10, 9, 0, 1, 2, 3, 4, 5]));
    for wait in [800, 1600, 2400] {
        follower.handle_timeout(at(wait));
        follower.handle_frame(at(wait), &frame(0x7E8, &[0x31, 0, 0]));
    }
    follower.handle_timeout(at(3300));
    follower.handle_frame(at(3300), &frame(0x7E0, &[0x21, 6, 7, 8]));
    assert_eq!(follower.take_received(at(3300)).unwrap().2, message(9));
}

#[test]
fn a_receiver_that_refuses_ends_the_message_at_once() {
    let mut follower = Follower::new(address(), Config::default());
    follower.handle_frame(at(0), &frame(0x7E8, &[0x10, 9, 0, 1, 2, 3, 4, 5]));
    follower.handle_frame(at(1), &frame(0x7E0, &[0x32, 0, 0]));
    let failed = failure(&events(&mut follower));
    assert_eq!(failed, Some((Direction::Back, NResult::BufferOvflw)));
    assert_eq!(follower.poll_timeout(), None);
}

#[test]
fn a_message_that_nobody_goes_on_with_times_out() {
    let mut follower = Follower::new(address(), Config::default());
    follower.handle_frame(at(0), &frame(0x7E0, &[0x10, 9, 0, 1, 2, 3, 4, 5]));
    assert_eq!(follower.poll_timeout(), Some(at(1000)));
    follower.handle_timeout(at(1000));
    let failed = failure(&events(&mut follower));
    assert_eq!(failed, Some((Direction::Forth, NResult::TimeoutCr)));
}

#[test]
fn a_message_above_the_limit_is_told_and_not_answered() {
    let mut follower = Follower::new(address(), Config::default().max_rx_len(100));
    follower.handle_frame(at(0), &frame(0x7E0, &[0x10, 101, 0, 1, 2, 3, 4, 5]));
    let refused = Event::Refused { len: 101, max: 100 };
    assert_eq!(events(&mut follower), [(Direction::Forth, refused)]);
    follower.handle_frame(at(0), &frame(0x7E0, &[0x21, 6, 7, 8, 9, 10, 11, 12]));
    let ignored = Event::Ignored(IgnoreReason::UnexpectedConsecutiveFrame);
    assert_eq!(events(&mut follower), [(Direction::Forth, ignored)]);
}

#[test]
fn a_lone_listener_refuses_to_send_and_answers_nothing() {
    use isotp::Role;
    let mut listener = BytesChannel::new(address(), Config::default().role(Role::Listener).max_rx_len(20));
    assert_eq!(listener.send(at(0), message(1)), Err(SendError::Listener));
    assert_eq!(
        listener.send_functional(at(0), message(1)),
        Err(SendError::Listener)
    );
    let theirs: [&[u8]; 5] = [
        &[0x30, 0, 0],
        &[0x35, 0, 0],
        &[0x10, 21, 0, 1, 2, 3, 4, 5],
        &[0x10, 9, 0, 1, 2, 3, 4, 5],
        &[0x21, 6, 7, 8],
    ];
    for data in theirs {
        listener.handle_frame(at(0), &frame(0x7E8, data));
        assert_eq!(listener.poll_transmit(at(0)), None, "{data:02X?}");
    }
    assert_eq!(listener.take_received(at(0)).unwrap().1, message(9));
    assert_eq!(
        listener.stats().ignored(),
        0,
        "flow controls of others are not unexpected"
    );
    assert_eq!(listener.stats().messages_refused, 1);
}
