//! What each parameter changes on the wire.
#![cfg(feature = "alloc")]
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod pair;

use core::time::Duration;

use bytes::Bytes;
use can_link::{CanFrame, StandardId};
use isotp::{
    Address, BlockSize, BytesChannel, Config, Event, FlowParameters, FrameLength, IgnoreReason, NResult,
    Padding, PaddingCheck, RateLimit, StMin,
};
use pair::Pair;
use tinwire_time::Instant;

fn message(len: usize) -> Bytes {
    Bytes::from(vec![0x11; len])
}

fn channel(config: Config) -> BytesChannel {
    let (us, them) = (StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap());
    BytesChannel::new(Address::normal(us, them).unwrap(), config)
}

fn peer(data: &[u8]) -> CanFrame {
    CanFrame::data(StandardId::new(0x7E8).unwrap(), data).unwrap()
}

/// All that the channel has to send at `now`, confirmed at once: the PCI bytes.
fn sent(channel: &mut BytesChannel, now: Instant) -> Vec<u8> {
    core::iter::from_fn(|| {
        let frame = channel.poll_transmit(now)?;
        channel.handle_transmitted(now, &frame);
        frame.payload().first().copied()
    })
    .collect()
}

fn ignored(channel: &mut BytesChannel) -> Vec<IgnoreReason> {
    core::iter::from_fn(|| channel.poll_event())
        .filter_map(|event| match event {
            Event::Ignored(reason) => Some(reason),
            _ => None,
        })
        .collect()
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

#[test]
fn each_flow_control_changes_the_block_and_the_gap() {
    let mut channel = channel(Config::default());
    channel.send(at(0), message(60)).unwrap();
    assert_eq!(sent(&mut channel, at(0)), [0x10]);
    channel.handle_frame(at(0), &peer(&[0x31, 7, 99]));
    channel.handle_frame(at(0), &peer(&[0x30, 1, 0]));
    assert_eq!(sent(&mut channel, at(0)), [0x21]);
    channel.handle_frame(at(0), &peer(&[0x30, 2, 5]));
    assert_eq!(sent(&mut channel, at(0)), [0x22]);
    assert_eq!(channel.poll_timeout(), Some(at(5)));
    assert_eq!(sent(&mut channel, at(5)), [0x23]);
    channel.handle_frame(at(5), &peer(&[0x30, 0, 0]));
    assert_eq!(sent(&mut channel, at(5)), [0x24, 0x25, 0x26, 0x27, 0x28]);
}

#[test]
fn the_first_flow_control_alone_counts_even_when_it_is_a_wait() {
    let mut channel = channel(Config::default().flow_parameters(FlowParameters::First));
    channel.send(at(0), message(60)).unwrap();
    assert_eq!(sent(&mut channel, at(0)), [0x10]);
    channel.handle_frame(at(0), &peer(&[0x31, 0, 0]));
    channel.handle_frame(at(0), &peer(&[0x30, 2, 20]));
    assert_eq!(
        sent(&mut channel, at(0)),
        [0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28]
    );
    // The next message has its own first flow control.
    channel.send(at(1), message(30)).unwrap();
    assert_eq!(sent(&mut channel, at(1)), [0x10]);
    channel.handle_frame(at(1), &peer(&[0x30, 2, 0]));
    assert_eq!(sent(&mut channel, at(1)), [0x21, 0x22]);
}

#[test]
fn a_rate_limit_spreads_a_message_and_leaves_flow_controls_alone() {
    let limit = RateLimit::new(8_000, Duration::from_millis(100)).unwrap();
    let mut pair = Pair::perfect(Config::default().rate_limit(Some(limit)), Config::default());
    pair.a.outbox.push_back(message(200));
    pair.b.outbox.push_back(message(200));
    pair.run();
    assert_eq!(pair.b.received, [message(200)]);
    let times: Vec<_> = pair.a.sent.iter().map(|(time, _)| *time).collect();
    let windows = times.windows(13 + 1);
    // 100 bytes hold 12 frames, and there is one flow control for the other direction.
    assert!(windows.clone().count() > 10);
    for window in windows {
        assert!(window[13] - window[0] >= Duration::from_millis(100), "{times:?}");
    }
    let control = pair.a.sent.iter().find(|(_, frame)| frame.payload()[0] == 0x30);
    assert_eq!(control.unwrap().0, Instant::ZERO);
}

#[test]
fn a_single_frame_waits_for_the_rate_limit_and_can_be_aborted() {
    let limit = RateLimit::new(640, Duration::from_millis(100)).unwrap();
    let mut channel = channel(Config::default().rate_limit(Some(limit)));
    channel.send(at(0), message(3)).unwrap();
    assert_eq!(sent(&mut channel, at(0)), [0x03]);
    channel.send(at(0), message(3)).unwrap();
    assert!(sent(&mut channel, at(0)).is_empty());
    let due = channel.poll_timeout().unwrap();
    assert!((at(100)..=at(107)).contains(&due), "{due:?}");
    channel.abort_send();
    assert_eq!(channel.poll_timeout(), None);
    channel.send(at(1), message(4)).unwrap();
    assert!(sent(&mut channel, at(1)).is_empty());
    let due = channel.poll_timeout().unwrap();
    channel.handle_timeout(due);
    assert_eq!(sent(&mut channel, due), [0x04]);
}

#[test]
fn the_extra_gap_comes_on_top_of_the_separation_time_and_of_the_forced_gap() {
    let extra = Config::default().extra_gap(Duration::from_millis(3));
    for (config, gap) in [(extra, 8), (extra.forced_gap(Some(Duration::from_millis(1))), 4)] {
        let mut channel = channel(config);
        channel.send(at(0), message(40)).unwrap();
        sent(&mut channel, at(0));
        channel.handle_frame(at(10), &peer(&[0x30, 0, 5]));
        assert_eq!(sent(&mut channel, at(10)), [0x21]);
        assert_eq!(channel.poll_timeout(), Some(at(10 + gap)));
    }
}

#[test]
fn frames_that_come_sooner_than_the_forced_gap_are_ignored() {
    let mut channel = channel(Config::default().forced_rx_gap(Some(Duration::from_millis(10))));
    channel.handle_frame(at(0), &peer(&[0x10, 20, 1, 2, 3, 4, 5, 6]));
    sent(&mut channel, at(0));
    channel.handle_frame(at(0), &peer(&[0x21, 1, 2, 3, 4, 5, 6, 7]));
    channel.handle_frame(at(9), &peer(&[0x22, 1, 2, 3, 4, 5, 6, 7]));
    assert_eq!(ignored(&mut channel), [IgnoreReason::TooSoon]);
    channel.handle_frame(at(10), &peer(&[0x22, 1, 2, 3, 4, 5, 6, 7]));
    assert_eq!(channel.received().unwrap().1.len(), 20);
    assert_eq!(channel.stats().ignored_too_soon, 1);
}

#[test]
fn flow_controls_change_while_the_channel_runs() {
    let mut channel = channel(Config::default().block_size(BlockSize::from_bits(1)));
    let mut control = |frame: &[u8], change: Option<(u8, u8)>| {
        channel.handle_frame(at(0), &peer(frame));
        if let Some((blocks, millis)) = change {
            let gap = StMin::from_millis(millis).unwrap();
            channel.set_flow_control(BlockSize::from_bits(blocks), gap);
        }
        let frame = channel.poll_transmit(at(0))?;
        channel.handle_transmitted(at(0), &frame);
        Some([frame.payload()[1], frame.payload()[2]])
    };
    assert_eq!(control(&[0x10, 40, 1, 2, 3, 4, 5, 6], None), Some([1, 0]));
    // The change is in the next flow control, and the block is as long as that said.
    assert_eq!(control(&[0x21, 1, 2, 3, 4, 5, 6, 7], Some((2, 5))), Some([2, 5]));
    assert_eq!(control(&[0x22, 1, 2, 3, 4, 5, 6, 7], Some((1, 0))), None);
    assert_eq!(control(&[0x23, 1, 2, 3, 4, 5, 6, 7], None), Some([1, 0]));
}

#[test]
fn a_strict_receiver_ignores_frames_with_wrong_padding() {
    let strict = PaddingCheck::default()
        .length(FrameLength::Padded)
        .fill(Some(0xCC));
    let mut channel = channel(Config::default().padding_check(strict));
    let wrong: [&[u8]; 4] = [
        &[0x02, 1, 2],
        &[0x02, 1, 2, 0xCC, 0xCC, 0xCC, 0xCC, 0x55],
        &[0x30, 0, 0],
        &[0x30, 0, 0, 0, 0, 0, 0, 0],
    ];
    for frame in wrong {
        channel.handle_frame(at(0), &peer(frame));
        assert!(
            matches!(ignored(&mut channel)[..], [IgnoreReason::Padding(_)]),
            "{frame:?}"
        );
    }
    channel.handle_frame(at(0), &peer(&[0x10, 9, 1, 2, 3, 4, 5, 6]));
    sent(&mut channel, at(0));
    channel.handle_frame(at(0), &peer(&[0x21, 7, 8, 9]));
    assert!(matches!(ignored(&mut channel)[..], [IgnoreReason::Padding(_)]));
    channel.handle_frame(at(0), &peer(&[0x21, 7, 8, 9, 0xCC, 0xCC, 0xCC, 0xCC]));
    assert_eq!(channel.received().unwrap().1.len(), 9);
    assert_eq!(channel.stats().ignored_padding, 5);
}

#[test]
fn a_wrongly_padded_last_frame_ends_the_message_only_by_its_timeout() {
    let strict = PaddingCheck::default().fill(Some(0xAA));
    let mut pair = Pair::perfect(Config::default(), Config::default().padding_check(strict));
    pair.a.outbox.push_back(message(10));
    pair.run();
    let failed = pair.b.events.iter().find_map(|event| match event {
        Event::ReceiveFailed { error, .. } => Some(error.n_result()),
        _ => None,
    });
    assert_eq!(failed, Some(NResult::TimeoutCr));
    let mut pair = Pair::perfect(
        Config::default().padding(Padding::filled(0xAA)),
        Config::default().padding_check(strict),
    );
    pair.a.outbox.push_back(message(10));
    pair.run();
    assert_eq!(pair.b.received, [message(10)]);
}
