//! Stories about collectors, over connections in memory and in virtual time.

#![expect(
    clippy::disallowed_methods,
    reason = "tests play the peers, in tasks of their own, and look at the time"
)]

mod close;
mod hostile;
mod limits;
mod rows;

use core::time::Duration;
use std::vec::Vec;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::control::{ControlFrame, ControlLimit, ControlType};
use crate::frame::OwnedRun;
use crate::handshake;

/// Peers that are served in a test are served within this, in virtual time.
const SOON: Duration = Duration::from_secs(1);

fn control(control: ControlType, content_type: &[u8]) -> Vec<u8> {
    let built = ControlFrame::build(control, [content_type], ControlLimit::Narrow);
    built.unwrap().as_bytes().to_vec()
}

fn ready() -> Vec<u8> {
    control(ControlType::Ready, b"t")
}

fn start() -> Vec<u8> {
    control(ControlType::Start, b"t")
}

fn stop() -> Vec<u8> {
    ControlFrame::stop().as_bytes().to_vec()
}

fn finish() -> Vec<u8> {
    ControlFrame::finish().as_bytes().to_vec()
}

fn accept() -> Vec<u8> {
    control(ControlType::Accept, b"t")
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let run = OwnedRun::encode([payload], crate::FrameConfig::new()).unwrap();
    run.as_wire().to_vec()
}

fn typed() -> Config {
    let stream = handshake::Config::new().content_type(crate::ContentType::from_static(b"t").unwrap());
    Config::new().stream(stream)
}

/// A peer that says what the test says.
struct Client(DuplexStream);

impl Client {
    fn connect(collector: &Collector) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        collector.add(theirs, Peer::Memory);
        Self(ours)
    }

    async fn say(&mut self, parts: &[Vec<u8>]) {
        // A collector that has hung up is what some tests are about.
        let _ = self.0.write_all(&parts.concat()).await;
    }

    async fn expect(&mut self, bytes: &[u8]) {
        let mut got = std::vec![0; bytes.len()];
        self.0.read_exact(&mut got).await.unwrap();
        assert_eq!(got, bytes);
    }

    /// What comes until the collector hangs up.
    async fn hears(&mut self) -> Vec<u8> {
        let mut got = Vec::new();
        let _ = self.0.read_to_end(&mut got).await;
        got
    }
}

/// The next session to end, and how.
async fn outcome(collector: &Collector) -> Result<crate::End, SessionError> {
    loop {
        if let Event::Ended { outcome, .. } = collector.next_event().await {
            return outcome;
        }
    }
}

/// Payloads until `count` of them have come; all confirmed.
async fn payloads(batches: &mut Batches, count: usize) -> Vec<bytes::Bytes> {
    let mut got = Vec::new();
    while got.len() < count {
        let batch = batches.next().await.unwrap();
        got.extend(batch.run.payloads());
        batch.confirm();
    }
    got
}
