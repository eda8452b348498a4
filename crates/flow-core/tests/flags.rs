//! What a flow is set to: flags, timeouts, access, and who is at the other end.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test is a driver: it looks at the clock"
)]

use core::time::Duration;

use flow_core::flow::{Access, FlowState};
use flow_core::queue::TooSmall;
use flow_core::{
    EventKind, EventQueue, Flow, FlowFlags, LocalLayer, Name, PartialReads, Peer, QosSpec, ReadError,
    WriteError,
};
use tokio::time::Instant;

async fn pair() -> (Flow, Flow) {
    let layer = LocalLayer::new();
    let (server, client, name) = (layer.attach(), layer.attach(), Name::new("x").unwrap());
    server.bind(&name).unwrap();
    let (ours, theirs) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), server.accept(None));
    (ours.unwrap(), theirs.unwrap())
}

/// Writes until there is no room.
fn fill(flow: &mut Flow) {
    while flow.try_write("x").is_ok() {}
}

fn flags(bits: u32) -> FlowFlags {
    FlowFlags::from_bits(bits).unwrap()
}

#[tokio::test]
async fn a_flow_begins_with_the_flags_of_the_peer() {
    let (ours, theirs) = pair().await;
    assert_eq!(
        (ours.flags().to_bits(), theirs.flags().to_bits()),
        (0o20002, 0o20002)
    );
    assert_eq!(ours.flags(), FlowFlags::default());
}

#[tokio::test]
async fn flags_that_are_set_are_those_that_are_there() {
    let (mut ours, _theirs) = pair().await;
    for access in 0..3 {
        for rest in 0..0o40 {
            // down, and the four above the seventh bit
            let bits = access | rest & 1 << 2 | (rest >> 1 & 3) << 9 | (rest >> 3 & 3) << 12;
            ours.set_flags(flags(bits));
            assert_eq!(ours.flags().to_bits(), bits, "{bits:o}");
        }
    }
}

#[tokio::test]
async fn single_setters_and_flags_are_one_state() {
    let (mut ours, _theirs) = pair().await;
    ours.set_non_blocking_read(true);
    ours.set_partial_reads(PartialReads::Refused);
    assert_eq!(ours.flags().to_bits(), 0o31002);
    ours.set_access(Access::WriteOnly);
    ours.set_state(FlowState::Down);
    assert_eq!(ours.flags().to_bits(), 0o31005);
    ours.set_flags(FlowFlags::READ_ONLY | FlowFlags::NON_BLOCKING_WRITE);
    assert_eq!((ours.access(), ours.state()), (Access::ReadOnly, FlowState::Up));
    assert_eq!(ours.try_read_packet(), Err(ReadError::WouldBlock));
    assert_eq!(ours.write("x").await, Err(WriteError::ReadOnly));
}

#[tokio::test]
async fn a_read_only_flow_does_not_write_and_a_write_only_one_is_not_written_to() {
    let (mut ours, mut theirs) = pair().await;
    ours.set_flags(FlowFlags::READ_ONLY);
    assert_eq!(ours.write("x").await, Err(WriteError::ReadOnly));
    theirs.write("x").await.unwrap();
    assert_eq!(ours.read_packet().await.unwrap(), "x");
    ours.set_flags(FlowFlags::WRITE_ONLY);
    assert_eq!(ours.read_packet().await, Err(ReadError::WriteOnly));
    assert_eq!(theirs.write("x").await, Err(WriteError::PeerNotReading));
    ours.write("our own sends go on").await.unwrap();
    ours.set_flags(FlowFlags::READ_WRITE);
    theirs.write("y").await.unwrap();
    assert_eq!(ours.read_packet().await.unwrap(), "y");
}

#[tokio::test]
async fn down_by_its_flag_is_seen_by_both_sides_and_passes() {
    let (mut ours, mut theirs) = pair().await;
    let mut events = EventQueue::new();
    events.set().add(&theirs).unwrap();
    ours.set_flags(ours.flags() | FlowFlags::DOWN);
    assert_eq!(events.wait().await.kind, EventKind::Down);
    assert_eq!(ours.read_packet().await, Err(ReadError::Down));
    assert_eq!(ours.write("x").await, Err(WriteError::Down));
    assert_eq!(theirs.write("x").await, Err(WriteError::Down));
    ours.set_flags(ours.flags().without(FlowFlags::DOWN));
    assert_eq!(events.wait().await.kind, EventKind::Up);
    theirs.write("x").await.unwrap();
    assert_eq!(ours.read_packet().await.unwrap(), "x");
}

