//! Many tasks on several threads: every wake-up arrives.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]
#![allow(clippy::disallowed_methods, reason = "a test is a driver: it spawns")]

use std::sync::Arc;

use flow_core::providers::local::LocalConfig;
use flow_core::{EventKind, EventQueue, LocalLayer, Name, QosSpec, QueueConfig};
use futures::StreamExt;
use futures::future::join_all;

const FLOWS: usize = 50;
const PACKETS: usize = 500;

/// A layer with flows of so few places that both sides wait all the time.
fn layer() -> (LocalLayer, Name) {
    let queue = QueueConfig::default().packets(2);
    (
        LocalLayer::with_config(LocalConfig::default().queue(queue)),
        Name::new("echo").unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn flows_that_wait_for_room_and_for_packets_all_the_time_never_sleep_on() {
    let (layer, name) = layer();
    let server = Arc::new(layer.attach());
    server.bind(&name).unwrap();
    for _ in 0..3 {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok(flow) = server.accept(None).await {
                let (reader, writer) = flow.split();
                tokio::spawn(reader.forward(writer));
            }
        });
    }
    let clients = (0..FLOWS).map(|_| {
        let (client, name) = (layer.attach(), name.clone());
        tokio::spawn(async move {
            let (mut reader, mut writer) = client.alloc(&name, QosSpec::DATA, None).await.unwrap().split();
            let write = tokio::spawn(async move {
                for number in 0..PACKETS {
                    writer.write(number.to_string()).await.unwrap();
                }
            });
            for number in 0..PACKETS {
                assert_eq!(reader.read_packet().await.unwrap(), number.to_string());
            }
            write.await.unwrap();
            assert!(reader.next().await.is_none());
        })
    });
    for client in join_all(clients).await {
        client.unwrap();
    }
    let stats = layer.stats();
    assert_eq!(
        (stats.flows, stats.waiting, stats.withdrawn),
        (FLOWS as u64, 0, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_queue_of_events_hears_all_flows() {
    let (layer, name) = layer();
    let server = layer.attach();
    server.bind(&name).unwrap();
    let mut events = EventQueue::new();
    let mut flows = std::collections::BTreeMap::new();
    for _ in 0..FLOWS {
        let (client, name) = (layer.attach(), name.clone());
        tokio::spawn(async move {
            let mut flow = client.alloc(&name, QosSpec::RAW, None).await.unwrap();
            for _ in 0..PACKETS {
                flow.write("x").await.unwrap();
            }
        });
        let flow = server.accept(None).await.unwrap();
        events.set().add(&flow).unwrap();
        flows.insert(flow.id(), flow);
    }
    let mut packets = 0;
    while !flows.is_empty() {
        let event = events.wait().await;
        match event.kind {
            EventKind::Packet => {
                flows.get_mut(&event.flow).unwrap().try_read_packet().unwrap();
                packets += 1;
            }
            EventKind::Dealloc => drop(flows.remove(&event.flow)),
            other => unreachable!("{other:?}"),
        }
    }
    assert_eq!(packets, FLOWS * PACKETS);
}
