//! The page for users of csp-py.

use core::error::Error;
use core::time::Duration;
use std::io;

use bytes::Bytes;
use can_link::virtual_bus::{VirtualBus, VirtualPort};
use csp_can::{
    CanConfig, CanInterface, DiscardReason, FragmentError, Fragmenter, IdOrder, Reassembler, ReassemblyConfig,
};
use csp_core::rt::{self, Call, Host, Listener, Node, PingConfig, Serial, Socket, pair};
use csp_core::service::{Service, Services};
use csp_core::{
    Address, BindError, Binding, Config, ConnectConfig, ConnectError, DedupConfig, DedupMode, DropReason,
    Flags, Header, InterfaceConfig, InterfaceError, InterfaceName, Message, Need, Needs, Netmask, Packet,
    Port, Priority, ReplyMatch, Route, RouteDialect, SendError, SocketConfig, Stage, Subnet, Switch,
    TapConfig, Verdict, Version, crc, hmac, xtea,
};
use futures::{Sink, Stream};
use tinwire_time::Instant;

type Failure = Box<dyn Error + Send + Sync>;
type Outcome = Result<(), Failure>;

#[test]
fn the_page_is_compiled() {
    let page = include_str!("../../../docs/coming-from/csp-py.md");
    super::compiled(page, include_str!("csp_py.rs"), 130);
}

mod script {
    use core::time::Duration;

    use csp_core::rt::{Node, PingConfig, pair};
    use csp_core::{Address, Config, ConnectConfig, InterfaceConfig, Port, SocketConfig};

    use super::{Failure, Outcome};

    #[tokio::test(start_paused = true)]
    async fn script() -> Outcome {
        let address = |bits| Address::new(bits).unwrap();
        let interface = |own| format!("PAIR {own}/8").parse::<InterfaceConfig>().unwrap();
        let port = Port::new(20).unwrap();
        // There every port may be bound, and clients have 32 to 63; here 16 is the highest unless it is said.
        let config = || Config::default().port_max_bind(Port::new(31).unwrap());

        let (left, right) = pair();
        let (ground, satellite) = (Node::spawn(config()), Node::spawn(config()));
        ground.attach(interface(1), left)?;
        satellite.attach(interface(2), right)?;

        let mut listener = satellite.listen(port, SocketConfig::default())?;
        tokio::spawn(async move {
            while let Ok(mut connection) = listener.accept().await {
                let request = connection.recv().await?;
                let answer = [&b"21 degrees, "[..], &request.payload].concat();
                connection.send(answer).await?;
            }
            Ok::<_, Failure>(())
        });

        let pong = ground.ping(address(2), PingConfig::default().size(20)).await?;
        println!("{:?}", pong.rtt);
        let mut connection = ground.connect(address(2), port, ConnectConfig::default()).await?;
        connection.send("captain").await?;
        let answer = connection.recv_timeout(Duration::from_secs(1)).await?;
        assert_eq!(answer.payload, "21 degrees, captain");
        Ok(())
    }
}

fn address(bits: u16) -> Address {
    Address::new(bits).unwrap()
}

fn interface(own: u16) -> InterfaceConfig {
    let (name, netmask) = (InterfaceName::new("CAN").unwrap(), Netmask::new(8).unwrap());
    InterfaceConfig::new(name, address(own), netmask)
}

#[tokio::test(start_paused = true)]
async fn on_can() -> Outcome {
    use csp_can::{CanConfig, CanInterface};

    let bus = VirtualBus::named("bench");
    let node = Node::spawn(Config::default());
    let link = can_link::open(&"virtual:bench".parse()?).await?; // or socketcan:can0
    let can = CanInterface::new(link, &interface(1), CanConfig::default())?;
    node.attach(interface(1), can)?;
    assert_eq!(bus.len(), 1);
    let parsed = "CAN 1/8".parse::<InterfaceConfig>()?;
    assert_eq!(parsed.subnet()?, interface(1).subnet()?);
    Ok(())
}

