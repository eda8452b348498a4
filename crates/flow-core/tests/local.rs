//! Stories of two sides that meet in a layer.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a test is a driver: it spawns and looks at the clock"
)]

use core::time::Duration;

use bytes::Bytes;
use flow_core::flow::{Access, FlowState};
use flow_core::providers::local::LocalConfig;
use flow_core::qos::{Bound, Order, PeerTimeout, Tolerance};
use flow_core::{
    AcceptError, AllocError, BindError, DEFAULT_ALLOC_TIMEOUT, DeallocError, Flow, FlowError, LocalLayer,
    LocalProvider, Name, PartialReads, Provider, QosSpec, QueueConfig, ReadError, WriteError,
};
use futures::{FutureExt, SinkExt, StreamExt, TryStreamExt};
use tokio::time::Instant;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn server(layer: &LocalLayer, names: &[&str]) -> LocalProvider {
    let provider = layer.attach();
    for text in names {
        provider.bind(&name(text)).unwrap();
    }
    provider
}

async fn pair_in(layer: &LocalLayer) -> (Flow, Flow) {
    let server = server(layer, &["pair"]);
    let (client, name) = (layer.attach(), name("pair"));
    let (ours, theirs) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), server.accept(None));
    (ours.unwrap(), theirs.unwrap())
}

async fn pair() -> (Flow, Flow) {
    pair_in(&LocalLayer::new()).await
}

#[tokio::test]
async fn an_echo_by_forwarding_a_flow_into_itself() {
    let layer = LocalLayer::new();
    let server = server(&layer, &["echo"]);
    let echo = tokio::spawn(async move {
        let (reader, writer) = server.accept(None).await.unwrap().split();
        reader.forward(writer).await
    });
    let mut flow = layer
        .attach()
        .alloc(&name("echo"), QosSpec::DATA, None)
        .await
        .unwrap();
    for text in ["one", "two"] {
        flow.write(text).await.unwrap();
        assert_eq!(flow.read_packet().await.unwrap(), text);
    }
    flow.send("three".into()).await.unwrap();
    flow.close().await.unwrap();
    let rest: Vec<_> = flow.try_collect().await.unwrap();
    assert_eq!(rest, ["three"], "a closed sink ends one direction only");
    echo.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_accepting_side_is_told_which_of_its_names_was_asked_for() {
    let layer = LocalLayer::new();
    let server = server(&layer, &["time", "echo"]);
    let client = layer.attach();
    let name = name("echo");
    let (_flow, accepted) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), server.accept(None));
    assert_eq!(accepted.unwrap().name(), &name);
}

#[tokio::test(start_paused = true)]
async fn each_way_of_not_getting_a_flow_has_its_error_at_its_time() {
    let layer = LocalLayer::with_config(LocalConfig::default().backlog(1).names(1));
    let client = layer.attach();
    let start = Instant::now();
    let unknown = client
        .alloc(&name("echo"), QosSpec::RAW, Some(DEFAULT_ALLOC_TIMEOUT))
        .await;
    assert_eq!(
        unknown.unwrap_err(),
        AllocError::UnknownName { name: name("echo") }
    );
    assert_eq!(client.accept(None).await.unwrap_err(), AcceptError::NoName);
    assert_eq!(start.elapsed(), Duration::ZERO, "at once");

    let server = server(&layer, &["echo"]);
    assert_eq!(server.bind(&name("more")), Err(BindError::Full { max: 1 }));
    assert_eq!(
        server.accept(Some(Duration::ZERO)).await.unwrap_err(),
        AcceptError::TimedOut
    );
    let timed_out = client
        .alloc(&name("echo"), QosSpec::RAW, Some(DEFAULT_ALLOC_TIMEOUT))
        .await;
    assert_eq!(timed_out.unwrap_err(), AllocError::TimedOut);
    assert_eq!(start.elapsed(), Duration::from_secs(20));
    let accept = server.accept(Some(Duration::from_secs(1))).await;
    assert_eq!(
        accept.unwrap_err(),
        AcceptError::TimedOut,
        "what timed out is not there any more"
    );
    assert_eq!(
        (
            layer.stats().refused,
            layer.stats().withdrawn,
            layer.stats().waiting
        ),
        (1, 1, 0)
    );

    let echo = name("echo");
    let mut waiting = Box::pin(client.alloc(&echo, QosSpec::RAW, None));
    assert!((&mut waiting).now_or_never().is_none());
    let busy = client.alloc(&echo, QosSpec::RAW, None).await.unwrap_err();
    assert_eq!(
        busy,
        AllocError::Busy {
            name: name("echo"),
            max: 1
        }
    );
    drop(server);
    assert!(
        matches!(waiting.await, Err(AllocError::UnknownName { .. })),
        "it ends with its last binding"
    );
}

