//! Two layers of one directory, which is what two processes have: names, requests, limits.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]
#![allow(clippy::disallowed_methods, reason = "a test is a driver: it spawns")]

use core::time::Duration;
use std::sync::Arc;

use flow_core::error::AcceptError;
use flow_core::peer::Peer;
use flow_core::providers::local::LocalConfig;
use flow_core::providers::machine::hello::{ANSWER_LEN, Answer, Hello, Patience, Window};
use flow_core::providers::machine::{Balance, MachineConfig, MachineLayer, MachineProvider};
use flow_core::{AllocError, Flow, Name, QosSpec, QueueConfig, ReadError};
use futures::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn config(&self) -> MachineConfig {
        MachineConfig::default().directory(self.0.path())
    }

    /// A layer as another process would have it.
    fn layer(&self) -> MachineLayer {
        MachineLayer::open(self.config()).unwrap()
    }

    fn bound(&self, text: &str) -> (MachineLayer, MachineProvider) {
        let layer = self.layer();
        let provider = layer.attach();
        provider.bind(&name(text)).unwrap();
        (layer, provider)
    }

    fn sockets(&self, text: &str) -> Vec<std::path::PathBuf> {
        let provider = self.layer();
        let candidates = provider.directory().candidates(&name(text));
        candidates.map_or_else(|_| Vec::new(), |all| all.paths().map(Into::into).collect())
    }
}

async fn met(client: &MachineProvider, server: &MachineProvider, text: &str) -> (Flow, Flow) {
    let name = name(text);
    let (ours, theirs) = tokio::join!(client.alloc(&name, QosSpec::DATA, None), server.accept(None));
    (ours.unwrap(), theirs.unwrap())
}

#[tokio::test]
async fn a_flow_between_layers_knows_its_name_its_quality_and_its_peer() {
    let machine = Machine::new();
    let (_, server) = machine.bound("echo");
    let client = machine.layer().attach();
    let (mut ours, mut theirs) = met(&client, &server, "echo").await;
    for flow in [&ours, &theirs] {
        assert_eq!(flow.name(), &name("echo"));
        assert_eq!(flow.qos().loss(), QosSpec::DATA.loss());
        let Peer::Process { pid, .. } = *flow.peer() else {
            panic!("{:?}", flow.peer());
        };
        assert_eq!(pid, std::process::id());
    }
    ours.write("there").await.unwrap();
    assert_eq!(theirs.read_packet().await.unwrap(), "there");
    theirs.write("back").await.unwrap();
    assert_eq!(ours.read_packet().await.unwrap(), "back");
    drop(theirs);
    assert_eq!(ours.read_packet().await, Err(ReadError::Deallocated));
}

#[tokio::test]
async fn within_a_process_a_flow_goes_through_memory() {
    let machine = Machine::new();
    let (layer, server) = machine.bound("echo");
    let client = layer.attach();
    let (ours, _theirs) = met(&client, &server, "echo").await;
    assert_eq!((ours.peer(), layer.stats().flows), (&Peer::Local, 0));
}

#[tokio::test]
async fn what_cannot_be_had_is_told_at_once() {
    let machine = Machine::new();
    let (_, _server) = machine.bound("echo");
    let client = machine.layer().attach();
    let unknown = client.alloc(&name("nobody"), QosSpec::RAW, None).await;
    assert_eq!(
        unknown.unwrap_err(),
        AllocError::UnknownName { name: name("nobody") }
    );
    let timed_out = client
        .alloc(&name("echo"), QosSpec::RAW, Some(Duration::from_millis(20)))
        .await;
    assert_eq!(timed_out.unwrap_err(), AllocError::TimedOut);
    let no_name = client.accept(None).await;
    assert_eq!(no_name.unwrap_err(), AcceptError::NoName);
}

