//! When what happens: confirmations, gaps and each timer by itself.
#![cfg(feature = "alloc")]
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use core::time::Duration;

use bytes::Bytes;
use can_link::{CanFrame, StandardId};
use isotp::{Address, BytesChannel, Config, Event, NResult, Role, Target};
use tinwire_time::Instant;

fn id(raw: u16) -> StandardId {
    StandardId::new(raw).unwrap()
}

fn channel(config: Config) -> BytesChannel {
    BytesChannel::new(Address::normal(id(0x7E0), id(0x7E8)).unwrap(), config)
}

fn peer(data: &[u8]) -> CanFrame {
    CanFrame::data(id(0x7E8), data).unwrap()
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn events(channel: &mut BytesChannel) -> Vec<Event> {
    core::iter::from_fn(|| channel.poll_event()).collect()
}

/// Lets every timer expire in turn; the last failure with its time.
fn failure(channel: &mut BytesChannel) -> Option<(Instant, NResult)> {
    let mut last = None;
    while let Some(due) = channel.poll_timeout() {
        channel.handle_timeout(due);
        for event in events(channel) {
            if let Event::SendFailed { error, .. } | Event::ReceiveFailed { error, .. } = event {
                last = Some((due, error.n_result()));
            }
        }
    }
    last
}

#[test]
fn the_gap_counts_from_the_confirmation_of_a_frame() {
    let mut channel = channel(Config::default());
    channel.send(at(0), Bytes::from_static(&[0; 30])).unwrap();
    let first = channel.poll_transmit(at(0)).unwrap();
    channel.handle_transmitted(at(1), &first);
    channel.handle_frame(at(2), &peer(&[0x30, 0, 20]));
    let next = channel.poll_transmit(at(2)).unwrap();
    assert_eq!(channel.poll_transmit(at(100)), None, "not confirmed yet");
    channel.handle_transmitted(at(100), &next);
    assert_eq!(channel.poll_timeout(), Some(at(120)));
    assert_eq!(channel.poll_transmit(at(119)), None);
    assert!(channel.poll_transmit(at(120)).is_some());
}

#[test]
fn without_a_gap_a_batch_leaves_before_the_first_confirmation() {
    let mut channel = channel(Config::default());
    channel.send(at(0), Bytes::from(vec![0; 6 + 7 * 40])).unwrap();
    let first = channel.poll_transmit(at(0)).unwrap();
    channel.handle_transmitted(at(0), &first);
    channel.handle_frame(at(0), &peer(&[0x30, 0, 0]));
    let batch: Vec<_> = core::iter::from_fn(|| channel.poll_transmit(at(0))).collect();
    assert_eq!(batch.len(), 32);
    batch
        .iter()
        .for_each(|frame| channel.handle_transmitted(at(0), frame));
    let rest: Vec<_> = core::iter::from_fn(|| channel.poll_transmit(at(0))).collect();
    assert_eq!(rest.len(), 8);
    events(&mut channel);
    rest.iter()
        .for_each(|frame| channel.handle_transmitted(at(0), frame));
    assert!(matches!(events(&mut channel)[..], [Event::Sent { .. }]));
}

#[test]
fn an_answer_that_overtakes_an_echo_confirms_what_it_answers() {
    let mut channel = channel(Config::default());
    channel.send(at(0), Bytes::from_static(&[0; 30])).unwrap();
    let first = channel.poll_transmit(at(0)).unwrap();
    channel.handle_frame(at(1), &peer(&[0x30, 0, 20]));
    let next = channel.poll_transmit(at(1)).unwrap();
    // The late echo of the first frame is not taken for that of the consecutive frame.
    channel.handle_transmitted(at(2), &first);
    assert_eq!(channel.poll_transmit(at(500)), None);
    channel.handle_transmitted(at(600), &next);
    assert_eq!(channel.poll_timeout(), Some(at(620)));
}

#[test]
fn a_late_echo_of_the_last_block_does_not_confirm_the_next_one() {
    let mut channel = channel(Config::default());
    channel.send(at(0), Bytes::from_static(&[0; 30])).unwrap();
    let first = channel.poll_transmit(at(0)).unwrap();
    channel.handle_transmitted(at(0), &first);
    let block_of_one = peer(&[0x30, 1, 20]);
    channel.handle_frame(at(0), &block_of_one);
    let one = channel.poll_transmit(at(0)).unwrap();
    channel.handle_frame(at(1), &block_of_one);
    let two = channel
        .poll_transmit(at(1))
        .expect("the answer confirmed the frame before");
    channel.handle_transmitted(at(2), &one);
    assert_eq!(channel.poll_timeout(), Some(at(1001)), "N_As of the second frame");
    channel.handle_transmitted(at(3), &two);
    assert_eq!(
        channel.poll_timeout(),
        Some(at(1003)),
        "N_Bs after the second frame"
    );
}

#[test]
fn an_echo_of_an_aborted_message_does_not_confirm_the_next_one() {
    for (old, new) in [(3, 5), (3, 30), (30, 5), (30, 31), (30, 30)] {
        let mut channel = channel(Config::default());
        channel.send(at(0), Bytes::from(vec![1; old])).unwrap();
        let late = channel.poll_transmit(at(0)).unwrap();
        channel.abort_send();
        channel.send(at(1), Bytes::from(vec![2; new])).unwrap();
        let frame = channel.poll_transmit(at(1)).unwrap();
        events(&mut channel);
        channel.handle_transmitted(at(2), &late);
        assert_eq!(events(&mut channel), [], "{old} then {new}");
        channel.handle_transmitted(at(3), &frame);
        assert_eq!(events(&mut channel).len(), 1, "{old} then {new}");
    }
}

#[test]
fn a_refused_frame_of_an_aborted_message_does_not_end_the_next_one() {
    let mut channel = channel(Config::default());
    channel.send(at(0), Bytes::from_static(&[1; 30])).unwrap();
    let late = channel.poll_transmit(at(0)).unwrap();
    channel.abort_send();
    channel.send(at(1), Bytes::from_static(&[2; 30])).unwrap();
    channel.handle_not_transmitted(at(1), &late);
    let first = channel.poll_transmit(at(1)).unwrap();
    channel.handle_not_transmitted(at(2), &late);
    assert!(!channel.can_send());
    channel.handle_not_transmitted(at(2), &first);
    assert!(channel.can_send());
}

#[test]
fn a_refused_consecutive_frame_ends_its_message() {
    let mut channel = channel(Config::default());
    channel.send(at(0), Bytes::from(vec![0; 200])).unwrap();
    let first = channel.poll_transmit(at(0)).unwrap();
    channel.handle_transmitted(at(0), &first);
    channel.handle_frame(at(0), &peer(&[0x30, 0, 0]));
    let batch: Vec<_> = core::iter::from_fn(|| channel.poll_transmit(at(0))).collect();
    assert!(batch.len() > 16);
    channel.handle_not_transmitted(at(0), &batch[2]);
    assert!(channel.can_send());
}

#[test]
fn a_lost_link_leaves_no_flow_control_to_wait_for() {
    let mut receiver = channel(Config::default().n_br(Duration::from_millis(300)));
    receiver.handle_frame(at(0), &peer(&[0x10, 20, 0, 1, 2, 3, 4, 5]));
    receiver.poll_transmit(at(0)).unwrap();
    receiver.handle_link_lost();
    // The link is back, and the receiver's user is slow.
    receiver.handle_frame(at(10), &peer(&[0x01, 0xAA]));
    receiver.handle_frame(at(10), &peer(&[0x10, 20, 0, 1, 2, 3, 4, 5]));
    for round in 1..=2 {
        let now = at(10 + round * 300);
        assert_eq!(receiver.poll_timeout(), Some(now));
        receiver.handle_timeout(now);
        let wait = receiver.poll_transmit(now).unwrap();
        receiver.handle_transmitted(now, &wait);
    }
}

#[test]
fn a_refused_flow_control_of_an_older_message_does_not_end_the_next_one() {
    let mut receiver = channel(Config::default());
    receiver.handle_frame(at(0), &peer(&[0x10, 20, 0, 1, 2, 3, 4, 5]));
    let old = receiver.poll_transmit(at(0)).unwrap();
    receiver.handle_frame(at(1), &peer(&[0x10, 30, 0, 1, 2, 3, 4, 5]));
    let new = receiver.poll_transmit(at(1)).unwrap();
    receiver.handle_not_transmitted(at(2), &old);
    assert_eq!(receiver.receiving(), Some((6, 30)));
    receiver.handle_not_transmitted(at(2), &new);
    assert_eq!(receiver.receiving(), None);
}

#[test]
fn a_frame_that_overtakes_the_echo_of_a_flow_control_confirms_it() {
    let mut receiver = channel(Config::default());
    receiver.handle_frame(at(0), &peer(&[0x10, 20, 0, 1, 2, 3, 4, 5]));
    receiver.poll_transmit(at(0)).unwrap();
    receiver.handle_frame(at(900), &peer(&[0x21, 6, 7, 8, 9, 10, 11, 12]));
    assert_eq!(failure(&mut receiver), Some((at(1900), NResult::TimeoutCr)));
}

#[test]
fn each_timer_has_a_length_of_its_own() {
    let millis = Duration::from_millis;
    let config = Config::default()
        .n_as(millis(11))
        .n_ar(millis(12))
        .n_bs(millis(13))
        .n_cr(millis(14))
        .n_br(millis(15))
        .extra_gap(millis(16));

    let mut sender = channel(config);
    sender.send(at(0), Bytes::from_static(&[0; 30])).unwrap();
    sender.poll_transmit(at(0)).unwrap();
    assert_eq!(failure(&mut sender), Some((at(11), NResult::TimeoutA)), "N_As");

    let mut sender = channel(config);
    sender.send(at(0), Bytes::from_static(&[0; 30])).unwrap();
    let first = sender.poll_transmit(at(0)).unwrap();
    sender.handle_transmitted(at(5), &first);
    assert_eq!(failure(&mut sender), Some((at(18), NResult::TimeoutBs)), "N_Bs");

    let first_frame = peer(&[0x10, 20, 0, 1, 2, 3, 4, 5]);
    let mut receiver = channel(config);
    receiver.handle_frame(at(0), &first_frame);
    receiver.poll_transmit(at(0)).unwrap();
    assert_eq!(failure(&mut receiver), Some((at(12), NResult::TimeoutA)), "N_Ar");

    let mut receiver = channel(config);
    receiver.handle_frame(at(0), &first_frame);
    let answer = receiver.poll_transmit(at(0)).unwrap();
    receiver.handle_transmitted(at(5), &answer);
    assert_eq!(failure(&mut receiver), Some((at(19), NResult::TimeoutCr)), "N_Cr");

    let mut receiver = channel(config);
    receiver.handle_frame(at(0), &peer(&[0x01, 0xAA]));
    receiver.handle_frame(at(5), &first_frame);
    assert_eq!(receiver.poll_timeout(), Some(at(20)), "N_Br");

    let mut sender = channel(config);
    sender.send(at(0), Bytes::from_static(&[0; 30])).unwrap();
    let first = sender.poll_transmit(at(0)).unwrap();
    sender.handle_transmitted(at(0), &first);
    sender.handle_frame(at(1), &peer(&[0x30, 0, 4]));
    let next = sender.poll_transmit(at(1)).unwrap();
    sender.handle_transmitted(at(2), &next);
    assert_eq!(sender.poll_timeout(), Some(at(22)), "N_Cs");
}

#[test]
fn a_wait_goes_out_every_n_br_until_the_message_is_taken() {
    let mut receiver = channel(Config::default().n_br(Duration::from_millis(300)));
    receiver.handle_frame(at(0), &peer(&[0x01, 0xAA]));
    receiver.handle_frame(at(0), &peer(&[0x10, 20, 0, 1, 2, 3, 4, 5]));
    assert_eq!(receiver.poll_transmit(at(0)), None);
    for round in 1..=3 {
        assert_eq!(receiver.poll_timeout(), Some(at(round * 300)));
        receiver.handle_timeout(at(round * 300));
        let wait = receiver.poll_transmit(at(round * 300)).unwrap();
        assert_eq!(wait.payload()[0], 0x31);
        receiver.handle_transmitted(at(round * 300), &wait);
    }
    assert_eq!(
        receiver.take_received(at(950)),
        Some((Target::Physical, Bytes::from_static(&[0xAA])))
    );
    assert_eq!(receiver.poll_transmit(at(950)).unwrap().payload()[0], 0x30);
}

#[test]
fn a_late_frame_counts_when_it_is_handled_before_the_timer() {
    let mut receiver = channel(Config::default());
    receiver.handle_frame(at(0), &peer(&[0x10, 8, 0, 1, 2, 3, 4, 5]));
    let answer = receiver.poll_transmit(at(0)).unwrap();
    receiver.handle_transmitted(at(0), &answer);
    receiver.handle_frame(at(1500), &peer(&[0x21, 6, 7]));
    receiver.handle_timeout(at(1500));
    assert!(receiver.received().is_some());
}

#[test]
fn a_listener_follows_a_transfer_and_sends_nothing() {
    let mut listener = channel(Config::default().role(Role::Listener));
    listener.handle_frame(at(0), &peer(&[0x10, 20, 0, 1, 2, 3, 4, 5]));
    listener.handle_frame(at(1), &peer(&[0x30, 0, 0]));
    listener.handle_frame(at(2), &peer(&[0x21, 6, 7, 8, 9, 10, 11, 12]));
    listener.handle_frame(at(3), &peer(&[0x22, 13, 14, 15, 16, 17, 18, 19]));
    assert_eq!(listener.received().map(|(_, message)| message.len()), Some(20));
    assert_eq!(listener.poll_transmit(at(3)), None);
    assert_eq!(listener.stats().ignored(), 0);
    assert_eq!(
        listener.send(at(3), Bytes::from_static(&[1])),
        Err(isotp::SendError::Listener)
    );
}

#[test]
fn a_functional_message_does_not_disturb_a_transfer() {
    let address = Address::normal(id(0x7E0), id(0x7E8)).unwrap();
    let mut ecu = BytesChannel::new(address.accepting_functional(id(0x7DF)), Config::default());
    ecu.handle_frame(at(0), &peer(&[0x10, 8, 0, 1, 2, 3, 4, 5]));
    let present = CanFrame::data(id(0x7DF), &[0x02, 0x3E, 0x80]).unwrap();
    ecu.handle_frame(at(1), &present);
    ecu.handle_frame(at(2), &peer(&[0x21, 6, 7]));
    let messages: Vec<_> = core::iter::from_fn(|| ecu.take_received(at(3))).collect();
    assert_eq!(
        messages,
        [
            (Target::Functional, Bytes::from_static(&[0x3E, 0x80])),
            (Target::Physical, Bytes::from_static(&[0, 1, 2, 3, 4, 5, 6, 7])),
        ]
    );
}

#[test]
fn an_idle_endpoint_takes_less_than_a_kibibyte() {
    assert!(
        size_of::<BytesChannel>() < 1024,
        "{} bytes",
        size_of::<BytesChannel>()
    );
}
