//! What has to be reached: flows in a process and between two, beside the figures of the C prototype (97,000
//! packets of 64 bytes in a second over a direct flow) and beside two processes on a bare UNIX socket in the
//! same run.
//!
//! Run with `cargo xtask bench flow`, which makes a table of the lines. Each process has a runtime of one
//! thread, and nobody is pinned to a processor; the bare socket is a blocking one of the standard library.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock and spawns")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

mod bare;
mod other;

use std::time::Instant;

use bytes::Bytes;
use flow_core::providers::machine::{MachineConfig, MachineLayer};
use flow_core::{Flow, LocalLayer, Name, QosSpec};
use testkit::bar::{self, Bar, Rounds};
use tokio::runtime::Runtime;

/// What the C prototype reaches over a direct flow, in packets of 64 bytes in a second.
const PROTOTYPE: f64 = 97_000.0;
/// Exchanges of one round.
const EXCHANGES: usize = 4_000;

fn main() {
    if other::plays() || !bar::is_asked_for() {
        return;
    }
    let runtime = one_thread();
    in_process(&runtime);
    let place = tempfile::tempdir().unwrap();
    let _other = other::start(place.path());
    let layer = {
        let _context = runtime.enter();
        MachineLayer::open(MachineConfig::default().directory(place.path())).unwrap()
    };
    let client = layer.attach();
    let alloc = |name: &str| {
        let name = Name::new(name).unwrap();
        runtime
            .block_on(client.alloc(&name, QosSpec::DATA, None))
            .unwrap()
    };
    let mut sink = alloc(other::SINK);
    for (size, count, least) in [(64, 400_000, 3.0 * PROTOTYPE), (1_400, 100_000, 0.0)] {
        let rate = (0..bar::ROUNDS).map(|_| runtime.block_on(stream(&mut sink, size, count)));
        let rate = rate.fold(0.0, f64::max);
        let name = format!("between processes, {size} bytes");
        Bar::new(&name, "packets/s", least).reached(rate);
        if size > 64 {
            let name = format!("between processes, {size} bytes, rate");
            Bar::new(&name, "Gbit/s", 0.0).reached(rate * f64::from(size) * 8.0 / 1e9);
        }
    }
    let mut echo = Some(alloc(other::ECHO));
    let mut bare = bare::Exchange::new(place.path());
    // in a task, as in most programs: what is blocked on is woken by way of the poller
    let mut ours = || {
        let task = runtime.spawn(exchange(echo.take().unwrap()));
        let (flow, median) = runtime.block_on(task).unwrap();
        echo = Some(flow);
        1.0 / median
    };
    let rounds = Rounds::measure([&mut ours, &mut || 1.0 / bare.median(EXCHANGES)]);
    Bar::new("round trip of 64 bytes, median", "µs", 0.0).reached(1e6 / rounds.rate(0));
    Bar::new("round trip on a bare socket, median", "µs", 0.0).reached(1e6 / rounds.rate(1));
    let ratio = 100.0 * rounds.ratio(0, 1);
    Bar::new("round trip, speed to the bare one", "%", 100.0 / 1.5).reached(ratio);
}

fn one_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// One task writes, another reads.
fn in_process(runtime: &Runtime) {
    const COUNT: u32 = 100_000;
    let layer = LocalLayer::new();
    let (client, server) = (layer.attach(), layer.attach());
    let name = Name::new("x").unwrap();
    server.bind(&name).unwrap();
    let (ours, theirs) = runtime
        .block_on(async { tokio::join!(client.alloc(&name, QosSpec::DATA, None), server.accept(None)) });
    let (mut ours, mut theirs) = (ours.unwrap(), theirs.unwrap());
    let packet = Bytes::from_static(&[7; 64]);
    let rate = bar::best(|| {
        let write = async {
            for _ in 0..COUNT {
                ours.write(packet.clone()).await.unwrap();
            }
        };
        let read = async {
            for _ in 0..COUNT {
                theirs.read_packet().await.unwrap();
            }
        };
        runtime.block_on(async { tokio::join!(write, read) });
        COUNT
    });
    Bar::new("in a process, 64 bytes", "packets/s", 10.0 * PROTOTYPE).reached(rate);
}

/// Packets in a second, until the other process has them all.
async fn stream(flow: &mut Flow, size: u32, count: u32) -> f64 {
    let packet = Bytes::from(vec![7; size.try_into().unwrap()]);
    let begin = Instant::now();
    for _ in 0..count {
        flow.write(packet.clone()).await.unwrap();
    }
    flow.write(other::ASK).await.unwrap();
    flow.read_packet().await.unwrap();
    f64::from(count) / begin.elapsed().as_secs_f64()
}

/// The middle one of some round trips, in seconds.
async fn exchange(mut flow: Flow) -> (Flow, f64) {
    let packet = Bytes::from_static(&[7; 64]);
    let mut times = Vec::with_capacity(EXCHANGES);
    for _ in 0..EXCHANGES {
        let begin = Instant::now();
        flow.write(packet.clone()).await.unwrap();
        flow.read_packet().await.unwrap();
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    (flow, times.get(EXCHANGES / 2).unwrap().as_secs_f64())
}
