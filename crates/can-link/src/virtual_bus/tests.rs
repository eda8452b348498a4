use core::time::Duration;
use std::time::SystemTime;
use std::vec::Vec;

use embedded_can::StandardId;
use futures::FutureExt;

use super::*;
use crate::error_frame::{BusState, ErrorClasses, ErrorFrame};
use crate::filter::{Filter, FilterSet};
use crate::frame::{CanFrame, FdFlags};
use crate::link::{CanRx, CanRxExt, CanTxExt, DropReason, Event, LinkChange, Origin, SendError};

fn frame(raw: u16) -> CanFrame {
    CanFrame::data(StandardId::new(raw).unwrap(), &[]).unwrap()
}

/// Ids of the frames that are there now.
fn ids(port: &mut VirtualPort) -> Vec<u32> {
    let mut ids = Vec::new();
    while let Some(Ok(Some(received))) = port.recv_frame().now_or_never() {
        ids.push(received.frame.id_word());
    }
    ids
}

#[tokio::test]
async fn a_frame_reaches_every_port_but_its_sender() {
    let bus = VirtualBus::new();
    let (mut a, mut b, mut c) = (bus.join(), bus.join(), bus.join());
    a.send(frame(1)).await.unwrap();
    assert_eq!(
        (ids(&mut a), ids(&mut b), ids(&mut c)),
        (Vec::new(), [1].to_vec(), [1].to_vec())
    );
}

#[tokio::test]
async fn an_echo_comes_back_as_own_and_confirms_the_transmission() {
    let bus = VirtualBus::new();
    let mut a = bus.join_with(PortConfig::default().echo(Echo::On)).into_link();
    let mut b = bus.join();
    b.send(frame(7)).await.unwrap();
    let echo = a.send_confirmed(frame(1)).await.unwrap();
    assert_eq!(echo.origin, Origin::Own);
    let other = a.recv_frame().await.unwrap().unwrap();
    assert_eq!(
        (other.origin, other.frame),
        (Origin::Bus, frame(7)),
        "kept while the echo was awaited"
    );
    let mut without = bus.join().into_link();
    assert!(matches!(
        without.send_confirmed(frame(1)).await,
        Err(SendError::Unsupported { .. })
    ));
}

#[tokio::test]
async fn a_late_joiner_sees_nothing_of_the_past() {
    let bus = VirtualBus::new();
    let mut a = bus.join();
    a.send(frame(1)).await.unwrap();
    assert!(ids(&mut bus.join()).is_empty());
}

#[tokio::test]
async fn filters_decide_what_a_port_receives() {
    let bus = VirtualBus::new();
    let (mut a, mut b) = (bus.join(), bus.join());
    b.set_filters(&FilterSet::any([Filter::id(StandardId::new(2).unwrap().into())]))
        .unwrap();
    for raw in 1..=3 {
        a.send(frame(raw)).await.unwrap();
    }
    assert_eq!(ids(&mut b), [2]);
}

