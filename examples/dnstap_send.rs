//! What a DNS program does to be seen: dnstap messages to a collector, from any thread, without ever waiting
//! for it.
//!
//! The collector may be late, go away and come back. Meanwhile messages wait in a queue that holds 8 MiB;
//! when it is full, the oldest ones make way, and are counted. Here the collector comes after the messages.
//!
//! ```text
//! cargo run -p tinwire-examples --bin dnstap_send
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use core::error::Error;
use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use dnstap_codec::{CONTENT_TYPE, Dnstap, Message, MessageType, SocketProtocol};
use fstrm_codec::endpoint::Connect;
use fstrm_codec::queue::Policy;
use fstrm_codec::sender::{Config, Report};
use fstrm_codec::{ContentType, FstrmReader, Sender};
use futures::StreamExt;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (received, report) = story(100).await?;
    println!("{received} messages received, {} sent", report.stats.frames.sent);
    Ok(())
}

async fn story(messages: u64) -> Result<(u64, Report), Failure> {
    // In its place: Dialer::new(&"unix:/run/dnstap.sock".parse()?, DialConfig::new())?
    let (connect, connections) = road();
    let content_type = ContentType::from_static(CONTENT_TYPE).ok_or("a short name")?;
    let config = Config::new()
        .content_type(content_type)
        .policy(Policy::DropOldest);
    let sender = Sender::spawn(connect, config)?;

    for _ in 0..messages {
        let receipt = sender.try_send(&query_of("192.0.2.7:4711".parse()?))?;
        if receipt.dropped > 0 {
            println!("the queue is full: {} dropped", receipt.dropped);
        }
    }

    let collecting = tokio::spawn(collect(connections));
    let report = sender.close().await; // what waits is sent, then STOP; done when FINISH has come
    Ok((collecting.await??, report))
}

/// A collector that comes late: reads until STOP.
async fn collect(mut connections: mpsc::Receiver<DuplexStream>) -> Result<u64, Failure> {
    let connection = connections.recv().await.ok_or("nobody called")?;
    let mut reader = FstrmReader::open(connection, fstrm_codec::Config::new()).await?;
    let mut received = 0;
    while let Some(payload) = reader.next().await {
        Dnstap::decode(&payload?)?;
        received += 1;
    }
    Ok(received)
}

/// A client's query, as a server saw it.
fn query_of(client: SocketAddr) -> Bytes {
    let address = match client {
        SocketAddr::V4(client) => client.ip().octets().to_vec(),
        SocketAddr::V6(client) => client.ip().octets().to_vec(),
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let mut message = Message::new(MessageType::ClientQuery);
    message.socket_protocol = Some(SocketProtocol::Udp);
    message.query_address = Some(&address);
    message.query_port = Some(u32::from(client.port()));
    message.query_time_sec = Some(now.as_secs());
    message.query_time_nsec = Some(now.subsec_nanos());
    message.query_message = Some(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x1c\0\x01");
    let mut dnstap = Dnstap::new(message);
    dnstap.identity = Some(b"ns1");
    dnstap.encode().into()
}

/// Connections in memory: what is dialed at one end comes out at the other.
fn road() -> (impl Connect<Io = DuplexStream>, mpsc::Receiver<DuplexStream>) {
    let (called, calls) = mpsc::channel(1);
    let connect = move || {
        let called = called.clone();
        async move {
            let (near, far) = tokio::io::duplex(4096);
            called
                .send(far)
                .await
                .map_err(|_| io::ErrorKind::ConnectionRefused)?;
            Ok(near)
        }
    };
    (connect, calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_wait_for_a_collector_that_comes_late() {
        let (received, report) = story(100).await.unwrap();
        assert!(report.is_complete() && report.finished, "{report:?}");
        assert_eq!((received, report.stats.frames.sent), (100, 100));
    }
}
