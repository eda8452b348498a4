//! Links that fail or stand still, and what they cost a node.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_packet_that_fails_while_room_is_made_costs_itself_and_not_the_next() {
    let node = Node::spawn(Config::default());
    let (sender, mut sent) = tokio::sync::mpsc::unbounded_channel();
    let link = OneAhead {
        held: None,
        failures: 1,
        sender,
    };
    node.attach(config(1), Joined(link, futures::stream::pending()))
        .await
        .unwrap();
    let client = node
        .connect(address(2), port(10), ConnectConfig::default())
        .await
        .unwrap();
    let all = ["a", "b", "c"].map(|payload| client.send(payload));
    assert!(futures::future::join_all(all).await.iter().all(Result::is_ok));
    node.flush(SHORT).await.unwrap();
    let on_the_wire: Vec<_> = core::iter::from_fn(|| sent.try_recv().ok()).collect();
    let dropped = node.status().await.unwrap().stats.dropped;
    assert_eq!(
        (on_the_wire, dropped),
        (vec![Bytes::from("b"), Bytes::from("c")], 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_never_makes_room_again_costs_each_packet_once() {
    let node = Node::spawn(Config::default());
    let link = Joined(NoRoom, futures::stream::pending());
    node.attach(config(1), link).await.unwrap();
    let client = node
        .connect(address(2), port(10), ConnectConfig::default())
        .await
        .unwrap();
    for _ in 0..3 {
        client.send("x").await.unwrap();
    }
    node.flush(SHORT).await.unwrap();
    assert_eq!(node.status().await.unwrap().stats.dropped, 3);
}

/// A sink that sends the packet it holds when it is asked for room or to flush, as CAN interfaces do. The
/// first ones fail.
struct OneAhead {
    held: Option<Bytes>,
    failures: u32,
    sender: tokio::sync::mpsc::UnboundedSender<Bytes>,
}

impl OneAhead {
    fn drain(&mut self) -> Poll<io::Result<()>> {
        if let Some(payload) = self.held.take() {
            if self.failures > 0 {
                self.failures -= 1;
                return Poll::Ready(Err(io::ErrorKind::Other.into()));
            }
            self.sender.send(payload).unwrap();
        }
        Poll::Ready(Ok(()))
    }
}

impl Sink<Transmit> for OneAhead {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.drain()
    }

    fn start_send(mut self: Pin<&mut Self>, transmit: Transmit) -> io::Result<()> {
        self.held = Some(transmit.packet.payload);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.drain()
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.drain()
    }
}

/// A sink that refuses whoever asks for room.
struct NoRoom;

impl Sink<Transmit> for NoRoom {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn start_send(self: Pin<&mut Self>, _: Transmit) -> io::Result<()> {
        unreachable!("there was no room")
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