#[tokio::test]
async fn non_blocking_calls_say_so_instead_of_waiting() {
    let (mut ours, mut theirs) = pair().await;
    ours.set_flags(ours.flags() | FlowFlags::NON_BLOCKING);
    assert_eq!(ours.read(&mut [0; 8]).await, Err(ReadError::WouldBlock));
    assert_eq!(ours.read_packet().await, Err(ReadError::WouldBlock));
    assert_eq!(ours.read_line().await, Err(ReadError::WouldBlock.into()));
    fill(&mut ours);
    assert_eq!(ours.write("x").await, Err(WriteError::WouldBlock));
    assert_eq!(ours.write_line("x").await, Err(WriteError::WouldBlock.into()));
    // a timeout does not make them wait
    ours.set_receive_timeout(Some(Duration::from_secs(9)));
    assert_eq!(ours.read_packet().await, Err(ReadError::WouldBlock));
    theirs.write("x").await.unwrap();
    assert_eq!(ours.read_packet().await.unwrap(), "x");
}

#[tokio::test(start_paused = true)]
async fn all_calls_that_wait_obey_the_timeouts() {
    let (mut ours, _theirs) = pair().await;
    let timeout = Duration::from_millis(250);
    ours.set_receive_timeout(Some(timeout));
    ours.set_send_timeout(Some(2 * timeout));
    assert_eq!(ours.receive_timeout(), Some(timeout));
    assert_eq!(ours.send_timeout(), Some(2 * timeout));
    fill(&mut ours);
    let start = Instant::now();
    assert_eq!(ours.read(&mut [0; 8]).await, Err(ReadError::TimedOut));
    assert_eq!(start.elapsed(), timeout);
    assert_eq!(ours.read_packet().await, Err(ReadError::TimedOut));
    assert_eq!(ours.read_line().await, Err(ReadError::TimedOut.into()));
    assert_eq!(start.elapsed(), 3 * timeout);
    assert_eq!(ours.write("x").await, Err(WriteError::TimedOut));
    assert_eq!(ours.write_line("x").await, Err(WriteError::TimedOut.into()));
    assert_eq!(start.elapsed(), 7 * timeout);
    // a call that is told a time has that one
    assert_eq!(
        ours.read_packet_timeout(Duration::from_secs(9)).await,
        Err(ReadError::TimedOut)
    );
    assert_eq!(start.elapsed(), 7 * timeout + Duration::from_secs(9));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_zero_looks_once() {
    let (mut ours, mut theirs) = pair().await;
    let start = Instant::now();
    ours.set_receive_timeout(Some(Duration::ZERO));
    ours.set_send_timeout(Some(Duration::ZERO));
    assert_eq!(ours.read_packet().await, Err(ReadError::TimedOut));
    theirs.write("x").await.unwrap();
    assert_eq!(ours.read_packet().await.unwrap(), "x");
    fill(&mut ours);
    assert_eq!(ours.write("x").await, Err(WriteError::TimedOut));
    theirs.read_packet().await.unwrap();
    ours.write("x").await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_packet_that_does_not_fit_is_lost_and_told_where_partial_reads_are_refused() {
    let (mut ours, mut theirs) = pair().await;
    theirs.set_flags(theirs.flags() | FlowFlags::NO_PARTIAL_READ);
    for text in ["0123456789", "0123"] {
        ours.write(text).await.unwrap();
    }
    let mut buffer = [0; 4];
    let error = theirs.read(&mut buffer).await.unwrap_err();
    assert_eq!(error, ReadError::TooSmall(TooSmall { need: 10, got: 4 }));
    assert_eq!(error.errno().number(), 90);
    assert_eq!(theirs.read(&mut buffer).await, Ok(4), "and no mark after it");
    assert_eq!(theirs.try_read(&mut buffer), Err(ReadError::WouldBlock));
    assert_eq!(theirs.read_stats().discarded, 1);
}

#[tokio::test]
async fn lengths_of_both_queues_are_seen_from_both_sides() {
    let (mut ours, mut theirs) = pair().await;
    for _ in 0..3 {
        ours.write("x").await.unwrap();
    }
    assert_eq!((ours.write_queue_len(), theirs.read_queue_len()), (3, 3));
    assert_eq!((theirs.write_queue_len(), ours.read_queue_len()), (0, 0));
    theirs.read_packet().await.unwrap();
    assert_eq!((ours.write_queue_len(), theirs.read_queue_len()), (2, 2));
}

#[tokio::test]
async fn who_is_at_the_other_end_is_known() {
    let (ours, theirs) = pair().await;
    assert_eq!((ours.peer(), theirs.peer()), (&Peer::Local, &Peer::Local));
    let member = LocalLayer::new()
        .attach()
        .join(&Name::new("chat").unwrap())
        .unwrap();
    assert_eq!(member.peer(), &Peer::Broadcast);
    let (reader, writer) = member.with_peer(Peer::Process { pid: 7, uid: 0 }).split();
    assert_eq!(reader.peer(), writer.peer());
    assert_eq!(reader.peer().to_string(), "process 7 of user 0");
}
