#![expect(
    clippy::disallowed_methods,
    reason = "tests of a driver have tasks, and look at the paused clock"
)]

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use can_link::link::{CanRx, CanTx, Capabilities, FilterPlace, LinkChange};
use can_link::virtual_bus::{BitRate, BusConfig, Echo, PortConfig, VirtualBus, VirtualPort};
use can_link::{CanTxExt as _, StandardId};
use futures::{FutureExt, SinkExt, StreamExt};

use super::*;
use crate::error::{NResult, Timeout, TransferError};
use crate::stmin::{BlockSize, StMin};

fn address() -> Address {
    let id = |raw| StandardId::new(raw).unwrap();
    Address::normal(id(0x7E0), id(0x7E8)).unwrap()
}

fn payload(len: usize) -> Bytes {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

fn pair(config: Config) -> (IsoTpStream<VirtualPort>, IsoTpStream<VirtualPort>, VirtualBus) {
    let bus = VirtualBus::new();
    let a = IsoTpStream::new(bus.join(), address(), config).unwrap();
    let b = IsoTpStream::new(bus.join(), address().reversed(), config).unwrap();
    (a, b, bus)
}

#[tokio::test(start_paused = true)]
async fn whole_messages_go_both_ways() {
    let config = Config::default()
        .block_size(BlockSize::from_bits(4))
        .st_min(StMin::from_millis(2).unwrap());
    let (mut a, mut b, _bus) = pair(config);
    for len in [1, 7, 8, 62, 4095] {
        let (sent, received) = tokio::join!(a.send(payload(len)), b.recv());
        sent.unwrap();
        assert_eq!(received.unwrap().unwrap(), payload(len));
        let (sent, received) = tokio::join!(SinkExt::send(&mut b, payload(len)), a.next());
        sent.unwrap();
        assert_eq!(received.unwrap().unwrap(), payload(len));
    }
}

#[tokio::test(start_paused = true)]
async fn echoes_confirm_on_links_that_have_them() {
    let bus = VirtualBus::new();
    let echoing = bus.join_with(PortConfig::default().echo(Echo::On));
    let mut a = IsoTpStream::new(echoing, address(), Config::default()).unwrap();
    assert_eq!(a.confirmation, Confirmation::Echo);
    let mut b = IsoTpStream::new(bus.join(), address().reversed(), Config::default()).unwrap();
    let (sent, received) = tokio::join!(a.send(payload(300)), b.recv());
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), payload(300));
    assert_eq!(a.stats().ignored(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_is_reported_once_and_the_next_one_arrives() {
    let (mut a, mut b, _bus) = pair(Config::default());
    let start = tokio::time::Instant::now();
    let error = a.send(payload(20)).await.unwrap_err();
    assert!(matches!(
        error,
        StreamError::SendFailed {
            error: TransferError::Timeout(Timeout::NBs),
            sent: Some(6),
            len: 20,
            ..
        }
    ));
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    // The receiver was not polled; now it finds the first frame of a message that nobody goes on with.
    let lost = b.recv().await.unwrap().unwrap_err();
    assert_eq!(lost.n_result(), Some(NResult::TimeoutCr));
    let (sent, received) = tokio::join!(a.send(payload(20)), b.recv());
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), payload(20));
}

