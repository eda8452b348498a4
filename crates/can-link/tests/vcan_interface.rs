//! An interface that goes down, comes up, is deleted, and comes back.
#![cfg(all(feature = "linux", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod kernel;

use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::os::fd::{AsFd, AsRawFd};

use can_link::error_frame::{ErrorClasses, ErrorFrame};
use can_link::link::{FilterPlace, LinkChange};
use can_link::linux::{RawOptions, Reconnect};
use can_link::{CanRx, CanRxExt, CanTxExt, Event, EventBuf, Filter, FilterSet, SendError};
use kernel::{Vcan, frame, interface, next_event, next_frame, numbered, soon};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

/// The next change of the link, with no frame before it.
async fn next_change(rx: &mut (impl CanRx + ?Sized)) -> LinkChange {
    match next_event(rx).await {
        Event::Link(change) => change,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn an_interface_that_goes_down_wakes_the_receiver_and_works_again_when_up() {
    let vcan = Vcan::new(72);
    let (mut rx, mut tx) = vcan.open().split();
    let mut other = vcan.open();
    soon(tx.send(frame(1, &[]))).await.unwrap();
    assert_eq!(next_frame(&mut other).await, frame(1, &[]));

    // The receiver already sleeps when it happens (trap 2).
    let sleeper = tokio::spawn(async move { (next_change(&mut rx).await, rx) });
    tokio::time::sleep(Duration::from_millis(20)).await;
    vcan.down();
    let (change, mut rx) = sleeper.await.unwrap();
    assert_eq!(change, LinkChange::Down);
    let refused = soon(tx.send(frame(2, &[]))).await;
    assert!(matches!(refused, Err(SendError::Down)), "{refused:?}");

    vcan.up();
    assert_eq!(next_change(&mut rx).await, LinkChange::Up);
    soon(tx.send(frame(3, &[]))).await.unwrap();
    let arrived = loop {
        let received = next_frame(&mut other).await;
        if received.id() != kernel::id(2).into() {
            break received;
        }
    };
    assert_eq!(arrived, frame(3, &[]));
    soon(other.send(frame(4, &[]))).await.unwrap();
    assert_eq!(next_frame(&mut rx).await, frame(4, &[]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_short_interruption_is_reported_although_it_is_over() {
    let vcan = Vcan::new(72);
    let mut rx = vcan.open();
    vcan.down();
    vcan.up();
    assert_eq!(next_change(&mut rx).await, LinkChange::Down);
    assert_eq!(next_change(&mut rx).await, LinkChange::Up);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn old_notices_are_no_news_beside_what_the_socket_has_told() {
    let vcan = Vcan::new(72);
    let mut rx = vcan.open();
    // The socket tells of this at once; the notice stays in its queue.
    vcan.down();
    assert_eq!(next_change(&mut rx).await, LinkChange::Down);
    vcan.up();
    // So does this frame, once the runtime knows of it, before both notices are read.
    let mut tx = vcan.open();
    soon(tx.send(frame(1, &[]))).await.unwrap();
    tokio::task::yield_now().await;
    assert_eq!(next_change(&mut rx).await, LinkChange::Up);
    assert_eq!(next_frame(&mut rx).await, frame(1, &[]));
    // Now that there is no frame, both notices are read.
    let mut cx = Context::from_waker(Waker::noop());
    let poll = rx.poll_recv(&mut cx, &mut EventBuf::new(), 1);
    assert!(poll.is_pending(), "{poll:?}");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn going_down_and_up_does_not_make_a_waiting_sender_spin() {
    let vcan = Vcan::new(16);
    let (mut rx, mut tx) = vcan.open().split();
    vcan.down();
    assert_eq!(next_change(&mut rx).await, LinkChange::Down);
    let refused = soon(tx.send(frame(1, &[]))).await;
    assert!(matches!(refused, Err(SendError::Down)), "{refused:?}");
    vcan.up();
    assert_eq!(next_change(&mut rx).await, LinkChange::Up);

    // The socket has reported an error once; the runtime keeps that as "closed for writing" for ever.
    vcan.slow_down(64);
    let sent: Vec<_> = (0..100).map(|number| numbered(1, number)).collect();
    let (mut beats, mut all) = (0, core::pin::pin!(tx.send_all(&sent)));
    loop {
        tokio::select! {
            result = all.as_mut() => break result.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(2)) => beats += 1,
        }
    }
    assert!(beats > 5, "{beats} beats while 100 frames waited 200 ms");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn frames_queued_before_the_interface_went_down_come_first() {
    let vcan = Vcan::new(72);
    let (mut rx, mut tx) = (vcan.open(), vcan.open());
    let sent: Vec<_> = (0..200).map(|number| numbered(1, number)).collect();
    soon(tx.send_all(&sent)).await.unwrap();
    vcan.down();
    for expected in sent {
        match next_event(&mut rx).await {
            Event::Frame(received) => assert_eq!(received.frame, expected),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(next_change(&mut rx).await, LinkChange::Down);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_link_opened_while_the_interface_is_down_says_so_and_works_later() {
    let down = interface("VCAN_DOWN");
    let mut rx = RawOptions::new().open(&*down).unwrap();
    assert_eq!(next_change(&mut rx).await, LinkChange::Down);
    let refused = soon(rx.send(frame(1, &[]))).await;
    assert!(matches!(refused, Err(SendError::Down)), "{refused:?}");

    let vcan = Vcan::new(72);
    vcan.down();
    let mut rx = vcan.open();
    assert_eq!(next_change(&mut rx).await, LinkChange::Down);
    vcan.up();
    assert_eq!(next_change(&mut rx).await, LinkChange::Up);
    let mut tx = vcan.open();
    soon(tx.send(frame(2, &[]))).await.unwrap();
    assert_eq!(next_frame(&mut rx).await, frame(2, &[]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_deleted_interface_is_gone_and_ends_the_link_when_told_to() {
    let vcan = Vcan::new(72);
    let mut link = RawOptions::new()
        .reconnect(Reconnect::Never)
        .open(&*vcan.name)
        .unwrap();
    vcan.delete();
    let mut change = next_change(&mut link).await;
    if change == LinkChange::Down {
        change = next_change(&mut link).await;
    }
    assert_eq!(change, LinkChange::Gone);
    assert_eq!(soon(link.recv()).await.unwrap(), None, "ended");
    let refused = soon(link.send(frame(1, &[]))).await;
    assert!(matches!(refused, Err(SendError::Gone)), "{refused:?}");
    vcan.add(72);
    vcan.up();
    assert_eq!(soon(link.recv()).await.unwrap(), None, "for good");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_link_follows_an_interface_that_comes_back_under_its_name() {
    let vcan = Vcan::new(16);
    let (mut rx, mut tx) = vcan.open().split();
    soon(tx.send(frame(1, &[]))).await.unwrap();
    for mtu in [72, 16] {
        vcan.delete();
        let mut changes = vec![next_change(&mut rx).await];
        while changes.last() != Some(&LinkChange::Gone) {
            changes.push(next_change(&mut rx).await);
        }
        assert!(changes.len() <= 2, "{changes:?}");
        let refused = soon(tx.send(frame(2, &[]))).await;
        assert!(
            matches!(refused, Err(SendError::Gone | SendError::Down)),
            "{refused:?}"
        );

        vcan.add(mtu);
        vcan.up();
        assert_eq!(next_change(&mut rx).await, LinkChange::Reconnected);
        let mut other = vcan.open();
        soon(tx.send(frame(3, &[]))).await.unwrap();
        assert_eq!(next_frame(&mut other).await, frame(3, &[]));
        soon(other.send(frame(4, &[]))).await.unwrap();
        assert_eq!(next_frame(&mut rx).await, frame(4, &[]));
        assert_eq!(rx.capabilities().max_data, if mtu == 72 { 64 } else { 8 });
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_sender_follows_without_a_receiver() {
    let vcan = Vcan::new(16);
    let (rx, mut tx) = vcan.open().split();
    drop(rx);
    vcan.delete();
    vcan.add(16);
    vcan.up();
    let mut other = vcan.open();
    // The first frame may meet the old socket's pending error; the link is whole after it.
    let _ = soon(tx.send(frame(1, &[]))).await;
    soon(tx.send(frame(2, &[]))).await.unwrap();
    let arrived = next_frame(&mut other).await;
    assert!(
        arrived == frame(1, &[]) || arrived == frame(2, &[]),
        "{arrived:?}"
    );
}

/// The interface deleted and made anew.
fn replace(vcan: &Vcan) {
    vcan.delete();
    vcan.add(16);
    vcan.up();
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_receiver_keeps_its_filters_when_it_follows() {
    let vcan = Vcan::new(16);
    let mut rx = vcan.open();
    rx.set_filters(&FilterSet::any([Filter::id(kernel::id(5).into())]))
        .unwrap();
    replace(&vcan);
    while next_change(&mut rx).await != LinkChange::Reconnected {}
    let mut tx = vcan.open();
    soon(tx.send_all(&[frame(4, &[]), frame(5, &[])])).await.unwrap();
    assert_eq!(next_frame(&mut rx).await, frame(5, &[]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn more_filters_than_the_kernel_holds_filter_after_following_too() {
    let vcan = Vcan::new(16);
    let mut rx = vcan.open();
    vcan.delete();
    while next_change(&mut rx).await != LinkChange::Gone {}
    let many = (100..700).map(|raw| Filter::id(kernel::id(raw).into()));
    let place = rx.set_filters(&FilterSet::any(many)).unwrap();
    assert_eq!(place, FilterPlace::Software);
    vcan.add(16);
    vcan.up();
    while next_change(&mut rx).await != LinkChange::Reconnected {}
    let mut tx = vcan.open();
    soon(tx.send_all(&[frame(4, &[]), frame(105, &[])]))
        .await
        .unwrap();
    assert_eq!(next_frame(&mut rx).await, frame(105, &[]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_sender_that_follows_first_takes_the_filters_along() {
    let vcan = Vcan::new(16);
    let (mut rx, mut tx) = vcan.open().split();
    rx.set_filters(&FilterSet::any([Filter::id(kernel::id(5).into())]))
        .unwrap();
    replace(&vcan);
    while soon(tx.send(frame(1, &[]))).await.is_err() {}
    // These are queued before the receiver has so much as looked.
    let mut other = vcan.open();
    soon(other.send_all(&[frame(4, &[]), frame(5, &[])]))
        .await
        .unwrap();
    while next_change(&mut rx).await != LinkChange::Reconnected {}
    assert_eq!(next_frame(&mut rx).await, frame(5, &[]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_dropped_receiver_stays_dropped_when_the_sender_follows() {
    let vcan = Vcan::new(16);
    let (rx, mut tx) = vcan.open().split();
    drop(rx);
    replace(&vcan);
    while soon(tx.send(frame(1, &[]))).await.is_err() {}
    let mut other = vcan.open();
    soon(other.send(frame(2, &[]))).await.unwrap();
    other
        .inject_error(&ErrorFrame::new(ErrorClasses::ALL, &[]))
        .unwrap();
    let queued = recv(tx.as_fd().as_raw_fd(), &mut [0; 72], MsgFlags::MSG_DONTWAIT);
    assert_eq!(queued, Err(Errno::EAGAIN));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn coming_up_while_a_link_is_opened_is_not_missed() {
    let vcan = Vcan::new(16);
    for _ in 0..20 {
        vcan.down();
        let mut ip = kernel::start(&format!("ip link set dev {} up", vcan.name));
        let mut links = Vec::new();
        while ip.try_wait().unwrap().is_none() {
            // A slow program shall not cost every file descriptor.
            if links.len() == 200 {
                links.clear();
            }
            links.push(vcan.open());
        }
        for mut link in links {
            // No frame helps: only the kernel's notice tells.
            let told = core::future::poll_fn(|cx| {
                let mut out = EventBuf::new();
                Poll::Ready(match link.poll_recv(cx, &mut out, 1) {
                    Poll::Ready(event) => event.map(|_one| out.pop_front()),
                    Poll::Pending => Ok(None),
                })
            });
            if let Some(event) = told.await.unwrap() {
                assert_eq!(event, Event::Link(LinkChange::Down));
                assert_eq!(next_change(&mut link).await, LinkChange::Up);
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn changes_of_other_interfaces_are_not_reported() {
    let (vcan, other) = (Vcan::new(16), Vcan::new(16));
    let mut rx = vcan.open();
    other.down();
    other.delete();
    let mut tx = vcan.open();
    soon(tx.send(frame(1, &[]))).await.unwrap();
    assert!(matches!(next_event(&mut rx).await, Event::Frame(_)));
}
