use core::time::Duration;
use std::vec::Vec;

use can_link::link::{CanRx, CanTx, Capabilities, Echo, EventBuf, FilterPlace, SendError};
use can_link::virtual_bus::{BitRate, BusConfig, PortConfig, VirtualPort};
use can_link::{CanFrame, CanRxExt, CanTxExt, StandardId, VirtualBus};
use csp_core::rt::{Node, Notice, Notices, PingConfig, PingError, RecvError};
use csp_core::{
    Address, Config, ConnectConfig, Event as NodeEvent, InterfaceId, InterfaceName, Netmask, Port,
    SocketConfig, Subnet, Switch,
};

use super::*;
use crate::{Fragmenter, IdOrder, ReassemblyConfig};

mod addresses;
mod recovery;

const SHORT: Duration = Duration::from_millis(100);

fn address(bits: u16) -> Address {
    Address::new(bits).unwrap()
}

fn config(own: u16) -> InterfaceConfig {
    let name = InterfaceName::new("CAN").unwrap();
    InterfaceConfig::new(name, address(own), Netmask::new(8).unwrap()).default_route()
}

/// A node on the bus.
async fn node(bus: &VirtualBus, own: u16) -> Node {
    let node = Node::spawn(Config::default());
    let link = CanInterface::new(bus.join(), &config(own), CanConfig::default()).unwrap();
    node.attach(config(own), link).unwrap();
    node
}

async fn stats(node: &Node) -> csp_core::InterfaceStats {
    node.status().interfaces[1].stats
}