#[tokio::test(start_paused = true)]
async fn messages_that_cannot_be_sent_are_refused_before_a_frame_leaves() {
    let (mut a, mut b, _bus) = pair(Config::default());
    let error = a.send(Bytes::new()).await.unwrap_err();
    assert!(matches!(error, StreamError::NotSent(SendError::Empty)));
    let error = a.send_functional(payload(8)).await.unwrap_err();
    assert!(matches!(
        error,
        StreamError::NotSent(SendError::FunctionalTooLong { len: 8, max: 7 })
    ));
    assert_eq!(a.stats().frames_sent, 0);
    a.send_functional(payload(7)).await.unwrap();
    assert_eq!(b.recv().await.unwrap().unwrap(), payload(7));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_receive_loses_nothing() {
    let (mut a, mut b, _bus) = pair(Config::default());
    assert!(b.recv().now_or_never().is_none());
    let sending = async {
        for len in 1..=40 {
            a.send(payload(len * 5)).await.unwrap();
        }
    };
    let receiving = async {
        let mut lengths = Vec::new();
        while lengths.len() < 40 {
            // Each wait is abandoned after one poll.
            match b.recv().now_or_never() {
                Some(item) => lengths.push(item.unwrap().unwrap().len()),
                None => tokio::task::yield_now().await,
            }
        }
        lengths
    };
    let ((), lengths) = tokio::join!(sending, receiving);
    assert_eq!(lengths, (1..=40).map(|len| len * 5).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_send_goes_on_and_the_next_one_waits_for_it() {
    let (mut a, mut b, _bus) = pair(Config::default());
    assert!(a.send(payload(50)).now_or_never().is_none());
    assert!(a.sending().is_some());
    let both = async {
        let first = b.recv().await.unwrap().unwrap();
        (first, b.recv().await.unwrap().unwrap())
    };
    let (sent, received) = tokio::join!(a.send(payload(60)), both);
    sent.unwrap();
    assert_eq!(received, (payload(50), payload(60)));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_makes_the_sender_wait_and_loses_nothing() {
    let (mut a, mut b, _bus) = pair(Config::default());
    let count = MAX_WAITING + 3;
    let sending = tokio::spawn(async move {
        for number in 0..count {
            a.send(payload(10 + number)).await.unwrap();
        }
        a
    });
    // Keeps the stream going as a writer does, without ever taking a message.
    let until = tokio::time::Instant::now() + Duration::from_secs(2);
    let idle = poll_fn(|cx| {
        b.drive(Half::Writer, cx);
        Poll::<()>::Pending
    });
    assert!(tokio::time::timeout_at(until, idle).await.is_err());
    assert!(b.stats().waits_sent >= 3, "{:?}", b.stats());
    for number in 0..count {
        assert_eq!(b.recv().await.unwrap().unwrap(), payload(10 + number));
    }
    let a = sending.await.unwrap();
    assert_eq!(a.stats().messages_sent, u64::try_from(count).unwrap());
}

#[tokio::test(start_paused = true)]
async fn reading_and_writing_may_happen_in_two_tasks() {
    let (a, b, _bus) = pair(Config::default().block_size(BlockSize::from_bits(2)));
    let run = |stream: IsoTpStream<VirtualPort>| {
        let (mut sink, source) = stream.split();
        let writer = tokio::spawn(async move {
            for len in 1..=30 {
                sink.send(payload(len * 7)).await.unwrap();
            }
            sink
        });
        let reader = tokio::spawn(async move {
            let messages: Vec<_> = source.take(30).map(Result::unwrap).collect().await;
            messages.iter().map(Bytes::len).collect::<Vec<_>>()
        });
        async move {
            let (sink, lengths) = tokio::join!(writer, reader);
            (sink.unwrap(), lengths.unwrap())
        }
    };
    let ((sink_a, from_b), (sink_b, from_a)) = tokio::join!(run(a), run(b));
    drop((sink_a, sink_b));
    let expected: Vec<_> = (1..=30).map(|len| len * 7).collect();
    assert_eq!(from_a, expected);
    assert_eq!(from_b, expected);
}

#[tokio::test(start_paused = true)]
async fn an_aborted_message_leaves_nothing_behind() {
    let (mut a, mut b, _bus) = pair(Config::default());
    assert!(SinkExt::send(&mut a, payload(500)).now_or_never().is_none());
    a.abort_send();
    let error = a.flush().await.unwrap_err();
    assert_eq!(error.n_result(), Some(NResult::Error));
    let (sent, received) = tokio::join!(a.send(payload(3)), async {
        loop {
            if let Ok(message) = b.recv().await.unwrap() {
                return message;
            }
        }
    });
    sent.unwrap();
    assert_eq!(received, payload(3));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_goes_away_ends_the_stream_and_fails_the_message() {
    use can_link::LinkError;
    use can_link::link::LinkChange;

    let (mut a, _b, bus) = pair(Config::default());
    assert!(SinkExt::send(&mut a, payload(20)).now_or_never().is_none());
    bus.set_link(LinkChange::Gone);
    let failure = a.flush().await.unwrap_err();
    let is_link = matches!(
        failure,
        StreamError::SendFailed {
            error: TransferError::Link,
            sent: Some(6),
            ..
        }
    );
    assert!(is_link, "{failure:?}");
    let mut last = None;
    while let Some(item) = a.recv().await {
        last = Some(item);
    }
    assert!(matches!(last, None | Some(Err(StreamError::Link(_)))), "{last:?}");
    let error = a.send(payload(1)).await.unwrap_err();
    assert!(matches!(error, StreamError::Link(LinkError::Closed)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn frames_of_an_aborted_message_that_still_wait_for_the_link_never_leave() {
    let slow = BitRate::new(10_000).unwrap();
    let bus = VirtualBus::with_config(BusConfig::default().bit_rate(slow));
    let port = bus.join_with(PortConfig::default().transmit_queue(1));
    let mut a = IsoTpStream::new(port, address(), Config::default()).unwrap();
    let mut b = IsoTpStream::new(bus.join(), address().reversed(), Config::default()).unwrap();
    let receiving = async {
        loop {
            let _ = b.recv().await;
        }
    };
    let sending = async {
        let patience = Duration::from_millis(100);
        assert!(
            tokio::time::timeout(patience, a.send(payload(500)))
                .await
                .is_err()
        );
        a.abort_send();
        assert!(a.outgoing.is_empty(), "{:?}", a.outgoing);
        let before = bus.stats().frames;
        assert!(tokio::time::timeout(patience * 10, a.recv()).await.is_err());
        bus.stats().frames - before
    };
    let after = tokio::select! {
        after = sending => after,
        () = receiving => unreachable!("it never ends"),
    };
    assert!(after <= 2, "{after} frames after the abort");
}

#[tokio::test(start_paused = true)]
async fn taking_a_message_lets_the_waiting_sender_go_on_at_once() {
    let (mut a, mut b, bus) = pair(Config::default());
    for _ in 0..=MAX_WAITING {
        a.send(payload(5)).await.unwrap();
    }
    assert!(a.send(payload(50)).now_or_never().is_none());
    // One more than the inbox holds, and then the begin of the long one, which has to wait.
    b.drive(Half::Reader, &Context::from_waker(Waker::noop()));
    assert_eq!(b.receiving(), Some((6, 50)));
    let before = bus.stats().frames;
    assert_eq!(b.recv().await.unwrap().unwrap(), payload(5));
    assert_eq!(bus.stats().frames, before + 1, "no flow control");
}

#[tokio::test(start_paused = true)]
async fn a_full_event_queue_loses_the_oldest_and_counts_it() {
    let (mut a, mut b, _bus) = pair(Config::default());
    for _ in 0..=MAX_EVENTS {
        a.send(payload(7)).await.unwrap();
        b.recv().await.unwrap().unwrap();
    }
    a.send(payload(20)).await.unwrap_err();
    let events: Vec<_> = core::iter::from_fn(|| a.next_event()).collect();
    assert_eq!(events.len(), MAX_EVENTS);
    assert!(
        matches!(events.last(), Some(Event::SendFailed { .. })),
        "the late one is seen"
    );
    // One for each message, and the first frame of the last.
    assert_eq!(a.stats().events_lost, 3);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_of_link_events_keeps_the_last_news_of_the_link() {
    let (mut a, _b, bus) = pair(Config::default());
    for _ in 0..MAX_EVENTS {
        bus.set_link(LinkChange::Down);
        bus.set_link(LinkChange::Up);
    }
    bus.set_link(LinkChange::Gone);
    while let Some(item) = a.recv().await {
        item.unwrap_err();
    }
    let events: Vec<_> = core::iter::from_fn(|| a.next_link_event()).collect();
    assert_eq!(events.len(), MAX_EVENTS);
    assert_eq!(events.last(), Some(&LinkEvent::Link(LinkChange::Gone)));
    assert_eq!(a.stats().events_lost, u64::try_from(MAX_EVENTS + 1).unwrap());
}

/// A stream to split, and the bare port of a peer that has begun to send it 20 bytes, and will not go on.
async fn with_a_message_begun() -> (IsoTpStream<VirtualPort>, VirtualPort) {
    let bus = VirtualBus::new();
    let mut stream = IsoTpStream::new(bus.join(), address(), Config::default()).unwrap();
    let mut peer = bus.join();
    send_as_peer(&mut peer, &[0x10, 20, 1, 2, 3, 4, 5, 6]).await;
    assert!(stream.recv().now_or_never().is_none());
    assert_eq!(stream.receiving(), Some((6, 20)));
    (stream, peer)
}

async fn send_as_peer(peer: &mut VirtualPort, data: &[u8]) {
    let frame = CanFrame::data(StandardId::new(0x7E8).unwrap(), data).unwrap();
    peer.send(frame).await.unwrap();
}

/// Moves the clock past deadlines whose alarms have not rung yet.
fn before_the_alarms_ring(by: Duration) {
    assert!(tokio::time::advance(by).now_or_never().is_none());
}

const MOMENT: Duration = Duration::from_millis(10);

#[tokio::test(start_paused = true)]
async fn a_timeout_that_the_reader_serves_is_told_to_the_writer() {
    let bus = VirtualBus::new();
    let stream = IsoTpStream::new(bus.join(), address(), Config::default()).unwrap();
    let (mut sink, mut source) = stream.split();
    let writer = tokio::spawn(async move { sink.send(payload(20)).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    send_as_peer(&mut bus.join(), &[0x10, 20, 1, 2, 3, 4, 5, 6]).await;
    assert!(source.next().now_or_never().is_none());
    tokio::time::sleep(MOMENT).await;
    before_the_alarms_ring(Duration::from_millis(500));
    assert!(
        source.next().now_or_never().is_none(),
        "N_Cr has half a second left"
    );
    let sent = tokio::time::timeout(MOMENT, writer)
        .await
        .expect("the writer is woken");
    assert_eq!(sent.unwrap().unwrap_err().n_result(), Some(NResult::TimeoutBs));
}

#[tokio::test(start_paused = true)]
async fn a_last_frame_that_the_reader_sends_is_told_to_the_writer() {
    let (stream, mut peer) = with_a_message_begun().await;
    let (mut sink, mut source) = stream.split();
    let writer = tokio::spawn(async move { sink.send(payload(20)).await });
    tokio::time::sleep(MOMENT).await;
    // A gap of 100 ms is between the two consecutive frames.
    send_as_peer(&mut peer, &[0x30, 0, 100]).await;
    tokio::time::sleep(MOMENT).await;
    assert!(!writer.is_finished());
    before_the_alarms_ring(Duration::from_millis(100));
    assert!(source.next().now_or_never().is_none(), "N_Cr is not over");
    let sent = tokio::time::timeout(MOMENT, writer)
        .await
        .expect("the writer is woken");
    sent.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_timeout_that_the_writer_serves_is_told_to_the_reader() {
    let (stream, _peer) = with_a_message_begun().await;
    let (mut sink, mut source) = stream.split();
    let reader = tokio::spawn(async move { source.next().await.unwrap() });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(sink.send(payload(20)).now_or_never().is_none());
    tokio::time::sleep(MOMENT).await;
    before_the_alarms_ring(Duration::from_millis(500));
    assert!(
        sink.flush().now_or_never().is_none(),
        "N_Bs has half a second left"
    );
    let received = tokio::time::timeout(MOMENT, reader)
        .await
        .expect("the reader is woken");
    assert_eq!(
        received.unwrap().unwrap_err().n_result(),
        Some(NResult::TimeoutCr)
    );
}

/// A port whose link refuses the next frame when told so.
struct Refusing {
    port: VirtualPort,
    next: Arc<AtomicBool>,
}

impl CanRx for Refusing {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        self.port.poll_recv(cx, out, max)
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        self.port.set_filters(filters)
    }

    fn capabilities(&self) -> Capabilities {
        self.port.capabilities()
    }
}

impl CanTx for Refusing {
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        frames: &[CanFrame],
    ) -> Poll<Result<usize, can_link::SendError>> {
        if self.next.swap(false, Ordering::SeqCst) {
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

#[tokio::test(start_paused = true)]
async fn what_the_link_said_is_told_of_the_message_it_refused_and_of_no_other() {
    let bus = VirtualBus::new();
    let refuse = Arc::new(AtomicBool::new(false));
    let link = Refusing {
        port: bus.join(),
        next: Arc::clone(&refuse),
    };
    let mut a = IsoTpStream::new(link, address(), Config::default()).unwrap();

    // Of a message that is sent, its first frame.
    refuse.store(true, Ordering::SeqCst);
    let sent = a.send(payload(20)).await.unwrap_err();
    assert!(
        matches!(sent, StreamError::SendFailed { cause: Some(_), .. }),
        "{sent:?}"
    );

    // Of a message that is received, the flow control.
    refuse.store(true, Ordering::SeqCst);
    send_as_peer(&mut bus.join(), &[0x10, 20, 1, 2, 3, 4, 5, 6]).await;
    let received = a.recv().await.unwrap().unwrap_err();
    let told = matches!(
        received,
        StreamError::ReceiveFailed {
            error: TransferError::Link,
            cause: Some(can_link::SendError::BusOff),
            ..
        }
    );
    assert!(told, "{received:?}");

    // A link that is lost later refuses nothing.
    assert!(SinkExt::send(&mut a, payload(20)).now_or_never().is_none());
    bus.set_link(LinkChange::Gone);
    let lost = a.flush().await.unwrap_err();
    let alone = matches!(
        lost,
        StreamError::SendFailed {
            error: TransferError::Link,
            cause: None,
            ..
        }
    );
    assert!(alone, "{lost:?}");
}
