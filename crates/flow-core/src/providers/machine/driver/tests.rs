use super::*;
use crate::error::{DeallocError, ReadError, WriteError};
use crate::event::EventKind;
use crate::flow::{Access, Flow};
use crate::name::Name;
use crate::providers::machine::frame::Count;
use crate::providers::machine::hello::Window;
use crate::providers::machine::shared::flow;
use crate::qos::{PeerTimeout, QosSpec};
use crate::queue::QueueConfig;
use crate::set::EventQueue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

const DATA: QosSpec = QosSpec::DATA.with_timeout(PeerTimeout::OFF);

fn end(stream: UnixStream, qos: QosSpec, queue: QueueConfig) -> (Flow, JoinHandle<Over>) {
    let name = Name::new("link").unwrap();
    let (flow, link) = flow(&name, qos, queue, Window::of(&queue));
    let driver = Driver::new(link, stream, Arc::default(), queue.max_packet());
    #[expect(clippy::disallowed_methods, reason = "a test is a driver: it spawns")]
    let driver = tokio::spawn(driver);
    (flow, driver)
}

type End = (Flow, JoinHandle<Over>);

fn ends(qos: QosSpec, queue: QueueConfig) -> (End, End) {
    let (here, there) = UnixStream::pair().unwrap();
    (end(here, qos, queue), end(there, qos, queue))
}

/// An end whose peer is the test.
fn against(qos: QosSpec, queue: QueueConfig) -> (End, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    (end(here, qos, queue), there)
}

async fn send(stream: &mut UnixStream, frames: &[Frame]) {
    let mut bytes = BytesMut::new();
    frames.iter().for_each(|frame| frame.encode(&mut bytes));
    stream.write_all(&bytes).await.unwrap();
}

/// Reads frames until one is as wanted.
async fn until(stream: &mut UnixStream, wanted: &Frame) {
    let mut bytes = BytesMut::new();
    loop {
        while let Some(frame) = Frame::decode(&mut bytes, 1 << 20).unwrap() {
            if frame == *wanted {
                return;
            }
        }
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "no {wanted:?}");
    }
}

#[tokio::test]
async fn packets_of_all_lengths_pass_both_ways() {
    let ((mut a, _), (mut b, _)) = ends(DATA, QueueConfig::default());
    for len in [1, 64, 511, 512, 8_191, 8_192, 65_536, 100_000, 1 << 20] {
        let packet = Bytes::from(alloc::vec![u8::try_from(len % 251).unwrap(); len]);
        a.write(packet.clone()).await.unwrap();
        assert_eq!(b.read_packet().await.unwrap(), packet);
        b.write(packet.clone()).await.unwrap();
        assert_eq!(a.read_packet().await.unwrap(), packet);
    }
    let too_long = a.write(alloc::vec![0; (1 << 20) + 1]).await;
    let (len, max) = ((1 << 20) + 1, 1 << 20);
    assert_eq!(too_long, Err(WriteError::TooLong { len, max }));
}

#[tokio::test]
async fn a_window_holds_the_writer_until_the_reader_reads() {
    let ((mut a, _), (mut b, _)) = ends(DATA, QueueConfig::default().packets(4));
    for number in 0..4_u8 {
        a.try_write(alloc::vec![number]).unwrap();
    }
    assert_eq!(a.try_write("x"), Err(WriteError::WouldBlock));
    assert_eq!(a.write_queue_len(), 4);
    for number in 0..200_u8 {
        let write = async { a.write(alloc::vec![number.wrapping_add(4)]).await.unwrap() };
        let read = async { b.read_packet().await.unwrap() };
        let ((), read) = tokio::join!(write, read);
        assert_eq!(read, [number].as_slice());
    }
}

#[tokio::test]
async fn who_lets_go_is_seen_with_all_that_was_written() {
    let ((mut a, driver), (mut b, other)) = ends(DATA, QueueConfig::default());
    a.write("last").await.unwrap();
    drop(a);
    assert_eq!(driver.await.unwrap(), Over::Here);
    assert_eq!(b.read_packet().await.unwrap(), "last");
    assert_eq!(b.read_packet().await, Err(ReadError::Deallocated));
    assert_eq!(other.await.unwrap(), Over::There);
    assert_eq!(b.write("x").await, Err(WriteError::Deallocated));
}