#[tokio::test(start_paused = true)]
async fn two_nodes_ping_each_other_over_a_bus() {
    let bus = VirtualBus::new();
    let (one, two) = (node(&bus, 1).await, node(&bus, 2).await);
    for (from, to) in [(&one, 2), (&two, 1)] {
        let pong = from
            .ping(address(to), PingConfig::default().size(252))
            .await
            .unwrap();
        assert_eq!(pong.from, address(to));
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_takes_as_long_as_its_bits_on_the_bus() {
    let bus = VirtualBus::with_config(BusConfig::default().bit_rate(BitRate::new(125_000).unwrap()));
    let (one, _two) = (node(&bus, 1).await, node(&bus, 2).await);
    let pong = one
        .ping(address(2), PingConfig::default().size(100))
        .await
        .unwrap();
    // 104 bytes are 14 frames each way of some 1 ms each.
    assert!((20..40).contains(&pong.rtt.as_millis()), "{:?}", pong.rtt);
}

#[tokio::test(start_paused = true)]
async fn a_ping_to_nobody_ends_with_its_timeout() {
    let bus = VirtualBus::new();
    let one = node(&bus, 1).await;
    let lost = one.ping(address(9), PingConfig::default().timeout(SHORT)).await;
    assert_eq!(lost, Err(PingError::Timeout { limit: SHORT }));
}

#[tokio::test(start_paused = true)]
async fn a_node_takes_its_addresses_names_and_broadcasts_and_nothing_else() {
    let bus = VirtualBus::new();
    let two = Node::spawn(Config::default());
    let config = config(2).alias(address(300)).map(address(5000), address(7));
    let link = CanInterface::new(bus.join(), &config, CanConfig::default()).unwrap();
    two.attach(config, link).unwrap();
    let mut received = Vec::new();
    let mut sender = bus.join();
    for destination in [2, 300, 63, 16383, 7, 3, 127, 0] {
        let port = |bits| Port::new(bits).unwrap();
        let header = csp_core::Header::new((address(1), port(33)), (address(destination), port(10)));
        for frame in Fragmenter::new(Version::V2, address(1))
            .fragments(&header, None, b"x")
            .unwrap()
        {
            sender.send(frame).await.unwrap();
        }
        tokio::time::sleep(SHORT).await;
        received.push(stats(&two).await.rx);
    }
    assert_eq!(received, [1, 2, 3, 4, 5, 5, 5, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_ping_is_answered_by_every_node() {
    let bus = VirtualBus::new();
    let (one, _two, _three) = (node(&bus, 1).await, node(&bus, 2).await, node(&bus, 3).await);
    let any = ConnectConfig::default().flags(csp_core::Flags::CRC32);
    let mut connection = one.connect(Address::BROADCAST, Port::PING, any).await.unwrap();
    connection.send("who is there?").await.unwrap();
    let mut answers = Vec::new();
    while let Ok(answer) = connection.recv_timeout(SHORT).await {
        answers.push(answer.header.source.to_bits());
    }
    answers.sort_unstable();
    assert_eq!(answers, [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_router_between_two_buses_carries_a_ping() {
    let (left, right) = (VirtualBus::new(), VirtualBus::new());
    let router = Node::spawn(Config::default());
    let promiscuous = CanConfig::default().promiscuous(Switch::On);
    for (name, bus, own) in [("L", &left, 1), ("R", &right, 65)] {
        let name = InterfaceName::new(name).unwrap();
        let config = InterfaceConfig::new(name, address(own), Netmask::new(8).unwrap());
        let link = CanInterface::new(bus.join(), &config, promiscuous).unwrap();
        router.attach(config, link).unwrap();
    }
    let (one, _two) = (node(&left, 2).await, node(&right, 66).await);
    let pong = one.ping(address(66), PingConfig::default()).await.unwrap();
    assert_eq!(pong.from, address(66));
    assert_eq!(router.status().stats.forwarded, 2);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_goes_down_is_told_and_serves_again_when_it_is_up() {
    let bus = VirtualBus::new();
    let (one, _two) = (node(&bus, 1).await, node(&bus, 2).await);
    let mut notices = one.notices();
    bus.set_link(LinkChange::Down);
    assert_link(&mut notices, LinkState::Down).await;
    let down = one.ping(address(2), PingConfig::default().timeout(SHORT)).await;
    assert_eq!(down, Err(PingError::Send(csp_core::SendError::LinkDown)));
    bus.set_link(LinkChange::Up);
    assert_link(&mut notices, LinkState::Up).await;
    assert!(one.ping(address(2), PingConfig::default()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_gone_ends_its_interface_and_not_the_node() {
    let bus = VirtualBus::new();
    let one = node(&bus, 1).await;
    let mut notices = one.notices();
    bus.set_link(LinkChange::Gone);
    assert_link(&mut notices, LinkState::Down).await;
    assert!(one.ping(Address::LOOPBACK, PingConfig::default()).await.is_ok());
}

async fn assert_link(notices: &mut Notices, expected: LinkState) {
    let interface = loop {
        match tokio::time::timeout(SHORT, notices.recv())
            .await
            .unwrap()
            .unwrap()
        {
            Notice::Event(NodeEvent::Link { interface, state }) if state == expected => break interface,
            _ => {}
        }
    };
    assert_ne!(interface, InterfaceId::LOOPBACK);
}

#[tokio::test(start_paused = true)]
async fn a_packet_that_is_never_completed_is_counted_without_further_traffic() {
    let bus = VirtualBus::new();
    let two = node(&bus, 2).await;
    let mut sender = bus.join();
    let port = |bits| Port::new(bits).unwrap();
    let header = csp_core::Header::new((address(1), port(33)), (address(2), port(10)));
    let first = Fragmenter::new(Version::V2, address(1))
        .fragments(&header, None, &[0; 20])
        .unwrap()
        .next()
        .unwrap();
    sender.send(first).await.unwrap();
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(stats(&two).await.drop, 0);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(stats(&two).await.drop, 1);
}

#[tokio::test(start_paused = true)]
async fn traffic_of_others_on_the_bus_does_no_harm() {
    let bus = VirtualBus::new();
    let (one, two) = (node(&bus, 1).await, node(&bus, 2).await);
    let mut noise = bus.join();
    tokio::spawn(async move {
        for byte in (0..=255).cycle() {
            noise
                .send(CanFrame::data(StandardId::ZERO, &[byte; 8]).unwrap())
                .await
                .unwrap();
            noise
                .send(CanFrame::remote(StandardId::MAX, 8).unwrap())
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    for _ in 0..50 {
        one.ping(address(2), PingConfig::default()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    assert_eq!(stats(&two).await.frame, 0);
}

#[tokio::test(start_paused = true)]
async fn frames_lost_by_a_slow_node_are_counted() {
    let bus = VirtualBus::new();
    let link = bus.join_with(PortConfig::default().receive_queue(4));
    let mut link = CanInterface::new(link, &config(2), CanConfig::default()).unwrap();
    let mut sender = bus.join();
    let port = |bits| Port::new(bits).unwrap();
    let header = csp_core::Header::new((address(1), port(33)), (address(2), port(10)));
    let mut fragmenter = Fragmenter::new(Version::V2, address(1));
    for _ in 0..10 {
        for frame in fragmenter.fragments(&header, None, b"x").unwrap() {
            sender.send(frame).await.unwrap();
        }
    }
    let (mut packets, mut lost) = (0, 0);
    while let Ok(Some(Ok(item))) = tokio::time::timeout(SHORT, futures::StreamExt::next(&mut link)).await {
        match item {
            Incoming::Packet(_) => packets += 1,
            Incoming::Discarded {
                reason: DropReason::LinkFull,
                count,
            } => lost += count,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((packets, lost), (4, 6));
}

#[tokio::test(start_paused = true)]
async fn packets_that_become_too_old_at_once_are_all_told() {
    let bus = VirtualBus::new();
    let mut link = CanInterface::new(bus.join(), &config(2), CanConfig::default()).unwrap();
    let mut sender = bus.join();
    let port = |bits| Port::new(bits).unwrap();
    for source in [1, 3, 4] {
        let header = csp_core::Header::new((address(source), port(33)), (address(2), port(10)));
        let mut fragmenter = Fragmenter::new(Version::V2, address(source));
        let mut frames = fragmenter.fragments(&header, None, &[7; 20]).unwrap();
        sender.send(frames.next().unwrap()).await.unwrap();
    }
    for _ in 0..3 {
        let next = futures::StreamExt::next(&mut link);
        let item = tokio::time::timeout(Duration::from_secs(2), next).await;
        assert!(matches!(
            item,
            Ok(Some(Ok(Incoming::Discarded {
                reason: DropReason::LinkStale,
                count: 1
            })))
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_does_not_fit_is_refused() {
    let bus = VirtualBus::new();
    let name = InterfaceName::new("CAN").unwrap();
    let wide = InterfaceConfig::new(name, address(40), Netmask::NONE).version(Version::V1);
    let refused = CanInterface::new(bus.join(), &wide, CanConfig::default()).unwrap_err();
    assert!(matches!(refused, CanInterfaceError::Subnet(_)));
}

/// A port whose link refuses the first frame that it is given.
struct RefusesOnce(VirtualPort, bool);

impl CanRx for RefusesOnce {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        self.0.poll_recv(cx, out, max)
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        self.0.set_filters(filters)
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
}

impl CanTx for RefusesOnce {
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &[CanFrame]) -> Poll<Result<usize, SendError>> {
        if core::mem::replace(&mut self.1, true) {
            self.0.poll_send(cx, frames)
        } else {
            Poll::Ready(Err(SendError::Io(io::ErrorKind::Other.into())))
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.0.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.0.poll_close(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_the_link_refuses_costs_its_packet_and_not_the_next() {
    let bus = VirtualBus::new();
    let (one, two) = (Node::spawn(Config::default()), node(&bus, 2).await);
    let link = RefusesOnce(bus.join(), false);
    let link = CanInterface::new(link, &config(1), CanConfig::default()).unwrap();
    one.attach(config(1), link).unwrap();
    let port = Port::new(10).unwrap();
    let mut socket = two.bind(port, SocketConfig::default()).unwrap();
    let client = one
        .connect(address(2), port, ConnectConfig::default())
        .await
        .unwrap();
    let all = ["one", "two", "three"].map(|payload| client.send(payload));
    assert!(futures::future::join_all(all).await.iter().all(Result::is_ok));
    let mut got = Vec::new();
    while let Ok(message) = socket.recv_from_timeout(SHORT).await {
        got.push(message.payload);
    }
    assert_eq!(got, ["two", "three"]);
    assert_eq!(stats(&one).await.tx_error, 1);
}

/// A node that speaks version 1.
async fn v1_node(bus: &VirtualBus, own: u16, can: CanConfig) -> Node {
    let name = InterfaceName::new("CAN").unwrap();
    let config = InterfaceConfig::new(name, address(own), Netmask::new(2).unwrap());
    let config = config.version(Version::V1).default_route();
    let node = Node::spawn(Config::default());
    let link = CanInterface::new(bus.join(), &config, can).unwrap();
    node.attach(config, link).unwrap();
    node
}

#[tokio::test(start_paused = true)]
async fn nodes_of_version_1_ping_each_other_if_their_identifiers_agree() {
    let swapped = CanConfig::default().id_order(IdOrder::DestinationFirst);
    for can in [CanConfig::default(), swapped] {
        let bus = VirtualBus::new();
        let (one, _two) = (v1_node(&bus, 1, can).await, v1_node(&bus, 2, can).await);
        assert!(one.ping(address(2), PingConfig::default()).await.is_ok());
        assert!(
            one.ping(address(7), PingConfig::default()).await.is_ok(),
            "the subnet broadcast"
        );
    }
    let bus = VirtualBus::new();
    let one = v1_node(&bus, 1, CanConfig::default()).await;
    let _two = v1_node(&bus, 2, swapped).await;
    assert!(
        one.ping(address(2), PingConfig::default().timeout(SHORT))
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn cfp_1_reaches_a_router_by_its_address() {
    let (left, right) = (VirtualBus::new(), VirtualBus::new());
    let router = Node::spawn(Config::default());
    for (name, bus, own) in [("L", &left, 1), ("R", &right, 9)] {
        let name = InterfaceName::new(name).unwrap();
        let config = InterfaceConfig::new(name, address(own), Netmask::new(2).unwrap()).version(Version::V1);
        let link = CanInterface::new(bus.join(), &config, CanConfig::default()).unwrap();
        router.attach(config, link).unwrap();
    }
    let one = v1_node(&left, 2, CanConfig::default()).await;
    let two = v1_node(&right, 10, CanConfig::default()).await;
    for (node, network, via) in [(&one, 8, 1), (&two, 0, 9)] {
        let subnet = Subnet::new(Version::V1, address(network), Netmask::new(2).unwrap()).unwrap();
        let interface = node.status().interfaces[1].id;
        node.add_route(csp_core::Route {
            subnet,
            interface,
            via: Some(address(via)),
        })
        .unwrap();
    }
    assert!(one.ping(address(10), PingConfig::default()).await.is_ok());
    assert_eq!(router.status().stats.forwarded, 2);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_of_many_packets_arrives_whole_and_in_order() {
    let bus = VirtualBus::new();
    let (one, two) = (node(&bus, 1).await, node(&bus, 2).await);
    let port = Port::new(10).unwrap();
    let mut listener = two.listen(port, SocketConfig::default()).unwrap();
    let reader = tokio::spawn(async move {
        let mut connection = listener.accept().await.unwrap();
        let mut got = Vec::new();
        loop {
            match connection.recv_timeout(SHORT).await {
                Ok(message) => got.push(message.payload),
                Err(RecvError::Timeout { .. }) => return got,
                Err(error) => panic!("{error}"),
            }
        }
    });
    let client = one
        .connect(address(2), port, ConnectConfig::default())
        .await
        .unwrap();
    for n in 0..200_u8 {
        client.send(std::vec![n; usize::from(n)]).await.unwrap();
    }
    let got = reader.await.unwrap();
    assert_eq!(got.len(), 200);
    assert!(
        (0..200)
            .zip(&got)
            .all(|(n, payload)| payload == &std::vec![n; usize::from(n)])
    );
}

#[tokio::test(start_paused = true)]
async fn the_frames_on_the_bus_are_those_of_the_peers() {
    let bus = VirtualBus::new();
    let mut tap = bus.join();
    let one = Node::spawn(Config::default());
    let own = config(5573);
    let link = CanInterface::new(bus.join(), &own, CanConfig::default()).unwrap();
    one.attach(own, link).unwrap();
    let local = ConnectConfig::default()
        .local_port(Port::new(63).unwrap())
        .priority(csp_core::Priority::Critical);
    let client = one
        .connect(address(3085), Port::new(46).unwrap(), local)
        .await
        .unwrap();
    let payload = b"\x4b\x4c\xc8\x9e\x20\x6b\x62\x1a\x6b\x51\xaa\xa3\xdf";
    client.send(&payload[..]).await.unwrap();
    // Captured from libcsp 2.1.
    let expected: [(u32, &[u8]); 3] = [
        (0x0181_a282, b"\x57\x16\xef\xc0\x4b\x4c\xc8\x9e"),
        (0x0181_a284, b"\x20\x6b\x62\x1a\x6b\x51\xaa\xa3"),
        (0x0181_a289, b"\xdf"),
    ];
    for (id, data) in expected {
        let frame = tap.recv_frame().await.unwrap().unwrap().frame;
        assert_eq!((frame.id_word() & 0x1FFF_FFFF, frame.payload()), (id, data));
    }
}