/// A node with the identifiers of csp-py, and one that hears it.
#[tokio::test(start_paused = true)]
async fn swapped_identifiers() -> Outcome {
    let bus = VirtualBus::new();
    let (one, other) = (Node::spawn(Config::default()), Node::spawn(Config::default()));
    let name = InterfaceName::new("CAN").unwrap();

    let link = bus.join();
    let netmask = Netmask::new(2).unwrap(); // of 5 bits: addresses 1 to 6
    let config = InterfaceConfig::new(name, address(1), netmask).version(Version::V1);
    let hears_csp_py = CanConfig::default().promiscuous(Switch::On);
    let can = CanInterface::new(link, &config, hears_csp_py)?;
    one.attach(config, can)?;

    let config = InterfaceConfig::new(name, address(2), netmask).version(Version::V1);
    // As there: in the other order, and nothing is filtered.
    let theirs = CanConfig::default().id_order(IdOrder::DestinationFirst);
    let can = CanInterface::new(bus.join(), &config, theirs.promiscuous(Switch::On))?;
    other.attach(config, can)?;
    one.ping(address(2), PingConfig::default()).await?;
    other.ping(address(1), PingConfig::default()).await?;
    Ok(())
}

/// Never run: nobody is at the other end.
async fn sockets(node: Node, mut socket: Socket, mut listener: Listener) -> Outcome {
    let limit = Duration::from_secs(1);
    let payload = "how warm is it?"; // or Bytes, or a Vec<u8>
    let port = Port::new(10).unwrap();
    let options = ConnectConfig::default();
    node.bind(port, SocketConfig::default())?;
    node.bind(Binding::Any, SocketConfig::default())?;
    node.listen(port, SocketConfig::default())?;
    node.listen(Binding::Any, SocketConfig::default())?;
    socket.send_to(address(2), port, options, payload).await?;
    socket
        .send_to(address(2), port, ConnectConfig::default(), payload)
        .await?;
    let request: Message = socket.recv_from().await?;
    socket.recv_from_timeout(limit).await?;
    socket.reply(&request, None, payload).await?;
    socket.reply(&request, Some(Flags::CRC32), payload).await?;
    socket.reply(&request, Some(Flags::NONE), payload).await?;
    drop(socket);
    listener.accept().await?;
    listener.accept_timeout(limit).await?;
    Ok(())
}

