//! Blobs over a connection.

use core::time::Duration;

use super::*;
use crate::sfp::{Assembler, Fragments};
use crate::{ConnectConfig, Switch};

#[test]
fn the_room_for_a_payload_is_the_mtu_less_the_trailers_asked_for() {
    let (mut node, _) = node(9, Config::default());
    let all = ConnectConfig::default().crc32(Switch::On).hmac(Switch::On);
    for (config, room) in [(ConnectConfig::default(), 256), (all, 256 - 8)] {
        let connection = node.connect(at(0), address(1), port(10), config).unwrap();
        assert_eq!(node.max_payload(connection), Ok(room));
        let fits = Bytes::from(vec![0; room]);
        assert_eq!(node.send(at(0), connection, fits), Ok(0));
        let more = Bytes::from(vec![0; room + 1]);
        let refused = SendError::TooLong {
            len: room + 1,
            max: room,
        };
        assert_eq!(node.send(at(0), connection, more), Err(refused));
    }
}

#[test]
fn the_narrowest_of_several_ways_decides_and_none_is_an_error() {
    let mut node = Node::new(Config::default(), 1);
    let connection = node
        .connect(at(0), address(1), port(10), ConnectConfig::default())
        .unwrap();
    assert_eq!(
        node.max_payload(connection),
        Err(SendError::NoRoute {
            destination: address(1)
        })
    );
    for (name, mtu) in [("A", 100), ("B", 60)] {
        node.add_interface(interface(name, 9, 8).mtu(mtu).redundant())
            .unwrap();
    }
    assert_eq!(node.max_payload(connection), Ok(60));
    node.close(at(0), connection);
    assert_eq!(node.max_payload(connection), Err(SendError::Closed));
}

#[test]
fn a_blob_goes_in_fragments_and_what_follows_is_none() {
    let mut pair = Pair::new();
    let listener = listen(&mut pair.two, 10, SocketConfig::default());
    let config = ConnectConfig::default().crc32(Switch::On);
    let connection = pair.one.connect(at(0), address(2), port(10), config).unwrap();
    let blob = [7; 600];
    let room = pair.one.max_payload(connection).unwrap();
    for fragment in Fragments::try_new(&blob, room - 8, room).unwrap() {
        pair.one.send_fragment(at(0), connection, &fragment).unwrap();
    }
    pair.one
        .send(at(0), connection, Bytes::from_static(b"done"))
        .unwrap();
    pair.drive();
    let accepted = pair.two.accept(listener).unwrap();
    let mut assembler = Assembler::new(600, Duration::from_secs(1));
    let received = core::iter::from_fn(|| {
        let message = pair.two.recv(accepted)?;
        Some(
            assembler
                .handle_fragment(at(0), message.header.flags, &message.payload)
                .unwrap(),
        )
    })
    .find_map(|whole| whole);
    assert_eq!(received.unwrap(), &blob[..]);
    let last = pair.two.recv(accepted).unwrap();
    assert_eq!((last.header.flags, last.payload), (Flags::CRC32, "done".into()));
}

/// Sends a blob over RDP with all the protections of `client`, acknowledged as the peer reads.
fn over_rdp(version: Version, client: ConnectConfig, server: SocketConfig) {
    let mut pair = Pair::new();
    let netmask = if version == Version::V1 { 1 } else { 8 };
    for (node, own) in [(&mut pair.one, 1), (&mut pair.two, 2)] {
        *node = Node::new(Config::default(), own);
        let config = interface("A", u16::try_from(own).unwrap(), netmask);
        pair.link = node.add_interface(config.version(version)).unwrap();
    }
    let listener = listen(&mut pair.two, 10, server);
    let client = client.rdp(Switch::On);
    let connection = pair.one.connect(at(0), address(2), port(10), client).unwrap();
    pair.drive();
    let accepted = pair.two.accept(listener).unwrap();

    let blob = [7; 2000];
    let room = pair.one.max_payload(connection).unwrap();
    let mut fragments = Fragments::try_new(&blob, room - 8, room).unwrap().peekable();
    let mut assembler = Assembler::new(2000, Duration::from_secs(10));
    for _ in 0..100 {
        while let Some(fragment) = fragments.peek() {
            match pair.one.send_fragment(pair.now, connection, fragment) {
                Ok(_) => fragments.next(),
                Err(SendError::Full) => break,
                Err(error) => panic!("{error}"),
            };
        }
        pair.drive();
        while let Some(message) = pair.two.recv(accepted) {
            let flags = message.header.flags;
            if let Some(whole) = assembler
                .handle_fragment(pair.now, flags, &message.payload)
                .unwrap()
            {
                return assert_eq!(whole, &blob[..]);
            }
        }
        let due = [pair.one.poll_timeout(), pair.two.poll_timeout()];
        pair.now = due.into_iter().flatten().min().unwrap();
        pair.one.handle_timeout(pair.now);
        pair.two.handle_timeout(pair.now);
    }
    panic!("the blob never came");
}

#[test]
fn a_blob_goes_by_rdp_under_every_protection() {
    let key = || hmac::Key::from_bytes([3; 16]);
    let client = ConnectConfig::default().crc32(Switch::On).hmac(Switch::On);
    let needs = Needs::default()
        .rdp(Need::Required)
        .crc32(Need::Required)
        .hmac(Need::Required);
    let server = SocketConfig::default().needs(needs).hmac_key(key());
    let client = client.hmac_key(key());
    for version in [Version::V1, Version::V2] {
        over_rdp(version, client.clone(), server.clone());
    }
    #[cfg(feature = "legacy-xtea")]
    {
        let xtea = || crate::xtea::Key::from_bytes([5; 16]);
        let client = client.xtea(Switch::On).xtea_key(xtea());
        let server = server.needs(needs.xtea(Need::Required)).xtea_key(xtea());
        over_rdp(Version::V1, client, server);
    }
}
