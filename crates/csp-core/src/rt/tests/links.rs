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
        .unwrap();
    let client = node
        .connect(address(2), port(10), ConnectConfig::default())
        .await
        .unwrap();
    let all = ["a", "b", "c"].map(|payload| client.send(payload));
    assert!(futures::future::join_all(all).await.iter().all(Result::is_ok));
    node.flush(SHORT).await.unwrap();
    let on_the_wire: Vec<_> = core::iter::from_fn(|| sent.try_recv().ok()).collect();
    let dropped = node.status().stats.dropped;
    assert_eq!(
        (on_the_wire, dropped),
        (vec![Bytes::from("b"), Bytes::from("c")], 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_never_makes_room_again_costs_each_packet_once() {
    let node = Node::spawn(Config::default());
    let link = Joined(NoRoom, futures::stream::pending());
    node.attach(config(1), link).unwrap();
    let client = node
        .connect(address(2), port(10), ConnectConfig::default())
        .await
        .unwrap();
    for _ in 0..3 {
        client.send("x").await.unwrap();
    }
    node.flush(SHORT).await.unwrap();
    assert_eq!(node.status().stats.dropped, 3);
}

/// A node whose only link takes nothing, and a connection over it whose sends have to wait.
async fn behind_a_stuck_link(node: &Node) -> Connection {
    let link = Joined(Stuck, futures::stream::pending());
    node.attach(config(1), link).unwrap();
    let client = over_the_stuck_link(node).await;
    client.send("fills the transmit queue").await.unwrap();
    client
}

async fn over_the_stuck_link(node: &Node) -> Connection {
    node.connect(address(2), port(10), ConnectConfig::default())
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_link_that_takes_nothing_leaves_the_rest_of_the_node_alone() {
    let node = Node::spawn(Config::default().transmit_queue(1));
    let mut clients = vec![behind_a_stuck_link(&node).await];
    for _ in 0..12 {
        let client = timeout(LONG, over_the_stuck_link(&node)).await;
        let client = client.expect("sends that were given up do not hold a connect back");
        let sends = (0..10).map(|_| timeout(SHORT, client.send("given up")));
        assert!(futures::future::join_all(sends).await.iter().all(Result::is_err));
        clients.push(client);
    }
    let waiting = clients.iter().map(|client| {
        let sender = client.sender();
        tokio::spawn(async move { sender.send("waits").await })
    });
    let waiting: Vec<_> = waiting.collect();
    sleep(SHORT).await;
    assert!(waiting.iter().all(|send| !send.is_finished()));

    let (left, right) = pair();
    let side = |own| {
        let name = InterfaceName::new("SIDE").unwrap();
        InterfaceConfig::new(name, address(own), Netmask::new(8).unwrap())
    };
    let other = Node::spawn(Config::default());
    other.attach(side(66), right).unwrap();
    let all_goes_on = async {
        node.attach(side(65), left).unwrap();
        drop(node.status());
        drop(node.listen(port(10), SocketConfig::default()).unwrap());
        for to in [address(66), Address::LOOPBACK] {
            node.ping(to, PingConfig::default()).await.unwrap();
        }
    };
    timeout(LONG, all_goes_on).await.unwrap();

    drop(clients);
    for send in waiting {
        assert_eq!(send.await.unwrap(), Err(SendError::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn sends_and_flushes_that_were_given_up_leave_nothing_behind_and_do_not_keep_the_node() {
    let (node, mut driver) = Node::new(Config::default().transmit_queue(1));
    let giving_up = async {
        let client = behind_a_stuck_link(&node).await;
        for _ in 0..10 {
            let sends = (0..10).map(|_| timeout(SHORT, client.send("x")));
            assert!(futures::future::join_all(sends).await.iter().all(Result::is_err));
            let flushed = node.flush(SHORT).await;
            assert_eq!(flushed, Err(RecvError::Timeout { limit: SHORT }));
        }
        client
    };
    let client = tokio::select! {
        client = giving_up => client,
        () = &mut driver => unreachable!("the node is still there"),
    };
    assert_eq!(driver.waiting(), 0);
    drop(node);
    timeout(SHORT, driver)
        .await
        .expect("the driver ends with the last handle");
    assert_eq!(client.send("late").await, Err(SendError::Closed));
}

/// A link that has `count` packets at once for port 10, which tell the letter of their link.
pub(super) fn burst(letter: u8, count: usize) -> impl Interface {
    let header = crate::Header::new((address(2), port(20)), (address(1), port(10)));
    let packet = Packet::new(header, Bytes::from(vec![letter]));
    let packets = futures::stream::repeat_with(move || Ok(Incoming::Packet(packet.clone())));
    let incoming = packets.take(count).chain(futures::stream::pending());
    let nowhere = futures::sink::drain().sink_map_err(|never| match never {});
    Joined(Box::pin(nowhere), incoming)
}

#[tokio::test(start_paused = true)]
async fn bursts_of_many_links_at_once_cost_whoever_reads_nothing_and_take_turns() {
    let node = Node::spawn(Config::default());
    let mut socket = node.bind(port(10), SocketConfig::default()).unwrap();
    for n in 0..8 {
        let name = InterfaceName::new(&std::format!("LINK{n}")).unwrap();
        let own = if n == 0 {
            address(1)
        } else {
            address(u16::from(n) * 64 + 1)
        };
        let config = InterfaceConfig::new(name, own, Netmask::new(8).unwrap());
        node.attach(config, burst(n, 100)).unwrap();
    }
    let mut got = Vec::new();
    while let Ok(message) = socket.recv_from_timeout(SHORT).await {
        got.push(message.payload[0]);
    }
    assert_eq!((got.len(), node.status().stats.dropped), (800, 0));
    let last_begun = (0..8)
        .map(|n| got.iter().position(|letter| *letter == n).unwrap())
        .max();
    assert!(
        last_begun < Some(100),
        "{last_begun:?}: nobody waits for others to be through"
    );
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

/// A sink that never has room.
pub(super) struct Stuck;

impl Sink<Transmit> for Stuck {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn start_send(self: Pin<&mut Self>, _: Transmit) -> io::Result<()> {
        unreachable!("there was no room")
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}
