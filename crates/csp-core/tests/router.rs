//! A router never dies of a packet (BET-5): everything that the vectors hold, whole and broken, then pings.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests, and print"
)]

use bytes::Bytes;
use csp_core::service::ping;
use csp_core::{
    Address, Config, ConnectConfig, InterfaceConfig, InterfaceId, InterfaceName, Netmask, Node, Port,
    SocketConfig, Version,
};
use testkit::Rng;
use testkit::vectors::{Value, files, hex, root};
use tinwire_time::Instant;

/// Frames made up beside those of the vectors.
const RANDOM: usize = 20_000;

fn address(bits: u16) -> Address {
    Address::new(bits).unwrap()
}

fn interface(name: &str, own: u16, netmask: u8, version: Version) -> InterfaceConfig {
    let (name, netmask) = (InterfaceName::new(name).unwrap(), Netmask::new(netmask).unwrap());
    InterfaceConfig::new(name, address(own), netmask).version(version)
}

/// A router between a v1 network (8 to 15) and a v2 network (256 to 319), which has the rest behind it.
struct Router {
    node: Node,
    /// The interface of each network, with its header version.
    links: [(InterfaceId, Version); 2],
    now: Instant,
    /// Packets that left.
    left: u64,
}

impl Router {
    fn new() -> Self {
        let mut node = Node::new(Config::default(), 1);
        let narrow = interface("NARROW", 9, 2, Version::V1)
            .map(address(300), address(12))
            .alias(address(11));
        let narrow = node.add_interface(narrow).unwrap();
        let wide = node
            .add_interface(interface("WIDE", 257, 8, Version::V2))
            .unwrap();
        node.load_routes("16/1 NARROW 13, 0/0 WIDE, 5000/8 WIDE 260")
            .unwrap();
        Self {
            node,
            links: [(narrow, Version::V1), (wide, Version::V2)],
            now: Instant::from_millis(1000),
            left: 0,
        }
    }

    /// Gives the router a frame and takes away all that leaves.
    fn receive(&mut self, link: InterfaceId, frame: &[u8]) {
        self.now += core::time::Duration::from_millis(1);
        self.node
            .handle_frame(self.now, link, Bytes::copy_from_slice(frame));
        self.node.handle_timeout(self.now);
        while let Some(transmit) = self.node.poll_transmit() {
            let (_, version) = self
                .links
                .iter()
                .find(|(id, _)| *id == transmit.interface)
                .unwrap();
            transmit.packet.encode(*version).expect("what leaves has a form");
            assert!(
                transmit.packet.payload.len() <= csp_core::DEFAULT_MTU,
                "what leaves fits the link"
            );
            self.left += 1;
        }
        while self.node.poll_event().is_some() {}
    }

    /// Gives it a frame of which every packet has to be accounted for.
    fn account(&mut self, link: InterfaceId, frame: &[u8]) {
        let (before, left) = (self.node.stats(), self.left);
        self.receive(link, frame);
        let after = self.node.stats();
        let delivered = after.delivered - before.delivered;
        let forwarded = after.forwarded - before.forwarded;
        let answered = after.served - before.served;
        let dropped = after.dropped - before.dropped;
        // The answer to a request is a packet of its own, and may be lost as such.
        let lost_answers = dropped.min(delivered);
        assert_eq!(
            delivered + forwarded + dropped - lost_answers,
            1,
            "a frame is delivered, forwarded or dropped: {frame:02x?} of {before:?} made {after:?}"
        );
        // A request that says it is from the router is answered to it, where nobody waits for answers.
        let came_home = answered.min(dropped);
        assert_eq!(self.left - left, forwarded + answered - came_home, "{frame:02x?}");
    }

