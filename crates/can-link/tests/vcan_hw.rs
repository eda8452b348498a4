//! Two emulated controllers on one bus: what a virtual interface cannot show.
#![cfg(all(feature = "linux", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod kernel;

use core::time::Duration;

use can_link::error_frame::BusState;
use can_link::link::{Echo, LinkChange, Origin, OwnEcho};
use can_link::linux::{IsoTpOptions, RawOptions, RawSocket};
use can_link::{CanRx, CanRxExt, CanTxExt, Event, SendError};
use kernel::{collect, frame, id, interface, next_event, next_frame, number_of, numbered, run, soon};

/// The controllers, stopped and started, so that no test inherits another's state.
fn controllers() -> (String, String) {
    let (one, two) = (interface("CAN_HW0"), interface("CAN_HW1"));
    for name in [&one, &two] {
        restart(name, 500_000);
    }
    (one, two)
}

fn restart(name: &str, bitrate: u32) {
    run(&format!("ip link set dev {name} down"));
    run(&format!("ip link set dev {name} type can bitrate {bitrate}"));
    run(&format!("ip link set dev {name} up"));
}

fn open(name: &str) -> RawSocket {
    RawOptions::new().open(name).unwrap()
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn frames_from_the_bus_are_told_from_those_of_this_host() {
    let (one, two) = controllers();
    let (mut sender, mut beside, mut across) = (open(&one), open(&one), open(&two));
    soon(sender.send(frame(0x10, &[1, 2, 3]))).await.unwrap();
    let received = soon(across.recv_frame()).await.unwrap().unwrap();
    assert_eq!(
        (received.frame, received.origin),
        (frame(0x10, &[1, 2, 3]), Origin::Bus)
    );
    let received = soon(beside.recv_frame()).await.unwrap().unwrap();
    assert_eq!(
        (received.frame, received.origin),
        (frame(0x10, &[1, 2, 3]), Origin::LocalHost)
    );
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn an_own_echo_confirms_the_transmission() {
    let (one, two) = controllers();
    let link = RawOptions::new().own_messages(Echo::On).open(one).unwrap();
    let mut across = open(&two);
    assert_eq!(link.capabilities().own_echo, OwnEcho::OnWire);
    assert_eq!(link.capabilities().max_data, 8, "a classic controller");
    let mut link = link.into_link();
    for number in 0..20 {
        let echo = soon(link.send_confirmed(numbered(0x20, number))).await.unwrap();
        assert_eq!((number_of(&echo.frame), echo.origin), (number, Origin::Own));
        assert_eq!(number_of(&next_frame(&mut across).await), number);
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_burst_is_held_back_by_the_controller_and_goes_out_whole() {
    let (one, two) = controllers();
    // At 50 kbit/s a frame takes 2 ms; the queue of the interface has room for ten.
    for name in [&one, &two] {
        restart(name, 50_000);
    }
    let link = RawOptions::new().own_messages(Echo::On).open(one).unwrap();
    let (mut echoes, mut tx) = link.split();
    let sender = tokio::spawn(async move {
        let sent: Vec<_> = (0..200).map(|number| numbered(0x30, number)).collect();
        tx.send_all(&sent).await
    });
    // The receiver's queue overruns in the emulation, so the sender's own echoes count what was on the wire.
    let numbers: Vec<_> = collect(&mut echoes, 200).await.iter().map(number_of).collect();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    sender.await.unwrap().unwrap();
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn paced_frames_cross_the_bus_both_ways() {
    let (one, two) = controllers();
    let (mut here, mut there) = (open(&one), open(&two));
    for number in 0..100 {
        soon(here.send(numbered(0x40, number))).await.unwrap();
        let arrived = next_frame(&mut there).await;
        assert_eq!(number_of(&arrived), number);
        soon(there.send(numbered(0x41, number))).await.unwrap();
        assert_eq!(number_of(&next_frame(&mut here).await), number);
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_controller_that_is_stopped_refuses_and_works_again_when_started() {
    let (one, two) = controllers();
    let (mut rx, mut tx) = open(&one).split();
    run(&format!("ip link set dev {one} down"));
    let change = soon(rx.recv()).await.unwrap();
    assert_eq!(change, Some(Event::Link(LinkChange::Down)));
    let refused = soon(tx.send(frame(1, &[]))).await;
    assert!(matches!(refused, Err(SendError::Down)), "{refused:?}");
    run(&format!("ip link set dev {one} type can bitrate 250000"));
    restart(&two, 250_000);
    run(&format!("ip link set dev {one} up"));
    assert_eq!(soon(rx.recv()).await.unwrap(), Some(Event::Link(LinkChange::Up)));
    let mut across = open(&two);
    soon(tx.send(frame(2, &[2]))).await.unwrap();
    assert_eq!(next_frame(&mut across).await, frame(2, &[2]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn the_state_of_a_controller_is_known_from_the_start() {
    let (one, _) = controllers();
    let (rx, tx) = open(&one).split();
    assert_eq!(rx.bus_state(), BusState::Active);
    assert_eq!(tx.bus_state(), BusState::Active);
    let (rx, _) = open(&interface("VCAN0")).split();
    assert_eq!(
        rx.bus_state(),
        BusState::Unknown,
        "a virtual interface has no controller"
    );
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_controller_that_calls_itself_healthy_is_not_refused_for_a_report() {
    let (one, two) = controllers();
    let (mut rx, mut tx) = open(&one).split();
    // The emulation never fails to send; a report of the driver's kind, looped back by the interface, stands
    // in for one whose restart was never heard of.
    let mut fault = open(&one);
    let report = |classes| {
        can_link::error_frame::ErrorFrame::new(can_link::error_frame::ErrorClasses::from_bits(classes), &[])
    };
    fault.inject_error(&report(0x040)).unwrap();
    while next_event(&mut rx).await != Event::State(BusState::BusOff) {}
    let mut across = open(&two);
    // The sender hears of it by a socket of its own, perhaps a moment later.
    for number in 0..10 {
        soon(tx.send(numbered(3, number))).await.unwrap();
        assert_eq!(number_of(&next_frame(&mut across).await), number);
    }
    assert_eq!(tx.bus_state(), BusState::Active);

    run(&format!("ip link set dev {one} down"));
    run(&format!("ip link set dev {one} up"));
    while next_event(&mut rx).await != Event::Link(LinkChange::Up) {}
    soon(tx.send(frame(4, &[4]))).await.unwrap();
    while next_frame(&mut across).await != frame(4, &[4]) {}
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn kernel_iso_tp_crosses_the_bus() {
    let (one, two) = controllers();
    // Some distance between frames, or the emulated receiver overruns.
    let paced = |rx, tx| IsoTpOptions::new(id(rx), id(tx)).frame_txtime(Duration::from_millis(2));
    let mut here = paced(0x7E8, 0x7E0).bind(&one).unwrap();
    let mut there = paced(0x7E0, 0x7E8).bind(&two).unwrap();
    for len in [1, 7, 8, 62, 400] {
        let message: Vec<u8> = (0..=250).cycle().take(len).collect();
        soon(here.send(&message)).await.unwrap();
        assert_eq!(soon(there.recv()).await.unwrap(), message);
        soon(here.flush()).await.unwrap();
    }
}
