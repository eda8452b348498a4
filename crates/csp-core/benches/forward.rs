//! Packets through a router, and what those who watch it cost.
//!
//! Run with `cargo xtask bench csp-core`. Nothing asserts on time.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

use bytes::Bytes;
use csp_core::{
    Address, Config, DedupConfig, DedupMode, Header, InterfaceConfig, InterfaceId, InterfaceName, Netmask,
    Node, OutsideConfig, Packet, Port, Stage, TapConfig, TapId, Verdict,
};
use divan::Bencher;
use divan::counter::ItemsCount;
use tinwire_time::Instant;

/// Packets of an iteration.
const PACKETS: u64 = 10_000;
/// Bytes of a payload.
const SIZE: usize = 100;

fn main() {
    divan::main();
}

/// What is switched on.
#[derive(Clone, Copy, Debug)]
enum With {
    Nothing,
    Dedup,
    Tap,
    Filter,
    FilterOutside,
    Bridge,
}

struct Router {
    node: Node,
    from: InterfaceId,
    tap: Option<TapId>,
}

fn router(with: With) -> Router {
    let dedup = match with {
        With::Dedup => DedupMode::All,
        _ => DedupMode::Off,
    };
    let config = Config::default().dedup(DedupConfig::default().mode(dedup));
    let mut node = Node::new(config, 1);
    let [from, to] = [("A", 1), ("B", 65)].map(|(name, own)| {
        let name = InterfaceName::new(name).unwrap();
        let own = Address::new(own).unwrap();
        let config = InterfaceConfig::new(name, own, Netmask::new(8).unwrap());
        node.add_interface(config).unwrap()
    });
    let mut tap = None;
    match with {
        With::Nothing | With::Dedup => {}
        With::Tap => tap = Some(node.tap(TapConfig::default())),
        With::Filter => {
            node.filter(Stage::Routed, |_, packet| Verdict::Pass(packet));
        }
        With::FilterOutside => {
            node.filter_outside(Stage::Routed, OutsideConfig::default());
        }
        With::Bridge => node.bridge(from, to).unwrap(),
    }
    Router { node, from, tap }
}

const ALL: [With; 6] = [
    With::Nothing,
    With::Dedup,
    With::Tap,
    With::Filter,
    With::FilterOutside,
    With::Bridge,
];

#[divan::bench(args = ALL)]
fn packets(bencher: Bencher<'_, '_>, with: With) {
    let Router { mut node, from, tap } = router(with);
    let port = Port::new(10).unwrap();
    let header = Header::new(
        (Address::new(2).unwrap(), port),
        (Address::new(66).unwrap(), port),
    );
    let mut number = 0u64;
    bencher.counter(ItemsCount::new(PACKETS)).bench_local(|| {
        for _ in 0..PACKETS {
            number += 1;
            // Ten thousand packets a second, none like another.
            let mut payload = [0x55; SIZE];
            if let Some(first) = payload.first_chunk_mut() {
                *first = number.to_be_bytes();
            }
            let now = Instant::from_micros(number * 100);
            node.handle_packet(now, from, Packet::new(header, Bytes::copy_from_slice(&payload)));
            while let Some(asked) = node.poll_filter() {
                node.handle_verdict(now, asked.ticket, Some(asked.packet));
            }
            if let Some(tap) = tap {
                node.captured(tap).unwrap();
            }
            while node.poll_event().is_some() {}
            node.poll_transmit().unwrap();
        }
    });
}