/// Never run: nobody is at the other end.
async fn connections(node: Node) -> Outcome {
    let limit = Duration::from_secs(1);
    let call = Call::default(); // timeout, flags and priority of a request to a service
    let payload = "how warm is it?"; // or Bytes, or a Vec<u8>
    let port = Port::new(10).unwrap();
    let mut connection = node.connect(address(2), port, ConnectConfig::default()).await?;
    node.transaction(address(2), port, ConnectConfig::default(), payload, limit)
        .await?;
    connection.send(payload).await?;
    connection.recv().await?;
    let message = connection.recv_timeout(limit).await?;
    let broadcast: bool = message.broadcast;
    connection.peers();
    let port: Port = connection.peers().local_port;
    connection.send_acknowledged(payload).await?;
    connection.send_blob(payload).await?;
    connection.recv_blob(1 << 20, limit).await?;
    connection.close(limit).await?;
    let connection = node.connect(address(2), port, ConnectConfig::default()).await?;
    drop(connection);
    node.ping(address(2), PingConfig::default()).await?;
    node.identify(address(2), call).await?;
    node.uptime(address(2), call).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn nodes() -> Outcome {
    let node = Node::spawn(Config::default());
    let ((left, right), (up, down)) = (pair(), pair());
    let can = node.attach(interface(1), left)?;
    let name = InterfaceName::new("RADIO").unwrap();
    let radio = node.attach(
        InterfaceConfig::new(name, address(65), Netmask::new(8).unwrap()),
        up,
    )?;
    let (subnet, netmask) = (
        Subnet::new(Version::V2, address(256), Netmask::host(Version::V2))?,
        radio,
    );
    node.add_route(Route {
        subnet,
        interface: can,
        via: None,
    })?;
    let route = Route {
        subnet,
        interface: can,
        via: Some(address(5)),
    };
    node.add_route(route)?;
    node.load_routes("256/6 CAN, 0/0 RADIO 5", RouteDialect::Libcsp2)?;
    assert_eq!(node.save_routes(), "256 CAN 5,256/6 CAN,0/0 RADIO 5");
    let passing = node.filter(Stage::Incoming, |_, packet| async move { Some(packet) });
    passing.keep();
    let changing = node.filter_now(Stage::Outgoing, |_, packet| Verdict::Pass(packet));
    drop(changing);
    let dropping = node.filter_now(Stage::Routed, |_, packet| Verdict::Drop);
    node.bridge(can, radio)?;
    node.tap(TapConfig::default());
    node.notices();
    node.status();
    assert!(node.status().drops.is_empty());
    node.mark_defaults();
    Ok(())
}

#[test]
fn without_a_node() -> Outcome {
    let now = Instant::ZERO;
    let (sport, dport) = (Port::new(33).unwrap(), Port::new(10).unwrap());
    let netmask = Netmask::new(6).unwrap();
    assert!(Subnet::new(Version::V2, address(256), netmask)?.contains(address(300)));
    let header = Header::new((address(1), sport), (address(2), dport));
    let payload = Bytes::from_static(b"how warm is it?");
    let packet = Packet::new(header, payload);
    let payload = Bytes::from_static(b"how cold is it?");
    let packet = Packet { payload, ..packet };
    let header = Header {
        priority: Priority::High,
        flags: Flags::CRC32,
        ..header
    };
    let header = Header {
        source: address(1),
        ..header
    };
    header.reply();
    let frame = packet.encode(Version::V2)?;
    assert_eq!(Packet::decode(Version::V2, frame)?, packet);

    let mut fragmenter = Fragmenter::new(Version::V2, address(1));
    let mut reassembler = Reassembler::new(Version::V2, ReassemblyConfig::default());
    for frame in fragmenter.fragments(&packet.header, None, &packet.payload)? {
        reassembler.handle_frame(now, &frame);
    }
    assert!(reassembler.poll_received().is_some());
    let data = &*packet.payload;
    assert_ne!(crc::checksum(data), 0);

    let mut machine = csp_core::Node::new(Config::default(), 1);
    let can = machine.add_interface(interface(2))?;
    machine.handle_packet(now, can, packet);
    assert!(machine.poll_transmit().is_none());
    Ok(())
}

#[test]
fn settings() {
    Config::default().flags(Flags::CRC32);
    Config::default().service_needs(Needs::default());
    Config::default().port_max_bind(Port::new(31).unwrap());
    Config::default().services(Services::default().off(Service::Ping));
    Config::default().reply_match(ReplyMatch::PortOnly);
    Config::default().hmac_key(hmac::Key::from_pass_phrase(b"open sesame"));
    Config::default().xtea_key(xtea::Key::from_pass_phrase(b"open sesame"));
    Config::default().platform(Host::default());
    Config::default().dedup(DedupConfig::default().mode(DedupMode::All));
    ConnectConfig::default().local_port(Port::new(40).unwrap());
    ConnectConfig::default().flags(Flags::CRC32);
    ConnectConfig::default().crc32(Switch::On);
    ConnectConfig::default()
        .crc32(Switch::On)
        .reply_needs(Needs::default());
    ConnectConfig::default().hmac(Switch::On);
    ConnectConfig::default().rdp(Switch::On);
    SocketConfig::default().needs(Needs::default().crc32(Need::Required));
    SocketConfig::default().receive_queue(64);
    interface(1).version(Version::V1);
    interface(1).redundant();
    interface(1).default_route();
    interface(1).mtu(2042);
    CanConfig::default().id_order(IdOrder::DestinationFirst);
    ReassemblyConfig::default().max_age(Duration::from_secs(1));
    let flags = [Flags::NONE, Flags::CRC32, Flags::from_bits(0x20)];
    let priorities = [Priority::Critical, Priority::High, Priority::Norm, Priority::Low];
    let everybody = Address::BROADCAST;
}

fn carriers<T: Stream<Item = io::Result<Bytes>> + Sink<Bytes> + Unpin>(frames: T, others: T) {
    Serial::new(frames, Version::V2);
    let frames = others;
    Serial::new(frames, Version::V1);
}

fn any(link: impl rt::Interface) {}

fn can(link: VirtualPort) -> Outcome {
    CanInterface::new(link, &interface(1), CanConfig::default())?;
    Ok(())
}

/// Every error and reason that a row names.
fn named(
    bind: BindError,
    connect: ConnectError,
    send: SendError,
    interface: InterfaceError,
    dropped: DropReason,
    discarded: DiscardReason,
) {
    if let BindError::InUse { binding } = bind {}
    if let ConnectError::NoFreePort = connect {}
    if let SendError::NoRoute { destination } = send {}
    if let InterfaceError::NetworkInUse { address, other } = interface {}
    let reasons = [
        DropReason::Checksum,
        DropReason::WrongPeer,
        DropReason::ReceiveQueueFull,
        DropReason::NoRoute,
        DropReason::ShortHeader,
    ];
    if let DiscardReason::WrongCounter { expected, got } = discarded {}
    assert_ne!(discarded, DiscardReason::NoBegin);
}

/// A ground station, node 1, and node 2 as `config` says.
fn two(config: Config) -> Result<(Node, Node), Failure> {
    let (left, right) = pair();
    let (ground, satellite) = (Node::spawn(Config::default()), Node::spawn(config));
    ground.attach(interface(1), left)?;
    satellite.attach(interface(2), right)?;
    Ok((ground, satellite))
}

#[tokio::test(start_paused = true)]
async fn pings_and_connections_leak_no_port() -> Outcome {
    let (ground, satellite) = two(Config::default())?;
    let port = Port::new(10).unwrap();
    for _ in 0..100 {
        ground.ping(address(2), PingConfig::default()).await?;
        ground.connect(address(2), port, ConnectConfig::default()).await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn services_answer_without_a_checksum_where_they_are_told_to() -> Outcome {
    let without = PingConfig::default().flags(Flags::NONE);
    let (ground, satellite) = two(Config::default())?;
    assert!(ground.ping(address(2), without).await.is_err());
    let (ground, satellite) = two(Config::default().service_needs(Needs::default()))?;
    ground.ping(address(2), without).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_subnet_broadcast_reaches_a_network_other_than_0() -> Outcome {
    let name = InterfaceName::new("CAN").unwrap();
    let in_64 = |own| InterfaceConfig::new(name, address(own), Netmask::new(8).unwrap());
    let (left, right) = pair();
    let (one, two) = (Node::spawn(Config::default()), Node::spawn(Config::default()));
    one.attach(in_64(65), left)?;
    two.attach(in_64(66), right)?;
    let pong = one.ping(address(127), PingConfig::default()).await?;
    assert_eq!(pong.from, address(66));
    Ok(())
}

#[test]
fn too_long_for_cfp_1() {
    let mut fragmenter = Fragmenter::new(Version::V1, address(1));
    let (port, payload) = (Port::new(10).unwrap(), [0; 3000]);
    let header = Header::new((address(1), port), (address(2), port));
    let refused = fragmenter.fragments(&header, None, &payload).unwrap_err();
    assert_eq!(refused, FragmentError::TooLong { len: 3000, max: 2042 });
}