#[tokio::test(start_paused = true)]
async fn none_waits_for_ever() {
    let layer = LocalLayer::new();
    let (server, client) = (server(&layer, &["echo"]), layer.attach());
    let alloc = tokio::spawn(async move { client.alloc(&name("echo"), QosSpec::RAW, None).await });
    tokio::time::sleep(Duration::from_secs(365 * 86_400)).await;
    server.accept(None).await.unwrap();
    alloc.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_name_is_served_in_turn_by_all_who_accept_it() {
    let layer = LocalLayer::new();
    let servers = [(); 3].map(|()| server(&layer, &["echo"]));
    let client = layer.attach();
    let (mut served, echo) = ([0; 3], name("echo"));
    let mut accepts: Vec<_> = servers
        .iter()
        .map(|server| Box::pin(server.accept(None)))
        .collect();
    for accept in &mut accepts {
        assert!(accept.now_or_never().is_none());
    }
    for turn in 0..9 {
        let at = turn % 3;
        let (flow, accepted) = tokio::join!(client.alloc(&echo, QosSpec::RAW, None), &mut accepts[at]);
        served[at] += u32::from(flow.is_ok() && accepted.is_ok());
        accepts[at] = Box::pin(servers[at].accept(None));
        assert!((&mut accepts[at]).now_or_never().is_none());
    }
    assert_eq!(served, [3; 3]);
}

#[tokio::test]
async fn a_flow_in_memory_has_every_quality_and_says_so_on_both_sides() {
    let (ours, theirs) = pair().await;
    let has = ours.qos();
    assert_eq!(has, theirs.qos());
    assert_eq!(
        (has.loss(), has.ber(), has.order()),
        (Tolerance::NONE, Tolerance::NONE, Order::Kept)
    );
    assert_eq!(
        (has.delay(), has.timeout()),
        (Bound::from_millis(0), PeerTimeout::DEFAULT)
    );
    for (_, preset) in QosSpec::PRESETS {
        let layer = LocalLayer::new();
        let (server, client) = (server(&layer, &["x"]), layer.attach());
        let x = name("x");
        let (flow, _) = tokio::join!(client.alloc(&x, preset, None), server.accept(None));
        assert!(flow.is_ok(), "{preset:?}");
    }
}

#[tokio::test]
async fn the_limits_of_packets_are_told_and_held() {
    let queue = QueueConfig::default().packets(2).bytes(8);
    let (mut ours, mut theirs) = pair_in(&LocalLayer::with_config(LocalConfig::default().queue(queue))).await;
    assert_eq!(ours.max_packet(), 8);
    assert_eq!(
        ours.write(vec![0; 9]).await,
        Err(WriteError::TooLong { len: 9, max: 8 })
    );
    assert_eq!(ours.write("").await, Err(WriteError::Empty));
    ours.try_write("1").unwrap();
    ours.try_write("2").unwrap();
    assert_eq!(ours.try_write("3"), Err(WriteError::WouldBlock));
    assert_eq!((ours.write_queue_len(), theirs.read_queue_len()), (2, 2));
    assert_eq!(theirs.try_read_packet().unwrap(), "1");
    ours.try_write("3").unwrap();
    assert_eq!((ours.write_stats().packets, theirs.read_stats().bytes), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn reads_and_writes_wait_no_longer_than_they_are_told() {
    let queue = QueueConfig::default().packets(1);
    let (mut ours, mut theirs) = pair_in(&LocalLayer::with_config(LocalConfig::default().queue(queue))).await;
    let (second, start) = (Duration::from_secs(1), Instant::now());
    assert_eq!(theirs.try_read(&mut [0; 4]), Err(ReadError::WouldBlock));
    assert_eq!(
        theirs.read_timeout(&mut [0; 4], second).await,
        Err(ReadError::TimedOut)
    );
    assert_eq!(theirs.read_packet_timeout(second).await, Err(ReadError::TimedOut));
    ours.write_timeout("1", second).await.unwrap();
    assert_eq!(ours.write_timeout("2", second).await, Err(WriteError::TimedOut));
    assert_eq!(start.elapsed(), 3 * second);
    assert_eq!(theirs.read_packet_timeout(second).await.unwrap(), "1");
    assert_eq!(
        theirs.try_read_packet(),
        Err(ReadError::WouldBlock),
        "a write that timed out wrote nothing"
    );
}

#[tokio::test]
async fn a_flow_in_use_is_torn_down_in_both_directions_by_a_drop() {
    let (mut ours, mut theirs) = pair().await;
    ours.write("last words").await.unwrap();
    theirs.write("unheard").await.unwrap();
    drop(ours);
    assert_eq!(theirs.write("too late").await, Err(WriteError::Deallocated));
    assert_eq!(theirs.next().await.unwrap().unwrap(), "last words");
    assert!(theirs.next().await.is_none());
    assert_eq!(theirs.read_packet().await, Err(ReadError::Deallocated));
}

#[tokio::test]
async fn access_is_kept_to_on_both_sides() {
    let (mut ours, mut theirs) = pair().await;
    ours.set_access(Access::ReadOnly);
    assert_eq!(ours.write("x").await, Err(WriteError::ReadOnly));
    theirs.write("1").await.unwrap();
    ours.set_access(Access::WriteOnly);
    assert_eq!(ours.read_packet().await, Err(ReadError::WriteOnly));
    assert_eq!(theirs.write("2").await, Err(WriteError::PeerNotReading));
    ours.write("x").await.unwrap();
    ours.set_access(Access::ReadWrite);
    assert_eq!(
        ours.read_packet().await.unwrap(),
        "1",
        "what was there is there still"
    );
}

#[tokio::test]
async fn a_flow_marked_down_fails_where_it_cannot_carry_and_comes_up_again() {
    let (mut ours, mut theirs) = pair().await;
    ours.write("before").await.unwrap();
    ours.set_state(FlowState::Down);
    assert_eq!(ours.read_packet().await, Err(ReadError::Down));
    assert_eq!(ours.write("x").await, Err(WriteError::Down));
    assert_eq!(theirs.write("x").await, Err(WriteError::Down));
    assert_eq!(theirs.read_packet().await.unwrap(), "before");
    ours.set_state(FlowState::Up);
    theirs.write("after").await.unwrap();
    assert_eq!(ours.read_packet().await.unwrap(), "after");
}

#[tokio::test(start_paused = true)]
async fn a_graceful_end_says_whether_the_peer_has_read_everything() {
    let (mut ours, mut theirs) = pair().await;
    ours.write("1").await.unwrap();
    let read = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(900)).await;
        (theirs.read_packet().await, theirs.read_packet().await)
    });
    assert_eq!(ours.dealloc().await, Ok(()));
    assert_eq!(
        read.await.unwrap(),
        (Ok(Bytes::from_static(b"1")), Err(ReadError::Deallocated))
    );

    let (mut ours, mut theirs) = pair().await;
    ours.write("1").await.unwrap();
    assert_eq!(
        ours.dealloc_within(Duration::ZERO).await,
        Err(DeallocError::Unread { packets: 1 })
    );
    assert_eq!(theirs.read_packet().await.unwrap(), "1", "it stays readable");

    let (mut ours, theirs) = pair().await;
    ours.write("1").await.unwrap();
    drop(theirs);
    assert_eq!(ours.dealloc().await, Err(DeallocError::Discarded));
}

