//! One channel against anything at all.
#![cfg(feature = "alloc")]
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use core::time::Duration;

use bytes::Bytes;
use can_link::{CanFrame, StandardId};
use isotp::{
    Address, BlockSize, BytesChannel, Config, DataLink, Duplex, FlowParameters, FrameLength, PaddingCheck,
    RateLimit, Role, SliceBuffer, StMin,
};
use proptest::prelude::*;
use tinwire_time::Instant;

fn address() -> Address {
    let id = |raw| StandardId::new(raw).unwrap();
    Address::normal(id(0x7E0), id(0x7E8)).unwrap()
}

/// Anything that can happen to a channel.
#[derive(Clone, Debug)]
enum Op {
    Frame { id: u16, data: Vec<u8>, fd: bool },
    Wait { micros: u64 },
    Send { len: usize, functional: bool },
    Transmit { confirm: bool },
    Refuse,
    Take,
    Abort,
    FlowControl { blocks: u8, gap: u8 },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    // Mostly frames that are nearly right, for these reach the deep states.
    let pci = prop_oneof![
        Just(vec![0x03]),
        Just(vec![0x10, 0x14]),
        Just(vec![0x10, 0x00, 0x00, 0x00, 0x20, 0x00]),
        (0x20..=0x2Fu8).prop_map(|first| vec![first]),
        (0x30..=0x34u8, any::<u8>(), any::<u8>()).prop_map(|(first, bs, st)| vec![first, bs, st]),
        any::<u8>().prop_map(|first| vec![first]),
        Just(vec![]),
    ];
    let frame = (
        prop_oneof![4 => Just(0x7E8u16), 1 => Just(0x7DF), 1 => Just(0x123)],
        pci,
        proptest::collection::vec(any::<u8>(), 0..=62),
        any::<bool>(),
    );
    let frame = frame.prop_map(|(id, mut data, rest, fd)| {
        data.extend(rest);
        data.truncate(if fd { 64 } else { 8 });
        Op::Frame { id, data, fd }
    });
    let op = prop_oneof![
        6 => frame,
        2 => (0..2_000_000u64).prop_map(|micros| Op::Wait { micros }),
        1 => (0..200usize, any::<bool>()).prop_map(|(len, functional)| Op::Send { len, functional }),
        4 => any::<bool>().prop_map(|confirm| Op::Transmit { confirm }),
        1 => Just(Op::Refuse),
        2 => Just(Op::Take),
        1 => Just(Op::Abort),
        1 => (any::<u8>(), 0..=127u8).prop_map(|(blocks, gap)| Op::FlowControl { blocks, gap }),
    ];
    proptest::collection::vec(op, 0..200)
}

/// Everything that can be asked of a channel, on and off.
fn config() -> impl Strategy<Value = Config> {
    let link = prop::sample::select(vec![DataLink::Classic, DataLink::fd()]);
    let limit = prop::option::of((1_000..100_000u32, 10..500u64)).prop_map(|limit| {
        let (bits, window) = limit?;
        RateLimit::new(bits, Duration::from_millis(window)).ok()
    });
    let padding = prop::sample::select(vec![
        PaddingCheck::default(),
        PaddingCheck::default().length(FrameLength::Padded),
        PaddingCheck::default()
            .length(FrameLength::Shortest)
            .fill(Some(0xCC)),
    ]);
    let flow = prop::sample::select(vec![FlowParameters::EachCts, FlowParameters::First]);
    let gaps = prop::option::weighted(0.3, (0..50_000u64).prop_map(Duration::from_micros));
    let modes = (prop::bool::weighted(0.3), prop::bool::weighted(0.1));
    (link, limit, padding, flow, gaps.clone(), gaps, modes).prop_map(
        |(link, limit, padding, flow, gap, rx_gap, (half, listens))| {
            Config::default()
                .data_link(link)
                .max_rx_len(1000)
                .block_size(BlockSize::from_bits(3))
                .rate_limit(limit)
                .padding_check(padding)
                .flow_parameters(flow)
                .forced_gap(gap)
                .forced_rx_gap(rx_gap)
                .duplex(if half { Duplex::Half } else { Duplex::Full })
                .role(if listens { Role::Listener } else { Role::Endpoint })
        },
    )
}

