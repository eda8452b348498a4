//! A node between a v1 and a v2 network.

use super::*;

/// A router with a v2 network of addresses 300 to 319 and a v1 network of 8 to 15.
struct Worlds {
    router: Node,
    wide: InterfaceId,
    narrow: InterfaceId,
}

impl Worlds {
    /// The names `inside` that addresses have in the v1 network.
    fn new(names: &[(u16, u16)]) -> Self {
        let mut router = Node::new(Config::default(), 1);
        let wide = router
            .add_interface(interface("WIDE", 257, 8).default_route())
            .unwrap();
        let narrow = interface("NARROW", 9, 2).version(Version::V1);
        let narrow = names.iter().fold(narrow, |narrow, (outside, inside)| {
            narrow.map(address(*outside), address(*inside))
        });
        let narrow = router.add_interface(narrow).unwrap();
        Self { router, wide, narrow }
    }

    /// What leaves on the other side when `packet` comes from one.
    #[track_caller]
    fn cross(&mut self, from: InterfaceId, packet: Packet) -> Header {
        self.router.handle_packet(at(0), from, packet);
        let transmit = self.router.poll_transmit().unwrap();
        assert_ne!(transmit.interface, from);
        assert_eq!(self.router.poll_transmit(), None);
        transmit.packet.header
    }

    #[track_caller]
    fn refuse(&mut self, from: InterfaceId, packet: Packet, reason: DropReason) {
        self.router.handle_packet(at(0), from, packet);
        assert_eq!(self.router.poll_transmit(), None);
        assert_dropped(&mut self.router, reason);
    }
}

fn ends(header: Header) -> (u16, u16) {
    (header.source.to_bits(), header.destination.to_bits())
}

#[test]
fn a_small_address_crosses_between_versions_as_it_is() {
    let mut worlds = Worlds::new(&[]);
    let (wide, narrow) = (worlds.wide, worlds.narrow);
    let there = worlds.cross(wide, packet((20, 33), (10, 10), Flags::CRC32, b"x"));
    assert_eq!(ends(there), (20, 10));
    let back = worlds.cross(narrow, packet((10, 10), (20, 33), Flags::CRC32, b"x"));
    assert_eq!(ends(back), (10, 20));
}

#[test]
fn what_has_no_form_in_the_other_version_is_dropped_and_counted_there() {
    let mut worlds = Worlds::new(&[]);
    let (wide, narrow) = (worlds.wide, worlds.narrow);
    worlds.refuse(
        wide,
        packet((300, 33), (10, 10), Flags::NONE, b""),
        DropReason::Unencodable,
    );
    let flags = Flags::from_bits(0x40);
    worlds.refuse(
        narrow,
        packet((10, 33), (20, 10), flags, b""),
        DropReason::Unencodable,
    );
    for interface in [wide, narrow] {
        assert_eq!(worlds.router.interface_stats(interface).unwrap().tx_error, 1);
    }
}

#[test]
fn a_v2_node_with_address_31_does_not_become_a_v1_broadcast() {
    let mut router = Node::new(Config::default(), 1);
    let wide = router.add_interface(interface("WIDE", 257, 8)).unwrap();
    let narrow = interface("NARROW", 17, 1).version(Version::V1).default_route();
    let narrow = router.add_interface(narrow).unwrap();
    for (source, destination) in [(20, 31), (31, 20)] {
        router.handle_packet(
            at(0),
            wide,
            packet((source, 33), (destination, 10), Flags::NONE, b""),
        );
        assert_eq!(router.poll_transmit(), None);
        assert_dropped(&mut router, DropReason::Unencodable);
    }
    let client = router
        .connect(at(0), address(31), port(10), ConnectConfig::default())
        .unwrap();
    let refused = router.send(at(0), client, Bytes::new());
    assert_eq!(refused, Err(SendError::Broadcast { address: address(31) }));

    let all = router
        .connect(at(0), Address::BROADCAST, port(10), ConnectConfig::default())
        .unwrap();
    router.send(at(0), all, Bytes::new()).unwrap();
    let transmit = router.poll_transmit().unwrap();
    assert_eq!(
        (transmit.interface, ends(transmit.packet.header)),
        (narrow, (17, 31))
    );
}

#[test]
fn a_broadcast_stays_in_the_network_it_was_sent_to() {
    let mut worlds = Worlds::new(&[]);
    let (wide, narrow) = (worlds.wide, worlds.narrow);
    for (from, destination) in [(narrow, 31), (narrow, 15), (wide, 16383), (wide, 319)] {
        let broadcast = packet((10, 33), (destination, 20), Flags::NONE, b"");
        worlds.refuse(from, broadcast, DropReason::NoListener);
    }
}

#[test]
fn the_subnet_broadcast_of_the_other_network_leaves_there_as_its_own_broadcast() {
    let mut worlds = Worlds::new(&[]);
    let wide = worlds.wide;
    let there = worlds.cross(wide, packet((20, 33), (15, 10), Flags::NONE, b""));
    assert_eq!(ends(there), (20, 31));
}

#[test]
fn own_packets_to_both_worlds_have_the_address_and_the_broadcast_of_each() {
    let mut router = Node::new(Config::default(), 1);
    router
        .add_interface(interface("NARROW", 9, 2).version(Version::V1))
        .unwrap();
    router.add_interface(interface("WIDE", 257, 8)).unwrap();
    router.mark_defaults();
    let all = router
        .connect(at(0), Address::BROADCAST, port(10), ConnectConfig::default())
        .unwrap();
    router.send(at(0), all, Bytes::new()).unwrap();
    let sent: Vec<_> = core::iter::from_fn(|| router.poll_transmit())
        .map(|transmit| ends(transmit.packet.header))
        .collect();
    assert_eq!(sent, [(9, 31), (257, 16383)]);
}

