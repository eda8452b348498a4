//! A client at one end of a pipe, and at the other what the original would say.
#![expect(
    clippy::disallowed_methods,
    reason = "tests of a driver have tasks, and look at the paused clock"
)]

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::boxed::Box;
use std::vec;
use std::vec::Vec;

use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

use super::*;
use crate::SendError;
use crate::isotpserver::Malformed;

fn pair() -> (Client<DuplexStream>, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(64);
    (Client::over("test", ours, ClientConfig::default()), theirs)
}

/// A client that can connect again, its connections' other ends, and how often it tried.
fn redialling(
    reconnect: Reconnect,
    refusals: u32,
) -> (
    Client<DuplexStream>,
    mpsc::UnboundedReceiver<DuplexStream>,
    Arc<AtomicU32>,
) {
    let (tell, servers) = mpsc::unbounded_channel();
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let dial = Dial::new(
        move || {
            let refuses = counted.fetch_add(1, Ordering::Relaxed) < refusals;
            let tell = tell.clone();
            Box::pin(async move {
                if refuses {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                let (ours, theirs) = tokio::io::duplex(64);
                tell.send(theirs).map_err(io::Error::other)?;
                Ok(ours)
            })
        },
        reconnect,
    );
    let (ours, theirs) = tokio::io::duplex(64);
    drop(theirs);
    let client = Client::build("test".into(), ours, ClientConfig::default(), Some(dial));
    (client, servers, attempts)
}

#[tokio::test(start_paused = true)]
async fn messages_go_out_in_lower_case_and_come_in_from_lines() {
    let (mut client, mut server) = pair();
    client.send(vec![0x22, 0xF1, 0x90]).await.unwrap();
    client.send(vec![0x3E]).await.unwrap();
    let mut text = [0; 12];
    server.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"<22f190><3e>");

    server.write_all(b"<62F190>\n<7E>\n").await.unwrap();
    assert_eq!(
        client.recv().await.unwrap().unwrap(),
        [0x62, 0xF1, 0x90].as_slice()
    );
    assert_eq!(client.recv().await.unwrap().unwrap(), [0x7E].as_slice());
    assert_eq!((client.stats().sent, client.stats().received), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_connection_is_told_as_what_it_may_mean() {
    let (mut client, mut server) = pair();
    server.write_all(b"<01>\n<02").await.unwrap();
    drop(server);
    assert_eq!(client.recv().await.unwrap().unwrap(), [1].as_slice());
    assert!(matches!(
        client.recv().await,
        Some(Err(StreamError::Malformed(Malformed::Unfinished { len: 2 })))
    ));
    let error = client.recv().await.unwrap().unwrap_err();
    assert!(matches!(error, StreamError::HungUp { cause: None, .. }));
    assert_eq!(
        error.to_string(),
        "test: the server hung up: a transfer failed, or the server is gone"
    );
    assert!(client.recv().await.is_none());
    let error = client.send(vec![1]).await.unwrap_err();
    assert!(matches!(error, StreamError::Link(LinkError::Gone { .. })));
}

#[tokio::test(start_paused = true)]
async fn text_that_is_no_message_is_an_item_and_the_stream_goes_on() {
    let (mut client, mut server) = pair();
    server.write_all(b"<0>\n<01>\n").await.unwrap();
    assert!(matches!(
        client.recv().await,
        Some(Err(StreamError::Malformed(Malformed::Odd { digits: 1 })))
    ));
    assert_eq!(client.recv().await.unwrap().unwrap(), [1].as_slice());
    assert_eq!(client.stats().malformed, 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_original_would_drop_is_refused_before_it_leaves() {
    let (mut client, mut server) = pair();
    let error = client.send(vec![0; 6001]).await.unwrap_err();
    assert!(matches!(
        error,
        StreamError::NotSent(SendError::TooLong { len: 6001, max: 6000 })
    ));
    let error = client.send(Bytes::new()).await.unwrap_err();
    assert!(matches!(error, StreamError::NotSent(SendError::Empty)));
    client.send(vec![1]).await.unwrap();
    let mut text = [0; 4];
    server.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"<01>");
}

#[tokio::test(start_paused = true)]
async fn a_send_that_is_dropped_half_way_goes_on_with_the_next_one() {
    let (mut client, mut server) = pair();
    let long = vec![0xAB; 100];
    let dropped = tokio::time::timeout(Duration::from_secs(1), client.send(long)).await;
    assert!(dropped.is_err(), "the pipe takes 64 bytes");
    let read = async {
        let mut text = vec![0; 206];
        server.read_exact(&mut text).await.unwrap();
        text
    };
    let (sent, text) = tokio::join!(client.send(vec![1]), read);
    sent.unwrap();
    assert_eq!(text, ["<", &"ab".repeat(100), "><01>"].concat().as_bytes());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_not_handed_over_fails_once() {
    let (mut client, server) = pair();
    let long = client.send(vec![0xAB; 100]);
    let (sent, ()) = tokio::join!(long, async { drop(server) });
    assert!(matches!(
        sent,
        Err(StreamError::SendFailed {
            len: 100,
            error: TransferError::Link,
            ..
        })
    ));
    assert!(matches!(
        client.recv().await,
        Some(Err(StreamError::HungUp { cause: Some(_), .. }))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_message_is_not_affected_by_how_an_earlier_one_ended() {
    let (mut client, mut servers, _) = redialling(Reconnect::default(), 0);
    client.send(vec![1]).await.unwrap_err();
    client.send(vec![1]).await.unwrap();
    let server = servers.recv().await.unwrap();
    let dropped = tokio::time::timeout(Duration::from_secs(1), client.send(vec![0xAB; 100])).await;
    assert!(dropped.is_err(), "the pipe takes 64 bytes");
    assert_eq!(client.sending(), Some((TransferId(3), 100)));
    drop(server);

    client.send(vec![2]).await.unwrap();
    let mut text = [0; 4];
    servers.recv().await.unwrap().read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"<02>");
    assert_eq!((client.stats().sent, client.stats().failed), (2, 2));
    // Nobody was told of the one that was dropped, but for the sink's user.
    let error = futures::SinkExt::flush(&mut client).await.unwrap_err();
    assert!(
        matches!(error, StreamError::SendFailed { len: 100, .. }),
        "{error}"
    );
    futures::SinkExt::flush(&mut client).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn messages_that_arrived_before_the_end_are_not_lost_when_sending_finds_it_first() {
    let (mut client, mut server) = pair();
    server.write_all(b"<01>\n<02>\n").await.unwrap();
    drop(server);
    client.send(vec![0xAB]).await.unwrap_err();
    let items: Vec<_> = client.by_ref().collect().await;
    assert_eq!(items.len(), 3);
    assert!(matches!(&items[..2], [Ok(first), Ok(second)] if first[..] == [1] && second[..] == [2]));
}

#[tokio::test(start_paused = true)]
async fn it_connects_again_with_growing_pauses_when_asked_to() {
    let start = tokio::time::Instant::now();
    let (mut client, mut servers, attempts) = redialling(Reconnect::default(), 3);
    assert!(matches!(
        client.recv().await,
        Some(Err(StreamError::HungUp { .. }))
    ));
    // A receiver that waits must not keep the sender from connecting, nor the other way round.
    let (mut sink, mut stream) = client.split();
    let receiving = tokio::spawn(async move { stream.next().await });
    futures::SinkExt::send(&mut sink, Bytes::from_static(&[1]))
        .await
        .unwrap();
    assert_eq!(start.elapsed().as_millis(), 100 + 200 + 400 + 800);
    assert_eq!(attempts.load(Ordering::Relaxed), 4);
    let mut server = servers.recv().await.unwrap();
    server.write_all(b"<02>\n").await.unwrap();
    assert_eq!(receiving.await.unwrap().unwrap().unwrap(), [2].as_slice());
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_after_as_many_attempts_as_it_was_told() {
    let (mut client, _servers, attempts) = redialling(Reconnect::default().attempts(Some(2)), 5);
    assert!(matches!(
        client.recv().await,
        Some(Err(StreamError::HungUp { .. }))
    ));
    assert!(matches!(client.recv().await, Some(Err(StreamError::Link(_)))));
    assert!(client.recv().await.is_none());
    assert_eq!(attempts.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_stops_waiting_does_not_keep_the_sender_from_connecting() {
    let (mut client, mut servers, _) = redialling(Reconnect::default(), 0);
    assert!(matches!(
        client.recv().await,
        Some(Err(StreamError::HungUp { .. }))
    ));
    let (mut sink, mut stream) = client.split();
    let sending =
        tokio::spawn(async move { futures::SinkExt::send(&mut sink, Bytes::from_static(&[1])).await });
    tokio::task::yield_now().await;
    // The receiver asks last, and is gone when the alarm rings.
    let asked = tokio::time::timeout(Duration::from_millis(1), stream.next()).await;
    assert!(asked.is_err());
    sending.await.unwrap().unwrap();
    assert!(servers.recv().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn closing_still_lets_the_servers_last_messages_come() {
    let (mut client, mut server) = pair();
    futures::SinkExt::close(&mut client).await.unwrap();
    assert_eq!(
        server.read_u8().await.unwrap_err().kind(),
        io::ErrorKind::UnexpectedEof
    );
    server.write_all(b"<01>\n").await.unwrap();
    drop(server);
    let items: Vec<_> = client.by_ref().map(Result::unwrap).collect().await;
    assert_eq!(items, [[1].as_slice()]);
    let error = client.send(vec![1]).await.unwrap_err();
    assert!(matches!(error, StreamError::Link(LinkError::Gone { .. })));
    assert_eq!(client.stats().hang_ups, 0);
}

#[tokio::test]
async fn an_address_needs_a_host_and_a_port() {
    for bad in ["localhost", "isotpserver://localhost", "can0:", "localhost:0"] {
        let error = Client::connect(bad).await.unwrap_err();
        assert_eq!(
            io::Error::from(error).kind(),
            io::ErrorKind::InvalidInput,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn it_connects_by_tcp_with_and_without_the_scheme() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for server in [address.to_string(), std::format!("isotpserver://{address}")] {
        let (client, accepted) = tokio::join!(Client::connect(&server), listener.accept());
        let (mut client, (mut accepted, _)) = (client.unwrap(), accepted.unwrap());
        assert_eq!(client.server(), std::format!("isotpserver://{address}"));
        client.send(vec![0x3E]).await.unwrap();
        let mut text = [0; 4];
        accepted.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"<3e>");
    }
    drop(listener);
    assert!(Client::connect(&address.to_string()).await.is_err());
}
