//! Receives dnstap from a DNS server and counts messages by kind: the collector's side of a Frame Streams
//! connection.
//!
//! A task plays the server and sends a recorded capture; in its place could be a Unix socket that unbound,
//! BIND or Knot connects to.
//!
//! ```text
//! cargo run -p tinwire-examples --bin dnstap_count
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use core::error::Error;
use std::collections::BTreeMap;

use bytes::Bytes;
use dnstap_codec::{CONTENT_TYPE, Dnstap};
use fstrm_codec::{Config, ContentType, FileReader, FstrmReader, FstrmWriter};
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};

const CAPTURE: &[u8] = include_bytes!("data/unbound.fstrm");

type Counts = BTreeMap<&'static str, u64>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    for (kind, count) in story().await? {
        println!("{kind} {count}");
    }
    Ok(())
}

async fn story() -> Result<Counts, Box<dyn Error>> {
    let (server, collector) = tokio::io::duplex(4096);
    let (_, counts) = tokio::try_join!(replay(server), count(collector))?;
    Ok(counts)
}

/// READY, ACCEPT, START, the recorded messages, STOP, FINISH.
async fn replay(stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Box<dyn Error>> {
    let mut capture = FileReader::new(CAPTURE, Config::new())?;
    let mut writer = FstrmWriter::open(stream, dnstap()?).await?;
    while let Some(payload) = capture.next_frame()? {
        writer.send(Bytes::copy_from_slice(payload)).await?;
    }
    writer.finish().await?;
    Ok(())
}

/// Takes what comes until STOP. A payload that is no dnstap is counted too, and ends nothing.
async fn count(stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<Counts, Box<dyn Error>> {
    let mut counts = Counts::new();
    let mut reader = FstrmReader::open(stream, dnstap()?).await?;
    while let Some(payload) = reader.next().await {
        let payload = payload?;
        let message = Dnstap::decode(&payload).ok().and_then(|dnstap| dnstap.message);
        let kind = message.and_then(|message| message.message_type.mnemonic());
        *counts.entry(kind.unwrap_or("not understood")).or_default() += 1;
    }
    Ok(counts)
}

fn dnstap() -> Result<Config, &'static str> {
    let content_type = ContentType::from_static(CONTENT_TYPE).ok_or("a short name")?;
    Ok(Config::new().content_type(content_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_message_is_counted() {
        let counts = story().await.unwrap();
        assert_eq!(counts.values().sum::<u64>(), 20);
        assert_eq!(counts.get("CQ"), counts.get("CR"), "each client got a response");
    }

    #[test]
    fn the_capture_is_the_one_of_the_simulation() {
        assert_eq!(CAPTURE, tinwire_sim::resolver::CAPTURE);
    }
}