#[tokio::test]
async fn a_request_waits_for_an_accept_and_is_taken_back_when_it_is_dropped() {
    let machine = Machine::new();
    let (layer, server) = machine.bound("echo");
    let client = machine.layer().attach();
    let echo = name("echo");
    let mut asking = Box::pin(client.alloc(&echo, QosSpec::RAW, None));
    while layer.stats().local.waiting == 0 {
        assert!(asking.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(asking);
    while layer.stats().local.waiting > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(layer.stats().flows, 0);
    // nothing is left of it: the next one meets
    let (_ours, _theirs) = met(&client, &server, "echo").await;
    assert_eq!(layer.stats().flows, 1);
}

#[tokio::test]
async fn an_accept_that_is_dropped_half_way_loses_no_request() {
    let machine = Machine::new();
    let (layer, server) = machine.bound("echo");
    let client = Arc::new(machine.layer().attach());
    let asking = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.alloc(&name("echo"), QosSpec::RAW, None).await }
    });
    while layer.stats().local.waiting == 0 {
        assert!(server.accept(None).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    let mut theirs = server.accept(None).await.unwrap();
    let mut ours = asking.await.unwrap().unwrap();
    ours.write("x").await.unwrap();
    assert_eq!(theirs.read_packet().await.unwrap(), "x");
}

#[tokio::test]
async fn who_unbinds_takes_its_socket_away_and_lets_those_who_wait_go() {
    let machine = Machine::new();
    let (layer, server) = machine.bound("echo");
    assert_eq!(machine.sockets("echo").len(), 1);
    let client = machine.layer().attach();
    let echo = name("echo");
    let mut asking = Box::pin(client.alloc(&echo, QosSpec::RAW, None));
    while layer.stats().local.waiting == 0 {
        assert!(asking.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert!(server.unbind(&echo));
    assert!(!server.unbind(&echo));
    assert_eq!(machine.sockets("echo").len(), 0);
    assert_eq!(asking.await.unwrap_err(), AllocError::UnknownName { name: echo });
}

#[tokio::test]
async fn requests_go_round_among_those_who_accept() {
    let machine = Machine::new();
    let servers: Vec<_> = (0..3).map(|_| machine.bound("echo")).collect();
    let client = machine.layer().attach();
    let mut served = [0; 3];
    let mut flows = Vec::new();
    for _ in 0..9 {
        let echo = name("echo");
        let mut accepts: Vec<_> = servers
            .iter()
            .map(|(_, server)| Box::pin(server.accept(None)))
            .collect();
        for accept in &mut accepts {
            assert!(accept.as_mut().now_or_never().is_none());
        }
        let (ours, (theirs, at, _)) = tokio::join!(
            client.alloc(&echo, QosSpec::RAW, None),
            futures::future::select_all(accepts)
        );
        flows.push((ours.unwrap(), theirs.unwrap()));
        served[at] += 1;
    }
    assert_eq!(served, [3, 3, 3]);
}

#[tokio::test]
async fn who_waits_at_a_busy_process_is_taken_by_another_that_accepts() {
    let machine = Machine::new();
    let (busy, _never_accepts) = machine.bound("echo");
    let (_, idle) = machine.bound("echo");
    let client = Arc::new(machine.layer().attach());
    let asking = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.alloc(&name("echo"), QosSpec::DATA, None).await }
    });
    while busy.stats().local.waiting == 0 {
        tokio::task::yield_now().await;
    }
    let mut theirs = idle.accept(Some(Duration::from_secs(60))).await.unwrap();
    theirs.write("here").await.unwrap();
    let mut ours = asking.await.unwrap().unwrap();
    assert_eq!(ours.read_packet().await.unwrap(), "here");
    while busy.stats().local.waiting > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn spill_over_goes_to_the_youngest_and_then_to_the_next() {
    let machine = Machine::new();
    let layers: Vec<_> = (0..2)
        .map(|_| MachineLayer::open(machine.config().balance(Balance::SpillOver)).unwrap())
        .collect();
    let servers: Vec<_> = layers.iter().map(MachineLayer::attach).collect();
    for server in &servers {
        server.bind(&name("echo")).unwrap();
    }
    let client = machine.layer().attach();
    let mut old = Box::pin(servers[0].accept(None));
    assert!(old.as_mut().now_or_never().is_none());
    for _ in 0..3 {
        let _ = met(&client, &servers[1], "echo").await;
        assert!(old.as_mut().now_or_never().is_none());
    }
    let echo = name("echo");
    let (ours, theirs) = tokio::join!(client.alloc(&echo, QosSpec::RAW, None), old);
    assert!(ours.is_ok() && theirs.is_ok(), "nobody younger waits");
}

#[tokio::test]
async fn limits_of_flows_and_of_requests_are_told_to_who_asks() {
    let machine = Machine::new();
    let config = machine.config().flows(2).local(LocalConfig::default().backlog(1));
    let layer = MachineLayer::open(config).unwrap();
    let server = layer.attach();
    server.bind(&name("echo")).unwrap();
    let client = machine.layer().attach();
    let echo = name("echo");
    let mut waits = Box::pin(client.alloc(&echo, QosSpec::RAW, None));
    while layer.stats().local.waiting == 0 {
        assert!(waits.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    let busy = client.alloc(&echo, QosSpec::RAW, None).await.unwrap_err();
    assert_eq!(
        busy,
        AllocError::Busy {
            name: name("echo"),
            max: 1
        }
    );
    let (one, here) = tokio::join!(waits, server.accept(None));
    let two = met(&client, &server, "echo").await;
    let mut accept = Box::pin(server.accept(None));
    assert!(accept.as_mut().now_or_never().is_none());
    let full = client.alloc(&echo, QosSpec::RAW, None).await.unwrap_err();
    assert_eq!(full, AllocError::Full { max: 2 });
    drop((one, here, two));
    while layer.stats().flows > 0 {
        tokio::task::yield_now().await;
    }
    assert!(
        tokio::join!(client.alloc(&echo, QosSpec::RAW, None), accept)
            .0
            .is_ok()
    );
}

#[tokio::test]
async fn a_packet_longer_than_the_peer_takes_is_refused_here() {
    let machine = Machine::new();
    let (_, server) = machine.bound("echo");
    let queue = QueueConfig::default().bytes(1_000);
    let layer = MachineLayer::open(machine.config().local(LocalConfig::default().queue(queue))).unwrap();
    let client = layer.attach();
    let (ours, mut theirs) = met(&client, &server, "echo").await;
    assert_eq!((ours.max_packet(), theirs.max_packet()), (1 << 20, 1_000));
    assert!(theirs.try_write(vec![0; 1_001]).is_err());
}

fn hello(patience: Patience, text: &str, qos: QosSpec) -> bytes::BytesMut {
    let (packets, bytes, longest) = (4, 4_096, 4_096);
    let mut out = bytes::BytesMut::new();
    Hello {
        patience,
        name: name(text),
        qos,
        window: Window {
            packets,
            bytes,
            longest,
        },
    }
    .encode(&mut out);
    out
}

async fn answer(stream: &mut UnixStream) -> Answer {
    let mut bytes = bytes::BytesMut::zeroed(ANSWER_LEN);
    stream.read_exact(&mut bytes).await.unwrap();
    Answer::decode(&mut bytes).unwrap().unwrap()
}

#[tokio::test]
async fn strangers_at_the_socket_are_answered_and_hurt_nobody() {
    let machine = Machine::new();
    let config = machine
        .config()
        .handshakes(4)
        .handshake_timeout(Duration::from_millis(50));
    let layer = MachineLayer::open(config).unwrap();
    let server = layer.attach();
    server.bind(&name("echo")).unwrap();
    let socket = machine.sockets("echo").remove(0);
    let connect = || UnixStream::connect(&socket);

    let mut garbage = connect().await.unwrap();
    garbage.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert_eq!(answer(&mut garbage).await, Answer::Malformed);
    let mut wrong = connect().await.unwrap();
    wrong
        .write_all(&hello(Patience::Now, "other", QosSpec::RAW))
        .await
        .unwrap();
    assert_eq!(answer(&mut wrong).await, Answer::Unknown);
    let mut nobody = connect().await.unwrap();
    nobody
        .write_all(&hello(Patience::Now, "echo", QosSpec::RAW))
        .await
        .unwrap();
    assert_eq!(answer(&mut nobody).await, Answer::NotNow);
    let mut hasty = connect().await.unwrap();
    let mut bytes = hello(Patience::Waits, "echo", QosSpec::RAW);
    bytes.extend_from_slice(b"!");
    hasty.write_all(&bytes).await.unwrap();
    assert_eq!(answer(&mut hasty).await, Answer::Malformed);

    // half a hello, byte by byte or not at all, and more of them than there may be
    let mut mute = Vec::new();
    for _ in 0..6 {
        let mut stream = connect().await.unwrap();
        stream.write_all(b"TWF1\x01").await.unwrap();
        mute.push(stream);
    }
    let client = machine.layer().attach();
    let (mut ours, mut theirs) = met(&client, &server, "echo").await;
    ours.write("x").await.unwrap();
    assert_eq!(theirs.read_packet().await.unwrap(), "x");
    for mut stream in mute {
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0, "turned out");
    }
    let stats = layer.stats();
    assert_eq!((stats.malformed, stats.mute, stats.handshakes), (2, 6, 0));
    assert_eq!((stats.flows, stats.local.waiting), (1, 0));
}

#[tokio::test]
async fn a_peer_that_breaks_a_rule_ends_its_own_flow_and_is_counted() {
    let machine = Machine::new();
    let (layer, server) = machine.bound("echo");
    let mut stream = UnixStream::connect(&machine.sockets("echo")[0]).await.unwrap();
    stream
        .write_all(&hello(Patience::Waits, "echo", QosSpec::DATA))
        .await
        .unwrap();
    let mut theirs = server.accept(None).await.unwrap();
    let Answer::Accepted { qos, window } = answer(&mut stream).await else {
        panic!("not accepted");
    };
    assert_eq!((qos, window.packets), (theirs.qos(), 256));
    stream.write_all(&[77, 0, 0, 0]).await.unwrap();
    assert_eq!(theirs.read_packet().await, Err(ReadError::Reset));
    while stream.read(&mut [0; 100]).await.unwrap_or(0) > 0 {}
    assert_eq!((layer.stats().broken_frames, layer.stats().flows), (1, 0));
}

#[tokio::test]
async fn the_socket_of_a_dead_process_is_met_once_and_removed() {
    let machine = Machine::new();
    let (layer, server) = machine.bound("echo");
    let socket = machine.sockets("echo").remove(0);
    // bound, and nobody listens: what a killed process leaves behind
    let stale = socket.with_file_name("999999-1.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let client = machine.layer().attach();
    let _ = met(&client, &server, "echo").await;
    assert!(!stale.exists());
    assert_eq!(layer.stats().accepted, 1);
}

#[tokio::test]
async fn what_is_dropped_half_way_loses_and_doubles_nothing() {
    let machine = Machine::new();
    let (_, server) = machine.bound("echo");
    let queue = QueueConfig::default().packets(1);
    let narrow = machine.config().local(LocalConfig::default().queue(queue));
    let client = MachineLayer::open(narrow).unwrap().attach();
    let (mut ours, mut theirs) = met(&client, &server, "echo").await;
    // a read that found nothing, and one that would have
    assert!(ours.read_packet().now_or_never().is_none());
    theirs.write("one").await.unwrap();
    // a write that waits for room, dropped again and again: none of them leaves
    for _ in 0..100 {
        assert!(theirs.write("dropped").now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert_eq!(ours.read_packet().await.unwrap(), "one");
    theirs.write("two").await.unwrap();
    assert_eq!(ours.read_packet().await.unwrap(), "two");
    // a dealloc that waits for the reader, dropped: the flow ends at once, and what was written arrives
    theirs.write("last").await.unwrap();
    assert!(theirs.dealloc().now_or_never().is_none());
    assert_eq!(ours.read_packet().await.unwrap(), "last");
    assert_eq!(ours.read_packet().await, Err(ReadError::Deallocated));
}

#[tokio::test]
async fn a_runtime_that_ends_ends_its_flows() {
    let machine = Machine::new();
    let (_, server) = machine.bound("echo");
    let config = machine.config();
    let (sender, done) = tokio::sync::oneshot::channel::<()>();
    let other = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let flow = runtime.block_on(async {
            let client = MachineLayer::open(config).unwrap().attach();
            let flow = client.alloc(&name("echo"), QosSpec::DATA, None).await.unwrap();
            done.await.unwrap();
            flow
        });
        drop(runtime);
        flow
    });
    let mut theirs = server.accept(None).await.unwrap();
    sender.send(()).unwrap();
    assert_eq!(theirs.read_packet().await, Err(ReadError::PeerGone));
    let mut ours = other.join().unwrap();
    assert_eq!(ours.try_read_packet(), Err(ReadError::Deallocated));
    assert!(ours.try_write("x").is_err());
}

/// Every wake-up arrives, with both sides waiting for room and for packets all the time on several threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn flows_on_several_threads_never_sleep_on() {
    const FLOWS: u8 = 40;
    const PACKETS: u32 = 500;
    let machine = Machine::new();
    let config = || {
        let queue = QueueConfig::default().packets(2);
        machine.config().local(LocalConfig::default().queue(queue))
    };
    let server = Arc::new(MachineLayer::open(config()).unwrap().attach());
    server.bind(&name("echo")).unwrap();
    let serving = tokio::spawn(async move {
        for _ in 0..FLOWS {
            let (reader, writer) = server.accept(None).await.unwrap().split();
            tokio::spawn(futures::StreamExt::forward(reader, writer));
        }
        server
    });
    let client = Arc::new(MachineLayer::open(config()).unwrap().attach());
    let clients = (0..FLOWS).map(|flow| {
        let client = Arc::clone(&client);
        tokio::spawn(async move {
            let (mut reader, mut writer) = client
                .alloc(&name("echo"), QosSpec::DATA, None)
                .await
                .unwrap()
                .split();
            let write = tokio::spawn(async move {
                for number in 0..PACKETS {
                    // short ones and long ones, which leave by different ways
                    let len = if number % 7 == 0 { 20_000 } else { 10 };
                    let mut packet = vec![flow; len];
                    packet[..4].copy_from_slice(&number.to_le_bytes());
                    writer.write(packet).await.unwrap();
                }
                writer
            });
            for number in 0..PACKETS {
                let packet = reader.read_packet().await.unwrap();
                assert_eq!(packet[..4], number.to_le_bytes());
                assert!(packet[4..].iter().all(|byte| *byte == flow));
            }
            let writer = write.await.unwrap();
            assert_eq!(writer.dealloc_within(Duration::from_secs(30)).await, Ok(()));
            assert_eq!(reader.read_packet().await, Err(ReadError::Deallocated));
        })
    });
    for client in futures::future::join_all(clients).await {
        client.unwrap();
    }
    serving.await.unwrap();
}
