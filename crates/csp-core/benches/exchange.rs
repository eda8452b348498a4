//! Requests and replies, one after the other, between two nodes of one process.
//!
//! Run with `cargo xtask bench csp-core`. Nothing asserts on time.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(clippy::disallowed_methods, reason = "a benchmark starts the application")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

mod nodes;

use csp_core::Flags;
use csp_core::rt::PingConfig;
use divan::Bencher;
use divan::counter::ItemsCount;
use nodes::{Machines, address, exchange, one_thread, two_nodes};
use tokio::runtime::{Builder, Runtime};

/// Exchanges of an iteration.
const EXCHANGES: u32 = 10_000;

fn main() {
    divan::main();
}

fn two_threads() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// One client that keeps its connection.
#[divan::bench(args = [Flags::NONE, Flags::CRC32, Flags::RDP])]
fn one_client(bencher: Bencher<'_, '_>, flags: Flags) {
    let runtime = one_thread();
    let (one, _two) = runtime.block_on(async { two_nodes() });
    bencher
        .counter(ItemsCount::new(EXCHANGES))
        .bench_local(|| runtime.block_on(exchange(&one, flags, EXCHANGES)));
}

/// One client and one thread more.
#[divan::bench]
fn one_client_on_two_threads(bencher: Bencher<'_, '_>) {
    let runtime = two_threads();
    let (one, _two) = runtime.block_on(async { two_nodes() });
    bencher.counter(ItemsCount::new(EXCHANGES)).bench_local(|| {
        let one = one.clone();
        let client = runtime.spawn(async move { exchange(&one, Flags::NONE, EXCHANGES).await });
        runtime.block_on(client).unwrap();
    });
}

/// Clients that all keep a connection and have a request on the way.
#[divan::bench(args = [2, 8, 32])]
fn many_clients(bencher: Bencher<'_, '_>, clients: u32) {
    let runtime = one_thread();
    let (one, _two) = runtime.block_on(async { two_nodes() });
    bencher
        .counter(ItemsCount::new(EXCHANGES / clients * clients))
        .bench_local(|| {
            let all = (0..clients).map(|_| {
                let one = one.clone();
                runtime.spawn(async move { exchange(&one, Flags::NONE, EXCHANGES / clients).await })
            });
            let all: Vec<_> = all.collect();
            runtime.block_on(async {
                for client in all {
                    client.await.unwrap();
                }
            });
        });
}

/// Each with a connection and a timeout of its own.
#[divan::bench]
fn ping(bencher: Bencher<'_, '_>) {
    let runtime = one_thread();
    let (one, _two) = runtime.block_on(async { two_nodes() });
    bencher.counter(ItemsCount::new(EXCHANGES)).bench_local(|| {
        runtime.block_on(async {
            for _ in 0..EXCHANGES {
                one.ping(address(2), PingConfig::default()).await.unwrap();
            }
        });
    });
}

/// The machines alone: what the handles and the tasks have to carry.
#[divan::bench]
fn machines(bencher: Bencher<'_, '_>) {
    let mut machines = Machines::new();
    bencher
        .counter(ItemsCount::new(EXCHANGES))
        .bench_local(|| machines.exchange(EXCHANGES));
}
