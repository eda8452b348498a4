//! The kernel and our own stack against each other: every address, frame, length and pace that both know.
#![cfg(all(feature = "linux", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a test beside a real kernel lives in real time"
)]
#![allow(dead_code, reason = "each test file uses its part of the shared helpers")]

mod kernel;

use core::pin::Pin;
use core::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use can_link::ExtendedId;
use can_link::frame::FdFlags;
use can_link::link::{CanRxExt as _, CanTxExt as _};
use futures::{FutureExt as _, Sink, SinkExt as _, Stream, StreamExt as _};
use isotp::{
    Address, Backend, BlockSize, Config, DataLink, NResult, Padding, RxAddress, SendError, SendState, StMin,
    StreamError, TxAddress, TxDl,
};

use kernel::{address, id, interface, kernel, payload, soon, user};

fn extended(raw: u32) -> ExtendedId {
    ExtendedId::new(raw).unwrap()
}

/// Each mode with the same connection seen from its other end.
fn addresses() -> Vec<(&'static str, Address, Address)> {
    let pair = |name, address: Address| (name, address, address.reversed());
    let (a, b) = (id(0x440), id(0x448));
    let (long_a, long_b) = (extended(0x0123_4567), extended(0x0765_4321));
    let mixed_formats = Address::asymmetric(TxAddress::normal(a), RxAddress::normal(long_b)).unwrap();
    vec![
        pair("normal", Address::normal(a, b).unwrap()),
        pair("normal, 29 bits", Address::normal(long_a, long_b).unwrap()),
        pair("11 bits one way, 29 the other", mixed_formats),
        pair("extended", Address::extended(a, b, 0x33, 0xF1).unwrap()),
        pair(
            "extended, 29 bits",
            Address::extended(long_a, long_b, 0x33, 0xF1).unwrap(),
        ),
        pair("mixed", Address::mixed(a, b, 0x99).unwrap()),
        (
            "normal fixed",
            Address::normal_fixed(0x44, 0x45).unwrap(),
            Address::normal_fixed(0x45, 0x44).unwrap(),
        ),
        (
            "mixed fixed",
            Address::mixed_fixed(0x44, 0x45, 0x99).unwrap(),
            Address::mixed_fixed(0x45, 0x44, 0x99).unwrap(),
        ),
    ]
}

/// The same with more time than a kernel gives.
fn patient(config: Config) -> Config {
    let long = Duration::from_secs(10);
    config.n_as(long).n_ar(long).n_bs(long).n_cr(long)
}

/// One message; false when a timer of the kernel ran out, which no option can lengthen for a slow machine.
async fn pass_one<A, B>(what: &str, from: &mut A, to: &mut B, len: usize) -> bool
where
    A: Sink<Bytes, Error = StreamError> + Unpin,
    B: Stream<Item = Result<Bytes, StreamError>> + Unpin,
{
    let in_time = |error: &StreamError| {
        let result = error.n_result();
        !matches!(
            result,
            Some(NResult::TimeoutBs | NResult::TimeoutCr | NResult::TimeoutA)
        )
    };
    let (sent, received) = tokio::join!(
        soon(what, from.send(payload(len))),
        // Without a first frame there is nothing to wait for.
        tokio::time::timeout(Duration::from_secs(5) * kernel::slowness(), to.next())
    );
    match (sent, received.map(Option::unwrap)) {
        (Ok(()), Ok(Ok(message))) => {
            assert_eq!(message, payload(len), "{what}, {len} bytes");
            true
        }
        (Err(error), _) | (_, Ok(Err(error))) if !in_time(&error) => false,
        other => panic!("{what}, {len} bytes: {other:?}"),
    }
}

