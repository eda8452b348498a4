//! The page for users of libcsp.

use core::error::Error;
use core::time::Duration;
use std::io;

use bytes::Bytes;
use csp_can::{
    CanConfig, CanInterface, DiscardReason, FragmentError, Fragmenter, Reassembler, ReassemblyConfig,
};
use csp_core::crc::CrcError;
use csp_core::hmac::HmacError;
use csp_core::rdp::{Acks, CloseReason, Window};
use csp_core::rt::{
    self, BlobError, Call, Connection, Host, Listener, Node, Notice, PingConfig, PingError, RecvError,
    Serial, ServiceError, Socket, pair,
};
use csp_core::seal::Protection;
use csp_core::service::{Identity, Memory, Peek, Poke, Refusal, Service, Services, SetRoute, Timestamp};
use csp_core::sfp::{Assembler, Fragments};
use csp_core::{
    Address, BindError, Binding, Config, ConnectConfig, ConnectError, DedupConfig, DedupMode, DropReason,
    EncodeError, Flags, Header, InterfaceConfig, InterfaceError, InterfaceId, InterfaceName, MAX_ROUTES,
    Message, Need, Needs, Netmask, Packet, Port, Priority, ReplyMatch, Route, RouteDialect, RouteError,
    SendError, SocketConfig, Stage, Subnet, Switch, TapConfig, Verdict, Version, XteaFlag, crc, hmac, rdp,
    xtea,
};
use futures::{Sink, Stream};
use tinwire_time::Instant;

type Failure = Box<dyn Error + Send + Sync>;
type Outcome = Result<(), Failure>;

#[test]
fn the_page_is_compiled() {
    let page = include_str!("../../../docs/coming-from/libcsp.md");
    let source = [include_str!("libcsp.rs"), include_str!("../../flight/src/lib.rs")];
    super::compiled(page, &source.concat(), 250);
}

mod script {
    use core::time::Duration;

    use csp_can::{CanConfig, CanInterface};
    use csp_core::rt::{Host, Node, PingConfig};
    use csp_core::service::Identity;
    use csp_core::{Address, Config, ConnectConfig, InterfaceConfig, Need, Needs};
    use csp_core::{Port, SocketConfig, Switch};

    use super::{Failure, Outcome};

    #[tokio::test(start_paused = true)]
    async fn script() -> Outcome {
        let bus = can_link::virtual_bus::VirtualBus::named("can0");
        let address = |bits| Address::new(bits).unwrap();
        let interface = |own| {
            let parsed = format!("CAN {own}/8").parse::<InterfaceConfig>();
            parsed.unwrap().default_route()
        };
        let port = Port::new(10).unwrap();

        // The server's program.
        let link = can_link::open(&"virtual:can0".parse()?).await?; // or socketcan:can0
        let obc = Node::spawn(
            Config::default()
                .identity(Identity::new("obc"))
                .platform(Host::default()),
        );
        obc.attach(
            interface(2),
            CanInterface::new(link, &interface(2), CanConfig::default())?,
        )?;
        let crc32 = SocketConfig::default().needs(Needs::default().crc32(Need::Required));
        let mut listener = obc.listen(port, crc32)?;
        tokio::spawn(async move {
            while let Ok(mut connection) = listener.accept().await {
                connection.recv_timeout(Duration::from_secs(1)).await?;
                connection.send("21 degrees").await?;
            }
            Ok::<_, Failure>(())
        });

        // The client's.
        let link = can_link::open(&"virtual:can0".parse()?).await?;
        let node = Node::spawn(Config::default().identity(Identity::new("ground")));
        node.attach(
            interface(1),
            CanInterface::new(link, &interface(1), CanConfig::default())?,
        )?;
        let pong = node.ping(address(2), PingConfig::default()).await?;
        println!("{:?}", pong.rtt);
        let (options, limit) = (ConnectConfig::default().crc32(Switch::On), Duration::from_secs(1));
        let answer = node
            .transaction(address(2), port, options, "warm?", limit)
            .await?;
        println!("{}", answer.payload.escape_ascii());
        assert_eq!(answer.payload, "21 degrees");
        drop(bus);
        Ok(())
    }
}

fn address(bits: u16) -> Address {
    Address::new(bits).unwrap()
}

