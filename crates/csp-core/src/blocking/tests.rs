use std::thread;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::rt::pair;
use crate::{InterfaceName, Netmask, SendError, Switch};

/// Far longer than anything here takes on any machine.
const LONG: Duration = Duration::from_secs(600);
/// So short that it passes.
const SHORT: Duration = Duration::from_millis(1);

fn address(bits: u16) -> Address {
    Address::new(bits).unwrap()
}

fn port(bits: u8) -> Port {
    Port::new(bits).unwrap()
}

fn two_nodes() -> (Node, Node) {
    let (left, right) = pair();
    let nodes = [(1, left), (2, right)].map(|(own, link)| {
        let name = InterfaceName::new("PAIR").unwrap();
        let config = InterfaceConfig::new(name, address(own), Netmask::new(8).unwrap());
        let node = Node::new(Config::default()).unwrap();
        node.attach(config, link).unwrap();
        node
    });
    nodes.into()
}

fn reliable() -> ConnectConfig {
    ConnectConfig::default().rdp(Switch::On)
}

#[test]
fn threads_exchange_packets_and_blobs_and_close() {
    let (one, two) = two_nodes();
    let mut listener = two.listen(port(10), SocketConfig::default()).unwrap();
    let server = thread::spawn(move || {
        let mut connection = listener.accept_timeout(LONG).unwrap();
        let request = connection.recv_timeout(LONG).unwrap();
        connection.send(request.payload).unwrap();
        let blob = connection.recv_blob(10_000, LONG).unwrap();
        let end = connection.recv().unwrap_err();
        (blob, end)
    });
    let mut client = one.connect(address(2), port(10), reliable()).unwrap();
    client.send_acknowledged("hello").unwrap();
    assert_eq!(client.recv().unwrap().payload, "hello");
    client.send_blob(vec![7; 5000]).unwrap();
    client.flush(LONG).unwrap();
    client.close(LONG).unwrap();
    let (blob, end) = server.join().unwrap();
    assert_eq!(blob, vec![7; 5000]);
    let reason = crate::rdp::CloseReason::ClosedByPeer;
    assert_eq!(end, RecvError::Ended { reason });
}

#[test]
fn sockets_taps_and_notices_wait_as_long_as_they_are_told() {
    let (one, two) = two_nodes();
    let mut socket = two.bind(port(10), SocketConfig::default()).unwrap();
    let mut tap = two.tap(TapConfig::default());
    let mut notices = two.notices();
    let late = RecvError::Timeout { limit: SHORT };
    assert_eq!(socket.recv_from_timeout(SHORT).unwrap_err(), late);
    assert_eq!(tap.recv_timeout(SHORT).unwrap_err(), late);
    assert_eq!(notices.recv_timeout(SHORT).unwrap_err(), late);
    let asking = thread::spawn(move || {
        let none = ConnectConfig::default();
        one.transaction(address(2), port(10), none, "?", LONG)
    });
    let request = socket.recv_from().unwrap();
    socket.reply(&request, None, "!").unwrap();
    assert_eq!(asking.join().unwrap().unwrap().payload, "!");
    assert_eq!(tap.recv().unwrap().packet.payload, "?");
    assert_eq!((tap.missed(), notices.lost()), (0, 0));
}

#[test]
fn connects_and_sends_wait_as_long_as_they_are_told() {
    let node = Node::new(Config::default().transmit_queue(1)).unwrap();
    let (link, _nobody_reads) = pair();
    let name = InterfaceName::new("PAIR").unwrap();
    node.attach(
        InterfaceConfig::new(name, address(1), Netmask::new(8).unwrap()),
        link,
    )
    .unwrap();
    let unanswered = node.connect_timeout(address(2), port(10), reliable(), SHORT);
    assert_eq!(unanswered.unwrap_err(), rt::UNANSWERED);
    let client = node
        .connect(address(2), port(10), ConnectConfig::default())
        .unwrap();
    let full = loop {
        if let Err(error) = client.send_timeout("x", SHORT) {
            break error;
        }
    };
    assert_eq!(full, SendError::Full);
    // On a busy machine a time may be over before the node's thread has moved what there still was room for.
    while node.wait_timeout(SHORT, client.sender().send("x")).is_some() {}
}

#[test]
fn whoever_waits_is_told_when_the_node_is_dropped_and_the_thread_ends() {
    let (one, two) = two_nodes();
    let mut listener = two.listen(port(10), SocketConfig::default()).unwrap();
    let mut notices = two.notices();
    let mut client = two
        .connect(address(1), port(10), ConnectConfig::default())
        .unwrap();
    let sender = client.sender();
    let waiting = [
        thread::spawn(move || listener.accept().unwrap_err()),
        thread::spawn(move || client.recv_timeout(LONG).unwrap_err()),
    ];
    let ended = thread::spawn(move || notices.recv());
    let inner = two.inner().clone();
    // A handle of the node itself does not keep it.
    drop(two);
    for thread in waiting {
        assert_eq!(thread.join().unwrap(), RecvError::Closed);
    }
    assert!(ended.join().unwrap().is_none());
    assert_eq!(one.wait(sender.send("late")), Err(SendError::Closed));
    assert!(inner.bind(port(9), SocketConfig::default()).is_err());
}

#[test]
fn calls_within_a_runtime_hold_it_up_and_do_not_panic() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (one, _two) = two_nodes();
        // More than a task may do at a stretch.
        for _ in 0..300 {
            one.ping(address(2), PingConfig::default().timeout(LONG)).unwrap();
        }
        let mut socket = one.bind(port(10), SocketConfig::default()).unwrap();
        assert!(socket.recv_from_timeout(SHORT).is_err());
    });
}

#[test]
fn many_threads_use_one_node() {
    let (one, two) = two_nodes();
    let mut listener = two.listen(port(10), SocketConfig::default()).unwrap();
    let server = thread::spawn(move || {
        let mut threads = Vec::new();
        while let Ok(mut connection) = listener.accept() {
            threads.push(thread::spawn(move || {
                while let Ok(request) = connection.recv() {
                    if connection.send(request.payload).is_err() {
                        break;
                    }
                }
            }));
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
    thread::scope(|scope| {
        for n in 0..8_u8 {
            let one = one.clone();
            scope.spawn(move || {
                let none = ConnectConfig::default();
                let mut client = one.connect(address(2), port(10), none).unwrap();
                for m in 0..200 {
                    client.send(vec![n, m]).unwrap();
                    assert_eq!(client.recv_timeout(LONG).unwrap().payload, [n, m][..]);
                }
            });
        }
    });
    drop(two);
    server.join().unwrap();
}