    /// Pings the router from both sides, and a node of each side from the other.
    fn ping(&mut self) {
        let sides = [(10, 9, Version::V1, 2), (300, 257, Version::V2, 8)];
        let mut nodes = sides.map(|(own, _, version, netmask)| {
            let mut node = Node::new(Config::default(), 7);
            let config = interface("A", own, netmask, version).default_route();
            let link = node.add_interface(config).unwrap();
            (node, link, version)
        });
        // Node 300 is called 12 in the v1 network.
        for (from, destination) in [(0, 9), (0, 11), (0, 12), (1, 257), (1, 10)] {
            let config = ConnectConfig::default().flags(csp_core::Flags::CRC32);
            let (node, ..) = &mut nodes[from];
            let client = node
                .connect(self.now, address(destination), Port::PING, config)
                .unwrap();
            let request = ping::request(40);
            node.send(self.now, client, request.clone()).unwrap();
            for _ in 0..4 {
                for (node, link, version) in &mut nodes {
                    let (id, _) = self.links.iter().find(|(_, other)| other == version).unwrap();
                    while let Some(transmit) = node.poll_transmit() {
                        let frame = transmit.packet.encode(*version).unwrap();
                        self.node.handle_frame(self.now, *id, frame);
                    }
                    while let Some(transmit) = self.node.poll_transmit_on(*id) {
                        node.handle_frame(self.now, *link, transmit.packet.encode(*version).unwrap());
                    }
                }
            }
            let (node, ..) = &mut nodes[from];
            let answer = node
                .recv(client)
                .unwrap_or_else(|| panic!("no answer of {destination}"));
            assert_eq!(answer.payload, request);
            node.close(self.now, client);
        }
    }
}

/// Every text of an entry that is bytes, whatever it stands for.
fn collect(value: &Value, found: &mut Vec<Vec<u8>>) {
    match value {
        Value::String(text) if text.len() % 2 == 0 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            found.push(hex(text));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        Value::Object(values) => values.values().for_each(|value| collect(value, found)),
        _ => {}
    }
}

/// What the vectors hold, and each of it cut short, and some of it broken.
fn frames() -> Vec<Vec<u8>> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");
    let mut whole = vec![];
    // Those of another folder come beside them, for they may be few.
    for folder in [own.into(), root(own)] {
        for (_, file) in files(folder.join("csp")) {
            collect(&file["vectors"], &mut whole);
        }
    }
    whole.sort_unstable();
    whole.dedup();
    assert!(whole.len() > 1000, "only {} frames", whole.len());
    let mut rng = Rng::new(5);
    let mut all = vec![];
    for frame in whole {
        let short = (0..frame.len().min(12)).map(|len| frame[..len].to_vec());
        all.extend(short);
        all.push(frame[..frame.len().saturating_sub(1)].to_vec());
        let mut broken = frame.clone();
        let length = u64::try_from(frame.len()).unwrap().max(1);
        if let Some(byte) = broken.get_mut(usize::try_from(rng.below(length)).unwrap()) {
            *byte ^= rng.next_u64().to_be_bytes()[0];
        }
        all.push(broken);
        all.push(frame);
    }
    for _ in 0..RANDOM {
        let length = rng.below(40);
        all.push((0..length).map(|_| rng.next_u64().to_be_bytes()[0]).collect());
    }
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn a_router_accounts_for_every_packet_of_the_vectors_and_then_still_carries_pings() {
    let mut router = Router::new();
    router.ping();
    let frames = frames();
    for frame in &frames {
        for (link, _) in router.links {
            router.account(link, frame);
        }
    }
    let stats = router.node.stats();
    println!("{} frames on each of two links: {stats:?}", frames.len());
    for (reason, count) in router.node.drops() {
        println!("    {count} x {reason}");
    }
    assert!(stats.delivered > 0 && stats.forwarded > 0 && stats.dropped > 0);
    let counted: u64 = router.node.drops().map(|(_, count)| count).sum();
    assert_eq!(counted, stats.dropped, "each drop has a reason");
    router.ping();
}

#[test]
fn a_router_with_open_ports_survives_every_packet_of_the_vectors_too() {
    let mut router = Router::new();
    let config = || SocketConfig::default().receive_queue(2).backlog(2);
    let listener = router
        .node
        .listen(Port::new(10).unwrap().into(), config())
        .unwrap();
    let socket = router.node.bind(csp_core::Binding::Any, config()).unwrap();
    for (turn, frame) in frames().iter().enumerate() {
        for (link, _) in router.links {
            router.receive(link, frame);
        }
        // An application that is seldom there.
        if turn % 64 == 0 {
            while router.node.recv_from(socket).is_some() {}
            while let Some(connection) = router.node.accept(listener) {
                while router.node.recv(connection).is_some() {}
                router.node.close(router.now, connection);
            }
        }
    }
    router.ping();
}
