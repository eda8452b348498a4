//! What a frame costs: cut from a packet and put together again, alone and among others.
//!
//! Run with `cargo xtask bench csp-can`. Nothing asserts on time.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

use can_link::CanFrame;
use csp_can::{Fragmenter, Reassembler, ReassemblyConfig, Received};
use csp_core::{Address, Header, Port, Version};
use divan::Bencher;
use divan::counter::ItemsCount;
use tinwire_time::Instant;

/// Payloads with their trailers: one frame, a short command, and the packet buffer of the peers.
const LENGTHS: [usize; 3] = [4, 32, 256];
const PACKETS: usize = 1_000;
const NOW: Instant = Instant::ZERO;

fn main() {
    divan::main();
}

fn header(source: u16) -> Header {
    let end = |address, port| (Address::new(address).unwrap(), Port::new(port).unwrap());
    Header::new(end(source, 33), end(9, 10))
}

fn count(frames: usize) -> ItemsCount {
    ItemsCount::new(frames)
}

fn frames(version: Version, source: u16, len: usize) -> Vec<CanFrame> {
    let payload = vec![7; len];
    let mut fragmenter = Fragmenter::new(version, Address::new(source).unwrap());
    fragmenter
        .fragments(&header(source), None, &payload)
        .unwrap()
        .collect()
}

fn drain(reassembler: &mut Reassembler) -> usize {
    let mut packets = 0;
    while let Some(received) = reassembler.poll_received() {
        packets += usize::from(matches!(divan::black_box(received), Received::Packet(_)));
    }
    packets
}

/// From packet to frames to packet, with the polling around it.
fn both(version: Version, len: usize, bencher: Bencher<'_, '_>) {
    let payload = vec![7; len];
    let header = header(4);
    let mut fragmenter = Fragmenter::new(version, header.source);
    let mut reassembler = Reassembler::new(version, ReassemblyConfig::default());
    let frames = frames(version, 4, len).len() * PACKETS;
    bencher.counter(count(frames)).bench_local(|| {
        let mut packets = 0;
        for _ in 0..PACKETS {
            for frame in fragmenter.fragments(&header, None, &payload).unwrap() {
                reassembler.handle_frame(NOW, &frame);
                packets += drain(&mut reassembler);
            }
        }
        assert_eq!(packets, PACKETS);
    });
}

#[divan::bench(args = LENGTHS)]
fn cfp_2_encode_and_reassemble(bencher: Bencher<'_, '_>, len: usize) {
    both(Version::V2, len, bencher);
}

#[divan::bench(args = LENGTHS)]
fn cfp_1_encode_and_reassemble(bencher: Bencher<'_, '_>, len: usize) {
    both(Version::V1, len, bencher);
}

#[divan::bench(args = LENGTHS)]
fn cfp_2_encode(bencher: Bencher<'_, '_>, len: usize) {
    let payload = vec![7; len];
    let header = header(4);
    let mut fragmenter = Fragmenter::new(Version::V2, header.source);
    let frames = frames(Version::V2, 4, len).len() * PACKETS;
    bencher.counter(count(frames)).bench_local(|| {
        for _ in 0..PACKETS {
            for frame in fragmenter.fragments(&header, None, &payload).unwrap() {
                divan::black_box(&frame);
            }
        }
    });
}

/// Packets of 256 bytes of so many senders at once, a frame of each in turn.
#[divan::bench(args = [1, 8, 32])]
fn cfp_2_reassemble_interleaved(bencher: Bencher<'_, '_>, senders: u16) {
    let trains: Vec<_> = (1..=senders)
        .map(|source| frames(Version::V2, source, 256))
        .collect();
    let len = trains.iter().map(Vec::len).min().unwrap_or_default();
    let order: Vec<_> = (0..len)
        .flat_map(|at| trains.iter().filter_map(move |train| train.get(at)))
        .cloned()
        .collect();
    let mut reassembler = Reassembler::new(Version::V2, ReassemblyConfig::default());
    bencher.counter(count(order.len() * 30)).bench_local(|| {
        let mut packets = 0;
        for _ in 0..30 {
            for frame in &order {
                reassembler.handle_frame(NOW, frame);
                packets += drain(&mut reassembler);
            }
        }
        assert_eq!(packets, 30 * usize::from(senders));
    });
}
