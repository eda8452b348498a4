use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;
use std::boxed::Box;
use std::io;
use std::sync::Arc;
use std::vec;
use std::vec::Vec;

use bytes::Bytes;
use futures::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use tokio::time::{sleep, timeout};

use super::*;
use crate::service::Services;
use crate::{
    Address, Config, ConnectConfig, DropReason, Event, Flags, InterfaceConfig, InterfaceName, LinkState,
    Netmask, Packet, Port, SendError, SocketConfig, Transmit, Version,
};

mod connections;
mod filters;
mod flush;
mod links;
mod network;
mod order;
mod services;
mod sockets;
mod tap;
mod threads;

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(60);

fn address(bits: u16) -> Address {
    Address::new(bits).unwrap()
}

fn port(bits: u8) -> Port {
    Port::new(bits).unwrap()
}

fn config(own: u16) -> InterfaceConfig {
    let name = InterfaceName::new("PAIR").unwrap();
    InterfaceConfig::new(name, address(own), Netmask::new(8).unwrap()).default_route()
}

/// Nodes 1 and 2 on an interface pair.
async fn two_nodes(one: Config, two: Config) -> (Node, Node) {
    let (left, right) = pair();
    let (one, two) = (Node::spawn(one), Node::spawn(two));
    one.attach(config(1), left).unwrap();
    two.attach(config(2), right).unwrap();
    (one, two)
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_and_timed() {
    let (one, _two) = two_nodes(Config::default(), Config::default()).await;
    let pong = one.ping(address(2), PingConfig::default()).await.unwrap();
    assert_eq!(
        (pong.from, pong.rtt),
        (address(2), Duration::ZERO),
        "the paused clock stood still"
    );
}

#[tokio::test(start_paused = true)]
async fn a_ping_to_nobody_ends_with_the_timeout() {
    let (one, _two) = two_nodes(Config::default(), Config::default().services(Services::none())).await;
    let lost = one.ping(address(2), PingConfig::default().timeout(SHORT)).await;
    assert_eq!(lost, Err(PingError::Timeout { limit: SHORT }));
    let stray = one.ping(address(9), PingConfig::default().timeout(SHORT)).await;
    assert_eq!(stray, Err(PingError::Timeout { limit: SHORT }));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_pings_leave_no_port_behind() {
    let (one, _two) = two_nodes(Config::default(), Config::default().services(Services::none())).await;
    for _ in 0..1000 {
        let lost = one
            .ping(
                address(2),
                PingConfig::default().timeout(Duration::from_millis(1)),
            )
            .await;
        assert!(matches!(lost, Err(PingError::Timeout { .. })), "{lost:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_answers_two_clients() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let mut listener = two.listen(port(10), SocketConfig::default()).unwrap();
    tokio::spawn(async move {
        while let Ok(mut connection) = listener.accept().await {
            tokio::spawn(async move {
                while let Ok(request) = connection.recv_timeout(LONG).await {
                    let answer = [&request.payload[..], b"!"].concat();
                    connection.send(answer).await.unwrap();
                }
            });
        }
    });
    let flags = ConnectConfig::default().flags(Flags::CRC32 | Flags::HMAC);
    let mut a = one.connect(address(2), port(10), flags).await.unwrap();
    let mut b = one
        .connect(address(2), port(10), ConnectConfig::default())
        .await
        .unwrap();
    for text in ["x", "y"] {
        a.send(text).await.unwrap();
        b.sender().send(text.repeat(2)).await.unwrap();
        assert_eq!(
            a.recv_timeout(SHORT).await.unwrap().payload,
            std::format!("{text}!")
        );
        assert_eq!(
            b.recv_timeout(SHORT).await.unwrap().payload,
            std::format!("{text}{text}!")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_is_request_and_reply_in_one_call() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let mut socket = two.bind(port(12), SocketConfig::default()).unwrap();
    tokio::spawn(async move {
        let request = socket.recv_from_timeout(SHORT).await.unwrap();
        socket.reply(&request, None, "pong").await.unwrap();
        sleep(LONG).await;
    });
    let none = ConnectConfig::default();
    let reply = one
        .transaction(address(2), port(12), none.clone(), "ping", SHORT)
        .await
        .unwrap();
    assert_eq!(reply.payload, "pong");
    let late = one.transaction(address(2), port(13), none, "ping", SHORT).await;
    assert_eq!(
        late,
        Err(TransactionError::Recv(RecvError::Timeout { limit: SHORT }))
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_receive_loses_nothing() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let mut listener = two.listen(port(10), SocketConfig::default()).unwrap();
    let client = one
        .connect(address(2), port(10), ConnectConfig::default())
        .await
        .unwrap();
    assert!(listener.accept().now_or_never().is_none());
    client.send("1").await.unwrap();
    sleep(SHORT).await;
    let mut server = listener.accept().await.unwrap();
    drop(server.recv());
    assert_eq!(server.recv().await.unwrap().payload, "1");
    assert!(timeout(SHORT, server.recv()).await.is_err());
    client.send("2").await.unwrap();
    assert_eq!(server.recv().await.unwrap().payload, "2");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stalls_gets_what_fits_and_the_rest_is_counted() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let mut listener = two
        .listen(port(10), SocketConfig::default().receive_queue(4))
        .unwrap();
    let client = one
        .connect(address(2), port(10), ConnectConfig::default())
        .await
        .unwrap();
    client.send(vec![0]).await.unwrap();
    let mut server = listener.accept().await.unwrap();
    for n in 1..30 {
        client.send(vec![n]).await.unwrap();
    }
    one.flush(SHORT).await.unwrap();
    sleep(SHORT).await;
    let mut got = Vec::new();
    while let Ok(message) = server.recv_timeout(SHORT).await {
        got.extend_from_slice(&message.payload);
    }
    assert_eq!(got, [0, 1, 2, 3], "what the queue holds");
    assert_eq!(two.status().stats.dropped, 26);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_connection_frees_its_port_and_dropping_the_node_stops_everything() {
    let (one, two) = two_nodes(Config::default().port_max_bind(port(62)), Config::default()).await;
    let open = || one.connect(address(2), port(10), ConnectConfig::default());
    let mut client = open().await.unwrap();
    assert!(open().await.is_err(), "one ephemeral port, and it is taken");
    let sender = client.sender();
    let mut listener = two.listen(port(10), SocketConfig::default()).unwrap();
    drop(client);
    client = open().await.unwrap();
    assert_eq!(sender.send("late").await, Err(SendError::Closed));
    let copy = one.clone();
    drop(one);
    assert!(client.send("still there").await.is_ok());
    sleep(SHORT).await;
    drop(copy);
    assert_eq!(client.recv().await, Err(RecvError::Closed));
    assert_eq!(client.send("gone").await, Err(SendError::Closed));
    drop(two);
    listener.accept().await.expect("arrived before the node stopped");
    assert!(matches!(listener.accept().await, Err(RecvError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_ends_takes_its_interface_down_and_leaves_the_node() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let mut notices = one.notices();
    drop(two);
    let ended = notices.recv().await.unwrap();
    assert!(matches!(ended, Notice::Ended { error: None, .. }), "{ended:?}");
    let down = notices.recv().await.unwrap();
    assert!(
        matches!(
            down,
            Notice::Event(Event::Link {
                state: LinkState::Down,
                ..
            })
        ),
        "{down:?}"
    );
    let refused = one.ping(address(2), PingConfig::default()).await;
    assert_eq!(refused, Err(PingError::Send(SendError::LinkDown)));
    assert!(
        one.ping(Address::LOOPBACK, PingConfig::default()).await.is_ok(),
        "itself it still reaches"
    );
}

#[tokio::test(start_paused = true)]
async fn a_backlog_nobody_accepts_expires() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let listener = two
        .listen(port(10), SocketConfig::default().accept_timeout(SHORT))
        .unwrap();
    let client = one
        .connect(address(2), port(10), ConnectConfig::default())
        .await
        .unwrap();
    client.send("x").await.unwrap();
    let mut notices = two.notices();
    match notices.recv().await.unwrap() {
        Notice::Event(Event::Dropped(dropped)) => assert_eq!(dropped.reason, DropReason::NotAccepted),
        other => panic!("{other:?}"),
    }
    drop(listener);
}

/// A link that has room only when told so.
fn gated() -> (
    impl Interface,
    Arc<AtomicBool>,
    tokio::sync::mpsc::UnboundedReceiver<Transmit>,
) {
    let (sender, sent) = tokio::sync::mpsc::unbounded_channel();
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let sink = futures::sink::unfold((sender, gate), |(sender, gate), transmit: Transmit| async move {
        while !gate.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(1)).await;
        }
        sender
            .send(transmit)
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok::<_, io::Error>((sender, gate))
    });
    (Joined(Box::pin(sink), futures::stream::pending()), open, sent)
}

#[tokio::test(start_paused = true)]
async fn senders_wait_while_the_link_has_no_room_and_go_on_in_order() {
    let node = Node::spawn(Config::default().transmit_queue(2));
    let (link, open, mut sent) = gated();
    node.attach(config(1), link).unwrap();
    let client = node
        .connect(address(2), port(10), ConnectConfig::default())
        .await
        .unwrap();
    // One in the link, two in the queue; the fourth waits.
    for n in 0..3 {
        timeout(SHORT, client.send(vec![n])).await.unwrap().unwrap();
    }
    assert!(
        timeout(SHORT, client.send(vec![9])).await.is_err(),
        "given up while waiting, so never sent"
    );
    let send = |n| {
        let sender = client.sender();
        async move { sender.send(vec![n]).await }
    };
    let late: Vec<_> = (3..6).map(send).collect();
    let late = tokio::spawn(futures::future::join_all(late));
    sleep(SHORT).await;
    assert!(!late.is_finished());
    open.store(true, Ordering::SeqCst);
    assert!(late.await.unwrap().iter().all(Result::is_ok));
    node.flush(LONG).await.unwrap();
    let mut order = Vec::new();
    while let Ok(transmit) = sent.try_recv() {
        order.push(transmit.packet.payload[0]);
    }
    assert_eq!(order, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn flush_gives_up_on_a_link_without_room() {
    let node = Node::spawn(Config::default());
    let (link, _closed, _sent) = gated();
    node.attach(config(1), link).unwrap();
    let client = node
        .connect(address(2), port(10), ConnectConfig::default())
        .await
        .unwrap();
    client.send("x").await.unwrap();
    assert_eq!(node.flush(SHORT).await, Err(RecvError::Timeout { limit: SHORT }));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_fails_costs_packets_and_not_the_interface() {
    let node = Node::spawn(Config::default());
    let id = node
        .attach(config(1), Joined(Failing, futures::stream::pending()))
        .unwrap();
    let client = node
        .connect(address(2), port(10), ConnectConfig::default())
        .await
        .unwrap();
    for _ in 0..3 {
        client.send("x").await.unwrap();
        sleep(SHORT).await;
    }
    let status = node.status();
    let stats = status
        .interfaces
        .iter()
        .find(|interface| interface.id == id)
        .unwrap()
        .stats;
    assert_eq!(stats.tx_error, 3);
}

#[tokio::test(start_paused = true)]
async fn serial_interfaces_carry_header_and_payload_as_bytes() {
    for (version, netmask) in [(Version::V1, 1), (Version::V2, 8)] {
        let node = Node::spawn(Config::default());
        let (link, mut peer) = frames();
        let name = InterfaceName::new("SER").unwrap();
        let config = InterfaceConfig::new(name, address(9), Netmask::new(netmask).unwrap()).version(version);
        node.attach(config.default_route(), Serial::new(link, version))
            .unwrap();

        peer.send(Bytes::from_static(b"abc")).await.unwrap();
        let ping = async { node.ping(address(12), PingConfig::default().size(3)).await };
        let answer = async {
            let mut request = Packet::decode(version, peer.next().await.unwrap().unwrap()).unwrap();
            request.header = request.header.reply();
            peer.send(request.encode(version).unwrap()).await.unwrap();
        };
        let (pong, ()) = tokio::join!(ping, answer);
        assert_eq!(pong.unwrap().from, address(12));
        let stats = node.status().interfaces[1].stats;
        assert_eq!(
            (stats.frame, stats.rx, stats.tx),
            (1, 1, 1),
            "three bytes are no header"
        );
    }
}

/// A sink that takes packets and fails to flush them.
struct Failing;

impl Sink<Transmit> for Failing {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: Transmit) -> io::Result<()> {
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::Other.into()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A sink and a stream as one.
struct Joined<S, T>(S, T);

impl<S: Unpin, T: Stream + Unpin> Stream for Joined<S, T> {
    type Item = T::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T::Item>> {
        self.1.poll_next_unpin(cx)
    }
}

impl<I, S: Sink<I> + Unpin, T: Unpin> Sink<I> for Joined<S, T> {
    type Error = S::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready_unpin(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, item: I) -> Result<(), S::Error> {
        self.0.start_send_unpin(item)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_flush_unpin(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_close_unpin(cx)
    }
}

trait Frames: Stream<Item = io::Result<Bytes>> + Sink<Bytes, Error = io::Error> + Unpin + Send + 'static {}

impl<T> Frames for T where
    T: Stream<Item = io::Result<Bytes>> + Sink<Bytes, Error = io::Error> + Unpin + Send + 'static
{
}

/// Two ends of a channel of whole frames.
fn frames() -> (impl Frames, impl Frames) {
    let (to_right, from_left) = futures::channel::mpsc::channel(8);
    let (to_left, from_right) = futures::channel::mpsc::channel(8);
    let end = |sender: futures::channel::mpsc::Sender<Bytes>,
               receiver: futures::channel::mpsc::Receiver<Bytes>| {
        Joined(sender.sink_map_err(io::Error::other), receiver.map(Ok))
    };
    (end(to_right, from_right), end(to_left, from_left))
}