proptest! {
    #[test]
    fn no_sequence_of_frames_times_and_calls_breaks_a_channel(ops in ops(), config in config()) {
        let address = address().accepting_functional(StandardId::new(0x7DF).unwrap());
        let mut channel = BytesChannel::new(address, config);
        let mut now = Instant::ZERO;
        let mut last: Option<CanFrame> = None;
        for op in ops {
            match op {
                Op::Frame { id, data, fd } => {
                    let id = StandardId::new(id).unwrap();
                    let frame = if fd {
                        CanFrame::fd(id, &data, can_link::frame::FdFlags::NONE)
                    } else {
                        CanFrame::data(id, &data)
                    };
                    channel.handle_frame(now, &frame.unwrap());
                }
                Op::Wait { micros } => {
                    now += Duration::from_micros(micros);
                    channel.handle_timeout(now);
                    let expired = channel.poll_timeout().filter(|&due| due <= now);
                    prop_assert_eq!(expired, None, "it still runs");
                }
                Op::Send { len, functional } => {
                    let payload = Bytes::from(vec![7; len]);
                    let free = channel.can_send();
                    let result = if functional {
                        channel.send_functional(now, payload)
                    } else {
                        channel.send(now, payload)
                    };
                    prop_assert!(free || result.is_err());
                    prop_assert!(len > 0 || result.is_err());
                }
                Op::Transmit { confirm } => {
                    let mut frames = 0;
                    while let Some(frame) = channel.poll_transmit(now) {
                        frames += 1;
                        prop_assert!(frames < 200, "no end of frames");
                        prop_assert!(config.role(Role::Listener) != config, "a listener sends");
                        if confirm {
                            channel.handle_transmitted(now, &frame);
                        }
                        last = Some(frame);
                    }
                }
                Op::Refuse => {
                    if let Some(frame) = &last {
                        channel.handle_not_transmitted(now, frame);
                    }
                }
                Op::Take => {
                    let held = channel.received().is_some();
                    prop_assert_eq!(channel.take_received(now).is_some(), held);
                }
                Op::Abort => {
                    channel.abort_send();
                    channel.abort_receive();
                    prop_assert!(channel.can_send() && channel.receiving().is_none());
                }
                Op::FlowControl { blocks, gap } => {
                    channel.set_flow_control(BlockSize::from_bits(blocks), StMin::from_millis(gap).unwrap());
                }
            }
            if let Some((received, len)) = channel.receiving() {
                prop_assert!(received <= len && len <= 1000);
            }
            if let Some((_, sent, len)) = channel.sending() {
                prop_assert!(sent <= len);
            }
            while channel.poll_event().is_some() {}
        }
        prop_assert_eq!(channel.stats().events_lost, 0);
    }

    #[test]
    fn a_fixed_buffer_receives_what_fits_and_refuses_what_does_not(len in 8..200usize, room in 1..200usize) {
        let mut memory = vec![0; room];
        let buffer = SliceBuffer::new(&mut memory);
        let mut channel: isotp::Channel<&[u8], _> =
            isotp::Channel::with_buffer(address().reversed(), Config::default(), buffer);
        let mut sender = BytesChannel::new(address(), Config::default());
        let payload: Bytes = (0..len).map(|i| u8::try_from(i).unwrap()).collect();
        let now = Instant::ZERO;
        sender.send(now, payload.clone()).unwrap();
        loop {
            let mut quiet = true;
            while let Some(frame) = sender.poll_transmit(now) {
                quiet = false;
                sender.handle_transmitted(now, &frame);
                channel.handle_frame(now, &frame);
            }
            while let Some(frame) = channel.poll_transmit(now) {
                quiet = false;
                channel.handle_transmitted(now, &frame);
                sender.handle_frame(now, &frame);
            }
            if quiet {
                break;
            }
        }
        let received = channel.received().map(|(_, message)| message);
        prop_assert_eq!(received, (len <= room).then_some(&payload[..]));
        prop_assert_eq!(channel.stats().messages_refused, u64::from(len > room));
    }
}
