//! What ISO-TP cannot notice, frame by frame: the only ways in which the grid's cells may go wrong.

use bytes::Bytes;
use can_link::{CanFrame, StandardId};
use isotp::{Address, BytesChannel, Config, Event, NResult};
use tinwire_time::Instant;

fn pair() -> (BytesChannel, BytesChannel) {
    let id = |raw| StandardId::new(raw).unwrap();
    let address = Address::normal(id(0x7E0), id(0x7E8)).unwrap();
    let channel = |address| BytesChannel::new(address, Config::default());
    (channel(address), channel(address.reversed()))
}

/// The single or first frame and all consecutive frames of a message of so many.
fn frames(message: &Bytes) -> Vec<CanFrame> {
    let (mut sender, mut receiver) = pair();
    let now = Instant::ZERO;
    sender.send(now, message.clone()).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = sender.poll_transmit(now) {
        sender.handle_transmitted(now, &frame);
        receiver.handle_frame(now, &frame);
        if let Some(answer) = receiver.poll_transmit(now) {
            receiver.handle_transmitted(now, &answer);
            sender.handle_frame(now, &answer);
        }
        frames.push(frame);
    }
    frames
}

/// A message of a first frame and `consecutive` full frames, the bytes of each being its index.
fn message(consecutive: u8) -> Bytes {
    let first = [0; 6].into_iter();
    first
        .chain((1..=consecutive).flat_map(|index| [index; 7]))
        .collect()
}

/// What a receiver makes of these frames: messages, and failures by name once all timers have run out.
fn received<'a>(frames: impl IntoIterator<Item = &'a CanFrame>) -> (Vec<Bytes>, Vec<NResult>) {
    let (_, mut receiver) = pair();
    let mut now = Instant::ZERO;
    let (mut messages, mut failures) = (Vec::new(), Vec::new());
    let mut look = |receiver: &mut BytesChannel, now| {
        while let Some(event) = receiver.poll_event() {
            if let Event::ReceiveFailed { error, .. } = event {
                failures.push(error.n_result());
            }
        }
        messages.extend(receiver.take_received(now).map(|(_, message)| message));
        while let Some(answer) = receiver.poll_transmit(now) {
            receiver.handle_transmitted(now, &answer);
        }
    };
    for frame in frames {
        receiver.handle_frame(now, frame);
        look(&mut receiver, now);
    }
    while let Some(due) = receiver.poll_timeout() {
        now = due;
        receiver.handle_timeout(now);
        look(&mut receiver, now);
    }
    (messages, failures)
}

#[test]
fn any_loss_of_consecutive_frames_is_noticed() {
    let frames = frames(&message(40));
    for lost in 1..=40 {
        for first in 1..=41 - lost {
            let rest = frames.iter().take(first).chain(frames.iter().skip(first + lost));
            let (messages, failures) = received(rest);
            assert_eq!(messages, [] as [Bytes; 0], "{lost} lost from {first}");
            // Where 16 or 32 are missing, or the last ones, every number fits, and the length does not.
            let fits = lost % 16 == 0 || first + lost > 40;
            let expected = if fits {
                NResult::TimeoutCr
            } else {
                NResult::WrongSn
            };
            assert_eq!(failures, [expected], "{lost} lost from {first}");
        }
    }
}

#[test]
fn a_frame_16_late_in_the_place_of_a_lost_one_is_not_noticed() {
    let mut frames = frames(&message(20));
    // Number 17 is lost, and a second copy of number 1 arrives where it was due.
    frames[17] = frames[1].clone();
    let mut expected = message(20).to_vec();
    expected[6 + 16 * 7..][..7].fill(1);
    assert_eq!(received(&frames), (vec![Bytes::from(expected)], vec![]));
}

#[test]
fn a_frame_of_an_older_message_in_the_place_of_a_lost_one_is_not_noticed() {
    let mut mixed = frames(&message(20));
    let older: Bytes = vec![0xEE; 6 + 20 * 7].into();
    mixed[5] = frames(&older)[5].clone();
    let mut expected = message(20).to_vec();
    expected[6 + 4 * 7..][..7].fill(0xEE);
    assert_eq!(received(&mixed), (vec![Bytes::from(expected)], vec![]));
}

#[test]
fn a_frame_in_the_wrong_place_beside_the_right_one_is_noticed() {
    let frames = frames(&message(20));
    for late in 1..20 {
        let repeated = frames
            .iter()
            .take(18)
            .chain([&frames[late]])
            .chain(frames.iter().skip(18));
        let (messages, failures) = received(repeated);
        assert_eq!(messages, [] as [Bytes; 0], "{late} repeated");
        assert_eq!(failures, [NResult::WrongSn], "{late} repeated");
    }
}

#[test]
fn a_message_whose_frames_all_arrive_again_is_another_message() {
    for message in [Bytes::from_static(&[1, 2, 3]), message(3)] {
        let frames = frames(&message);
        let (messages, failures) = received(frames.iter().chain(&frames));
        assert_eq!(messages, [message.clone(), message]);
        assert_eq!(failures, []);
    }
}

#[test]
fn a_lost_single_frame_is_known_to_nobody() {
    let (mut sender, _) = pair();
    let now = Instant::ZERO;
    let id = sender.send(now, Bytes::from_static(&[1, 2, 3])).unwrap();
    let lost = sender.poll_transmit(now).unwrap();
    sender.handle_transmitted(now, &lost);
    assert_eq!(sender.poll_event(), Some(Event::Sent { id }));
    assert_eq!(sender.poll_timeout(), None);
}
