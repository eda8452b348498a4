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