fn interface(own: u16) -> InterfaceConfig {
    let name = InterfaceName::new("CAN").unwrap();
    InterfaceConfig::new(name, address(own), Netmask::new(8).unwrap())
}

/// The rows of a machine.
#[test]
fn machines() -> Outcome {
    let (now, seed) = (Instant::ZERO, 7);
    let limit = Duration::from_secs(1);
    let (config, random) = (Config::default(), || 7);
    csp_core::Node::with_random(Config::default(), random);
    let mut node = {
        use csp_core::Node;
        Node::with_random(Config::default(), random);
        Node::new(config, seed)
    };
    let can = node.add_interface(interface(1))?;

    let mut fragmenter = Fragmenter::new(Version::V2, address(2));
    let mut reassembler = Reassembler::new(Version::V2, ReassemblyConfig::default());
    let header = Header::new(
        (address(2), Port::new(33).unwrap()),
        (address(1), Port::new(10).unwrap()),
    );
    let bytes = Bytes::from_static(b"how warm is it?");
    let packet = Packet::new(header, bytes);
    let via = None;
    for frame in fragmenter.fragments(&packet.header, via, &packet.payload)? {
        reassembler.handle_frame(now, &frame);
    }
    let frame = packet.encode(Version::V2)?;
    header.encode(Version::V2)?;
    Header::decode(Version::V2, &frame)?;
    let copy = frame.clone();
    node.handle_frame(now, can, frame);
    let frame = copy;
    Packet::decode(Version::V2, frame)?;
    node.handle_packet(now, can, packet);
    node.poll_transmit_on(can);
    node.poll_timeout();
    Instant::from_micros(7);

    let mut machine = node;
    machine.interface_named("CAN");
    machine.check_routes("0/0 CAN", RouteDialect::Libcsp2)?;
    machine.waiting_on(can);
    machine.handle_interrupts(can, 1);
    let options = ConnectConfig::default();
    let id = machine.connect(now, address(2), Port::new(10).unwrap(), options)?;
    for fragment in Fragments::try_new(b"a blob", 100, 256)? {
        machine.send_fragment(now, id, &fragment)?;
    }
    let table = machine.routes();
    assert_eq!(table.lookup(address(9)).count(), 0);
    assert_eq!(MAX_ROUTES, 4096);

    let subnet = Subnet::new(Version::V2, address(8), Netmask::new(6).unwrap())?;
    assert!(subnet.contains(address(9)));
    assert!(!subnet.is_broadcast(address(127)));
    assert_eq!(Version::V2.address_bits(), 14);
    assert_eq!(Version::V2.broadcast(), Address::BROADCAST);

    let key = hmac::Key::from_pass_phrase(b"open sesame");
    let protection = Protection::new(Version::V2, &key);
    let (bytes, nonce) = (Bytes::from_static(b"how warm is it?"), 7);
    let sealed = protection.seal(header.flags, bytes, nonce)?;
    protection.open(&header, sealed)?;
    let data = b"how warm is it?";
    crc::checksum(data);
    hmac::Key::from_pass_phrase(b"open sesame").tag(data);
    Assembler::new(1 << 20, limit);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn networks() -> Outcome {
    let node = Node::spawn(Config::default());
    let (link, other) = pair();
    let (up, down) = pair();
    let can = node.attach(interface(1), link)?;
    let name = InterfaceName::new("KISS").unwrap();
    let kiss = InterfaceConfig::new(name, address(65), Netmask::new(8).unwrap());
    let radio = node.attach(kiss, up)?;
    node.mark_defaults();
    assert_eq!(node.status().interfaces.len(), 3);
    let stats = node.status().interfaces[1].stats;
    let all = [
        stats.tx_error,
        stats.rx_error,
        stats.drop,
        stats.autherr,
        stats.frame,
        stats.irq,
    ];
    assert_eq!(
        (all, stats.tx + stats.rx + stats.tx_bytes + stats.rx_bytes),
        ([0; 6], 0)
    );

    let subnet = Subnet::new(Version::V2, address(8), Netmask::new(6).unwrap())?;
    node.add_route(Route {
        subnet,
        interface: can,
        via: None,
    })?;
    node.add_route(Route {
        subnet,
        interface: can,
        via: Some(address(5)),
    })?;
    node.load_routes("0/0 CAN 5, 8/6 KISS", RouteDialect::Libcsp2)?;
    node.load_routes("0/0 CAN", RouteDialect::Libcsp1)?;
    node.load_routes("0/0 can 5", RouteDialect::Libcsp1)?;
    node.remove_route(subnet, can);
    node.save_routes();
    assert_eq!(node.routes().len(), 2);
    node.clear_routes();

    node.set_address(can, address(9), Netmask::new(8).unwrap())?;
    let seen = node.filter_now(Stage::Incoming, |_, packet| Verdict::Pass(packet));
    let sent = node.filter_now(Stage::Outgoing, |_, packet| Verdict::Pass(packet));
    let tap = node.tap(TapConfig::default().queue(16));
    drop(tap);
    node.bridge(can, radio)?;
    node.notices();
    assert!(node.status().drops.is_empty() && node.status().rdp.is_empty());
    assert_eq!(node.status().stats.rdp, rdp::Stats::default());
    assert!(node.detach(can).is_some());
    drop(node);
    Ok(())
}

/// Never run: nobody is at the other end.
async fn sockets(node: Node, mut socket: Socket, mut listener: Listener, options: ConnectConfig) -> Outcome {
    let limit = Duration::from_secs(1);
    let payload = "how warm is it?"; // or Bytes, or a Vec<u8>
    let port = Port::new(10).unwrap();
    node.listen(port, SocketConfig::default().backlog(5))?;
    node.listen(Binding::Any, SocketConfig::default())?;
    node.bind(port, SocketConfig::default())?;
    listener.accept_timeout(limit).await?;
    listener.accept().await?;
    socket.recv_from_timeout(limit).await?;
    let request = socket.recv_from().await?;
    socket.send_to(address(2), port, options, payload).await?;
    socket.reply(&request, None, payload).await?;
    socket.reply(&request, Some(Flags::CRC32), payload).await?;
    drop(listener);
    let listeners: Vec<Listener> = Vec::new();
    futures::stream::select_all(listeners);
    let mut tap = node.tap(TapConfig::default());
    tap.recv().await?;
    Ok(())
}

/// Never run: nobody is at the other end.
async fn connections(node: Node, options: ConnectConfig, mut assembler: Assembler, now: Instant) -> Outcome {
    let limit = Duration::from_secs(1);
    let payload = "how warm is it?"; // or Bytes, or a Vec<u8>
    let port = Port::new(10).unwrap();
    let mut connection: Connection = node.connect(address(2), port, options.clone()).await?;
    connection.recv_timeout(limit).await?;
    let message: Message = connection.recv().await?;
    let (flags, header, bytes) = (message.header.flags, message.header, &message.payload);
    assembler.handle_fragment(now, message.header.flags, &message.payload)?;
    connection.send(payload).await?;
    connection.try_send(payload)?;
    connection.send_acknowledged(payload).await?;
    connection.send_blob(payload).await?;
    connection.recv_blob(1 << 20, limit).await?;
    connection.peers();
    connection.close_reason();
    connection.close(limit).await?;
    let connection = node.connect_timeout(address(2), port, options, limit).await?;
    drop(connection);
    let options = ConnectConfig::default();
    node.transaction(address(2), port, options, payload, limit)
        .await?;
    Ok(())
}

/// Never run: nobody is at the other end.
async fn services(node: Node, route: SetRoute, time: Timestamp) -> Outcome {
    let limit = Duration::from_secs(1);
    let call = Call::default(); // timeout, flags and priority of a request to a service
    Call::default().timeout(limit).flags(Flags::CRC32 | Flags::HMAC);
    node.ping(address(2), PingConfig::default().size(100).timeout(limit))
        .await?;
    node.ping_unheard(address(2), call).await?;
    node.processes(address(2), call).await?;
    node.memory_free(address(2), call).await?;
    node.buffers_free(address(2), call).await?;
    node.uptime(address(2), call).await?;
    node.reboot(address(2), call).await?;
    node.shutdown(address(2), call).await?;
    node.identify(address(2), call).await?;
    node.identify_all(Address::BROADCAST, call).await?;
    node.interface_stats(address(2), InterfaceName::new("CAN").unwrap(), call)
        .await?;
    node.set_route(address(2), &route, call).await?;
    node.set_route_v1(address(2), &route, call).await?;
    node.peek(address(2), Peek::new(0x2000_0000, 64)?, call).await?;
    node.poke(address(2), &Poke::new(0x2000_0000, "data")?, call)
        .await?;
    node.clock(address(2), call).await?;
    node.set_clock(address(2), time, call).await?;
    Peek::new_64(0, 1)?;
    Poke::new_64(0, "data")?;
    Ok(())
}

#[test]
fn settings() {
    let limit = Duration::from_secs(1);
    let identity = Identity::new("obc").model("flatsat").revision("1.4");
    let identity = identity.built("Nov 20 2026", "14:50:00");
    Config::default().identity(identity);
    Config::default().flags(Flags::CRC32);
    Config::default().dedup(DedupConfig::default().mode(DedupMode::All));
    Config::default().max_connections(8);
    Config::default().transmit_queue(64);
    Config::default().port_max_bind(Port::new(24).unwrap());
    Config::default().hmac_key(hmac::Key::from_pass_phrase(b"open sesame"));
    Config::default().xtea_key(xtea::Key::from_pass_phrase(b"open sesame"));
    Config::default().xtea_flag(XteaFlag::Reserved);
    Config::default().checks(Switch::Off);
    Config::default().forward(Switch::Off);
    Config::default().reply_match(ReplyMatch::PortOnly);
    Config::default().service_needs(Needs::default());
    Config::default().platform(Host::default());
    let memory = Memory::new();
    Config::default().platform(Host::default().memory(memory));
    let services = Services::default().on(Service::Reboot).off(Service::Processes);
    Config::default().services(services);
    Services::default().on(Service::Peek);

    interface(1).version(Version::V1);
    interface(1).mtu(256);
    interface(1).default_route();
    interface(1).alias(address(40));
    interface(1).redundant();
    interface(1).map(address(300), address(30));
    let (name, none) = (InterfaceName::new("CAN").unwrap(), Netmask::NONE);
    InterfaceConfig::new(name, address(1), Netmask::new(8).unwrap());
    let parsed = "CAN 1/8".parse::<InterfaceConfig>();
    assert_eq!(parsed.unwrap().subnet(), interface(1).subnet());

    SocketConfig::default().receive_queue(16);
    SocketConfig::default().needs(Needs::default().crc32(Need::Required));
    let limits = rdp::Limits::default().max_window(Window::new(20).unwrap());
    SocketConfig::default().rdp_limits(limits);
    let options = rdp::Options::default();
    assert!(rdp::Limits::default().clamp(options).is_unchanged());
    rdp::Options::default().window(Window::new(4).unwrap());
    rdp::Options::default().connection_timeout(limit);
    rdp::Options::default().packet_timeout(limit);
    rdp::Options::default().ack_timeout(limit);
    rdp::Options::default().ack_delay_count(2);
    rdp::Options::default().acks(Acks::Immediate);

    DedupConfig::default().window(limit);
    DedupConfig::default().window(limit).depth(16);
    let modes = [
        DedupMode::Off,
        DedupMode::Forwarded,
        DedupMode::Incoming,
        DedupMode::All,
    ];
    assert_eq!(modes.map(DedupMode::to_bits), [0, 1, 2, 3]);
    assert_eq!(DedupMode::from_bits(3), Some(DedupMode::All));
    CanConfig::default().promiscuous(Switch::On);
    ReassemblyConfig::default().max_age(limit);
    assert_eq!(DropReason::Checksum.counter(), csp_core::Counter::RxError);
}

#[test]
fn options() {
    let port = Port::new(40).unwrap();
    for needs in [
        Needs::default(),
        Needs::default().rdp(Need::Required),
        Needs::default().rdp(Need::Prohibited),
        Needs::default().hmac(Need::Required),
        Needs::default().hmac(Need::Prohibited),
        Needs::default().xtea(Need::Required),
        Needs::default().xtea(Need::Prohibited),
        Needs::default().crc32(Need::Required),
        Needs::default().crc32(Need::Prohibited),
    ] {
        SocketConfig::default().needs(needs);
    }
    ConnectConfig::default().receive_queue(16);
    ConnectConfig::default().priority(Priority::High);
    ConnectConfig::default().local_port(port);
    ConnectConfig::default().rdp_options(rdp::Options::default());
    ConnectConfig::default().rdp(Switch::On);
    ConnectConfig::default().rdp(Switch::Off);
    ConnectConfig::default().hmac(Switch::On);
    ConnectConfig::default().hmac(Switch::Off);
    ConnectConfig::default().xtea(Switch::On);
    ConnectConfig::default().xtea(Switch::Off);
    ConnectConfig::default().crc32(Switch::On);
    ConnectConfig::default().crc32(Switch::Off);
    let flags = [Flags::CRC32, Flags::RDP, Flags::XTEA, Flags::HMAC, Flags::FRAG];
    assert_eq!(flags.map(Flags::to_bits), [0x01, 0x02, 0x04, 0x08, 0x10]);
    let carried = [0x20, 0x40, 0x80].map(|bits| (bits, Flags::from_bits(bits)));
    assert_eq!(Flags::from_bits(0x20).to_bits(), carried[0].0);
    let priorities = [Priority::Critical, Priority::High, Priority::Norm, Priority::Low];
    assert_eq!(priorities.map(Priority::to_bits), [0, 1, 2, 3]);
}

async fn links(link: can_link::Link) -> Outcome {
    can_link::open(&"socketcan:can0".parse()?).await?;
    CanInterface::new(link, &interface(1), CanConfig::default())?;
    Ok(())
}

fn carriers<T: Stream<Item = io::Result<Bytes>> + Sink<Bytes> + Unpin>(frames: T) -> InterfaceId {
    Serial::new(frames, Version::V2);
    InterfaceId::LOOPBACK
}

fn any(link: impl rt::Interface) {}

/// What a row calls an error exists, with these fields.
mod named {
    use super::*;

    fn of_calls(send: SendError, connect: ConnectError, bind: BindError) -> Result<(), Refusal> {
        if let SendError::TooLong { len, max } = send {}
        if let SendError::Unsupported { flags } = send {}
        if let SendError::NoRoute { destination } = send {}
        if let SendError::Full | SendError::LinkDown = send {}
        if let ConnectError::TooManyConnections { max } = connect {}
        if let ConnectError::NotOpened {
            reason: CloseReason::NoAnswer,
        } = connect
        {}
        if let ConnectError::PortInUse { port } = connect {}
        if let ConnectError::Unsupported { flags } = connect {}
        if let BindError::TooHigh { port, max } = bind {}
        if let BindError::InUse { binding } = bind {
            return Err(Refusal::Refused);
        }
        Ok(())
    }

    fn of_settings(route: RouteError, interface: InterfaceError, encode: EncodeError) {
        if let RouteError::Full = route {}
        if let InterfaceError::TooMany = interface {}
        if let InterfaceError::NameInUse { name } = interface {}
        if let EncodeError::Flags { .. } = encode {}
    }

    fn of_answers(recv: RecvError, ping: PingError, service: ServiceError, blob: BlobError) {
        if let RecvError::Timeout { limit } = recv {}
        if let RecvError::Ended {
            reason: CloseReason::Reset,
        } = recv
        {}
        if let PingError::Timeout { limit } = ping {}
        if let ServiceError::Timeout { limit } = service {}
        match blob {
            BlobError::Assemble(error) => drop(error.to_string()),
            BlobError::Stalled(stalled) => drop(stalled.to_string()),
            _ => {}
        }
    }

    fn of_the_wire(notice: Notice, hmac: HmacError, crc: CrcError, discarded: DiscardReason) {
        if let Notice::Ended { interface, error } = notice {}
        if let HmacError::Mismatch = hmac {}
        if let CrcError::Mismatch { .. } = crc {}
        if let DiscardReason::Replaced = discarded {}
        let reasons = [
            DropReason::Decryption,
            DropReason::EncryptedUnsupported,
            DropReason::RdpMalformed,
            DropReason::RdpUnsupported,
        ];
    }
}

#[test]
fn too_long_for_cfp_1() {
    let mut fragmenter = Fragmenter::new(Version::V1, address(1));
    let (port, payload) = (Port::new(10).unwrap(), [0; 3000]);
    let header = Header::new((address(1), port), (address(2), port));
    let refused = fragmenter.fragments(&header, None, &payload).unwrap_err();
    assert_eq!(refused, FragmentError::TooLong { len: 3000, max: 2042 });
}