#[tokio::test]
async fn a_packet_fed_to_a_full_flow_goes_out_before_what_is_written_next() {
    let queue = QueueConfig::default().packets(1);
    let (mut ours, mut theirs) = pair_in(&LocalLayer::with_config(LocalConfig::default().queue(queue))).await;
    for text in ["1", "2"] {
        ours.feed(text.into()).await.unwrap();
    }
    assert!(ours.flush().now_or_never().is_none(), "2 has no room");
    assert_eq!(ours.try_write("3"), Err(WriteError::WouldBlock));
    let write = tokio::spawn(async move {
        ours.write("3").await.unwrap();
        ours.feed("4".into()).await.unwrap();
        ours.close().await.unwrap();
        (ours.write("5").await, ours)
    });
    let mut got = Vec::new();
    while let Ok(packet) = theirs.read_packet().await {
        got.push(packet);
    }
    assert_eq!(got, ["1", "2", "3", "4"]);
    assert_eq!(write.await.unwrap().0, Err(WriteError::Closed));
}

#[tokio::test]
async fn a_packet_fed_and_not_flushed_still_goes_out_when_the_flow_is_dropped() {
    let queue = QueueConfig::default().packets(1);
    let (mut ours, mut theirs) = pair_in(&LocalLayer::with_config(LocalConfig::default().queue(queue))).await;
    for text in ["1", "2"] {
        ours.feed(text.into()).await.unwrap();
    }
    assert_eq!(theirs.read_packet().await.unwrap(), "1");
    drop(ours);
    assert_eq!(theirs.read_packet().await.unwrap(), "2");
    assert_eq!(theirs.read_packet().await, Err(ReadError::Deallocated));
}