#[tokio::test]
async fn dealloc_waits_until_the_peer_has_read() {
    let ((mut a, _), (mut b, _)) = ends(DATA, QueueConfig::default());
    a.write("one").await.unwrap();
    a.write("two").await.unwrap();
    let read = async {
        assert_eq!(b.read_packet().await.unwrap(), "one");
        assert_eq!(b.read_packet().await.unwrap(), "two");
        b.read_packet().await
    };
    let (dealloc, read) = tokio::join!(a.dealloc(), read);
    assert_eq!((dealloc, read), (Ok(()), Err(ReadError::Deallocated)));
}

#[tokio::test]
async fn dealloc_tells_what_was_left_and_what_was_thrown_away() {
    let ((mut a, _), (b, _)) = ends(DATA, QueueConfig::default());
    a.write("one").await.unwrap();
    let left = a.dealloc_within(Duration::from_millis(1)).await;
    assert_eq!(left, Err(DeallocError::Unread { packets: 1 }));
    assert_eq!(b.read_queue_len(), 1, "still readable");
    let ((mut a, _), (b, _)) = ends(DATA, QueueConfig::default());
    a.write("one").await.unwrap();
    let (thrown, ()) = tokio::join!(a.dealloc(), async { drop(b) });
    assert_eq!(thrown, Err(DeallocError::Discarded));
}

#[tokio::test]
async fn marks_and_modes_are_seen_by_the_peer() {
    let ((mut a, _), (mut b, _)) = ends(DATA, QueueConfig::default());
    let mut events = EventQueue::new();
    events.set().add(&b).unwrap();
    a.set_state(FlowState::Down);
    assert_eq!(events.wait().await.kind, EventKind::Down);
    assert_eq!(b.write("x").await, Err(WriteError::Down));
    a.set_state(FlowState::Up);
    assert_eq!(events.wait().await.kind, EventKind::Up);
    b.write("x").await.unwrap();
    assert_eq!(a.read_packet().await.unwrap(), "x");
    a.set_access(Access::WriteOnly);
    while b.try_write("y") != Err(WriteError::PeerNotReading) {
        tokio::task::yield_now().await;
    }
    a.set_access(Access::ReadWrite);
    while b.try_write("z").is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_connection_that_ends_without_a_word_is_a_killed_peer() {
    let ((mut a, driver), mut peer) = against(DATA, QueueConfig::default().packets(2));
    let mut events = EventQueue::new();
    events.set().add(&a).unwrap();
    send(&mut peer, &[Frame::Data("x".into())]).await;
    a.try_write("1").unwrap();
    a.try_write("2").unwrap();
    assert_eq!(events.wait().await.kind, EventKind::Packet);
    let (written, ()) = tokio::join!(a.write("3"), async { drop(peer) });
    assert_eq!(written, Err(WriteError::PeerGone));
    assert_eq!(driver.await.unwrap(), Over::Killed);
    assert_eq!(a.read_packet().await.unwrap(), "x");
    assert_eq!(a.read_packet().await, Err(ReadError::PeerGone));
    assert_eq!(events.wait().await.kind, EventKind::Peer);
}

#[tokio::test(start_paused = true)]
async fn silence_is_noticed_and_a_keepalive_is_sent_every_quarter() {
    let timeout = PeerTimeout::from_millis(1_000);
    let ((mut a, driver), mut peer) = against(DATA.with_timeout(timeout), QueueConfig::default());
    for _ in 0..8 {
        until(&mut peer, &Frame::Alive).await;
        send(&mut peer, &[Frame::Alive]).await;
    }
    assert_eq!(driver.await.unwrap(), Over::Silent);
    assert_eq!(a.read_packet().await, Err(ReadError::PeerGone));
    assert_eq!(a.write("x").await, Err(WriteError::PeerGone));
}

#[tokio::test]
async fn what_was_read_is_told_within_a_while_or_at_once_to_who_asks() {
    let ((mut a, _), mut peer) = against(DATA, QueueConfig::default());
    let read = |packets, bytes| Frame::Read(Count { packets, bytes });
    send(&mut peer, &[Frame::Data("ab".into()), Frame::Data("c".into())]).await;
    assert_eq!(a.read_packet().await.unwrap(), "ab");
    until(&mut peer, &read(1, 2)).await;
    send(&mut peer, &[Frame::Tell]).await;
    assert_eq!(a.read_packet().await.unwrap(), "c");
    until(&mut peer, &read(2, 3)).await;
    send(&mut peer, &[Frame::Data("d".into())]).await;
    assert_eq!(a.read_packet().await.unwrap(), "d");
    a.write("with it").await.unwrap();
    let mut both = BytesMut::new();
    read(3, 4).encode(&mut both);
    Frame::Data("with it".into()).encode(&mut both);
    let mut bytes = alloc::vec![0; both.len()];
    peer.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, both);
}

