//! What a network does with its link.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::task::Context;

use can_link::link::{CanRx, CanTx, Capabilities, Echo, EventBuf, FilterPlace, LinkChange};
use can_link::virtual_bus::{BitRate, BusConfig, PortConfig};
use can_link::{CanRxExt as _, FilterSet};
use futures::FutureExt as _;

use super::*;
use crate::error::{NResult, TransferError};

#[tokio::test(start_paused = true)]
async fn the_last_handle_gives_the_link_back() {
    let bus = VirtualBus::new();
    let network = Network::new(bus.join());
    let endpoint = endpoint(&network, pair(0)).await;
    drop(network);
    settle().await;
    assert_eq!(bus.len(), 1, "an endpoint keeps it");
    drop(endpoint);
    settle().await;
    assert_eq!(bus.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_link_is_told_to_everybody() {
    let (testers, ecus, bus) = networks();
    let (tester, _ecu) = endpoints(&testers, &ecus, 0).await;
    let idle = endpoint(&testers, pair(1)).await;
    let everybody = TxAddress::normal(std_id(0x7DF));
    let rule = Responders::legislated();
    let mut group = testers.group(everybody, rule, Config::default()).await.unwrap();
    let waiting = endpoint(&testers, pair(2)).await;
    let sending = [waiting.start(payload(50)), waiting.start(payload(50))];
    let reading = tokio::spawn(async move { (idle.recv().await, idle.recv().await, idle) });
    settle().await;
    bus.set_link(LinkChange::Gone);
    let (first, then, idle) = reading.await.unwrap();
    assert!(matches!(first, Some(Err(StreamError::Link(_)))), "{first:?}");
    assert!(then.is_none());
    for sending in sending {
        sending.done().await.unwrap_err();
    }
    assert!(group.recv().await.is_none());
    assert!(group.request(payload(1), MOMENT).await.is_err());
    testers.closed().await;
    assert!(testers.is_closed() && idle.is_closing());
    tester.send(payload(1)).await.unwrap_err();
    let late = testers.endpoint(pair(5), Config::default()).await;
    assert!(matches!(late, Err(JoinError::Link(_))), "{late:?}");
    testers
        .send_frame(CanFrame::data(std_id(1), &[]).unwrap())
        .await
        .unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_driver_may_be_run_by_hand_and_dropped() {
    let bus = VirtualBus::new();
    let (network, driver) = Network::with_driver(bus.join());
    // Given up before it was ready, it leaves nothing behind.
    assert!(
        network
            .endpoint(pair(0), Config::default())
            .now_or_never()
            .is_none()
    );
    let running = tokio::spawn(driver);
    let endpoint = endpoint(&network, pair(0)).await;
    running.abort();
    let end = endpoint.recv().await;
    assert!(matches!(end, Some(Err(StreamError::Link(_)))), "{end:?}");
    assert!(endpoint.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn frames_count_as_sent_when_they_come_back() {
    let slow = BitRate::new(10_000).unwrap();
    let bus = VirtualBus::with_config(BusConfig::default().bit_rate(slow));
    let echoing = Network::new(bus.join_with(PortConfig::default().echo(Echo::On)));
    let other = Network::new(bus.join());
    let (tester, ecu) = endpoints(&echoing, &other, 0).await;
    let start = tokio::time::Instant::now();
    tester.send(payload(3)).await.unwrap();
    let one = start.elapsed();
    assert!(one >= Duration::from_millis(10), "{one:?}");
    assert_eq!(ecu.recv().await.unwrap().unwrap(), payload(3));
    // Without echoes they are through when the link has let go of them, which takes as long.
    let start = tokio::time::Instant::now();
    ecu.send(payload(3)).await.unwrap();
    assert_eq!(start.elapsed(), one);
    let (sent, received) = tokio::join!(tester.send(payload(300)), ecu.recv());
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), payload(300));
    assert_eq!(tester.stats().ignored(), 0);
}

#[tokio::test(start_paused = true)]
async fn raw_frames_go_out_between_long_transfers() {
    let slow = BitRate::new(50_000).unwrap();
    let bus = VirtualBus::with_config(BusConfig::default().bit_rate(slow));
    let testers = Network::new(bus.join_with(PortConfig::default().transmit_queue(2)));
    let ecus = Network::new(bus.join());
    let mut listener = bus.join();
    let (tester, _ecu) = endpoints(&testers, &ecus, 0).await;
    let sending = tester.start(payload(4000));
    settle().await;
    let raw = |n: u8| CanFrame::data(std_id(0x7FF), &[n]).unwrap();
    // Half-way given up: it goes out all the same, or not at all.
    assert!(testers.send_frame(raw(0)).now_or_never().is_none());
    for n in 1..=50 {
        testers.send_frame(raw(n)).await.unwrap();
    }
    assert!(tester.sending().is_some(), "it is still at it");
    sending.done().await.unwrap();
    let mut seen = Vec::new();
    while let Some(Ok(Some(received))) = listener.recv_frame().now_or_never() {
        if received.frame.id() == std_id(0x7FF).into() {
            seen.push(received.frame.payload()[0]);
        }
    }
    assert_eq!(seen, (0..=50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn frames_of_an_aborted_message_that_still_wait_for_the_link_never_leave() {
    let slow = BitRate::new(10_000).unwrap();
    let bus = VirtualBus::with_config(BusConfig::default().bit_rate(slow));
    let testers = Network::new(bus.join_with(PortConfig::default().transmit_queue(1)));
    let ecus = Network::new(bus.join());
    let (tester, _ecu) = endpoints(&testers, &ecus, 0).await;
    let sending = tester.start(payload(500));
    tokio::time::sleep(MOMENT * 10).await;
    sending.abort();
    let before = bus.stats().frames;
    tokio::time::sleep(MOMENT * 100).await;
    let after = bus.stats().frames - before;
    assert!(after <= 2, "{after} frames after the abort");
}

#[tokio::test(start_paused = true)]
async fn configurations_for_other_frames_are_refused() {
    let bus = VirtualBus::with_config(BusConfig::default().classic_only());
    let network = Network::new(bus.join());
    let fd = Config::default().data_link(DataLink::fd());
    let refused = network.endpoint(pair(0), fd).await;
    assert!(matches!(refused, Err(JoinError::NoFd)));
}

#[tokio::test(start_paused = true)]
async fn events_of_the_link_are_told() {
    let (testers, _ecus, bus) = networks();
    settle().await;
    bus.set_link(LinkChange::Down);
    bus.set_link(LinkChange::Up);
    settle().await;
    assert_eq!(testers.next_link_event(), Some(LinkEvent::Link(LinkChange::Down)));
    assert_eq!(testers.next_link_event(), Some(LinkEvent::Link(LinkChange::Up)));
    assert_eq!(testers.next_link_event(), None);
}

/// A port that notes its filters, and refuses filters or a frame when told so.
struct Watched {
    port: VirtualPort,
    watch: Arc<Watch>,
}

#[derive(Default)]
struct Watch {
    filters: AtomicUsize,
    refuse_filters: AtomicBool,
    refuse_frame: AtomicBool,
}

const OPEN: usize = usize::MAX;

impl CanRx for Watched {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        self.port.poll_recv(cx, out, max)
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        if self.watch.refuse_filters.swap(false, Ordering::SeqCst) {
            return Err(LinkError::unsupported("no filters today"));
        }
        let count = match *filters == FilterSet::default() {
            true => OPEN,
            false => filters.filters().len(),
        };
        self.watch.filters.store(count, Ordering::SeqCst);
        self.port.set_filters(filters)
    }

    fn capabilities(&self) -> Capabilities {
        self.port.capabilities()
    }
}

impl CanTx for Watched {
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        frames: &[CanFrame],
    ) -> Poll<Result<usize, can_link::SendError>> {
        if self.watch.refuse_frame.swap(false, Ordering::SeqCst) {
            return Poll::Ready(Err(can_link::SendError::BusOff));
        }
        self.port.poll_send(cx, frames)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), can_link::SendError>> {
        self.port.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), can_link::SendError>> {
        self.port.poll_close(cx)
    }
}

fn watched() -> (Network, Arc<Watch>, VirtualBus) {
    let bus = VirtualBus::new();
    let watch = Arc::new(Watch::default());
    let link = Watched {
        port: bus.join(),
        watch: Arc::clone(&watch),
    };
    (Network::new(link), watch, bus)
}

#[tokio::test(start_paused = true)]
async fn the_link_delivers_what_somebody_receives_and_little_else() {
    let (network, watch, _bus) = watched();
    let filters = || watch.filters.load(Ordering::SeqCst);
    settle().await;
    assert_eq!(filters(), 0);
    let first = endpoint(&network, pair(0).accepting_functional(std_id(0x7DF))).await;
    assert_eq!(filters(), 2);
    let second = endpoint(&network, pair(1).accepting_functional(std_id(0x7DF))).await;
    assert_eq!(filters(), 3, "the functional one is shared");
    let everybody = TxAddress::normal(std_id(0x7DE));
    let rule = Responders::legislated();
    let group = network.group(everybody, rule, Config::default()).await.unwrap();
    assert_eq!(filters(), 4, "the range is one aligned block");
    drop((first, group));
    settle().await;
    assert_eq!(filters(), 2);
    let mut many = Vec::new();
    for n in 2..70 {
        many.push(endpoint(&network, pair(n)).await);
    }
    assert_eq!(filters(), OPEN);
    drop(many);
    settle().await;
    assert_eq!(filters(), 2);
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_refuses_filters_refuses_the_endpoint() {
    let (network, watch, _bus) = watched();
    settle().await;
    watch.refuse_filters.store(true, Ordering::SeqCst);
    let refused = network.endpoint(pair(0), Config::default()).await;
    assert!(matches!(refused, Err(JoinError::Link(_))), "{refused:?}");
    assert_eq!(network.stats().endpoints, 0);
    endpoint(&network, pair(0)).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_link_said_is_told_of_the_message_it_refused() {
    let (network, watch, bus) = watched();
    let tester = endpoint(&network, pair(0)).await;
    watch.refuse_frame.store(true, Ordering::SeqCst);
    let sent = tester.send(payload(20)).await.unwrap_err();
    let told = matches!(
        sent,
        StreamError::SendFailed {
            error: TransferError::Link,
            cause: Some(can_link::SendError::BusOff),
            ..
        }
    );
    assert!(told, "{sent:?}");
    // Of a message that is received, the flow control.
    watch.refuse_frame.store(true, Ordering::SeqCst);
    send_raw(&mut bus.join(), std_id(0x300), &[0x10, 20, 1, 2, 3, 4, 5, 6]).await;
    let received = tester.recv().await.unwrap().unwrap_err();
    assert!(matches!(
        received,
        StreamError::ReceiveFailed { cause: Some(_), .. }
    ));
    watch.refuse_frame.store(true, Ordering::SeqCst);
    let frame = CanFrame::data(std_id(1), &[]).unwrap();
    let refused = network.send_frame(frame).await.unwrap_err();
    assert!(matches!(refused, can_link::SendError::BusOff));
    // And the next one is another.
    let failed = tester.send(payload(20)).await.unwrap_err();
    assert_eq!(failed.n_result(), Some(NResult::TimeoutBs));
}

#[test]
fn handles_may_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    fn sent<T: Send>(_: &T) {}

    shared::<Network>();
    shared::<Endpoint>();
    shared::<Group>();
    shared::<Sending>();
    let (network, driver) = Network::with_driver(VirtualBus::new().join());
    sent(&driver);
    sent(&network.endpoint(pair(0), Config::default()));
    sent(&network.closed());
}

/// 29-bit identifiers of their own for the `n`th tester and its ECU.
fn far(n: u32) -> Address {
    let id = |raw| can_link::ExtendedId::new(raw).unwrap();
    Address::normal(id(0x0100_0000 + n), id(0x0200_0000 + n)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_endpoints_share_a_link() {
    let (testers, ecus, _bus) = networks();
    let (mut clients, mut servers) = (Vec::new(), Vec::new());
    for n in 0..10_000 {
        clients.push(endpoint(&testers, far(n)).await);
        if n % 997 == 0 {
            servers.push(endpoint(&ecus, far(n).reversed()).await);
        }
    }
    // A few of them talk, all at once, while the others are there.
    let talking = clients.iter().step_by(997).zip(&servers);
    let talks = talking.map(async |(client, server)| {
        let (sent, received) = tokio::join!(client.send(payload(300)), server.recv());
        sent.unwrap();
        assert_eq!(received.unwrap().unwrap(), payload(300));
    });
    futures::future::join_all(talks).await;
    assert_eq!(testers.stats().endpoints, 10_000);
    assert_eq!(testers.stats().frames_unclaimed, 0);
    drop(clients);
    assert_eq!(testers.stats().endpoints, 0);
}
