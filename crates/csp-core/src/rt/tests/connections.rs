//! Connections by RDP, and what both kinds have in common.

use core::sync::atomic::AtomicU64;

use futures::future::join;

use super::*;
use crate::rdp::CloseReason;
use crate::{ConnectError, Stage, Switch, Verdict};

fn reliable() -> ConnectConfig {
    ConnectConfig::default().rdp(Switch::On)
}

/// Two nodes, and both ends of a connection by RDP between them.
async fn connected() -> (Node, Node, Connection, Connection) {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let mut listener = two.listen(port(10), SocketConfig::default()).unwrap();
    let connecting = one.connect(address(2), port(10), reliable());
    let (client, server) = join(connecting, listener.accept()).await;
    (one, two, client.unwrap(), server.unwrap())
}

/// Drops all that `node` receives while it is kept.
fn dark(node: &Node) -> Filter {
    node.filter_now(Stage::Incoming, |_, _| Verdict::Drop)
}

/// Drops one packet in `of` that `node` receives.
fn lossy(node: &Node, of: u64) -> Filter {
    let count = AtomicU64::new(0);
    node.filter_now(Stage::Incoming, move |_, packet| {
        let n = count.fetch_add(1, Ordering::SeqCst);
        if n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 & 0xFFFF < 0x10000 / of {
            Verdict::Drop
        } else {
            Verdict::Pass(packet)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_is_acknowledged_and_read_before_the_end_is_told() {
    let (_one, _two, client, mut server) = connected().await;
    client.send_acknowledged("first").await.unwrap();
    client.send("second").await.unwrap();
    client.flush(SHORT * 10).await.unwrap();
    client.close(LONG).await.unwrap();
    sleep(SHORT).await;
    assert_eq!(server.close_reason(), Some(CloseReason::ClosedByPeer));
    for payload in ["first", "second"] {
        assert_eq!(server.recv().await.unwrap().payload, payload);
    }
    let reason = CloseReason::ClosedByPeer;
    assert_eq!(server.recv().await, Err(RecvError::Ended { reason }));
    assert_eq!(server.send("late").await, Err(SendError::Closed));
}

#[tokio::test(start_paused = true)]
async fn both_ends_know_what_their_packets_have_on() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let mut listener = two.listen(port(10), SocketConfig::default()).unwrap();
    for (config, flags) in [
        (ConnectConfig::default(), Flags::NONE),
        (ConnectConfig::default().crc32(Switch::On), Flags::CRC32),
        (
            ConnectConfig::default().crc32(Switch::On).rdp(Switch::On),
            Flags::CRC32 | Flags::RDP,
        ),
    ] {
        let connection = one.connect(address(2), port(10), config).await.unwrap();
        connection.send("x").await.unwrap();
        let accepted = listener.accept().await.unwrap();
        assert_eq!((connection.flags(), accepted.flags()), (Some(flags), Some(flags)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_nobody_answers_fails_and_leaves_no_port() {
    let config = Config::default().port_max_bind(port(62));
    let (one, two) = two_nodes(config, Config::default()).await;
    let nobody = |reason| Err(CallError::Refused(ConnectError::NotOpened { reason }));
    for _ in 0..2 {
        let lost = one.connect(address(2), port(10), reliable()).await;
        assert_eq!(lost.map(|_| ()), nobody(CloseReason::NoAnswer));
    }
    let waiting = one.connect(address(2), port(10), reliable());
    assert!(timeout(SHORT, waiting).await.is_err());
    sleep(LONG).await;
    let _listener = two.listen(port(10), SocketConfig::default()).unwrap();
    one.connect(address(2), port(10), reliable()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connect_and_a_send_wait_no_longer_than_they_are_told() {
    let (one, _two, client, _server) = connected().await;
    let _dark = dark(&one);
    let began = tokio::time::Instant::now();
    let unanswered = one
        .connect_timeout(address(2), port(10), reliable(), SHORT)
        .await
        .unwrap_err();
    let reason = CloseReason::NoAnswer;
    assert_eq!(unanswered, CallError::Refused(ConnectError::NotOpened { reason }));
    let full = loop {
        if let Err(error) = client.send_timeout("x", SHORT).await {
            break error;
        }
    };
    assert_eq!((full, began.elapsed()), (SendError::Full, SHORT * 2));
    assert_eq!(one.status().rdp.len(), 1, "the one given up is gone");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_connections_of_each_kind_leave_no_port_behind() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let mut listener = two.listen(port(10), SocketConfig::default()).unwrap();
    for _ in 0..1000 {
        let plain = one.connect(address(2), port(11), ConnectConfig::default());
        plain.await.unwrap().send("to nobody").await.unwrap();
        let (client, server) = join(one.connect(address(2), port(10), reliable()), listener.accept()).await;
        drop((client.unwrap(), server.unwrap()));
        // The other end has to hear of it.
        sleep(Duration::from_millis(1)).await;
    }
    assert!(one.status().rdp.is_empty() && two.status().rdp.is_empty());
}

#[tokio::test(start_paused = true)]
async fn both_users_are_told_when_the_link_goes_dark() {
    let (one, two, client, mut server) = connected().await;
    let (left, right) = (dark(&one), dark(&two));
    let reason = CloseReason::PeerSilent;
    assert_eq!(
        client.send_acknowledged("lost").await,
        Err(DeliveryError::Ended { reason })
    );
    assert_eq!(server.recv().await, Err(RecvError::Ended { reason }));
    drop((left, right));
}

#[tokio::test(start_paused = true)]
async fn a_graceful_close_tells_what_was_not_acknowledged() {
    let (_one, two, client, _server) = connected().await;
    let _dark = dark(&two);
    client.send("lost").await.unwrap();
    assert_eq!(
        client.flush(SHORT).await,
        Err(DeliveryError::Timeout { limit: SHORT })
    );
    assert_eq!(
        client.close(SHORT).await,
        Err(CloseError::Unacknowledged {
            reason: CloseReason::Unfinished,
            unacknowledged: 1
        })
    );
}

#[tokio::test(start_paused = true)]
async fn senders_wait_for_the_window_in_order_and_those_given_up_send_nothing() {
    let (_one, two, client, mut server) = connected().await;
    let outage = dark(&two);
    // libcsp's window.
    for n in 0..4 {
        timeout(SHORT, client.send(vec![n])).await.unwrap().unwrap();
    }
    assert_eq!(client.try_send("no"), Err(SendError::Full));
    assert!(timeout(SHORT, client.send("given up")).await.is_err());
    let senders = (4..12).map(|n| {
        let sender = client.sender();
        tokio::spawn(async move { sender.send(vec![n]).await.unwrap() })
    });
    let senders: Vec<_> = senders.collect();
    sleep(SHORT).await;
    // The first in the line gives up: the next one has its turn.
    senders[0].abort();
    drop(outage);
    let mut got = Vec::new();
    while got.len() < 11 {
        got.push(server.recv_timeout(LONG).await.unwrap().payload[0]);
    }
    assert_eq!(got, [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(client.send_acknowledged("").await, Err(SendError::Empty.into()));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_connection_tells_the_other_end_at_once_and_so_does_dropping_the_node() {
    for ending in ["connection", "node"] {
        let (one, _two, client, mut server) = connected().await;
        client.send("before").await.unwrap();
        let sender = client.sender();
        let kept = if ending == "connection" {
            drop(client);
            (Some(one), None)
        } else {
            drop(one);
            (None, Some(client))
        };
        assert_eq!(server.recv_timeout(SHORT).await.unwrap().payload, "before");
        let reason = CloseReason::ClosedByPeer;
        assert_eq!(server.recv_timeout(SHORT).await, Err(RecvError::Ended { reason }));
        assert_eq!(sender.send("late").await, Err(SendError::Closed));
        assert_eq!(sender.send_acknowledged("late").await, Err(DeliveryError::Closed));
        drop(kept);
    }
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_on_a_connection_are_told_when_the_node_stops() {
    let (one, two, client, mut server) = connected().await;
    let outage = dark(&two);
    let senders = (0..6).map(|n| {
        let sender = client.sender();
        tokio::spawn(async move { sender.send_acknowledged(vec![n]).await })
    });
    let senders: Vec<_> = senders.collect();
    let mut client = client;
    let reader = tokio::spawn(async move { client.recv().await });
    sleep(SHORT).await;
    drop(one);
    for sender in senders {
        assert!(timeout(SHORT, sender).await.unwrap().unwrap().is_err());
    }
    assert_eq!(
        timeout(SHORT, reader).await.unwrap().unwrap(),
        Err(RecvError::Closed)
    );
    drop(outage);
    let blocked = tokio::spawn(async move { server.recv().await });
    sleep(SHORT).await;
    drop(two);
    assert!(timeout(SHORT, blocked).await.unwrap().unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_over_before_it_was_accepted_is_read_to_its_end() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let mut listener = two.listen(port(10), SocketConfig::default()).unwrap();
    let client = one.connect(address(2), port(10), reliable()).await.unwrap();
    client.send("hello, and good bye").await.unwrap();
    client.close(LONG).await.unwrap();
    sleep(SHORT).await;
    let mut server = listener.accept().await.unwrap();
    assert_eq!(server.recv().await.unwrap().payload, "hello, and good bye");
    let reason = CloseReason::ClosedByPeer;
    assert_eq!(server.recv_timeout(SHORT).await, Err(RecvError::Ended { reason }));
}

#[tokio::test(start_paused = true)]
async fn a_stream_and_a_sink_carry_everything_over_a_lossy_link() {
    let (one, two, mut client, server) = connected().await;
    let (left, right) = (lossy(&one, 5), lossy(&two, 5));
    let all: Vec<_> = (0..200).map(|n| Bytes::from(vec![n; 20])).collect();
    let reader = tokio::spawn(server.collect::<Vec<_>>());
    let mut items = futures::stream::iter(all.clone()).map(Ok);
    client.send_all(&mut items).await.unwrap();
    SinkExt::close(&mut client).await.unwrap();
    drop(client);
    let got = timeout(LONG, reader).await.unwrap().unwrap();
    let (last, messages) = got.split_last().unwrap();
    assert_eq!(
        *last,
        Err(RecvError::Ended {
            reason: CloseReason::ClosedByPeer
        })
    );
    let messages: Vec<_> = messages
        .iter()
        .map(|m| m.as_ref().unwrap().payload.clone())
        .collect();
    assert_eq!(messages, all);
    drop((left, right));
}

#[tokio::test(start_paused = true)]
async fn a_plain_connection_closes_at_once_and_acknowledges_nothing() {
    let (one, _two) = two_nodes(Config::default(), Config::default()).await;
    let client = one
        .connect(address(2), port(10), ConnectConfig::default())
        .await
        .unwrap();
    assert_eq!(client.send_acknowledged("x").await, Err(DeliveryError::Plain));
    client.flush(SHORT).await.unwrap();
    client.close(SHORT).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_blob_arrives_whole_over_a_lossy_link_by_rdp() {
    let (one, two, client, mut server) = connected().await;
    let (left, right) = (lossy(&one, 5), lossy(&two, 5));
    let blob: Vec<u8> = (0..20_000_u32).map(|n| n.to_be_bytes()[3]).collect();
    // What comes in between would spoil it.
    let other = client.sender();
    let sending = async {
        let blob = client.send_blob(&blob);
        let (sent, other) = join(blob, other.send("after the blob")).await;
        sent.unwrap();
        other.unwrap();
        client.flush(LONG).await.unwrap();
    };
    let receiving = async {
        let got = server.recv_blob(1 << 20, LONG).await.unwrap();
        assert!(got == blob);
        let next = server.recv_timeout(LONG).await.unwrap();
        assert_eq!(next.payload, "after the blob");
        assert!(
            !next.header.flags.contains(Flags::FRAG),
            "the flag is the fragments' alone (SFP-7)"
        );
    };
    join(sending, receiving).await;
    drop((left, right));
}

#[tokio::test(start_paused = true)]
async fn a_blob_that_is_cut_short_too_long_or_none_is_told() {
    let (one, two) = two_nodes(Config::default(), Config::default()).await;
    let mut listener = two.listen(port(10), SocketConfig::default()).unwrap();
    let client = one
        .connect(address(2), port(10), ConnectConfig::default())
        .await
        .unwrap();
    client.send_blob([7; 1000]).await.unwrap();
    let mut server = listener.accept().await.unwrap();
    assert_eq!(server.recv_blob(1000, SHORT).await.unwrap(), vec![7; 1000]);

    client.send_blob([7; 1001]).await.unwrap();
    assert!(matches!(
        server.recv_blob(1000, SHORT).await,
        Err(BlobError::Assemble(_))
    ));
    while server.recv_timeout(SHORT).await.is_ok() {}

    let count = AtomicU64::new(0);
    let cut = one.filter_now(Stage::Outgoing, move |_, packet| {
        match count.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => Verdict::Pass(packet),
            _ => Verdict::Drop,
        }
    });
    assert_eq!(
        client.send_blob([7; 1000]).await,
        Err(BlobError::Send(SendError::Filtered))
    );
    assert!(matches!(
        server.recv_blob(1000, SHORT).await,
        Err(BlobError::Stalled(_))
    ));
    drop(cut);
    client.send("no blob").await.unwrap();
    assert!(matches!(
        server.recv_blob(1000, SHORT).await,
        Err(BlobError::Assemble(_))
    ));
    assert_eq!(
        server.recv_blob(1000, SHORT).await,
        Err(BlobError::Recv(RecvError::Timeout { limit: SHORT }))
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_sleeps_holds_the_sender_up_and_loses_nothing() {
    let (_one, two, client, mut server) = connected().await;
    let sending = async {
        for n in 0..100 {
            client.send(vec![n]).await.unwrap();
        }
        client.close(LONG).await.unwrap();
    };
    let reading = async {
        for n in 0..100 {
            if n % 40 == 0 {
                sleep(Duration::from_secs(30)).await;
            }
            assert_eq!(server.recv().await.unwrap().payload, [n][..]);
        }
        assert!(matches!(server.recv().await, Err(RecvError::Ended { .. })));
    };
    join(sending, reading).await;
    assert_eq!(two.status().drops.get(&DropReason::ReceiveQueueFull), None);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_uses_stays_open() {
    let (_one, _two, client, mut server) = connected().await;
    sleep(Duration::from_secs(3600)).await;
    client.send_acknowledged("still there").await.unwrap();
    assert_eq!(server.recv().await.unwrap().payload, "still there");
}