async fn pass<A, B>(what: &str, from: &mut A, to: &mut B, lengths: &[usize])
where
    A: Sink<Bytes, Error = StreamError> + Unpin,
    B: Stream<Item = Result<Bytes, StreamError>> + Unpin,
{
    for &len in lengths {
        let mut attempts = 1;
        while !pass_one(what, from, to, len).await {
            attempts += 1;
            assert!(attempts <= 3, "{what}, {len} bytes: three times in a row");
        }
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn every_address_kind_of_frame_and_length_passes_both_ways() {
    let fd = |tx_dl| DataLink::Fd {
        tx_dl: TxDl::new(tx_dl).unwrap(),
        flags: FdFlags::BRS,
    };
    for (name, ours, theirs) in addresses() {
        for (data_link, padding) in [
            (DataLink::Classic, Padding::filled(0x55)),
            (DataLink::Classic, Padding::none()),
            (fd(64), Padding::filled(0xAA)),
            (fd(12), Padding::none()),
        ] {
            let config = Config::default()
                .data_link(data_link)
                .padding(padding)
                .block_size(BlockSize::from_bits(32))
                .max_rx_len(5000);
            let what = format!("{name}, {data_link:?}, {padding:?}");
            let (mut user, mut kernel) = (user(ours, patient(config)), kernel(&theirs, &config));
            // Around every border: of the single frames, of a whole number of frames, of the 12-bit length.
            let lengths = [1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 61, 62, 63, 64, 4095, 4096];
            pass(&what, &mut user, &mut kernel, &lengths).await;
            pass(&what, &mut kernel, &mut user, &lengths).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn block_sizes_and_separation_times_are_kept_by_both() {
    const CONSECUTIVE: u32 = 15;
    let message = payload(6 + 7 * 15);
    let address = address(0x450);
    for block_size in [0, 1, 2, 7, 15, 255] {
        for st_min in [0x00, 0x01, 0x05, 0xF1, 0xF9] {
            let st_min = StMin::from_bits(st_min).unwrap();
            let config = Config::default()
                .block_size(BlockSize::from_bits(block_size))
                .st_min(st_min);
            let mut ours = user(address, patient(config));
            let mut theirs = kernel(&address.reversed(), &config);
            let what = format!("BS {block_size}, {st_min:?}");
            // No gap is asked for between a flow control and the frame that follows it.
            let blocks = match u32::from(block_size) {
                0 => 1,
                frames => CONSECUTIVE.div_ceil(frames),
            };
            let least = st_min.gap() * (CONSECUTIVE - blocks);
            for kernel_sends in [false, true] {
                let began = Instant::now();
                if kernel_sends {
                    pass(&what, &mut theirs, &mut ours, &[message.len()]).await;
                } else {
                    pass(&what, &mut ours, &mut theirs, &[message.len()]).await;
                }
                let took = began.elapsed();
                assert!(
                    took >= least,
                    "{what}, kernel sends: {kernel_sends}: {took:?} for {least:?}"
                );
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn closing_during_a_transfer_takes_none_of_the_runtimes_time() {
    // Nobody answers the first one, and the second is answered with a long pause between frames.
    let silent = kernel(&address(0x451), &Config::default());
    let slow = kernel(&address(0x452), &Config::default());
    let pace = Config::default().st_min(StMin::from_millis(100).unwrap());
    let mut receiver = user(address(0x452).reversed(), pace);
    let heartbeats = tokio::spawn(async {
        let mut beats = 0u32;
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            beats += 1;
            if beats >= 60 {
                return beats;
            }
        }
    });
    for mut socket in [silent, slow] {
        let mut sending = socket.start(payload(60));
        let begun = sending.by_ref().filter(|state| {
            let begun = matches!(state, Ok(SendState::Started));
            core::future::ready(begun)
        });
        soon("the first frame", core::pin::pin!(begun).next())
            .await
            .unwrap()
            .unwrap();
        drop(sending);
        let began = Instant::now();
        drop(socket);
        assert!(
            began.elapsed() < Duration::from_millis(500),
            "{:?}",
            began.elapsed()
        );
    }
    assert_eq!(soon("heartbeats", heartbeats).await.unwrap(), 60);
    // The message goes on to its end, as that of any dropped stream.
    let message = soon("the message", receiver.recv()).await.unwrap().unwrap();
    assert_eq!(message, payload(60));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn both_halves_of_any_backend_work_at_once() {
    for (base, backend) in [(0x453, Backend::Kernel), (0x454, Backend::User)] {
        let config = Config::default().block_size(BlockSize::from_bits(4));
        let ours = isotp::open(&interface(), address(base), config, backend)
            .await
            .unwrap();
        let theirs = user(address(base).reversed(), config);
        let (mut sink, mut source) = ours.split();
        let (mut their_sink, mut their_source) = theirs.split();
        let all = async {
            tokio::join!(
                sink.send(payload(1500)),
                source.next(),
                their_sink.send(payload(900)),
                their_source.next()
            )
        };
        let (sent, received, their_sent, their_received) = soon("both directions", all).await;
        sent.unwrap();
        their_sent.unwrap();
        assert_eq!(received.unwrap().unwrap(), payload(900), "{backend:?}");
        assert_eq!(their_received.unwrap().unwrap(), payload(1500), "{backend:?}");
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn what_cannot_be_sent_is_refused_before_any_frame_leaves() {
    let mut tap = kernel::link();
    let mut socket = kernel(&address(0x455), &Config::default());
    let max = socket.max_send();
    let refused = |error: StreamError| match error {
        StreamError::NotSent(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!(
        refused(socket.send(Bytes::new()).await.unwrap_err()),
        SendError::Empty
    );
    let len = max + 1;
    let error = socket.feed(payload(len)).await.unwrap_err();
    assert_eq!(refused(error), SendError::TooLong { len, max });
    let error = socket.send_functional(payload(8)).await.unwrap_err();
    assert_eq!(refused(error), SendError::FunctionalTooLong { len: 8, max: 7 });
    // A second message over one that waits is refused, and the first one goes out.
    let mut sink = Pin::new(&mut socket);
    let ready = core::future::poll_fn(|cx| sink.as_mut().poll_ready(cx));
    ready.await.unwrap();
    sink.as_mut().start_send(payload(3)).unwrap();
    assert_eq!(
        refused(sink.as_mut().start_send(payload(4)).unwrap_err()),
        SendError::Busy
    );
    socket.flush().await.unwrap();
    assert_eq!(socket.stats().messages_sent, 1);
    let frame = soon("a frame", tap.recv_frame()).await.unwrap().unwrap().frame;
    assert_eq!(
        (frame.id(), &frame.payload()[..4]),
        (id(0x455).into(), [3, 0, 1, 2].as_slice())
    );
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_listener_sends_nothing_of_its_own() {
    let config = Config::default().role(isotp::Role::Listener);
    let mut listener = kernel(&address(0x456), &config);
    let error = listener.send(payload(3)).await.unwrap_err();
    assert!(
        matches!(error, StreamError::NotSent(SendError::Listener)),
        "{error}"
    );
    let mut sender = user(address(0x456).reversed(), Config::default());
    let mut receiver = user(address(0x456), Config::default());
    let message = payload(300);
    let (sent, received, heard) = tokio::join!(
        soon("the end", sender.send(message.clone())),
        soon("a message", receiver.recv()),
        soon("a message overheard", listener.recv())
    );
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), message);
    assert_eq!(heard.unwrap().unwrap(), message);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_send_that_is_given_up_is_sent_whole_or_not_at_all() {
    let mut socket = kernel(&address(0x457), &Config::default());
    let mut peer = user(address(0x457).reversed(), Config::default());
    // Given up before it was looked at, under way, and while it waits behind another one.
    drop(socket.send(payload(1)));
    let moment = Duration::from_millis(50);
    let given_up = tokio::time::timeout(moment, socket.send(payload(40))).await;
    assert!(given_up.is_err(), "nobody has answered");
    let given_up = tokio::time::timeout(moment, socket.send(payload(2))).await;
    assert!(given_up.is_err(), "the one before is under way");
    let received = soon("the message", peer.recv()).await.unwrap().unwrap();
    assert_eq!(received, payload(40));
    let (sent, received) = tokio::join!(
        soon("the end", socket.send(payload(5))),
        soon("the next message", peer.recv())
    );
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), payload(5));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_failure_is_told_once_and_not_to_the_next_message() {
    let mut socket = kernel(&address(0x458), &Config::default());
    socket.feed(payload(40)).await.unwrap();
    assert!(socket.flush().now_or_never().is_none(), "nobody answers");
    // Nobody answers: the message fails after a second, while the next one waits.
    soon("the next message", socket.send(payload(3))).await.unwrap();
    let error = soon("the failure", socket.flush()).await.unwrap_err();
    assert_eq!(error.n_result(), Some(NResult::TimeoutBs), "{error}");
    socket.flush().await.unwrap();
    assert_eq!(
        (socket.stats().messages_sent, socket.stats().sends_failed),
        (1, 1)
    );
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_wrongly_padded_frame_does_not_end_the_message_that_is_sent() {
    let check = isotp::PaddingCheck::default().length(isotp::FrameLength::Padded);
    let socket = kernel(&address(0x459), &Config::default().padding_check(check));
    let mut raw = kernel::link();
    let frame = |data: &[u8]| can_link::CanFrame::data(id(0x461), data).unwrap();
    let wrong_then_right = async {
        raw.send(frame(&[0x02, 0x11, 0x22])).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        raw.send(frame(&[0x30, 0, 0, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC]))
            .await
            .unwrap();
    };
    let (mut sink, mut source) = socket.split();
    let (sent, failed, ()) = tokio::join!(
        soon("the end", sink.send(payload(20))),
        soon("the wrong frame", source.next()),
        wrong_then_right
    );
    sent.unwrap();
    let error = failed.unwrap().unwrap_err();
    assert_eq!(error.side(), Some(isotp::Side::Receiver), "{error}");
}
