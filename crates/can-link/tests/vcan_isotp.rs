//! Kernel ISO-TP sockets: both directions, their errors, and a runtime that is never blocked.
#![cfg(all(feature = "linux", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod kernel;

use core::future::poll_fn;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::Arc;
use std::task::Wake;
use std::time::Instant;

use can_link::frame::FdFlags;
use can_link::link::Bottleneck;
use can_link::linux::{
    Broadcast, FlowControl, IsoTpError, IsoTpOptions, IsoTpSocket, LinkLayer, PaddingCheck, RawOptions,
    RawSocket, TxDl,
};
use can_link::{CanFrame, CanTxExt, LinkError};
use kernel::{Vcan, collect, frame, id, interface, next_frame, patience, soon};

const RX: u16 = 0x7E8;
const TX: u16 = 0x7E0;
/// Lengths at the borders: single frames of classic and FD, the 12-bit length.
const LENGTHS: [usize; 7] = [1, 7, 8, 62, 63, 4095, 4096];

fn options() -> IsoTpOptions {
    IsoTpOptions::new(id(RX), id(TX)).frame_txtime(Duration::ZERO)
}

fn mirrored() -> IsoTpOptions {
    IsoTpOptions::new(id(TX), id(RX)).frame_txtime(Duration::ZERO)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

/// A socket and a raw one that plays its peer by hand.
fn by_hand(vcan: &Vcan, options: IsoTpOptions) -> (IsoTpSocket, RawSocket) {
    (options.bind(&vcan.name).unwrap(), vcan.open())
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_send_timeout_ends_the_wait_for_the_message_before() {
    let vcan = Vcan::new(16);
    let timeout = Duration::from_millis(60);
    let (mut socket, _silent) = by_hand(&vcan, options().send_timeout(Some(timeout)));
    soon(socket.send(&pattern(100))).await.unwrap();
    for _ in 0..2 {
        // The kernel itself gives the first message up only after a second without an answer. Each send has a
        // wait of its own, whatever became of the one before.
        let begin = Instant::now();
        let error = soon(socket.send(&[1])).await.unwrap_err();
        assert!(
            matches!(
                error,
                IsoTpError::Timeout {
                    waiting_for: Bottleneck::Socket
                }
            ),
            "{error:?}"
        );
        assert!(begin.elapsed() >= timeout);
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_send_timeout_ends_the_wait_for_a_full_interface_queue() {
    let vcan = Vcan::new(16);
    vcan.slow_down(1);
    let mut other = RawOptions::new()
        .send_buffer(1 << 20)
        .send_timeout(Some(Duration::from_millis(1)))
        .open(&*vcan.name)
        .unwrap();
    let timeout = Duration::from_millis(60);
    let mut socket = options().send_timeout(Some(timeout)).bind(&vcan.name).unwrap();
    let error = soon(async {
        loop {
            // Whatever gets out of the queue is replaced.
            while other.send(frame(1, &[])).await.is_ok() {}
            if let Err(error) = socket.send(&[1]).await {
                break error;
            }
        }
    });
    let error = error.await;
    assert!(
        matches!(
            error,
            IsoTpError::Timeout {
                waiting_for: Bottleneck::DeviceQueue
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn messages_of_all_lengths_pass_both_ways() {
    let vcan = Vcan::new(72);
    let fd = LinkLayer::Fd {
        tx_dl: TxDl::MAX,
        flags: FdFlags::BRS,
    };
    for layer in [LinkLayer::Classic, fd] {
        let mut here = options().link_layer(layer).bind(&vcan.name).unwrap();
        let mut there = mirrored().link_layer(layer).bind(&vcan.name).unwrap();
        for len in LENGTHS {
            let message = pattern(len);
            soon(here.send(&message)).await.unwrap();
            assert_eq!(soon(there.recv()).await.unwrap(), message, "{len} bytes");
            soon(here.flush()).await.unwrap();
            soon(there.send(&message)).await.unwrap();
            assert_eq!(soon(here.recv()).await.unwrap(), message, "{len} bytes back");
        }
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn the_longest_message_passes_and_a_longer_one_names_the_limit() {
    let vcan = Vcan::new(72);
    let mut here = options().bind(&vcan.name).unwrap();
    let mut there = mirrored().bind(&vcan.name).unwrap();
    // The limit of this kernel, or less where it does not tell.
    let longest = pattern(here.max_send());
    let sent = tokio::join!(here.send(&longest), soon(there.recv()));
    sent.0.unwrap();
    assert!(sent.1.unwrap() == longest);
    let error = soon(here.send(&pattern(longest.len() + 1))).await.unwrap_err();
    let IsoTpError::TooLong { len, max } = error else {
        panic!("{error:?}");
    };
    assert_eq!((len, max), (longest.len() + 1, longest.len()));
    assert!(matches!(soon(here.send(&[])).await, Err(IsoTpError::Empty)));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn messages_queue_up_behind_the_one_under_way() {
    let vcan = Vcan::new(72);
    let mut here = options().bind(&vcan.name).unwrap();
    let mut there = mirrored().bind(&vcan.name).unwrap();
    let sender = tokio::spawn(async move {
        for number in 0..50u8 {
            here.send(&[&[number], pattern(40).as_slice()].concat())
                .await
                .unwrap();
        }
        here.flush().await.unwrap();
    });
    for number in 0..50 {
        assert_eq!(soon(there.recv()).await.unwrap()[0], number);
    }
    soon(sender).await.unwrap();
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn flushing_a_message_waits_for_its_last_frame() {
    let vcan = Vcan::new(16);
    let (mut socket, mut peer) = by_hand(&vcan, options());
    soon(socket.send(&pattern(20))).await.unwrap();
    assert_eq!(
        next_frame(&mut peer).await,
        frame(TX, &[0x10, 20, 0, 1, 2, 3, 4, 5])
    );
    {
        let mut flush = pin!(socket.flush());
        let early = tokio::time::timeout(Duration::from_millis(50), flush.as_mut()).await;
        assert!(early.is_err(), "flushed without an answer: {early:?}");
    }
    soon(peer.send(frame(RX, &[0x30, 0, 0]))).await.unwrap();
    soon(socket.flush()).await.unwrap();
    let sequence: Vec<_> = collect(&mut peer, 2)
        .await
        .iter()
        .map(|frame| frame.payload()[0])
        .collect();
    assert_eq!(sequence, [0x21, 0x22]);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_missing_flow_control_is_an_error_of_the_sender() {
    let vcan = Vcan::new(16);
    let (mut socket, _peer) = by_hand(&vcan, options());
    soon(socket.send(&pattern(20))).await.unwrap();
    let begin = Instant::now();
    assert!(matches!(soon(socket.flush()).await, Err(IsoTpError::TimeoutBs)));
    assert!(begin.elapsed() > Duration::from_millis(900), "N_Bs is a second");
    soon(socket.flush()).await.unwrap();
    // The socket has reported an error; the next transfer is waited for all the same.
    soon(socket.send(&pattern(20))).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), socket.flush()).await;
    assert!(early.is_err(), "flushed without an answer: {early:?}");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn an_overflow_answer_is_an_error_of_the_sender() {
    let vcan = Vcan::new(16);
    let (mut socket, mut peer) = by_hand(&vcan, options());
    soon(socket.send(&pattern(20))).await.unwrap();
    next_frame(&mut peer).await;
    soon(peer.send(frame(RX, &[0x32, 0, 0]))).await.unwrap();
    assert!(matches!(soon(socket.flush()).await, Err(IsoTpError::Overflow)));
    soon(socket.send(&[1])).await.unwrap();
    assert_eq!(next_frame(&mut peer).await, frame(TX, &[1, 1]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_failed_message_is_reported_by_the_next_send_which_sends_nothing() {
    let vcan = Vcan::new(16);
    let (mut socket, mut peer) = by_hand(&vcan, options());
    soon(socket.send(&pattern(20))).await.unwrap();
    next_frame(&mut peer).await;
    soon(peer.send(frame(RX, &[0x32, 0, 0]))).await.unwrap();
    assert!(matches!(soon(socket.send(&[1])).await, Err(IsoTpError::Overflow)));
    soon(socket.send(&[2])).await.unwrap();
    assert_eq!(next_frame(&mut peer).await, frame(TX, &[1, 2]), "and not 1");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_wrong_sequence_number_wakes_the_sleeping_receiver() {
    let vcan = Vcan::new(16);
    let (mut socket, mut peer) = by_hand(&vcan, options());
    let receiver = tokio::spawn(async move { (socket.recv().await, socket) });
    tokio::time::sleep(Duration::from_millis(20)).await;
    soon(peer.send(frame(RX, &[0x10, 20, 0, 1, 2, 3, 4, 5])))
        .await
        .unwrap();
    assert_eq!(next_frame(&mut peer).await, frame(TX, &[0x30, 0, 0]));
    soon(peer.send(frame(RX, &[0x22, 6, 7, 8, 9, 10, 11, 12])))
        .await
        .unwrap();
    // Without the error interest nothing would wake this task: there is an error and nothing to read.
    let (result, mut socket) = soon(receiver).await.unwrap();
    assert!(matches!(result, Err(IsoTpError::WrongSequence)), "{result:?}");
    soon(peer.send(frame(RX, &[1, 0xAA]))).await.unwrap();
    assert_eq!(soon(socket.recv()).await.unwrap(), [0xAA]);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_missing_consecutive_frame_is_an_error_of_the_receiver() {
    let vcan = Vcan::new(16);
    let (mut socket, mut peer) = by_hand(&vcan, options());
    soon(peer.send(frame(RX, &[0x10, 20, 0, 1, 2, 3, 4, 5])))
        .await
        .unwrap();
    let result = soon(socket.recv()).await;
    assert!(matches!(result, Err(IsoTpError::TimeoutCr)), "{result:?}");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_receive_error_does_not_swallow_the_next_message_sent() {
    let vcan = Vcan::new(16);
    let (mut socket, mut peer) = by_hand(&vcan, options());
    soon(peer.send(frame(RX, &[0x10, 20, 0, 1, 2, 3, 4, 5])))
        .await
        .unwrap();
    next_frame(&mut peer).await;
    soon(peer.send(frame(RX, &[0x25, 6, 7, 8, 9, 10, 11, 12])))
        .await
        .unwrap();
    // The error is pending now. A plain send would return it, and send nothing.
    soon(socket.send(&[7])).await.unwrap();
    assert_eq!(next_frame(&mut peer).await, frame(TX, &[1, 7]));
    let result = soon(socket.recv()).await;
    assert!(matches!(result, Err(IsoTpError::WrongSequence)), "{result:?}");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_receive_error_that_a_sender_meets_wakes_the_receiver() {
    let vcan = Vcan::new(16);
    let (mut socket, mut peer) = by_hand(&vcan, options());
    soon(socket.send(&[1])).await.unwrap();
    soon(socket.flush()).await.unwrap();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(socket.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    peer.send(frame(RX, &[0x10, 20, 1, 2, 3, 4, 5, 6])).await.unwrap();
    // The runtime does not see the error come: the sender is the first to meet it, and empties the slot.
    std::thread::sleep(Duration::from_millis(1500));
    soon(socket.send(&[2])).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(woken.0.load(Ordering::SeqCst));
    let error = soon(socket.recv()).await.unwrap_err();
    assert!(matches!(error, IsoTpError::TimeoutCr), "{error:?}");
}

/// Whether it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn wrong_padding_is_refused_and_right_padding_sent() {
    let vcan = Vcan::new(16);
    let padded = options()
        .tx_padding(0x55)
        .rx_padding(0xAA, PaddingCheck::LengthAndContent);
    let (mut socket, mut peer) = by_hand(&vcan, padded);
    soon(socket.send(&[1, 2])).await.unwrap();
    assert_eq!(
        next_frame(&mut peer).await,
        frame(TX, &[2, 1, 2, 0x55, 0x55, 0x55, 0x55, 0x55])
    );
    soon(peer.send(frame(RX, &[1, 9, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAB])))
        .await
        .unwrap();
    assert!(matches!(soon(socket.recv()).await, Err(IsoTpError::Invalid)));
    soon(peer.send(frame(RX, &[1, 9]))).await.unwrap();
    assert!(matches!(soon(socket.recv()).await, Err(IsoTpError::Invalid)));
    soon(peer.send(frame(RX, &[1, 9, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA])))
        .await
        .unwrap();
    assert_eq!(soon(socket.recv()).await.unwrap(), [9]);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn options_shape_the_frames() {
    let vcan = Vcan::new(72);
    let first = [0x10, 20, 0, 1, 2, 3, 4, 5];
    {
        let answer = FlowControl {
            block_size: 3,
            st_min: 0xF5,
        };
        let (_socket, mut peer) = by_hand(&vcan, options().flow_control(answer));
        soon(peer.send(frame(RX, &first))).await.unwrap();
        assert_eq!(next_frame(&mut peer).await, frame(TX, &[0x30, 3, 0xF5]));
    }
    {
        let (mut socket, mut peer) = by_hand(&vcan, options().ext_addresses(0x33, 0x77));
        assert_eq!(socket.single_frame_len(), 6);
        soon(socket.send(&pattern(6))).await.unwrap();
        assert_eq!(
            next_frame(&mut peer).await,
            frame(TX, &[0x33, 6, 0, 1, 2, 3, 4, 5])
        );
        soon(peer.send_all(&[frame(RX, &[0x33, 1, 0xEE]), frame(RX, &[0x77, 1, 0xDD])]))
            .await
            .unwrap();
        assert_eq!(
            soon(socket.recv()).await.unwrap(),
            [0xDD],
            "the other address is not ours"
        );
    }
    {
        let (mut socket, mut peer) = by_hand(&vcan, options().broadcast(Broadcast::ConsecutiveFrames));
        soon(socket.send(&pattern(15))).await.unwrap();
        soon(socket.flush()).await.unwrap();
        let sent: Vec<_> = collect(&mut peer, 3)
            .await
            .iter()
            .map(|frame| frame.payload()[0])
            .collect();
        assert_eq!(sent, [0x10, 0x21, 0x22], "without an answer");
    }
    {
        let (mut socket, mut peer) = by_hand(&vcan, options().broadcast(Broadcast::SingleFrame));
        let refused = soon(socket.send(&pattern(8))).await;
        assert!(
            matches!(refused, Err(IsoTpError::TooLong { len: 8, max: 7 })),
            "{refused:?}"
        );
        soon(socket.send(&pattern(7))).await.unwrap();
        next_frame(&mut peer).await;
    }
    {
        let fd = LinkLayer::Fd {
            tx_dl: TxDl::new(16).unwrap(),
            flags: FdFlags::BRS,
        };
        let (mut socket, mut peer) = by_hand(&vcan, options().link_layer(fd));
        soon(socket.send(&pattern(14))).await.unwrap();
        let expected = [&[0, 14], pattern(14).as_slice()].concat();
        let expected = CanFrame::fd(id(TX), &expected, FdFlags::BRS).unwrap();
        assert_eq!(next_frame(&mut peer).await, expected);
    }
    {
        let slow = options().force_tx_st_min(Duration::from_millis(40));
        let (mut socket, mut peer) = by_hand(&vcan, slow);
        soon(socket.send(&pattern(20))).await.unwrap();
        next_frame(&mut peer).await;
        let begin = Instant::now();
        soon(peer.send(frame(RX, &[0x30, 0, 0]))).await.unwrap();
        collect(&mut peer, 2).await;
        assert!(
            begin.elapsed() >= Duration::from_millis(40),
            "whatever the answer asks for"
        );
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn dropping_a_socket_with_a_transfer_under_way_does_not_block_the_runtime() {
    let vcan = Vcan::new(16);
    let (mut socket, _peer) = by_hand(&vcan, options());
    soon(socket.send(&pattern(20))).await.unwrap();
    let begin = Instant::now();
    drop(socket);
    let took = begin.elapsed();
    assert!(
        took < Duration::from_millis(500),
        "the kernel waits a second for the answer: {took:?}"
    );
    // And the thread is done with it before long.
    let (mut socket, mut peer) = by_hand(&vcan, options());
    soon(socket.send(&[1])).await.unwrap();
    assert_eq!(next_frame(&mut peer).await, frame(TX, &[1, 1]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn waiting_for_room_does_not_block_the_runtime() {
    let vcan = Vcan::new(16);
    let (mut socket, _peer) = by_hand(&vcan, options());
    soon(socket.send(&pattern(20))).await.unwrap();
    let mut beats = 0;
    let mut second = pin!(socket.send(&[1]));
    let result = loop {
        tokio::select! {
            result = second.as_mut() => break result,
            () = tokio::time::sleep(Duration::from_millis(10)) => beats += 1,
        }
    };
    assert!(matches!(result, Err(IsoTpError::TimeoutBs)), "{result:?}");
    assert!(beats > 20, "{beats} beats in a second");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_socket_waits_quietly_after_an_error() {
    let vcan = Vcan::new(16);
    let (mut socket, mut peer) = by_hand(&vcan, options());
    soon(socket.send(&pattern(20))).await.unwrap();
    next_frame(&mut peer).await;
    soon(peer.send(frame(RX, &[0x32, 0, 0]))).await.unwrap();
    assert!(matches!(soon(socket.flush()).await, Err(IsoTpError::Overflow)));
    soon(socket.send(&pattern(20))).await.unwrap();
    let mut polls = 0;
    let flushed = poll_fn(|cx| {
        polls += 1;
        socket.poll_flush(cx)
    });
    let early = tokio::time::timeout(Duration::from_millis(200), flushed).await;
    assert!(early.is_err(), "flushed without an answer: {early:?}");
    assert!(polls < 20, "{polls} polls while nothing happened");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn an_interface_that_goes_down_wakes_both_directions() {
    let vcan = Vcan::new(16);
    let (mut socket, _peer) = by_hand(&vcan, options());
    let task = tokio::spawn(async move {
        let result = socket.recv().await;
        (result, socket)
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    vcan.down();
    let (result, mut socket) = soon(task).await.unwrap();
    assert!(matches!(result, Err(IsoTpError::Down)), "{result:?}");
    let refused = soon(socket.send(&[1])).await;
    assert!(matches!(refused, Err(IsoTpError::Down)), "{refused:?}");
    vcan.up();
    soon(async { while let Err(IsoTpError::Down) = socket.send(&[1]).await {} }).await;
    let mut other = mirrored().bind(&vcan.name).unwrap();
    soon(other.send(&[5])).await.unwrap();
    let received = loop {
        match soon(socket.recv()).await {
            Err(IsoTpError::Down) => {}
            other => break other,
        }
    };
    assert_eq!(received.unwrap(), [5], "the socket works again");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_deleted_interface_is_gone_for_the_socket() {
    let vcan = Vcan::new(16);
    let (mut socket, _peer) = by_hand(&vcan, options());
    vcan.delete();
    for _ in 0..2 {
        let result = loop {
            match soon(socket.recv()).await {
                Err(IsoTpError::Down) => {}
                other => break other,
            }
        };
        assert!(matches!(result, Err(IsoTpError::Gone)), "{result:?}");
    }
    let refused = soon(async {
        loop {
            match socket.send(&[1]).await {
                Err(IsoTpError::Down) => {}
                other => break other,
            }
        }
    });
    assert!(matches!(refused.await, Err(IsoTpError::Gone)));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_full_interface_queue_delays_a_message_and_does_not_fail_it() {
    let vcan = Vcan::new(16);
    vcan.slow_down(64);
    // Fills the queue of the interface, so that the kernel's own send meets ENOBUFS.
    let mut filler = RawOptions::new().send_buffer(1 << 20).open(&*vcan.name).unwrap();
    let flood = tokio::spawn(async move {
        loop {
            filler.send(frame(0x111, &[])).await.unwrap();
        }
    });
    let mut peer = vcan.open();
    let mut socket = options().bind(&vcan.name).unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    for number in 0..10 {
        tokio::time::timeout(patience(10), socket.send(&[number]))
            .await
            .unwrap()
            .unwrap();
    }
    let mut numbers = Vec::new();
    while numbers.len() < 10 {
        let received = next_frame(&mut peer).await;
        if received.id() == id(TX).into() {
            numbers.push(received.payload()[1]);
        }
    }
    flood.abort();
    assert_eq!(numbers, (0..10).collect::<Vec<u8>>());
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_cancelled_receive_loses_no_message() {
    let vcan = Vcan::new(16);
    let (mut socket, mut peer) = by_hand(&vcan, options());
    for number in 0..50 {
        let nothing = poll_fn(|cx| Poll::Ready(socket.poll_recv(cx))).await;
        assert!(nothing.is_pending());
        soon(peer.send(frame(RX, &[1, number]))).await.unwrap();
        assert_eq!(soon(socket.recv()).await.unwrap(), [number]);
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn binding_says_what_is_wrong() {
    let error = options().bind("nosuchcan9").unwrap_err();
    assert!(matches!(error, LinkError::NotFound { .. }), "{error:?}");
    let error = IsoTpOptions::new(id(1), id(1))
        .bind(&interface("VCAN0"))
        .unwrap_err();
    assert!(error.to_string().contains("must differ"), "{error}");
    let fd = LinkLayer::Fd {
        tx_dl: TxDl::MAX,
        flags: FdFlags::NONE,
    };
    let error = options()
        .link_layer(fd)
        .bind(&interface("VCAN_CLASSIC"))
        .unwrap_err();
    assert!(error.to_string().contains("no CAN FD"), "{error}");
    let mut down = options().bind(&interface("VCAN_DOWN")).unwrap();
    let error = soon(down.recv()).await.unwrap_err();
    assert!(matches!(error, IsoTpError::Down), "{error:?}");
}