#[tokio::test]
async fn a_peer_that_breaks_a_rule_ends_its_own_flow_with_a_reason() {
    let two = QueueConfig::default().packets(2).bytes(10);
    let packet = || Frame::Data("x".into());
    let (packets, bytes) = (1, 1);
    let cases = [
        (alloc::vec![Frame::End, packet()], Breach::AfterEnd),
        (alloc::vec![packet(), packet(), packet()], Breach::BeyondWindow),
        (
            alloc::vec![Frame::Read(Count { packets, bytes })],
            Breach::Read { packets, bytes },
        ),
    ];
    for (frames, breach) in cases {
        let ((mut a, driver), mut peer) = against(DATA, two);
        send(&mut peer, &frames).await;
        assert_eq!(driver.await.unwrap(), Over::Broken(breach));
        while let Ok(packet) = a.read_packet().await {
            assert_eq!(packet, "x");
        }
        assert!(a.write("x").await.is_err());
    }
    let ((mut a, driver), mut peer) = against(DATA, two);
    peer.write_all(&[99, 0, 0, 0]).await.unwrap();
    assert!(matches!(driver.await.unwrap(), Over::Broken(Breach::Frame(_))));
    assert_eq!(a.read_packet().await, Err(ReadError::Reset));
}

#[tokio::test]
async fn what_waits_for_a_peer_that_only_writes_does_not_grow() {
    let (mut stream, there) = UnixStream::pair().unwrap();
    let (name, queue) = (Name::new("link").unwrap(), QueueConfig::default());
    let (mut flow, link) = flow(&name, DATA, queue, Window::of(&queue));
    let driver = Driver::new(Arc::clone(&link), there, Arc::default(), queue.max_packet());
    #[expect(clippy::disallowed_methods, reason = "a test is a driver: it spawns")]
    tokio::spawn(driver);
    while flow.try_write(alloc::vec![0; 4_000]).is_ok() {
        tokio::task::yield_now().await;
    }
    let waiting = link.lock().output.len();
    assert!(waiting > 100_000, "the socket is full");
    let packets: Vec<_> = (0..100).map(|_| Frame::Data("x".into())).collect();
    for _ in 0..50 {
        send(&mut stream, &packets).await;
        for _ in 0..100 {
            flow.read_packet().await.unwrap();
        }
    }
    assert!(link.lock().output.len() <= waiting + 100);
    // and all is told once there is room
    let (packets, bytes) = (5_000, 5_000);
    until(&mut stream, &Frame::Read(Count { packets, bytes })).await;
}

#[tokio::test]
async fn an_idle_flow_holds_no_buffer_and_an_unfinished_frame_a_small_one() {
    let (mut stream, there) = UnixStream::pair().unwrap();
    let name = Name::new("link").unwrap();
    let queue = QueueConfig::default();
    let (_flow, link) = flow(&name, DATA, queue, Window::of(&queue));
    let mut driver = Driver::new(link, there, Arc::default(), queue.max_packet());
    let mut bytes = BytesMut::new();
    Frame::Data(alloc::vec![1; 9_000].into()).encode(&mut bytes);
    stream.write_all(&bytes).await.unwrap();
    stream.write_all(&[1, 255, 255, 0, 7]).await.unwrap();
    while driver.input.is_empty() {
        core::future::poll_fn(|cx| {
            assert!(driver.poll_over(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
    }
    assert_eq!(driver.input.len(), 5);
    assert!(driver.input.capacity() < 100, "{}", driver.input.capacity());
}
