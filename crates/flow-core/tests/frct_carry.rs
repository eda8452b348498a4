//! Flows by FRCT over a transport that loses, doubles and reorders, in paused time.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test is a driver: it spawns and looks at the clock"
)]

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use bytes::Bytes;
use flow_core::error::DeallocError;
use flow_core::frct::{self, Config, DownReason, FrctConfig, FrctEnd, FrctError};
use flow_core::qos::PeerTimeout;
use flow_core::{EventKind, EventQueue, Flow, Name, Protection, QosSpec, QueueConfig, ReadError, WriteError};
use futures::channel::mpsc;
use futures::{FutureExt, Sink, Stream, StreamExt};
use testkit::Rng;
use tokio::task::JoinHandle;
use tokio::time::Instant;

type Carried = JoinHandle<Result<FrctEnd, FrctError<mpsc::SendError>>>;

/// An end of a transport that spoils what it sends.
struct Rough {
    tx: mpsc::UnboundedSender<Bytes>,
    rx: mpsc::UnboundedReceiver<Bytes>,
    rng: Rng,
    /// Percent of loss, of packets that come twice, and of packets that come after the next one.
    percent: u8,
    late: Option<Bytes>,
}

impl Stream for Rough {
    type Item = Result<Bytes, mpsc::SendError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.rx.poll_next_unpin(cx).map(|packet| packet.map(Ok))
    }
}

impl Sink<Bytes> for Rough {
    type Error = mpsc::SendError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tx.poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, packet: Bytes) -> Result<(), Self::Error> {
        let percent = self.percent;
        if self.rng.percent(percent) {
            return Ok(());
        }
        if self.late.is_none() && self.rng.percent(percent) {
            self.late = Some(packet);
            return Ok(());
        }
        if self.rng.percent(percent) {
            self.tx.start_send(packet.clone())?;
        }
        self.tx.start_send(packet)?;
        match self.late.take() {
            Some(late) => self.tx.start_send(late),
            None => Ok(()),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tx.close_channel();
        Poll::Ready(Ok(()))
    }
}

fn config() -> FrctConfig {
    FrctConfig::new(QosSpec::DATA.with_timeout(PeerTimeout::OFF))
}

fn protection() -> Protection {
    let protection = Protection::none().with_crc();
    #[cfg(feature = "seal")]
    return {
        use flow_core::protect::{Key, Seal};
        let seal = Seal::new(flow_core::Wire::V0_23, Key::new([3; 32]));
        protection.with_seal(seal.with_rotation_bit(6))
    };
    #[cfg(not(feature = "seal"))]
    protection
}

/// Two flows with a transport between them, `percent` of which goes wrong in each way.
fn carried(percent: u8, config: FrctConfig) -> [(Flow, Carried); 2] {
    let ((tx, there), (back, rx)) = (mpsc::unbounded(), mpsc::unbounded());
    [(tx, rx, 1), (back, there, 2)].map(|(tx, rx, seed)| {
        let transport = Rough {
            tx,
            rx,
            rng: Rng::new(seed),
            percent,
            late: None,
        };
        let name = Name::new("carried").unwrap();
        let (flow, carrier) = frct::carry(transport, &name, config, protection());
        (flow, tokio::spawn(carrier))
    })
}

fn text(number: usize) -> String {
    format!("packet {number}")
}

