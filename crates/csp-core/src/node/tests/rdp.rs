//! RDP between two nodes.

use super::*;
use crate::Switch;
use crate::rdp::{CloseReason, State};

fn by_rdp() -> ConnectConfig {
    ConnectConfig::default().rdp(Switch::On)
}

/// Two nodes with a connection open between them, and its two names.
fn open() -> (Pair, ConnectionId, ConnectionId) {
    let mut pair = Pair::new();
    let listener = listen(&mut pair.two, 10, SocketConfig::default());
    let client = pair
        .one
        .connect(pair.now, address(2), port(10), by_rdp())
        .unwrap();
    pair.drive();
    assert_eq!(events(&mut pair.one), [Event::Connected(client)]);
    assert_eq!(events(&mut pair.two), [Event::Incoming(listener)]);
    let server = pair.two.accept(listener).unwrap();
    (pair, client, server)
}

#[test]
fn a_message_is_delivered_and_acknowledged() {
    let (mut pair, client, server) = open();
    assert_eq!(pair.one.send(pair.now, client, Bytes::from_static(b"x")), Ok(0));
    pair.drive();
    assert_eq!(events(&mut pair.two), [Event::Readable(server)]);
    assert_eq!(pair.two.recv(server).unwrap().payload, "x");
    assert_eq!(pair.one.acknowledged(client), Some(0));
    pair.now = pair.two.poll_timeout().unwrap();
    pair.two.handle_timeout(pair.now);
    pair.drive();
    assert_eq!(events(&mut pair.one), [Event::Acknowledged(client)]);
    assert_eq!(pair.one.acknowledged(client), Some(1));
}

#[test]
fn both_users_learn_of_the_end_and_nothing_is_left() {
    let (mut pair, client, server) = open();
    pair.one.close(pair.now, client);
    assert_eq!(pair.one.state(client), None, "its name is of no use at once");
    pair.drive();
    let closed = Event::Closed {
        connection: server,
        reason: CloseReason::ClosedByPeer,
        unacknowledged: 0,
    };
    assert_eq!(events(&mut pair.two), [closed]);
    assert_eq!(pair.two.state(server), Some(State::CloseWait));
    pair.two.close(pair.now, server);
    for node in [&mut pair.one, &mut pair.two] {
        assert_eq!(node.rdp_connections().count(), 0);
        assert_eq!(node.poll_timeout(), None);
    }
}