#[tokio::test]
async fn a_full_receive_queue_loses_the_newest_for_that_port_alone_and_tells_how_many() {
    let bus = VirtualBus::new();
    let mut a = bus.join();
    let mut small = bus.join_with(PortConfig::default().receive_queue(2));
    let mut large = bus.join();
    for raw in 1..=5 {
        a.send(frame(raw)).await.unwrap();
    }
    assert_eq!(ids(&mut large), [1, 2, 3, 4, 5]);
    let mut events = Vec::new();
    while let Some(Ok(Some(event))) = small.recv().now_or_never() {
        events.push(match event {
            Event::Frame(received) => received.frame.id_word(),
            Event::Dropped {
                count: 3,
                reason: DropReason::ReceiveQueueFull,
            } => 999,
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(events, [1, 2, 999]);
    assert_eq!(bus.stats().dropped, 3);
    a.send(frame(6)).await.unwrap();
    assert_eq!(ids(&mut small), [6], "works on after a loss");
}

#[tokio::test]
async fn a_blocking_receiver_holds_the_bus_and_arbitration_orders_what_waits() {
    let bus = VirtualBus::new();
    let (mut a, mut b) = (bus.join(), bus.join());
    let mut slow = bus.join_with(PortConfig::default().receive_queue(1).overflow(Overflow::Block));
    a.send(frame(0x300)).await.unwrap();
    a.send(frame(0x200)).await.unwrap(); // waits in its transmit queue
    b.send(frame(0x100)).await.unwrap(); // waits too, and wins
    assert_eq!(ids(&mut slow), [0x300, 0x100, 0x200]);
}

#[tokio::test]
async fn a_full_transmit_queue_is_back_pressure_for_that_sender_alone() {
    let bus = VirtualBus::new();
    let mut a = bus.join_with(PortConfig::default().transmit_queue(1));
    let mut b = bus.join();
    let mut slow = bus.join_with(PortConfig::default().receive_queue(1).overflow(Overflow::Block));
    a.send(frame(1)).await.unwrap();
    a.send(frame(2)).await.unwrap();
    assert!(a.send(frame(3)).now_or_never().is_none(), "queue of one is full");
    b.send(frame(4))
        .now_or_never()
        .expect("another sender has its own queue")
        .unwrap();
    assert_eq!(ids(&mut slow), [1, 2, 4], "a cancelled send took nothing");
}

#[tokio::test(start_paused = true)]
async fn a_paced_bus_takes_the_time_of_the_bits_and_stamps_exactly() {
    let rate = BitRate::new(500_000).unwrap();
    let bus = VirtualBus::with_config(BusConfig::default().bit_rate(rate).epoch(SystemTime::UNIX_EPOCH));
    let (mut a, mut b) = (bus.join(), bus.join());
    let one = frame_duration(&frame(1), rate);
    let receiver = tokio::spawn(async move {
        let first = b.recv_frame().await.unwrap().unwrap();
        let second = b.recv_frame().await.unwrap().unwrap();
        (first.time, second.time)
    });
    a.send_all(&[frame(1), frame(1)]).await.unwrap();
    let before = tokio::time::Instant::now();
    a.flush().await.unwrap();
    assert!(before.elapsed() >= 2 * one, "a flush waits for the wire");
    let (first, second) = receiver.await.unwrap();
    assert_eq!(second.monotonic - first.monotonic, one);
    assert_eq!(
        second.host.duration_since(SystemTime::UNIX_EPOCH).unwrap(),
        2 * one
    );
    assert_eq!(bus.stats().busy, 2 * one);
}

#[tokio::test(start_paused = true)]
async fn on_a_paced_bus_the_lowest_identifier_goes_next() {
    let bus = VirtualBus::with_config(BusConfig::default().bit_rate(BitRate::new(125_000).unwrap()));
    let (mut a, mut b, mut c, mut seen) = (bus.join(), bus.join(), bus.join(), bus.join());
    a.send(frame(0x400)).await.unwrap(); // on the wire at once
    c.send(frame(0x300)).await.unwrap();
    b.send_all(&[frame(0x200), frame(0x100)]).await.unwrap(); // a queue keeps its order
    c.flush().await.unwrap();
    assert_eq!(ids(&mut seen), [0x400, 0x200, 0x100, 0x300]);
}

#[tokio::test]
async fn frames_the_bus_cannot_carry_are_refused_before_any_is_sent() {
    let bus = VirtualBus::with_config(BusConfig::default().classic_only());
    let (mut a, mut b) = (bus.join(), bus.join());
    let fd = CanFrame::fd(StandardId::ZERO, &[0; 12], FdFlags::NONE).unwrap();
    let error = a.send(fd.clone()).await.unwrap_err();
    assert!(
        matches!(
            error,
            SendError::Unsupported {
                what: "CAN FD frames"
            }
        ),
        "{error}"
    );
    assert!(a.send_all(&[frame(1), fd, frame(2)]).await.is_err());
    assert_eq!(ids(&mut b), [1], "what came before the refused frame was sent");
}

#[tokio::test]
async fn a_link_that_goes_down_and_up_works_again() {
    let bus = VirtualBus::new();
    let (mut a, mut b) = (bus.join(), bus.join());
    bus.set_link(LinkChange::Down);
    assert!(matches!(a.send(frame(1)).await, Err(SendError::Down)));
    bus.set_link(LinkChange::Up);
    a.send(frame(2)).await.unwrap();
    assert_eq!(b.recv().await.unwrap(), Some(Event::Link(LinkChange::Down)));
    assert_eq!(b.recv().await.unwrap(), Some(Event::Link(LinkChange::Up)));
    assert_eq!(ids(&mut b), [2]);
}

#[tokio::test]
async fn a_link_that_disappears_while_waited_for_wakes_both_halves_and_ends() {
    let bus = VirtualBus::new();
    let (mut rx, mut tx) = bus.join().split();
    let waiting = tokio::spawn(async move {
        let first = rx.recv().await.unwrap();
        (first, rx.recv().await.unwrap())
    });
    tokio::task::yield_now().await;
    bus.set_link(LinkChange::Gone);
    assert_eq!(
        waiting.await.unwrap(),
        (Some(Event::Link(LinkChange::Gone)), None)
    );
    assert!(matches!(tx.send(frame(1)).await, Err(SendError::Gone)));
}

#[tokio::test]
async fn injected_errors_are_reports_and_drive_the_state() {
    let bus = VirtualBus::new();
    let (mut a, mut b) = (bus.join(), bus.join());
    bus.inject_error(ErrorFrame::new(ErrorClasses::from_bits(0x004), &[0, 0x30]));
    assert!(matches!(b.recv().await.unwrap(), Some(Event::BusError(_))));
    assert_eq!(b.recv().await.unwrap(), Some(Event::State(BusState::Passive)));
    a.set_state(BusState::BusOff);
    assert!(matches!(a.send(frame(1)).await, Err(SendError::BusOff)));
    a.set_state(BusState::Active);
    a.send(frame(1)).await.unwrap();
    assert_eq!(ids(&mut b), [1]);
}

#[tokio::test]
async fn a_name_is_one_bus_while_somebody_holds_it() {
    let mut a = VirtualBus::named("registry-test").join();
    let mut b = VirtualBus::named("registry-test").join();
    let mut other = VirtualBus::named("registry-test-other").join();
    a.send(frame(1)).await.unwrap();
    assert_eq!((ids(&mut b), ids(&mut other)), ([1].to_vec(), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_port_that_leaves_with_frames_queued_is_counted() {
    let bus = VirtualBus::with_config(BusConfig::default().bit_rate(BitRate::new(10_000).unwrap()));
    let mut a = bus.join();
    a.send_all(&[frame(1), frame(2), frame(3)]).await.unwrap();
    drop(a);
    assert_eq!(bus.stats().lost_in_queue, 2, "one was on the wire");
    tokio::time::advance(Duration::from_secs(1)).await;
    drop(bus.join());
    assert_eq!(bus.stats().frames, 1);
}

#[tokio::test(start_paused = true)]
async fn on_a_paced_bus_a_receiver_of_the_second_frame_is_woken_in_time() {
    let rate = BitRate::new(125_000).unwrap();
    let bus = VirtualBus::with_config(BusConfig::default().bit_rate(rate));
    let (mut a, mut b) = (bus.join(), bus.join());
    b.set_filters(&FilterSet::any([Filter::id(
        StandardId::new(0x200).unwrap().into(),
    )]))
    .unwrap();
    let start = tokio::time::Instant::now();
    let waiting = tokio::spawn(async move { b.recv_frame().await.unwrap().unwrap() });
    tokio::task::yield_now().await;
    a.send_all(&[frame(0x100), frame(0x200)]).await.unwrap(); // nobody wants the first
    waiting.await.unwrap();
    let both = frame_duration(&frame(0x100), rate) + frame_duration(&frame(0x200), rate);
    assert!(
        start.elapsed() < both + Duration::from_millis(2),
        "{:?}",
        start.elapsed()
    );
}

/// A port with one frame on a held bus and one in its queue.
async fn held(bus: &VirtualBus) -> (VirtualPort, VirtualPort) {
    let mut a = bus.join();
    let block = bus.join_with(PortConfig::default().receive_queue(1).overflow(Overflow::Block));
    a.send_all(&[frame(1), frame(2)]).await.unwrap();
    (a, block)
}

#[tokio::test]
async fn bus_off_forgets_the_queue_counts_it_and_fails_the_flush() {
    for inject in [true, false] {
        let bus = VirtualBus::new();
        let (a, mut block) = held(&bus).await;
        let (mut rx, mut tx) = a.split();
        let flush = tokio::spawn(async move { (tx.flush().await, tx) });
        tokio::task::yield_now().await;
        if inject {
            bus.inject_error(ErrorFrame::new(ErrorClasses::from_bits(0x040), &[]));
            assert!(matches!(rx.recv().await.unwrap(), Some(Event::BusError(_))));
        } else {
            rx.set_state(BusState::BusOff);
        }
        let (flushed, mut tx) = flush.await.unwrap();
        assert!(matches!(flushed, Err(SendError::BusOff)), "{flushed:?}");
        assert_eq!(bus.stats().lost_in_queue, 1);
        assert_eq!(rx.recv().await.unwrap(), Some(Event::State(BusState::BusOff)));
        assert!(matches!(tx.send(frame(3)).await, Err(SendError::BusOff)));
        assert_eq!(ids(&mut block), [1]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_on_the_wire_when_the_interface_goes_down_is_lost_and_told_by_the_flush() {
    let bus = VirtualBus::with_config(BusConfig::default().bit_rate(BitRate::new(125_000).unwrap()));
    let (mut a, mut b) = (bus.join(), bus.join());
    a.send_all(&[frame(1), frame(2)]).await.unwrap();
    bus.set_link(LinkChange::Down);
    assert_eq!(bus.stats().lost_in_queue, 2);
    bus.set_link(LinkChange::Up);
    a.send(frame(3)).await.unwrap();
    assert!(matches!(a.flush().await, Err(SendError::Down)), "told once");
    a.flush().await.unwrap();
    assert_eq!(ids(&mut b), [3]);
}

#[tokio::test]
async fn a_closed_half_sends_no_more_and_the_other_goes_on() {
    let bus = VirtualBus::new();
    let (mut a, mut b) = (bus.join(), bus.join());
    a.close().await.unwrap();
    assert!(matches!(a.send(frame(1)).await, Err(SendError::Closed)));
    b.send(frame(2)).await.unwrap();
    assert_eq!(ids(&mut a), [2]);
}

#[tokio::test]
async fn a_blocking_port_that_no_longer_wants_the_frame_frees_the_bus() {
    let bus = VirtualBus::new();
    let mut seen = bus.join();
    let (_a, mut block) = held(&bus).await;
    assert_eq!(ids(&mut seen), [1]);
    let waiting = tokio::spawn(async move { seen.recv_frame().await.unwrap().unwrap() });
    tokio::task::yield_now().await;
    block.set_filters(&FilterSet::any([])).unwrap();
    assert_eq!(waiting.await.unwrap().frame, frame(2));
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_waits_for_the_frame_itself_not_for_an_equal_one_before_it() {
    let bus = VirtualBus::with_config(BusConfig::default().bit_rate(BitRate::new(1_000).unwrap()));
    let mut link = bus.join_with(PortConfig::default().echo(Echo::On)).into_link();
    link.send(frame(1)).await.unwrap();
    link.send_confirmed(frame(1)).await.unwrap();
    assert_eq!(bus.stats().frames, 2);
    assert!(
        matches!(link.recv().await.unwrap(), Some(Event::Frame(_))),
        "the first echo is kept"
    );
}

#[tokio::test]
async fn a_confirmation_that_cannot_come_is_an_error_instead_of_a_wait() {
    let bus = VirtualBus::new();
    let mut link = bus.join_with(PortConfig::default().echo(Echo::On)).into_link();
    let _block = bus.join_with(PortConfig::default().receive_queue(1).overflow(Overflow::Block));
    link.send(frame(1)).await.unwrap();
    assert!(
        link.send_confirmed(frame(2)).now_or_never().is_none(),
        "the bus is held"
    );
    bus.set_link(LinkChange::Down);
    bus.set_link(LinkChange::Up);
    let confirmed = link.send_confirmed(frame(2)).await;
    assert!(matches!(confirmed, Err(SendError::Down)), "{confirmed:?}");
    link.set_filters(&FilterSet::any([Filter::id(StandardId::new(9).unwrap().into())]))
        .unwrap();
    assert!(matches!(
        link.send_confirmed(frame(2)).await,
        Err(SendError::Unsupported { .. })
    ));
}
