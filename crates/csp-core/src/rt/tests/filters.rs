//! Filters that wait, and those that do not.

use core::sync::atomic::AtomicU32;

use super::*;
use crate::{OutsideConfig, Stage, Verdict};

/// A socket of node 2, and node 1 that sends to it.
async fn sender_and_socket() -> (Node, Node, Connection, Socket) {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let socket = two.bind(port(10), SocketConfig::default()).unwrap();
    let client = one
        .connect(address(2), port(10), ConnectConfig::default())
        .await
        .unwrap();
    (one, two, client, socket)
}

#[tokio::test(start_paused = true)]
async fn packets_that_a_filter_holds_for_different_times_go_on_in_order() {
    let (_one, two, client, mut socket) = sender_and_socket().await;
    let start = tokio::time::Instant::now();
    let _slow = two.filter(Stage::Incoming, |_, packet| async move {
        sleep(Duration::from_millis(100) * u32::from(packet.payload[0])).await;
        Some(packet)
    });
    for n in [3, 1, 2] {
        client.send(vec![n]).await.unwrap();
    }
    for n in [3, 1, 2] {
        assert_eq!(socket.recv_from().await.unwrap().payload, [n][..]);
        assert_eq!(
            start.elapsed(),
            Duration::from_millis(300),
            "they waited at the same time"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_changes_and_drops_and_is_asked_no_more_once_its_guard_is_gone() {
    let (one, _two, client, mut socket) = sender_and_socket().await;
    let odd = one.filter(Stage::Outgoing, |_, mut packet| async move {
        let first = packet.payload[0];
        packet.payload = Bytes::from(vec![first; 2]);
        (first % 2 == 1).then_some(packet)
    });
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    one.filter_now(Stage::Outgoing, move |_, packet| {
        count.fetch_add(1, Ordering::SeqCst);
        Verdict::Pass(packet)
    })
    .keep();
    for n in 0..4 {
        client.send(vec![n]).await.unwrap();
    }
    sleep(SHORT).await;
    assert_eq!(one.status().drops[&DropReason::Filtered], 2);
    drop(odd);
    client.send(vec![4]).await.unwrap();
    for expected in [vec![1, 1], vec![3, 3], vec![4]] {
        assert_eq!(socket.recv_from().await.unwrap().payload, expected);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3, "behind the other");
}

#[tokio::test(start_paused = true)]
async fn packets_go_on_when_the_filter_they_wait_for_is_taken_out() {
    let (_one, two, client, mut socket) = sender_and_socket().await;
    let held = Arc::new(());
    let witness = Arc::downgrade(&held);
    let never = two.filter(Stage::Incoming, move |_, packet| {
        let held = Arc::clone(&held);
        async move {
            core::future::pending::<()>().await;
            drop(held);
            Some(packet)
        }
    });
    client.send("waits").await.unwrap();
    assert!(timeout(SHORT, socket.recv_from()).await.is_err());
    drop(never);
    assert_eq!(
        timeout(SHORT, socket.recv_from()).await.unwrap().unwrap().payload,
        "waits"
    );
    sleep(SHORT).await;
    assert!(witness.upgrade().is_none(), "nothing of it is left");
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_takes_too_long_costs_its_packet() {
    let (_one, two, client, mut socket) = sender_and_socket().await;
    let config = OutsideConfig::default().timeout(SHORT);
    let _slow = two.filter_with(Stage::Incoming, config, |_, packet| async move {
        sleep(if packet.payload == "late" {
            LONG
        } else {
            Duration::ZERO
        })
        .await;
        Some(packet)
    });
    client.send("late").await.unwrap();
    client.send("soon").await.unwrap();
    assert_eq!(socket.recv_from().await.unwrap().payload, "soon");
    assert_eq!(two.status().drops[&DropReason::FilterTimeout], 1);
}

#[tokio::test(start_paused = true)]
async fn a_filter_may_use_handles_of_its_own_node() {
    let (one, two, client, mut socket) = sender_and_socket().await;
    let weak = Arc::new(std::sync::Mutex::new(Some(two.clone())));
    let node = Arc::clone(&weak);
    let filter = two.filter(Stage::Incoming, move |_, packet| {
        let node = node.lock().unwrap().clone();
        async move {
            if let Some(node) = node.filter(|_| packet.payload == "ask") {
                assert!(node.status().stats.dropped == 0);
                drop(node.bind(port(11), SocketConfig::default()).unwrap());
                node.ping(Address::LOOPBACK, PingConfig::default().timeout(SHORT))
                    .await
                    .unwrap_err();
            }
            Some(packet)
        }
    });
    client.send("ask").await.unwrap();
    assert_eq!(socket.recv_from().await.unwrap().payload, "ask");
    weak.lock().unwrap().take();
    drop((one, filter));
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_would_wait_for_its_own_node_panics_and_the_node_goes_on() {
    let (one, _two, client, mut socket) = sender_and_socket().await;
    let node = one.clone();
    let filter = one.filter_now(Stage::Outgoing, move |_, packet| {
        drop(node.status());
        Verdict::Pass(packet)
    });
    let sending = core::panic::AssertUnwindSafe(|| client.try_send("never sent"));
    assert!(
        std::panic::catch_unwind(sending).is_err(),
        "in place of a deadlock"
    );
    drop(filter);
    client.try_send("x").unwrap();
    assert_eq!(socket.recv_from().await.unwrap().payload, "x");
}

#[tokio::test(start_paused = true)]
async fn a_filter_for_a_node_that_has_stopped_is_not_kept() {
    let (node, driver) = Node::new(Config::default());
    drop(driver);
    let held = Arc::new(());
    let in_filter = Arc::clone(&held);
    let filter = node.filter(Stage::Incoming, move |_, packet| {
        let _held = Arc::clone(&in_filter);
        async move { Some(packet) }
    });
    assert_eq!(Arc::strong_count(&held), 1);
    drop(filter);
}
