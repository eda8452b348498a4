//! Sockets: single packets, with and without room.

use super::links::Stuck;
use super::*;
use crate::{Binding, Priority};

#[tokio::test(start_paused = true)]
async fn a_reply_has_the_flags_and_priority_of_the_request_or_flags_of_its_own() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let mut asking = one.bind(port(9), SocketConfig::default()).unwrap();
    let mut server = two.bind(Binding::Any, SocketConfig::default()).unwrap();
    let config = ConnectConfig::default()
        .flags(Flags::CRC32 | Flags::HMAC)
        .priority(Priority::Critical);
    for flags in [None, Some(Flags::CRC32)] {
        asking
            .send_to(address(2), port(12), config.clone(), "?")
            .await
            .unwrap();
        let request = server.recv_from_timeout(SHORT).await.unwrap();
        assert_eq!(request.header.destination_port, port(12), "bound to any port");
        server.reply(&request, flags, "!").await.unwrap();
        let reply = asking.recv_from_timeout(SHORT).await.unwrap();
        assert_eq!(
            (reply.header.flags, reply.header.priority),
            (flags.unwrap_or(Flags::CRC32 | Flags::HMAC), Priority::Critical)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn datagrams_wait_for_room_and_those_given_up_are_not_sent() {
    let (node, mut driver) = Node::new(Config::default().transmit_queue(1));
    let (link, open, mut sent) = gated();
    node.attach(config(1), link).unwrap();
    let story = async {
        let socket = node.bind(port(9), SocketConfig::default()).unwrap();
        let none = ConnectConfig::default;
        let send = |payload: &'static str| socket.send_to(address(2), port(10), none(), payload);
        for payload in ["in the link", "queued"] {
            timeout(SHORT, send(payload)).await.unwrap().unwrap();
        }
        assert!(timeout(SHORT, send("given up")).await.is_err());
        assert_eq!(
            socket.try_send_to(address(2), port(10), none(), "refused"),
            Err(SendError::Full)
        );
        let waiting = futures::future::join(send("waits"), async {
            sleep(SHORT).await;
            open.store(true, Ordering::SeqCst);
        });
        timeout(SHORT * 2, waiting).await.unwrap().0.unwrap();
        node.flush(SHORT).await.unwrap();
    };
    tokio::select! {
        () = story => {}
        () = &mut driver => unreachable!("the node is still there"),
    }
    assert_eq!(driver.waiting(), 0);
    let order: Vec<_> = core::iter::from_fn(|| sent.try_recv().ok())
        .map(|transmit| transmit.packet.payload)
        .collect();
    assert_eq!(order, ["in the link", "queued", "waits"]);
}

#[tokio::test(start_paused = true)]
async fn a_datagram_that_waits_is_told_when_its_link_goes_down_and_when_the_node_stops() {
    for ending in ["link", "node"] {
        let node = Node::spawn(Config::default().transmit_queue(1));
        let (down, goes_down) = tokio::sync::oneshot::channel::<()>();
        let incoming = Box::pin(futures::stream::once(async move {
            // Told or dropped, it is down.
            let _ = goes_down.await;
            Ok(Incoming::Link(LinkState::Down))
        }));
        let incoming = incoming.chain(futures::stream::pending());
        node.attach(config(1), Joined(Stuck, incoming)).unwrap();
        let socket = node.bind(port(9), SocketConfig::default()).unwrap();
        socket
            .try_send_to(address(2), port(10), ConnectConfig::default(), "fills the queue")
            .unwrap();
        let waiting = tokio::spawn(async move {
            socket
                .send_to(address(2), port(10), ConnectConfig::default(), "waits")
                .await
        });
        sleep(SHORT).await;
        assert!(!waiting.is_finished());
        let expected = if ending == "link" {
            drop(down);
            SendError::LinkDown
        } else {
            drop(node);
            SendError::Closed
        };
        assert_eq!(timeout(SHORT, waiting).await.unwrap().unwrap(), Err(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn sockets_listeners_and_notices_are_streams_that_end_with_the_node() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let mut socket = two.bind(port(9), SocketConfig::default()).unwrap();
    let mut listener = two.listen(port(10), SocketConfig::default()).unwrap();
    let mut notices = two.notices();
    for port in [port(9), port(10), port(11)] {
        let none = ConnectConfig::default();
        let client = one.connect(address(2), port, none).await.unwrap();
        client.send("x").await.unwrap();
    }
    assert_eq!(socket.next().await.unwrap().payload, "x");
    let mut accepted = listener.next().await.unwrap();
    assert_eq!(accepted.recv().await.unwrap().payload, "x");
    assert!(matches!(
        notices.next().await,
        Some(Notice::Event(Event::Dropped(_)))
    ));
    drop(two);
    assert!(socket.next().await.is_none());
    assert!(listener.next().await.is_none());
    assert!(notices.next().await.is_none());
}