#[test]
fn a_request_and_its_reply_cross_under_mapped_names_with_their_trailers_intact() {
    let key = || hmac::Key::from_pass_phrase(b"both worlds");
    let mut worlds = Worlds::new(&[(300, 12), (1005, 13)]);
    let (wide, narrow) = (worlds.wide, worlds.narrow);
    // Node 13 of the v1 network is called 1005 outside; that name needs a way.
    worlds.router.load_routes("1005 NARROW").unwrap();
    let mut far = Node::new(Config::default().hmac_key(key()), 2);
    let far_link = far.add_interface(interface("A", 300, 8).default_route()).unwrap();
    let mut near = Node::new(Config::default().hmac_key(key()), 3);
    let near_config = interface("A", 13, 2).version(Version::V1).default_route();
    let near_link = near.add_interface(near_config).unwrap();
    let listener = listen(&mut near, 10, SocketConfig::default());
    let flags = Flags::CRC32 | Flags::HMAC;
    let client = far
        .connect(
            at(0),
            address(1005),
            port(10),
            ConnectConfig::default().flags(flags),
        )
        .unwrap();

    far.send(at(0), client, Bytes::from_static(b"request")).unwrap();
    worlds
        .router
        .handle_packet(at(0), wide, far.poll_transmit().unwrap().packet);
    let frame = worlds
        .router
        .poll_transmit()
        .unwrap()
        .packet
        .encode(Version::V1)
        .unwrap();
    near.handle_frame(at(0), near_link, frame);
    let served = near.accept(listener).unwrap();
    assert_eq!(near.peers(served).unwrap().remote, address(12));
    assert_eq!(near.recv(served).unwrap().payload, "request");

    near.send(at(0), served, Bytes::from_static(b"reply")).unwrap();
    let frame = near.poll_transmit().unwrap().packet.encode(Version::V1).unwrap();
    worlds.router.handle_frame(at(0), narrow, frame);
    let frame = worlds
        .router
        .poll_transmit()
        .unwrap()
        .packet
        .encode(Version::V2)
        .unwrap();
    far.handle_frame(at(0), far_link, frame);
    let reply = far.recv(client).unwrap();
    assert_eq!(
        (ends(reply.header), &reply.payload[..]),
        ((1005, 300), &b"reply"[..])
    );
}

#[test]
fn a_v1_broadcast_is_one_also_where_31_is_an_own_address_elsewhere() {
    let mut router = Node::new(Config::default(), 1);
    router
        .add_interface(interface("WIDE", 257, 8).alias(address(31)))
        .unwrap();
    let narrow = interface("NARROW", 9, 2).version(Version::V1);
    let narrow = router.add_interface(narrow).unwrap();
    router.handle_packet(at(0), narrow, packet((10, 33), (31, 1), Flags::CRC32, b"x"));
    let answer = router.poll_transmit().expect("a broadcast ping is answered");
    assert_eq!(ends(answer.packet.header), (9, 10));
}

#[test]
fn rdp_opens_carries_and_closes_between_the_versions() {
    let mut worlds = Worlds::new(&[(300, 12)]);
    let mut client = Node::new(Config::default(), 2);
    let link = interface("A", 300, 8).default_route();
    let link = client.add_interface(link).unwrap();
    let mut server = Node::new(Config::default(), 3);
    let narrow = interface("A", 10, 2).version(Version::V1).default_route();
    let narrow = server.add_interface(narrow).unwrap();
    let listener = listen(&mut server, 10, SocketConfig::default());
    let mut drive = |client: &mut Node, server: &mut Node| {
        loop {
            let router = &mut worlds.router;
            let mut moved = false;
            while let Some(sent) = client.poll_transmit() {
                let frame = sent.packet.encode(Version::V2).unwrap();
                router.handle_frame(at(0), worlds.wide, frame);
                moved = true;
            }
            while let Some(sent) = server.poll_transmit() {
                let frame = sent.packet.encode(Version::V1).unwrap();
                router.handle_frame(at(0), worlds.narrow, frame);
                moved = true;
            }
            while let Some(sent) = router.poll_transmit() {
                if sent.interface == worlds.wide {
                    client.handle_frame(at(0), link, sent.packet.encode(Version::V2).unwrap());
                } else {
                    server.handle_frame(at(0), narrow, sent.packet.encode(Version::V1).unwrap());
                }
            }
            if !moved {
                return;
            }
        }
    };
    let config = rdp::by_rdp().crc32(crate::Switch::On).hmac(crate::Switch::On);
    let asking = client.connect(at(0), address(10), port(10), config).unwrap();
    drive(&mut client, &mut server);
    let answering = server.accept(listener).unwrap();
    assert_eq!(
        server.peers(answering).unwrap().remote,
        address(12),
        "its name there"
    );
    for message in [&b"one"[..], b"two", b"three"] {
        client.send(at(0), asking, message.into()).unwrap();
        server.send(at(0), answering, message.into()).unwrap();
        drive(&mut client, &mut server);
        assert_eq!(server.recv(answering).unwrap().payload, message);
        assert_eq!(client.recv(asking).unwrap().payload, message);
    }
    client.close(at(0), asking);
    drive(&mut client, &mut server);
    server.close(at(0), answering);
    assert_eq!(
        client.rdp_connections().count() + server.rdp_connections().count(),
        0
    );
}
