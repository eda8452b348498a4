use std::vec::Vec;

use embedded_can::StandardId;

use super::*;
use crate::filter::{Filter, FilterSet};
use crate::frame::{CanFrame, FdFlags};
use crate::link::{CanRx, CanRxExt, CanTxExt, DropReason, Event, LinkChange, Origin, SendError};
use crate::virtual_bus::{BitRate, BusConfig, Echo, PortConfig, VirtualBus, VirtualPort};

fn frame(raw: u16) -> CanFrame {
    CanFrame::data(StandardId::new(raw).unwrap(), &[]).unwrap()
}

async fn id(port: &mut (impl CanRx + ?Sized)) -> (u32, Origin) {
    let received = port.recv_frame().await.unwrap().unwrap();
    (received.frame.id_word(), received.origin)
}

fn hub() -> (VirtualBus, VirtualPort, Hub) {
    let bus = VirtualBus::new();
    let hub = Hub::new(bus.join().into_link());
    let outside = bus.join();
    (bus, outside, hub)
}

#[tokio::test]
async fn ports_share_the_link_and_see_each_other() {
    let (_bus, mut outside, hub) = hub();
    let (mut a, mut b) = (hub.join(), hub.join_with(HubPortConfig::default().echo(Echo::On)));
    outside.send(frame(1)).await.unwrap();
    assert_eq!(
        (id(&mut a).await, id(&mut b).await),
        ((1, Origin::Bus), (1, Origin::Bus))
    );
    b.send(frame(2)).await.unwrap();
    assert_eq!(id(&mut outside).await, (2, Origin::Bus));
    assert_eq!(id(&mut a).await, (2, Origin::LocalHost));
    assert_eq!(id(&mut b).await, (2, Origin::Own));
    a.send(frame(3)).await.unwrap();
    a.flush().await.unwrap();
    assert_eq!(
        id(&mut b).await,
        (3, Origin::LocalHost),
        "without an echo of its own for a"
    );
    outside.send(frame(4)).await.unwrap();
    assert_eq!(id(&mut a).await, (4, Origin::Bus));
}

#[tokio::test]
async fn echoes_of_the_link_go_to_the_port_that_sent_the_frame() {
    let bus = VirtualBus::new();
    let hub = Hub::new(bus.join_with(PortConfig::default().echo(Echo::On)).into_link());
    let config = HubPortConfig::default().echo(Echo::On);
    let (mut a, mut b) = (hub.join_with(config), hub.join_with(config));
    a.send(frame(1)).await.unwrap();
    b.send(frame(1)).await.unwrap();
    assert_eq!(
        (id(&mut a).await, id(&mut a).await),
        ((1, Origin::Own), (1, Origin::LocalHost))
    );
    assert_eq!(
        (id(&mut b).await, id(&mut b).await),
        ((1, Origin::LocalHost), (1, Origin::Own))
    );
}

#[tokio::test]
async fn each_port_has_its_own_filters() {
    let (_bus, mut outside, hub) = hub();
    let (mut a, mut b) = (hub.join(), hub.join());
    let only = |raw| FilterSet::any([Filter::id(StandardId::new(raw).unwrap().into())]);
    a.set_filters(&only(1)).unwrap();
    b.set_filters(&only(2)).unwrap();
    tokio::task::yield_now().await; // lets the task set the link's filters
    outside.send_all(&[frame(3), frame(2), frame(1)]).await.unwrap();
    assert_eq!((id(&mut a).await.0, id(&mut b).await.0), (1, 2));
}

#[tokio::test]
async fn a_port_that_does_not_read_loses_its_own_frames_and_slows_nobody() {
    let (_bus, mut outside, hub) = hub();
    let mut slow = hub.join_with(HubPortConfig::default().receive_queue(1));
    let mut fast = hub.join();
    for raw in 1..=10 {
        outside.send(frame(raw)).await.unwrap();
        assert_eq!(id(&mut fast).await.0, u32::from(raw));
    }
    assert_eq!(id(&mut slow).await.0, 1);
    let lost = Event::Dropped {
        count: 9,
        reason: DropReason::ReceiveQueueFull,
    };
    assert_eq!(slow.recv().await.unwrap(), Some(lost));
}

#[tokio::test]
async fn ports_take_turns_in_sending() {
    let (_bus, mut outside, hub) = hub();
    let (mut a, mut b) = (hub.join(), hub.join());
    // no await between them: both queues are full when the task runs
    let many: Vec<_> = (0..40).map(|_| frame(0x100)).collect();
    a.send_all(&many).await.unwrap();
    b.send_all(&[frame(0x200), frame(0x200)]).await.unwrap();
    let mut order = Vec::new();
    for _ in 0..5 {
        order.push(id(&mut outside).await.0);
    }
    let second = order.iter().filter(|&&id| id == 0x200).count();
    assert_eq!(second, 2, "{order:x?}: two frames of b among the first five");
}

