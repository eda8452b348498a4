//! Flow of frames: back-pressure, batches, losses, and nothing lost by cancelling or sleeping.
#![cfg(all(feature = "linux", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod kernel;

use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::Arc;
use std::task::Wake;
use std::time::Instant;

use can_link::error_frame::{BusState, ErrorClasses, ErrorFrame};
use can_link::link::{Bottleneck, DropReason};
use can_link::linux::{OnBusOff, RawOptions};
use can_link::{CanFrame, CanRx, CanRxExt, CanTx, CanTxExt, Event, EventBuf, Filter, FilterSet, SendError};
use kernel::{
    Vcan, collect, events_until, frame, frames, id, next_event, next_frame, number_of, numbered, soon,
};

fn report(classes: u32) -> ErrorFrame {
    ErrorFrame::new(ErrorClasses::from_bits(classes), &[])
}

fn assert_in_order(frames: &[CanFrame]) {
    let numbers: Vec<_> = frames.iter().map(number_of).collect();
    let expected: Vec<_> = (0..u32::try_from(frames.len()).unwrap()).collect();
    assert_eq!(numbers, expected);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_slow_interface_holds_the_sender_back_and_loses_nothing() {
    let vcan = Vcan::new(16);
    vcan.slow_down(256);
    let (mut tx, mut rx) = (vcan.open(), vcan.open());
    let sent: Vec<_> = (0..1000).map(|number| numbered(1, number)).collect();
    let begin = Instant::now();
    let sender = tokio::spawn(async move {
        tx.send_all(&sent).await.unwrap();
        begin.elapsed()
    });
    assert_in_order(&collect(&mut rx, 1000).await);
    let took = sender.await.unwrap();
    assert!(
        took > Duration::from_millis(400),
        "2,000 frames per second, but {took:?}"
    );
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn two_senders_share_a_slow_interface_and_lose_nothing() {
    let vcan = Vcan::new(16);
    vcan.slow_down(256);
    let mut rx = vcan.open();
    let senders: Vec<_> = [1, 2]
        .into_iter()
        .map(|raw| {
            let mut tx = vcan.open();
            tokio::spawn(async move {
                for number in 0..400 {
                    tx.send(numbered(raw, number)).await.unwrap();
                }
            })
        })
        .collect();
    let all = collect(&mut rx, 800).await;
    for raw in [1, 2] {
        let of_one: Vec<_> = all
            .iter()
            .filter(|frame| frame.id() == id(raw).into())
            .cloned()
            .collect();
        assert_eq!(of_one.len(), 400);
        assert_in_order(&of_one);
    }
    for sender in senders {
        sender.await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_full_interface_queue_is_waited_for_by_timer() {
    let vcan = Vcan::new(16);
    vcan.slow_down(256);
    // With a large send buffer the queue is full before the socket is: ENOBUFS, which no readiness tells
    // (trap 1).
    let mut tx = RawOptions::new().send_buffer(1 << 20).open(&*vcan.name).unwrap();
    let mut rx = vcan.open();
    let sent: Vec<_> = (0..500).map(|number| numbered(1, number)).collect();
    let sender = tokio::spawn(async move {
        let (mut beats, mut all) = (0, pin!(tx.send_all(&sent)));
        loop {
            tokio::select! {
                result = all.as_mut() => break result.map(|()| beats).unwrap(),
                () = tokio::time::sleep(Duration::from_millis(2)) => beats += 1,
            }
        }
    });
    assert_in_order(&collect(&mut rx, 500).await);
    let beats = sender.await.unwrap();
    // A sender that never let go of the thread would leave none; how many there are is the machine's matter.
    assert!(beats > 2, "{beats} beats in 250 ms: it asks all the time");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_send_that_cannot_go_out_in_time_names_what_was_full() {
    for (buffer, bottleneck) in [(0, Bottleneck::Socket), (1 << 20, Bottleneck::DeviceQueue)] {
        let vcan = Vcan::new(16);
        // 8 frames per second: one more does not fit into the time.
        vcan.slow_down(1);
        let mut tx = RawOptions::new()
            .send_buffer(buffer)
            .send_timeout(Some(Duration::from_millis(60)))
            .open(&*vcan.name)
            .unwrap();
        tx.inject_error(&ErrorFrame::new(ErrorClasses::from_bits(4), &[0, 0x10]))
            .unwrap();
        let sent: Vec<_> = (0..400).map(|number| numbered(1, number)).collect();
        let begin = Instant::now();
        let error = soon(tx.send_all(&sent)).await.unwrap_err();
        let SendError::Timeout { waiting_for, state } = error else {
            panic!("{error:?}");
        };
        assert_eq!(waiting_for, bottleneck);
        assert!(
            matches!(state, BusState::Passive | BusState::Unknown),
            "{state:?}"
        );
        assert!(begin.elapsed() >= Duration::from_millis(60));
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_send_that_was_given_up_leaves_its_wait_to_nobody() {
    let vcan = Vcan::new(16);
    // More than a second for each frame: no room while this lasts.
    let name = &vcan.name;
    kernel::run(&format!(
        "tc qdisc add dev {name} root handle 1: tbf rate 100bit burst 64 limit 160"
    ));
    let timeout = Duration::from_millis(60);
    let mut tx = RawOptions::new()
        .send_timeout(Some(timeout))
        .open(&*vcan.name)
        .unwrap();
    // Filled until a frame waits, which is then given up.
    for number in 0.. {
        let sent = tokio::time::timeout(timeout / 2, tx.send(numbered(1, number))).await;
        if sent.is_err() {
            break;
        }
    }
    tokio::time::sleep(timeout * 2).await;
    for number in 0.. {
        let begin = Instant::now();
        match soon(tx.send(numbered(2, number))).await {
            Ok(()) => {}
            Err(SendError::Timeout { .. }) => {
                assert!(begin.elapsed() >= timeout, "{:?}", begin.elapsed());
                break;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn an_address_bounds_the_wait_of_its_link() {
    let vcan = Vcan::new(16);
    vcan.slow_down(1);
    let address = format!("socketcan:{}?send_timeout=60ms", vcan.name);
    let mut link = can_link::open(&address.parse().unwrap()).await.unwrap();
    let sent: Vec<_> = (0..400).map(|number| numbered(1, number)).collect();
    let error = soon(link.send_all(&sent)).await.unwrap_err();
    assert!(matches!(error, SendError::Timeout { .. }), "{error:?}");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn an_address_lets_frames_wait_for_a_controller_that_is_off_the_bus() {
    let vcan = Vcan::new(16);
    for (policy, refuses) in [("fail", true), ("wait", false)] {
        let address = format!("socketcan:{}?bus_off={policy}", vcan.name);
        let mut link = can_link::open(&address.parse().unwrap()).await.unwrap();
        vcan.open().inject_error(&report(0x040)).unwrap();
        while next_event(&mut link).await != Event::State(BusState::BusOff) {}
        tokio::task::yield_now().await;
        let sent = soon(link.send(frame(1, &[]))).await;
        assert_eq!(
            matches!(sent, Err(SendError::BusOff)),
            refuses,
            "{policy}: {sent:?}"
        );
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_cancelled_send_has_taken_the_frame_or_not() {
    let vcan = Vcan::new(16);
    vcan.slow_down(256);
    let (mut tx, mut rx) = (vcan.open(), vcan.open());
    let sender = tokio::spawn(async move {
        let mut number = 0;
        while number < 300 {
            // Given up after any of a few polls, and asked for again.
            let give_up = Duration::from_micros(u64::from(number % 7) * 50);
            let sent = tokio::time::timeout(give_up, tx.send(numbered(1, number))).await;
            number += u32::from(sent.is_ok_and(|sent| sent.is_ok()));
        }
    });
    assert_in_order(&collect(&mut rx, 300).await);
    sender.await.unwrap();
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_cancelled_receive_loses_nothing() {
    let vcan = Vcan::new(16);
    let (mut tx, mut rx) = (vcan.open(), vcan.open());
    for number in 0..200 {
        {
            let mut receive = pin!(rx.recv());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(receive.as_mut().poll(&mut cx).is_pending());
        }
        soon(tx.send(numbered(1, number))).await.unwrap();
        if number % 3 == 0 {
            tokio::task::yield_now().await;
        }
        let received = next_frame(&mut rx).await;
        assert_eq!(number_of(&received), number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn no_wake_up_is_lost_between_two_threads() {
    let vcan = Vcan::new(16);
    let (mut here, mut there) = (vcan.open(), vcan.open());
    let echo = tokio::spawn(async move {
        while let Ok(Some(received)) = there.recv_frame().await {
            let number = number_of(&received.frame);
            there.send(numbered(2, number)).await.unwrap();
        }
    });
    // Each frame goes out when the other side has just begun to wait.
    for number in 0..1000 {
        soon(here.send(numbered(1, number))).await.unwrap();
        assert_eq!(number_of(&next_frame(&mut here).await), number);
    }
    echo.abort();
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_batch_is_taken_by_one_call_and_handed_out_in_parts() {
    let vcan = Vcan::new(16);
    let (mut tx, mut rx) = (vcan.open(), vcan.open());
    let sent: Vec<_> = (0..100).map(|number| numbered(1, number)).collect();
    let first = soon(core::future::poll_fn(|cx| tx.poll_send(cx, &sent)))
        .await
        .unwrap();
    assert_eq!(first, 64, "one system call takes as many");
    soon(tx.send_all(&sent[first..])).await.unwrap();
    let mut out = EventBuf::new();
    let mut counts = Vec::new();
    while out.len() < 100 {
        counts.push(soon(rx.recv_many(&mut out, 40)).await.unwrap());
    }
    assert_eq!(counts, [40, 24, 36], "64 in one read, handed out by 40");
    assert_in_order(&frames(out.make_contiguous()));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn the_default_buffer_holds_two_thousand_frames() {
    let vcan = Vcan::new(16);
    let (mut tx, mut rx) = (vcan.open(), vcan.open());
    assert!(rx.receive_buffer() >= 2 << 20, "{}", rx.receive_buffer());
    let sent: Vec<_> = (0..2000).map(|number| numbered(1, number)).collect();
    soon(tx.send_all(&sent)).await.unwrap();
    assert_in_order(&collect(&mut rx, 2000).await);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn frames_lost_in_the_socket_are_counted_exactly() {
    let vcan = Vcan::new(16);
    let mut tx = vcan.open();
    let mut rx = RawOptions::new().receive_buffer(0).open(&*vcan.name).unwrap();
    let mut lost = 0;
    let mut arrived = 0;
    for round in 0..3 {
        let sent: Vec<_> = (0..100).map(|number| numbered(1, number)).collect();
        soon(tx.send_all(&sent)).await.unwrap();
        // What is queued is read before the next frame, which brings the count (trap 5).
        let mut out = EventBuf::new();
        let queued = tokio::time::timeout(Duration::from_millis(30), async {
            loop {
                rx.recv_many(&mut out, 64).await.unwrap();
            }
        });
        queued.await.unwrap_err();
        soon(tx.send(frame(2, &[]))).await.unwrap();
        out.extend(events_until(&mut rx, id(2)).await);
        for event in out {
            match event {
                Event::Frame(_) => arrived += 1,
                Event::Dropped { count, reason } => {
                    assert_eq!(reason, DropReason::SocketQueueFull);
                    lost += count;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(arrived + lost, 100 * (round + 1), "round {round}");
    }
    assert!(lost > 200, "the smallest buffer holds a few frames: {lost}");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn sending_fails_while_the_controller_is_off_the_bus() {
    let vcan = Vcan::new(16);
    let (mut tx, mut other) = (vcan.open(), vcan.open());
    other.inject_error(&report(0x040)).unwrap();
    assert!(matches!(next_event(&mut tx).await, Event::BusError(_)));
    assert_eq!(next_event(&mut tx).await, Event::State(BusState::BusOff));
    // The sender hears of it by a socket of its own, perhaps a moment later.
    let refused = soon(async {
        loop {
            if let Err(error) = tx.send(frame(1, &[])).await {
                break error;
            }
        }
    });
    assert!(matches!(refused.await, SendError::BusOff));
    other.inject_error(&report(0x100)).unwrap();
    soon(async { while tx.send(frame(1, &[])).await.is_err() {} }).await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_flood_of_reports_does_not_hide_the_restart_from_a_sender() {
    let vcan = Vcan::new(16);
    let (_rx, mut tx) = vcan.open().split();
    let mut other = vcan.open();
    other.inject_error(&report(0x040)).unwrap();
    // More protocol errors than the default receive buffer of a socket holds.
    for _ in 0..600 {
        other.inject_error(&report(0x008)).unwrap();
    }
    other.inject_error(&report(0x100)).unwrap();
    tokio::task::yield_now().await;
    soon(tx.send(frame(1, &[]))).await.unwrap();
    assert_eq!(tx.bus_state(), BusState::Active);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn bus_off_ends_a_send_that_waits_though_nobody_receives() {
    let vcan = Vcan::new(16);
    vcan.slow_down(1);
    let (_rx, mut tx) = vcan.open().split();
    let mut other = Vcan::open(&vcan);
    other.inject_error(&report(0x100)).unwrap();
    let sent: Vec<_> = (0..100).map(|number| numbered(1, number)).collect();
    let sender = tokio::spawn(async move { tx.send_all(&sent).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!sender.is_finished());
    // Past the slow queue: this report is the controller's own, so to say.
    kernel::run(&format!("tc qdisc del dev {} root", vcan.name));
    vcan.slow_down(1);
    soon(async {
        while let Err(SendError::Io(_)) = other.inject_error(&report(0x040)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let refused = soon(sender).await.unwrap();
    assert!(matches!(refused, Err(SendError::BusOff)), "{refused:?}");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_send_waits_through_bus_off_when_told_to() {
    let vcan = Vcan::new(16);
    let options = RawOptions::new().on_bus_off(OnBusOff::Wait);
    let (mut rx, mut tx) = options.open(&*vcan.name).unwrap().split();
    vcan.open().inject_error(&report(0x040)).unwrap();
    while next_event(&mut rx).await != Event::State(BusState::BusOff) {}
    // A controller off the bus takes nothing out of its queue.
    vcan.slow_down(1);
    let sent: Vec<_> = (0..100).map(|number| numbered(1, number)).collect();
    let mut all = pin!(tx.send_all(&sent));
    let waits = tokio::time::timeout(Duration::from_millis(100), all.as_mut()).await;
    assert!(waits.is_err(), "{waits:?}");
    // The restart: there is room again.
    kernel::run(&format!("tc qdisc del dev {} root", vcan.name));
    soon(all).await.unwrap();
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_flood_leaves_other_tasks_their_turn() {
    let vcan = Vcan::new(16);
    let (mut tx, mut rx) = (vcan.open(), vcan.open());
    let sent: Vec<_> = (0..2000).map(|number| numbered(1, number)).collect();
    // On this one thread the others get a turn only when a task gives way, though it need never wait.
    let turns = async |task: tokio::task::JoinHandle<()>| {
        let mut turns = 0;
        while !task.is_finished() {
            tokio::task::yield_now().await;
            turns += 1;
        }
        turns
    };
    let sender = tokio::spawn(async move {
        for frame in &sent {
            tx.send(frame.clone()).await.unwrap();
        }
    });
    let while_sending = turns(sender).await;
    let receiver = tokio::spawn(async move {
        for _ in 0..2000 {
            rx.recv().await.unwrap();
        }
    });
    let while_receiving = turns(receiver).await;
    assert!(while_sending > 10, "{while_sending} turns");
    assert!(while_receiving > 10, "{while_receiving} turns");
}

/// Counts how often a task asks for its next turn.
#[derive(Default)]
struct Turns(AtomicUsize);

impl Wake for Turns {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_flood_of_refused_frames_leaves_other_tasks_their_turn() {
    let vcan = Vcan::new(16);
    // More filters than the kernel holds, so the flood comes up to this process.
    let many = (100..700).map(|raw| Filter::id(id(raw).into()));
    let mut rx = RawOptions::new()
        .filters(FilterSet::any(many))
        .open(&*vcan.name)
        .unwrap();
    let mut tx = vcan.open();
    let sent: Vec<_> = (0..2000).map(|number| numbered(1, number)).collect();
    soon(tx.send_all(&sent)).await.unwrap();
    soon(tx.send(frame(101, &[]))).await.unwrap();
    tokio::task::yield_now().await;
    let turns = Arc::new(Turns::default());
    let waker = Waker::from(Arc::clone(&turns));
    let mut out = EventBuf::new();
    let poll = rx.poll_recv(&mut Context::from_waker(&waker), &mut out, 1);
    assert!(poll.is_pending(), "{poll:?}");
    assert_eq!(
        turns.0.load(Ordering::Relaxed),
        1,
        "it asks for another turn itself"
    );
    assert_eq!(next_frame(&mut rx).await, frame(101, &[]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_closed_link_refuses_to_send() {
    let vcan = Vcan::new(16);
    let (mut tx, mut rx) = (vcan.open(), vcan.open());
    soon(tx.send(frame(1, &[]))).await.unwrap();
    soon(tx.close()).await.unwrap();
    let refused = soon(tx.send(frame(2, &[]))).await;
    assert!(matches!(refused, Err(SendError::Closed)), "{refused:?}");
    assert_eq!(next_frame(&mut rx).await, frame(1, &[]));
    // Only sending is closed.
    soon(rx.send(frame(3, &[]))).await.unwrap();
    assert_eq!(next_frame(&mut tx).await, frame(3, &[]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_dropped_receiver_costs_the_sender_nothing() {
    let vcan = Vcan::new(16);
    let (rx, mut tx) = vcan.open().split();
    assert!(rx.capabilities().error_reports);
    drop(rx);
    let sent: Vec<_> = (0..5000).map(|number| numbered(1, number)).collect();
    soon(tx.send_all(&sent)).await.unwrap();
    let poll = tx.poll_flush(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(poll, Poll::Ready(Ok(()))));
}
