//! Links that go away in the middle of something, take no frames, and come back.

use can_link::link::LinkChange;

use super::*;

/// A bus on which the 34 frames of a full packet take a quarter of a second.
fn slow_bus() -> VirtualBus {
    VirtualBus::with_config(BusConfig::default().bit_rate(BitRate::new(20_000).unwrap()))
}

async fn ping(node: &Node, to: u16) -> Result<csp_core::rt::Pong, PingError> {
    let patience = Duration::from_secs(2);
    node.ping(address(to), PingConfig::default().timeout(patience))
        .await
}

#[tokio::test(start_paused = true)]
async fn a_link_that_vanishes_in_the_middle_of_a_packet_costs_this_packet_at_both_ends() {
    for change in [LinkChange::Up, LinkChange::Reconnected] {
        let bus = slow_bus();
        let (one, two) = (node(&bus, 1).await, node(&bus, 2).await);
        for (from, to, own) in [(&one, &two, 2), (&two, &one, 1)] {
            let (sent, received) = (stats(from).await, stats(to).await);
            let long = PingConfig::default()
                .size(252)
                .timeout(Duration::from_millis(500));
            let lost = tokio::join!(from.ping(address(own), long), async {
                tokio::time::sleep(SHORT).await;
                bus.set_link(LinkChange::Down);
                tokio::time::sleep(Duration::from_millis(150)).await;
                bus.set_link(change);
            });
            assert!(lost.0.is_err());
            assert!(ping(from, own).await.is_ok());
            let (sent_after, received_after) = (stats(from).await, stats(to).await);
            assert_eq!(sent_after.tx_error - sent.tx_error, 1, "{change:?}");
            assert_eq!(received_after.drop - received.drop, 1, "{change:?}");
            assert_eq!(
                (received_after.frame, received_after.rx_error),
                (0, 0),
                "no frame of it came later"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_packet_whose_rest_comes_after_the_link_was_down_is_no_packet() {
    let bus = VirtualBus::new();
    let mut link = CanInterface::new(bus.join(), &config(2), CanConfig::default()).unwrap();
    let mut sender = bus.join();
    let end = |bits| (address(bits), Port::new(33).unwrap());
    let header = csp_core::Header::new(end(1), end(2));
    // Ten frames; the eight in the middle are lost, which CFP 2 could not tell.
    let mut fragmenter = Fragmenter::new(Version::V2, address(1));
    let frames: Vec<_> = fragmenter.fragments(&header, None, &[7; 76]).unwrap().collect();
    assert_eq!(frames.len(), 10);
    sender.send(frames[0].clone()).await.unwrap();
    bus.set_link(LinkChange::Down);
    bus.set_link(LinkChange::Up);
    sender.send(frames[9].clone()).await.unwrap();
    let mut told = Vec::new();
    while let Ok(Some(Ok(item))) = tokio::time::timeout(SHORT, futures::StreamExt::next(&mut link)).await {
        told.push(item);
    }
    let discarded = |reason| Incoming::Discarded { reason, count: 1 };
    let [down, up] = [LinkState::Down, LinkState::Up].map(Incoming::Link);
    for expected in [
        down,
        up,
        discarded(DropReason::LinkStale),
        discarded(DropReason::LinkFrame),
    ] {
        assert!(told.contains(&expected), "{expected:?} of {told:?}");
    }
    assert_eq!(told.len(), 4);
    let stats = link.reassembler().stats();
    assert_eq!(
        (stats.discarded_link_down, stats.discarded_no_begin, stats.packets),
        (1, 1, 0)
    );
}

/// A port that takes no frames while the switch is off.
struct Stuck(VirtualPort, tokio::sync::watch::Receiver<bool>);

impl CanRx for Stuck {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        self.0.poll_recv(cx, out, max)
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        self.0.set_filters(filters)
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
}

impl CanTx for Stuck {
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &[CanFrame]) -> Poll<Result<usize, SendError>> {
        if !*self.1.borrow() {
            // Whoever turns the switch waits for the interface's own timer.
            return Poll::Pending;
        }
        self.0.poll_send(cx, frames)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.0.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.0.poll_close(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_takes_no_frames_fails_its_packets_one_by_one_and_serves_when_it_does() {
    let bus = VirtualBus::new();
    let _two = node(&bus, 2).await;
    let one = Node::spawn(Config::default().transmit_queue(3));
    let (switch, reader) = tokio::sync::watch::channel(false);
    let link = CanInterface::new(Stuck(bus.join(), reader), &config(1), CanConfig::default()).unwrap();
    one.attach(config(1), link).unwrap();
    let socket = one.bind(Port::new(16).unwrap(), SocketConfig::default()).unwrap();
    let to = (address(2), Port::new(30).unwrap());
    let mut refused = None;
    for sent in 0..10 {
        if let Err(error) = send(&socket, to) {
            refused = Some((sent, error));
            break;
        }
        tokio::task::yield_now().await;
    }
    let (sent, error) = refused.expect("the queue is bounded");
    assert!(
        (3..=4).contains(&sent),
        "{sent}: the queue, and the packet that the link has"
    );
    assert!(matches!(error, csp_core::SendError::Full), "{error}");
    tokio::time::sleep(Duration::from_millis(1050)).await;
    assert_eq!(stats(&one).await.tx_error, 1, "one packet a second is given up");
    assert!(send(&socket, to).is_ok(), "there is room for another");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(usize::try_from(stats(&one).await.tx_error).unwrap(), sent + 1);
    switch.send(true).unwrap();
    assert!(ping(&one, 2).await.is_ok());
}

fn send(socket: &csp_core::rt::Socket, to: (Address, Port)) -> Result<(), csp_core::SendError> {
    socket.try_send_to(to.0, to.1, ConnectConfig::default(), "x")
}
