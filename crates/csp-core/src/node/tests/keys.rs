//! Whose key a packet is sealed and opened with, and what options make of a connection's flags.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use super::*;
use crate::Switch;

fn key(byte: u8) -> hmac::Key {
    hmac::Key::from_bytes([byte; 16])
}

/// A node 2 with the node's key 1, an interface of `version` and, if given, that interface's key.
fn keyed(version: Version, of_interface: Option<hmac::Key>) -> (Node, InterfaceId) {
    let mut node = Node::new(Config::default().hmac_key(key(1)), 1);
    let netmask = if version == Version::V1 { 1 } else { 8 };
    let config = interface("A", 2, netmask).version(version).default_route();
    let config = match of_interface {
        Some(key) => config.hmac_key(key),
        None => config,
    };
    let id = node.add_interface(config).unwrap();
    (node, id)
}

/// What a connection with `config` puts on the link for "abc".
fn sent_by(node: &mut Node, config: ConnectConfig) -> Bytes {
    let connection = node.connect(at(0), address(5), port(10), config).unwrap();
    node.send(at(0), connection, Bytes::from_static(b"abc")).unwrap();
    node.poll_transmit().unwrap().packet.payload
}

fn tagged(byte: u8) -> Vec<u8> {
    [b"abc", &key(byte).tag(b"abc")[..]].concat()
}

#[test]
fn the_key_of_a_connection_comes_first_then_the_interfaces_then_the_nodes() {
    let hmac = ConnectConfig::default().hmac(Switch::On);
    let (mut plain, _) = keyed(Version::V2, None);
    assert_eq!(sent_by(&mut plain, hmac.clone()), tagged(1));
    let (mut of_interface, _) = keyed(Version::V2, Some(key(2)));
    assert_eq!(sent_by(&mut of_interface, hmac.clone()), tagged(2));
    assert_eq!(sent_by(&mut of_interface, hmac.hmac_key(key(3))), tagged(3));
}

/// A packet from 5 to `destination_port`, authenticated with key `byte`.
fn authentic(destination_port: u8, byte: u8) -> Packet {
    let mut packet = packet((5, 33), (2, destination_port), Flags::NONE, b"abc");
    packet.header.flags = Flags::HMAC;
    packet.payload = tagged(byte).into();
    packet
}

#[test]
fn a_socket_with_a_key_opens_and_answers_with_it_and_others_with_the_interfaces() {
    let (mut node, id) = keyed(Version::V2, Some(key(2)));
    let own = SocketConfig::default().hmac_key(key(3));
    let with = node.bind(port(10).into(), own).unwrap();
    let without = node.bind(port(11).into(), SocketConfig::default()).unwrap();
    for (socket, number, right, wrong) in [(with, 10, 3, 2), (without, 11, 2, 1)] {
        node.handle_packet(at(0), id, authentic(number, wrong));
        assert_dropped(&mut node, DropReason::Authentication);
        node.handle_packet(at(0), id, authentic(number, right));
        let request = node.recv_from(socket).unwrap();
        node.reply(at(0), &request, None, Bytes::from_static(b"abc"))
            .unwrap();
        assert_eq!(node.poll_transmit().unwrap().packet.payload, tagged(right));
        let to = (address(5), port(33));
        let config = ConnectConfig::default().flags(Flags::HMAC);
        let abc = Bytes::from_static(b"abc");
        node.send_to(at(0), socket, to, config.clone(), abc.clone())
            .unwrap();
        assert_eq!(node.poll_transmit().unwrap().packet.payload, tagged(right));
        node.send_to(at(0), socket, to, config.hmac_key(key(9)), abc)
            .unwrap();
        assert_eq!(node.poll_transmit().unwrap().packet.payload, tagged(9));
    }
}

#[test]
fn an_accepted_connection_has_the_key_of_its_listener() {
    let (mut node, id) = keyed(Version::V2, None);
    let listener = listen(&mut node, 10, SocketConfig::default().hmac_key(key(3)));
    node.handle_packet(at(0), id, authentic(10, 3));
    let connection = node.accept(listener).unwrap();
    node.send(at(0), connection, Bytes::from_static(b"abc")).unwrap();
    assert_eq!(node.poll_transmit().unwrap().packet.payload, tagged(3));
    node.handle_packet(at(0), id, authentic(10, 1));
    assert_dropped(&mut node, DropReason::Authentication);
}

#[test]
fn copies_on_two_interfaces_have_the_key_of_each() {
    let mut node = Node::new(Config::default().hmac_key(key(1)), 1);
    for (name, config) in [("A", key(2)), ("B", key(3))] {
        node.add_interface(interface(name, 2, 8).hmac_key(config).redundant())
            .unwrap();
    }
    let config = ConnectConfig::default().hmac(Switch::On);
    assert_eq!(sent_by(&mut node, config), tagged(2));
    assert_eq!(node.poll_transmit().unwrap().packet.payload, tagged(3));
}