#[tokio::test(start_paused = true)]
async fn what_is_written_is_read_once_and_in_order_both_ways_and_dealloc_waits_for_it() {
    const COUNT: usize = 2000;
    let [(ours, here), (theirs, there)] = carried(20, config());
    let ends = [ours, theirs].map(|flow| {
        tokio::spawn(async move {
            let (mut reader, mut writer) = flow.split();
            let writing = async move {
                for number in 0..COUNT {
                    writer.write(text(number)).await.unwrap();
                }
                writer.dealloc_within(Duration::from_secs(100)).await.unwrap();
            };
            let reading = async move {
                for number in 0..COUNT {
                    assert_eq!(reader.read_packet().await.unwrap(), text(number));
                }
                reader
            };
            tokio::join!(writing, reading)
        })
    });
    for end in ends {
        drop(end.await.unwrap());
    }
    for end in [here, there] {
        let end = end.await.unwrap().unwrap();
        assert!(matches!(end, FrctEnd::Application | FrctEnd::Peer), "{end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_holds_back_the_writer_and_loses_nothing() {
    let queue = QueueConfig::default().packets(10);
    let [(mut ours, here), (mut theirs, _there)] = carried(10, config().queue(queue));
    let writing = tokio::spawn(async move {
        for number in 0..2000 {
            ours.write(text(number)).await.unwrap();
        }
        ours
    });
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert!(!writing.is_finished() && !here.is_finished());
    for number in 0..2000 {
        assert_eq!(theirs.read_packet().await.unwrap(), text(number));
    }
    drop(writing.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_ordered_flow_has_gaps_that_are_told_and_does_not_stand_still() {
    let qos = QosSpec::BEST_EFFORT.with_timeout(PeerTimeout::OFF);
    let [(mut ours, _here), (mut theirs, _there)] = carried(20, FrctConfig::new(qos));
    let mut events = EventQueue::new();
    events.set().add(&theirs).unwrap();
    tokio::spawn(async move {
        for number in 0..1000_usize {
            ours.write(text(number)).await.unwrap();
        }
        ours.dealloc_within(Duration::from_secs(100)).await.unwrap();
    });
    let (mut got, mut lost) = (0, 0);
    let mut last = None;
    loop {
        match events.wait().await.kind {
            EventKind::Packet => {
                let packet = theirs.read_packet().await.unwrap();
                let number: usize = core::str::from_utf8(&packet[7..]).unwrap().parse().unwrap();
                assert!(last.is_none_or(|last| number > last), "in order");
                last = Some(number);
                got += 1;
            }
            EventKind::Dropped { count } => lost += count,
            _ => break,
        }
    }
    assert!(got > 500 && lost > 100, "{got} and {lost}");
    assert!(got + lost <= 1000);
}

#[tokio::test(start_paused = true)]
async fn a_flow_over_a_link_that_went_dark_ends_as_reset() {
    let machine = Config::default().retransmission_time(Duration::from_secs(9));
    let qos = QosSpec::DATA.with_timeout(PeerTimeout::OFF);
    let [(mut ours, here), _there] = carried(100, FrctConfig::with_machine(qos, machine));
    ours.write("x").await.unwrap();
    let start = Instant::now();
    assert_eq!(ours.read_packet().await, Err(ReadError::Reset));
    assert_eq!(start.elapsed().as_secs(), 9);
    assert_eq!(ours.write("y").await, Err(WriteError::Reset));
    assert_eq!(here.await.unwrap(), Ok(FrctEnd::Down(DownReason::Expired)));
}

#[tokio::test(start_paused = true)]
async fn dealloc_waits_for_the_acknowledgement_within_its_limit() {
    let [(mut ours, _here), _there] = carried(100, config());
    ours.write("x").await.unwrap();
    let start = Instant::now();
    let left = ours.dealloc_within(Duration::from_secs(2)).await;
    assert!(matches!(left, Err(DeallocError::Unread { .. })), "{left:?}");
    assert_eq!(start.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_written_before_a_prompt_drop_arrives_all_the_same() {
    let [(mut ours, here), (mut theirs, _there)] = carried(20, config());
    for number in 0..50 {
        ours.write(text(number)).await.unwrap();
    }
    drop(ours);
    for number in 0..50 {
        assert_eq!(theirs.read_packet().await.unwrap(), text(number));
    }
    assert_eq!(here.await.unwrap(), Ok(FrctEnd::Application));
    assert_eq!(theirs.read_packet().await, Err(ReadError::Deallocated));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_gone_after_the_flows_timeout_and_a_live_one_is_not() {
    let qos = QosSpec::DATA.with_timeout(PeerTimeout::from_millis(1_200));
    let [(mut ours, here), (theirs, there)] = carried(0, FrctConfig::new(qos));
    assert!(ours.read_packet_timeout(Duration::from_secs(60)).await.is_err());
    assert!(!here.is_finished(), "keepalives count");
    there.abort();
    drop(theirs);
    let end = here.await.unwrap();
    assert!(matches!(end, Ok(FrctEnd::Peer)), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn who_hears_nothing_for_the_timeout_is_told_that_the_peer_is_gone() {
    let qos = QosSpec::DATA.with_timeout(PeerTimeout::from_millis(1_200));
    let [(mut ours, here), _there] = carried(100, FrctConfig::new(qos));
    assert_eq!(ours.read_packet().await, Err(ReadError::PeerGone));
    assert_eq!(here.await.unwrap(), Ok(FrctEnd::Silence));
}

#[tokio::test(start_paused = true)]
async fn a_carrier_dropped_half_way_ends_the_flow_and_a_packet_too_long_is_refused() {
    let [(mut ours, here), _there] = carried(0, config().max_message(100));
    let longest = ours.max_packet();
    assert!((50..100).contains(&longest));
    assert!(ours.write(vec![0; longest + 1]).await.is_err());
    ours.write(vec![0; longest]).await.unwrap();
    here.abort();
    assert!(here.await.is_err());
    assert_eq!(ours.read_packet().await, Err(ReadError::Deallocated));
    assert!(ours.write("x").now_or_never().unwrap().is_err());
}
