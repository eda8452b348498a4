//! Whoever waits for the links to be through with what they have.

use core::task::Waker;

use super::*;

/// A sink that takes everything, and holds it until the gate opens.
struct Slow(Arc<AtomicBool>);

impl Sink<Transmit> for Slow {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: Transmit) -> io::Result<()> {
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// A node with a packet on its way over a link of this sink, which tells what the sender is given.
async fn sending_over(
    sink: impl Sink<Transmit, Error = io::Error> + Unpin + Send + 'static,
) -> (Node, tokio::sync::mpsc::UnboundedSender<Incoming>) {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let stream = futures::stream::poll_fn(move |cx| told.poll_recv(cx).map(|item| item.map(Ok)));
    let node = Node::spawn(Config::default());
    node.attach(config(1), Joined(sink, stream)).unwrap();
    let none = ConnectConfig::default();
    let client = node.connect(address(2), port(10), none).await.unwrap();
    client.send("x").await.unwrap();
    (node, tell)
}

#[tokio::test]
async fn a_link_that_always_receives_something_is_flushed_neither_too_early_nor_never() {
    let gate = Arc::new(AtomicBool::new(false));
    let stream = futures::stream::repeat_with(|| {
        let reason = DropReason::ShortHeader;
        Ok(Incoming::Discarded { reason, count: 1 })
    });
    let node = Node::spawn(Config::default());
    node.attach(config(1), Joined(Slow(Arc::clone(&gate)), stream))
        .unwrap();
    let none = ConnectConfig::default();
    let client = node.connect(address(2), port(10), none).await.unwrap();
    client.send("x").await.unwrap();
    for _ in 0..20 {
        // A new one each time: what the link has taken by then counts too.
        let mut flush = Box::pin(node.flush(LONG));
        assert_eq!(flush.as_mut().now_or_never(), None);
        tokio::task::yield_now().await;
        assert_eq!(flush.as_mut().now_or_never(), None);
    }
    gate.store(true, Ordering::SeqCst);
    let mut flush = Box::pin(node.flush(LONG));
    for _ in 0..20 {
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(flushed) = flush.as_mut().poll(&mut cx) {
            return assert_eq!(flushed, Ok(()));
        }
        tokio::task::yield_now().await;
    }
    panic!("the link let go of everything, and nobody was told");
}

#[tokio::test(start_paused = true)]
async fn a_flush_is_over_when_the_link_goes_down_before_it_took_anything() {
    let (node, tell) = sending_over(links::Stuck).await;
    let waiting = tokio::spawn(async move { node.flush(LONG).await });
    sleep(SHORT).await;
    assert!(!waiting.is_finished());
    tell.send(Incoming::Link(LinkState::Down)).unwrap();
    assert_eq!(timeout(SHORT, waiting).await.unwrap().unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_flush_is_over_when_the_link_ends_with_what_it_took() {
    let (node, tell) = sending_over(Slow(Arc::default())).await;
    let late = Err(RecvError::Timeout { limit: SHORT });
    assert_eq!(node.flush(SHORT).await, late);
    let waiting = tokio::spawn(async move { node.flush(LONG).await });
    sleep(SHORT).await;
    drop(tell);
    assert_eq!(timeout(SHORT, waiting).await.unwrap().unwrap(), Ok(()));
}
