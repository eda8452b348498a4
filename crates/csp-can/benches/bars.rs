//! What has to be reached: packets as frames and back.
//!
//! Run with `cargo xtask bench csp`, which makes a table of the lines.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

use csp_can::{Fragmenter, Reassembler, ReassemblyConfig, Received};
use csp_core::{Address, Header, Port, Version};
use testkit::bar::{self, Bar};
use tinwire_time::Instant;

/// Packets between two looks at the clock.
const PACKETS: u32 = 1_000;
/// The packet buffer of the peers.
const LEN: usize = 256;

fn main() {
    if !bar::is_asked_for() {
        return;
    }
    let end = |address, port| (Address::new(address).unwrap(), Port::new(port).unwrap());
    let header = Header::new(end(4, 33), end(9, 10));
    let payload = [7; LEN];
    let mut fragmenter = Fragmenter::new(Version::V2, header.source);
    let mut reassembler = Reassembler::new(Version::V2, ReassemblyConfig::default());
    let rate = bar::best(|| {
        let mut count = 0;
        for _ in 0..PACKETS {
            for frame in fragmenter.fragments(&header, None, &payload).unwrap() {
                reassembler.handle_frame(Instant::ZERO, &frame);
                count += 1;
            }
            assert!(matches!(
                core::hint::black_box(reassembler.poll_received()),
                Some(Received::Packet(_))
            ));
        }
        count
    });
    Bar::new("CFP 2, encode and reassemble", "Mframes/s", 15.0).reached(rate / 1e6);
}