#[tokio::test]
async fn a_stream_tells_an_error_and_goes_on_when_it_passes() {
    let (mut ours, mut theirs) = pair().await;
    theirs.write("1").await.unwrap();
    ours.set_state(FlowState::Down);
    assert_eq!(ours.next().await, Some(Err(FlowError::Read(ReadError::Down))));
    ours.set_state(FlowState::Up);
    assert_eq!(ours.next().await, Some(Ok("1".into())));
}

#[tokio::test]
async fn without_partial_reads_a_packet_too_large_is_told_counted_and_gone() {
    let (mut ours, mut theirs) = pair().await;
    theirs.set_partial_reads(PartialReads::Refused);
    for text in ["large", "ok"] {
        ours.write(text).await.unwrap();
    }
    let mut buffer = [0; 2];
    let error = theirs.read(&mut buffer).await.unwrap_err();
    assert_eq!(error.to_string(), "packet of 5 bytes discarded, the buffer has 2");
    assert_eq!(error.errno().number(), 90);
    assert_eq!(theirs.read(&mut buffer).await, Ok(2));
    assert_eq!(theirs.read_stats().discarded, 1);
}

#[tokio::test]
async fn a_provider_is_chosen_at_run_time() {
    let layer = LocalLayer::new();
    let providers: [Box<dyn Provider>; 2] = [Box::new(layer.attach()), Box::new(layer.attach())];
    let x = name("x");
    providers[0].bind(&x).unwrap();
    let (ours, theirs) = tokio::join!(
        providers[1].alloc(&x, QosSpec::RAW, None),
        providers[0].accept(None)
    );
    ours.unwrap().write("dyn").await.unwrap();
    assert_eq!(theirs.unwrap().read_packet().await.unwrap(), "dyn");
    assert!(providers[0].unbind(&x) && !providers[0].unbind(&x));
}