#[test]
fn what_is_sent_with_an_option_is_required_of_replies() {
    for (config, reason) in [
        (
            ConnectConfig::default().crc32(Switch::On),
            DropReason::ChecksumRequired,
        ),
        (
            ConnectConfig::default().hmac(Switch::On),
            DropReason::AuthenticationRequired,
        ),
        (
            ConnectConfig::default().xtea(Switch::On),
            DropReason::EncryptionRequired,
        ),
    ] {
        let (mut node, id) = keyed(Version::V1, None);
        let config = config.local_port(port(40));
        let connection = node.connect(at(0), address(5), port(10), config).unwrap();
        let bare = packet((5, 10), (2, 40), Flags::NONE, b"abc");
        node.handle_packet(at(0), id, bare);
        assert_dropped(&mut node, reason);
        assert_eq!(node.recv(connection), None);
    }
}

#[test]
fn encryption_that_would_not_happen_is_refused_and_a_reserved_flag_is_carried() {
    let abc = || Bytes::from_static(b"abc");
    let refused = Err(SendError::Unsupported { flags: Flags::XTEA });
    for version in [Version::V1, Version::V2] {
        let (mut node, _) = keyed(version, None);
        let config = ConnectConfig::default().xtea(Switch::On);
        let connection = node.connect(at(0), address(5), port(10), config).unwrap();
        assert_eq!(node.send(at(0), connection, abc()), refused);
        assert_eq!(node.poll_transmit(), None);
    }
    let (mut node, id) = keyed(Version::V2, None);
    let socket = node.bind(port(10).into(), SocketConfig::default()).unwrap();
    let packet = packet((5, 33), (2, 10), Flags::XTEA, b"abc");
    node.handle_packet(at(0), id, packet);
    let request = node.recv_from(socket).unwrap();
    assert_eq!(request.payload, abc());
    node.reply(at(0), &request, None, abc()).unwrap();
    let reply = node.poll_transmit().unwrap().packet;
    assert_eq!((reply.header.flags, reply.payload), (Flags::XTEA, abc()));
}

#[test]
fn an_encrypted_packet_without_a_key_is_dropped_unless_the_flag_is_reserved() {
    let payload = packet((5, 33), (2, 10), Flags::XTEA, b"abcdef");
    let (mut node, id) = keyed(Version::V1, None);
    let socket = node.bind(port(10).into(), SocketConfig::default()).unwrap();
    node.handle_packet(at(0), id, payload.clone());
    assert_dropped(&mut node, DropReason::EncryptedUnsupported);
    assert_eq!(node.interface_stats(id).unwrap().autherr, 1);
    assert_eq!(node.recv_from(socket), None);

    let mut node = Node::new(Config::default().xtea_flag(crate::XteaFlag::Reserved), 1);
    let id = node
        .add_interface(interface("A", 2, 1).version(Version::V1))
        .unwrap();
    let socket = node.bind(port(10).into(), SocketConfig::default()).unwrap();
    node.handle_packet(at(0), id, payload);
    assert_eq!(node.recv_from(socket).unwrap().payload, "abcdef");
}

#[cfg(feature = "legacy-xtea")]
#[test]
fn the_cipher_key_of_a_connection_comes_first_then_the_interfaces_then_the_nodes() {
    let xtea = |byte| crate::xtea::Key::from_bytes([byte; 16]);
    let of_one = ConnectConfig::default().xtea(Switch::On);
    for (interfaces, connections, expected) in [(None, None, 1), (Some(2), None, 2), (Some(2), Some(3), 3)] {
        let mut node = Node::new(Config::default().xtea_key(xtea(1)), 1);
        let config = interface("A", 2, 1).version(Version::V1).default_route();
        let config = match interfaces {
            Some(byte) => config.xtea_key(xtea(byte)),
            None => config,
        };
        node.add_interface(config).unwrap();
        let config = match connections {
            Some(byte) => of_one.clone().xtea_key(xtea(byte)),
            None => of_one.clone(),
        };
        let mut sealed = sent_by(&mut node, config).to_vec();
        let (payload, nonce) = sealed.split_last_chunk_mut().unwrap();
        xtea(expected).apply(u32::from_be_bytes(*nonce), payload);
        assert_eq!(payload, b"abc");
    }
}

