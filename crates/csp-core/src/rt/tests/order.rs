//! Who has its turn when, step by step.

use core::sync::atomic::AtomicU32;
use std::sync::OnceLock;

use super::*;

/// A sink with room while the gate is open, that may have something to say itself when it is given a packet.
#[derive(Default)]
struct Gate {
    open: Arc<AtomicBool>,
    reply: Arc<OnceLock<ConnectionSender>>,
    given: Arc<AtomicU32>,
}

impl Sink<Transmit> for Gate {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.open.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    fn start_send(self: Pin<&mut Self>, _: Transmit) -> io::Result<()> {
        if self.given.fetch_add(1, Ordering::SeqCst) == 0
            && let Some(sender) = self.reply.get()
        {
            sender.try_send("one more").unwrap();
        }
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn nobody_overtakes_the_sender_that_waited_first() {
    let (node, mut driver) = Node::new(Config::default().transmit_queue(1));
    let gate = Gate::default();
    let open = Arc::clone(&gate.open);
    node.attach(config(1), Joined(gate, futures::stream::pending()))
        .unwrap();
    let none = ConnectConfig::default();
    let client = node.connect(address(2), port(10), none).await.unwrap();
    client.try_send("fills the queue").unwrap();
    let mut first = Box::pin(client.send("first"));
    let mut second = Box::pin(client.send("second"));
    assert_eq!(first.as_mut().now_or_never(), None);
    assert_eq!(second.as_mut().now_or_never(), None);
    open.store(true, Ordering::SeqCst);
    assert_eq!((&mut driver).now_or_never(), None);
    assert_eq!(
        second.as_mut().now_or_never(),
        None,
        "there is room, for the first"
    );
    assert_eq!(client.try_send("third"), Err(SendError::Full));
    assert_eq!(first.as_mut().now_or_never(), Some(Ok(())));
    assert_eq!((&mut driver).now_or_never(), None);
    assert_eq!(client.try_send("third"), Err(SendError::Full), "for the second");
    assert_eq!(second.as_mut().now_or_never(), Some(Ok(())));
}

#[tokio::test]
async fn what_is_sent_while_the_driver_is_at_its_links_is_not_forgotten() {
    let (node, mut driver) = Node::new(Config::default());
    let gate = Gate::default();
    gate.open.store(true, Ordering::SeqCst);
    let (reply, given) = (Arc::clone(&gate.reply), Arc::clone(&gate.given));
    node.attach(config(1), Joined(gate, futures::stream::pending()))
        .unwrap();
    let none = ConnectConfig::default();
    let client = node.connect(address(2), port(10), none).await.unwrap();
    reply.set(client.sender()).unwrap();
    assert_eq!((&mut driver).now_or_never(), None, "it knows its links");
    client.try_send("x").unwrap();
    assert_eq!((&mut driver).now_or_never(), None);
    assert_eq!(given.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_sink_that_is_closed_sends_what_it_holds_first() {
    let (node, mut driver) = Node::new(Config::default().transmit_queue(1));
    let gate = Gate::default();
    let (open, given) = (Arc::clone(&gate.open), Arc::clone(&gate.given));
    node.attach(config(1), Joined(gate, futures::stream::pending()))
        .unwrap();
    let none = ConnectConfig::default();
    let mut client = node.connect(address(2), port(10), none).await.unwrap();
    client.feed(Bytes::from("waits for its link")).await.unwrap();
    client.feed(Bytes::from("is held")).await.unwrap();
    let mut closing = SinkExt::close(&mut client);
    assert_eq!((&mut closing).now_or_never(), None);
    open.store(true, Ordering::SeqCst);
    assert_eq!((&mut driver).now_or_never(), None);
    assert_eq!(closing.now_or_never(), Some(Ok(())));
    assert_eq!((&mut driver).now_or_never(), None);
    assert_eq!(given.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_reader_that_does_not_come_is_waited_for_once() {
    let (node, mut driver) = Node::new(Config::default());
    let mut socket = node.bind(port(10), SocketConfig::default()).unwrap();
    node.attach(config(1), links::burst(0, 800)).unwrap();
    let mut reading = Box::pin(socket.recv_from());
    assert!(reading.as_mut().now_or_never().is_none());
    let mut turns = 0;
    while node.status().stats.dropped < 800 - 16 {
        assert_eq!((&mut driver).now_or_never(), None);
        turns += 1;
    }
    assert!((1000..2000).contains(&turns), "{turns}");
}

#[tokio::test]
async fn a_socket_and_a_tap_that_are_dropped_are_gone() {
    let (node, _driver) = Node::new(Config::default());
    let socket = node.bind(port(10), SocketConfig::default()).unwrap();
    let tap = node.tap(crate::TapConfig::default());
    let id = *node.shared().lock().taps.keys().next().unwrap();
    assert!(node.bind(port(10), SocketConfig::default()).is_err());
    assert_eq!(node.shared().lock().node.tap_missed(id), Some(0));
    drop((socket, tap));
    assert!(node.bind(port(10), SocketConfig::default()).is_ok());
    assert_eq!(node.shared().lock().node.tap_missed(id), None);
}
