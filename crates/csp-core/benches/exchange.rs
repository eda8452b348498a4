//! Requests and replies, one after the other, between two nodes of one process.
//!
//! Run with `cargo xtask bench csp-core`. Nothing asserts on time.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(clippy::disallowed_methods, reason = "a benchmark starts the application")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

use bytes::Bytes;
use csp_core::rt::{Node, PingConfig, pair};
use csp_core::{
    Address, Config, ConnectConfig, Flags, InterfaceConfig, InterfaceName, Netmask, Packet, Port,
    SocketConfig,
};
use divan::Bencher;
use divan::counter::ItemsCount;
use tinwire_time::Instant;
use tokio::runtime::{Builder, Runtime};

/// Exchanges of an iteration.
const EXCHANGES: u32 = 10_000;
/// Bytes of a request, as csp-py's and libcsp's ping.
const SIZE: usize = 100;

fn main() {
    divan::main();
}

fn address(bits: u16) -> Address {
    Address::new(bits).unwrap()
}

fn interface(own: u16) -> InterfaceConfig {
    let name = InterfaceName::new("PAIR").unwrap();
    InterfaceConfig::new(name, address(own), Netmask::new(8).unwrap())
}

fn echo_port() -> Port {
    Port::new(10).unwrap()
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn two_threads() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Nodes 1 and 2 on an interface pair; port 10 of node 2 sends back what it gets.
fn two_nodes() -> (Node, Node) {
    let (left, right) = pair();
    let (one, two) = (Node::spawn(Config::default()), Node::spawn(Config::default()));
    one.attach(interface(1), left).unwrap();
    two.attach(interface(2), right).unwrap();
    let mut listener = two.listen(echo_port(), SocketConfig::default()).unwrap();
    tokio::spawn(async move {
        while let Ok(mut connection) = listener.accept().await {
            tokio::spawn(async move {
                while let Ok(request) = connection.recv().await {
                    connection.send(request.payload).await.unwrap();
                }
            });
        }
    });
    (one, two)
}

/// A connection that is kept, by RDP where the flags say so.
async fn exchange(one: &Node, flags: Flags, count: u32) {
    let config = ConnectConfig::default().flags(flags);
    let mut connection = one.connect(address(2), echo_port(), config).await.unwrap();
    let request = Bytes::from(vec![0x55; SIZE]);
    for _ in 0..count {
        connection.send(request.clone()).await.unwrap();
        let reply = connection.recv().await.unwrap();
        assert_eq!(reply.payload.len(), SIZE);
    }
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
    let mut nodes = [1, 2].map(|own| {
        let mut node = csp_core::Node::new(Config::default(), 1);
        let id = node.add_interface(interface(own)).unwrap();
        (node, id)
    });
    let now = Instant::ZERO;
    let listener = nodes[1]
        .0
        .listen(echo_port().into(), SocketConfig::default())
        .unwrap();
    let client = nodes[0]
        .0
        .connect(now, address(2), echo_port(), ConnectConfig::default())
        .unwrap();
    let mut server = None;
    let request = Bytes::from(vec![0x55; SIZE]);
    bencher.counter(ItemsCount::new(EXCHANGES)).bench_local(|| {
        let [(one, on_one), (two, on_two)] = &mut nodes;
        let carry = |from: &mut csp_core::Node, to: &mut csp_core::Node, id| {
            while let Some(transmit) = from.poll_transmit() {
                let packet: Packet = transmit.packet;
                to.handle_packet(now, id, packet);
            }
            while to.poll_event().is_some() {}
        };
        for _ in 0..EXCHANGES {
            one.send(now, client, request.clone()).unwrap();
            carry(one, two, *on_two);
            let server = *server.get_or_insert_with(|| two.accept(listener).unwrap());
            let message = two.recv(server).unwrap();
            two.send(now, server, message.payload).unwrap();
            carry(two, one, *on_one);
            assert_eq!(one.recv(client).unwrap().payload.len(), SIZE);
        }
    });
}