#[cfg(feature = "legacy-xtea")]
#[test]
fn two_nodes_with_a_key_talk_encrypted_and_no_two_packets_alike() {
    let xtea = || crate::xtea::Key::from_pass_phrase(b"old key");
    let (mut client, a) = keyed(Version::V1, None);
    let config = interface("A", 5, 1).version(Version::V1).xtea_key(xtea());
    let mut server = Node::new(Config::default().hmac_key(key(1)), 2);
    let b = server.add_interface(config).unwrap();
    let needs = Needs::default().xtea(Need::Required).crc32(Need::Required);
    let listener = listen(&mut server, 10, SocketConfig::default().needs(needs));

    let config = ConnectConfig::default().crc32(Switch::On).hmac(Switch::On);
    let config = config.xtea(Switch::On).xtea_key(xtea());
    let connection = client.connect(at(0), address(5), port(10), config).unwrap();
    let mut seen = vec![];
    for _ in 0..2 {
        client
            .send(at(0), connection, Bytes::from_static(b"hello"))
            .unwrap();
        let packet = client.poll_transmit().unwrap().packet;
        assert_eq!(packet.payload.len(), 5 + 4 + 4 + 4);
        server.handle_packet(at(0), b, packet.clone());
        seen.push(packet.payload);
    }
    assert_ne!(seen[0], seen[1]);
    let accepted = server.accept(listener).unwrap();
    assert_eq!(server.recv(accepted).unwrap().payload, "hello");
    assert_eq!(server.recv(accepted).unwrap().payload, "hello");
    server
        .send(at(0), accepted, Bytes::from_static(b"world"))
        .unwrap();
    client.handle_packet(at(0), a, server.poll_transmit().unwrap().packet);
    assert_eq!(client.recv(connection).unwrap().payload, "world");

    let mut short = packet((2, 33), (5, 10), Flags::XTEA | Flags::CRC32, b"");
    short.payload = Bytes::from_static(b"abc");
    server.handle_packet(at(0), b, short);
    assert_dropped(&mut server, DropReason::Decryption);
}

#[test]
fn what_is_not_encrypted_takes_no_random_number() {
    let drawn = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&drawn);
    let mut node = Node::with_random(Config::default(), move || {
        count.fetch_add(1, Ordering::Relaxed).try_into().unwrap()
    });
    node.add_interface(interface("A", 2, 8)).unwrap();
    let config = ConnectConfig::default().local_port(port(40));
    sent_by(&mut node, config.crc32(Switch::On).hmac(Switch::On));
    assert_eq!(drawn.load(Ordering::Relaxed), 0);
}

#[test]
fn each_protection_can_be_prohibited() {
    let prohibited = |needs: Needs| SocketConfig::default().needs(needs);
    let no = Need::Prohibited;
    for (config, flags) in [
        (prohibited(Needs::default().crc32(no)), Flags::CRC32),
        (prohibited(Needs::default().hmac(no)), Flags::HMAC),
        (prohibited(Needs::default().rdp(no)), Flags::RDP),
        (prohibited(Needs::default().xtea(no)), Flags::XTEA),
    ] {
        let (mut node, id) = keyed(Version::V1, None);
        let socket = node.bind(port(10).into(), config).unwrap();
        node.handle_packet(at(0), id, packet((5, 33), (2, 10), flags, b"abc"));
        assert_dropped(&mut node, DropReason::Prohibited);
        assert_eq!(node.recv_from(socket), None);
    }
}

#[test]
fn a_connection_takes_replies_without_what_it_sends_where_it_is_told_so() {
    let opened = |config: ConnectConfig| {
        let (mut node, id) = keyed(Version::V2, None);
        let connection = node
            .connect(at(0), address(5), port(10), config.crc32(Switch::On))
            .unwrap();
        node.send(at(0), connection, Bytes::from_static(b"ask")).unwrap();
        let asked = node.poll_transmit().unwrap().packet.header;
        assert!(asked.flags.contains(Flags::CRC32));
        let local = asked.source_port.to_bits();
        node.handle_packet(at(0), id, packet((5, 10), (2, local), Flags::NONE, b"bare"));
        (node, id, connection, local)
    };
    let (mut strict, ..) = opened(ConnectConfig::default());
    assert_dropped(&mut strict, DropReason::ChecksumRequired);

    let told = ConnectConfig::default().reply_needs(Needs::default());
    let (mut lax, id, connection, local) = opened(told);
    assert_eq!(lax.recv(connection).unwrap().payload, "bare");
    events(&mut lax);
    let mut wrong = packet((5, 10), (2, local), Flags::NONE, b"no checksum");
    wrong.header.flags = Flags::CRC32;
    lax.handle_packet(at(0), id, wrong);
    assert_dropped(&mut lax, DropReason::Checksum);

    let more = ConnectConfig::default().reply_needs(Needs::default().hmac(Need::Required));
    let (mut more, ..) = opened(more);
    assert_dropped(&mut more, DropReason::AuthenticationRequired);
}

#[test]
fn a_reply_without_rdp_does_not_reach_a_connection_with_it_whatever_is_needed() {
    let (mut node, id) = keyed(Version::V2, None);
    let config = ConnectConfig::default()
        .rdp(Switch::On)
        .reply_needs(Needs::default());
    node.connect(at(0), address(5), port(10), config).unwrap();
    let local = node.poll_transmit().unwrap().packet.header.source_port.to_bits();
    node.handle_packet(at(0), id, packet((5, 10), (2, local), Flags::NONE, b"bare"));
    assert_dropped(&mut node, DropReason::RdpRequired);
}