#[tokio::test]
async fn a_refused_frame_is_told_to_its_sender_alone() {
    let bus = VirtualBus::with_config(BusConfig::default().classic_only());
    let hub = Hub::new(bus.join().into_link());
    let (mut a, mut b) = (hub.join(), hub.join());
    let fd = CanFrame::fd(StandardId::ZERO, &[0; 64], FdFlags::NONE).unwrap();
    assert!(matches!(a.send(fd).await, Err(SendError::Unsupported { .. })));
    bus.set_link(LinkChange::Down);
    a.send(frame(1)).await.unwrap(); // queued
    assert!(matches!(a.flush().await, Err(SendError::Down)));
    b.flush().await.unwrap();
    bus.set_link(LinkChange::Up);
    a.send(frame(2)).await.unwrap();
    a.flush().await.unwrap();
}

#[tokio::test]
async fn when_the_link_goes_every_port_ends() {
    let (bus, _outside, hub) = hub();
    let (mut a, mut b) = (hub.join(), hub.join());
    let waiting = tokio::spawn(async move { (a.recv().await.unwrap(), a.recv().await.unwrap()) });
    tokio::task::yield_now().await;
    bus.set_link(LinkChange::Gone);
    assert_eq!(
        waiting.await.unwrap(),
        (Some(Event::Link(LinkChange::Gone)), None)
    );
    assert!(b.send(frame(1)).await.is_err());
}

#[tokio::test]
async fn the_link_is_released_with_the_last_port() {
    let (bus, mut outside, hub) = hub();
    let mut port = hub.join();
    drop(hub);
    port.send(frame(1)).await.unwrap();
    assert_eq!(id(&mut outside).await.0, 1, "a port keeps the hub alive");
    port.send_all(&[frame(2), frame(3)]).await.unwrap();
    drop(port); // the task drops its own port on the bus, after which the outside is alone
    tokio::task::yield_now().await;
    assert_eq!(
        bus.stats().frames,
        1,
        "frames that were queued are lost with the port"
    );
    assert_eq!(bus.len(), 1);
}

#[tokio::test]
async fn each_refused_frame_is_told_once() {
    let (bus, _outside, hub) = hub();
    let mut port = hub.join();
    bus.set_link(LinkChange::Down);
    port.send_all(&[frame(1), frame(2), frame(3)]).await.unwrap();
    for _ in 0..3 {
        assert!(matches!(port.flush().await, Err(SendError::Down)));
    }
    port.flush().await.unwrap();
    assert_eq!(hub.stats().refused, 3);
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_fails_is_told_to_those_who_sent() {
    let bus = VirtualBus::with_config(BusConfig::default().bit_rate(BitRate::new(1_000).unwrap()));
    let hub = Hub::new(bus.join().into_link());
    let (mut a, mut b) = (hub.join(), hub.join());
    a.send(frame(1)).await.unwrap();
    tokio::task::yield_now().await; // the link takes it
    bus.set_link(LinkChange::Down);
    assert!(matches!(a.flush().await, Err(SendError::Down)));
    b.flush().await.unwrap();
}

#[tokio::test]
async fn halves_of_a_port_share_its_membership() {
    let (_bus, mut outside, hub) = hub();
    let (mut rx, mut tx) = hub.join().split();
    tx.send(frame(1)).await.unwrap();
    tx.close().await.unwrap();
    assert!(matches!(tx.send(frame(2)).await, Err(SendError::Closed)));
    drop(tx);
    assert_eq!(id(&mut outside).await.0, 1);
    outside.send(frame(3)).await.unwrap();
    assert_eq!(id(&mut rx).await.0, 3);
}

#[tokio::test]
async fn an_echo_that_no_filter_lets_in_is_not_awaited() {
    let bus = VirtualBus::new();
    let hub = Hub::new(bus.join_with(PortConfig::default().echo(Echo::On)).into_link());
    let (mut a, mut b) = (hub.join(), hub.join_with(HubPortConfig::default().echo(Echo::On)));
    let only = FilterSet::any([Filter::id(StandardId::new(9).unwrap().into())]);
    a.set_filters(&only).unwrap();
    b.set_filters(&only).unwrap();
    a.send(frame(1)).await.unwrap();
    a.flush().await.unwrap();
    b.set_filters(&FilterSet::default()).unwrap();
    b.send(frame(1)).await.unwrap();
    assert_eq!(
        id(&mut b).await,
        (1, Origin::Own),
        "not taken for the echo of the first"
    );
}

#[test]
fn ports_end_with_the_runtime_that_served_them() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let mut port = first.block_on(async { Hub::new(VirtualBus::new().join().into_link()).join() });
    drop(first);
    let second = runtime();
    assert!(second.block_on(port.recv()).is_err(), "told that it failed");
    assert_eq!(second.block_on(port.recv()).unwrap(), None);
}
