//! What a received frame costs among many endpoints, and what idle endpoints cost the loop around them.
//!
//! Run with `cargo xtask bench`. Figures are ratios of this run; nothing asserts on time.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

use bytes::Bytes;
use can_link::{CanFrame, ExtendedId};
use divan::Bencher;
use divan::counter::ItemsCount;
use isotp::{Address, Config, EndpointId, Endpoints};
use tinwire_time::Instant;

const COUNTS: [u32; 3] = [1, 100, 10_000];
/// Frames of an iteration, spread over the endpoints.
const FRAMES: u32 = 10_000;
const NOW: Instant = Instant::ZERO;

fn main() {
    divan::main();
}

fn id(raw: u32) -> ExtendedId {
    ExtendedId::new(raw).unwrap()
}

/// `count` endpoints that receive on identifiers of their own, and one functional one.
fn many(count: u32) -> (Endpoints, Vec<EndpointId>) {
    let mut endpoints = Endpoints::new();
    let ids = (0..count)
        .map(|n| {
            let address = Address::normal(id(0x0100_0000 + n), id(0x0200_0000 + n)).unwrap();
            endpoints.insert(address, Config::default()).unwrap()
        })
        .collect();
    (endpoints, ids)
}

/// Single frames for `talking` of `count` endpoints, in an order that helps no cache.
fn frames(count: u32, talking: u32) -> Vec<CanFrame> {
    (0..FRAMES)
        .map(|n| {
            let to = n.wrapping_mul(7_919) % talking * (count / talking);
            CanFrame::data(id(0x0200_0000 + to), &[2, 0x3E, 0, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC]).unwrap()
        })
        .collect()
}

/// From the frame to the message, with all the polling around it.
fn receive(endpoints: &mut Endpoints, frames: &[CanFrame]) {
    for frame in frames {
        endpoints.handle_frame(NOW, frame);
        endpoints.handle_timeout(NOW);
        while let Some((id, _)) = endpoints.poll_event() {
            divan::black_box(endpoints.get_mut(id).unwrap().take_received(NOW));
        }
        divan::black_box(endpoints.poll_transmit(NOW));
        divan::black_box(endpoints.poll_timeout());
    }
}

/// A few endpoints receive, and all others are there: what their number costs.
#[divan::bench(args = COUNTS)]
fn messages_for_a_few(bencher: Bencher<'_, '_>, count: u32) {
    let (mut endpoints, _) = many(count);
    let frames = frames(count, count.min(50));
    bencher
        .counter(ItemsCount::new(FRAMES))
        .bench_local(|| receive(&mut endpoints, &frames));
}

/// All of them receive in turn: as before, and what it costs that so many channels fit no cache.
#[divan::bench(args = COUNTS)]
fn messages_for_all(bencher: Bencher<'_, '_>, count: u32) {
    let (mut endpoints, _) = many(count);
    let frames = frames(count, count);
    bencher
        .counter(ItemsCount::new(FRAMES))
        .bench_local(|| receive(&mut endpoints, &frames));
}

/// A frame that nobody receives.
#[divan::bench(args = COUNTS)]
fn a_foreign_frame(bencher: Bencher<'_, '_>, count: u32) {
    let (mut endpoints, _) = many(count);
    let frame = CanFrame::data(id(0x0300_0000), &[2, 0x3E, 0]).unwrap();
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        for _ in 0..FRAMES {
            endpoints.handle_frame(NOW, divan::black_box(&frame));
        }
    });
}

/// One endpoint sends while all others are idle.
#[divan::bench(args = COUNTS)]
fn a_message_sent_among_idle_ones(bencher: Bencher<'_, '_>, count: u32) {
    let (mut endpoints, ids) = many(count);
    let busy = *ids.last().unwrap();
    let message = Bytes::from_static(&[0x3E, 0]);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        for _ in 0..FRAMES {
            let sent = endpoints.get_mut(busy).unwrap().send(NOW, message.clone());
            sent.unwrap();
            while let Some((id, frame)) = endpoints.poll_transmit(NOW) {
                endpoints.handle_transmitted(NOW, id, &frame);
            }
            endpoints.handle_timeout(NOW);
            while let Some(event) = endpoints.poll_event() {
                divan::black_box(event);
            }
        }
    });
}
