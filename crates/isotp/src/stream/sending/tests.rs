#![expect(
    clippy::disallowed_methods,
    reason = "tests of a driver have tasks, and look at the paused clock"
)]

use alloc::sync::Arc;
use core::time::Duration;
use std::sync::Mutex;
use std::vec::Vec;

use bytes::Bytes;
use can_link::StandardId;
use can_link::virtual_bus::{VirtualBus, VirtualPort};
use futures::{FutureExt, SinkExt, StreamExt, TryStreamExt};

use super::*;
use crate::address::Address;
use crate::channel::SourceChannel;
use crate::config::{Config, Duplex};
use crate::error::{NResult, Timeout};
use crate::rate::RateLimit;
use crate::stmin::{BlockSize, StMin};

fn pair(receiver: Config) -> (IsoTpStream<VirtualPort>, IsoTpStream<VirtualPort>) {
    let id = |raw| StandardId::new(raw).unwrap();
    let address = Address::normal(id(0x7E0), id(0x7E8)).unwrap();
    let bus = VirtualBus::new();
    let a = IsoTpStream::new(bus.join(), address, Config::default()).unwrap();
    let b = IsoTpStream::new(bus.join(), address.reversed(), receiver).unwrap();
    (a, b)
}

fn payload(len: usize) -> Bytes {
    Bytes::from(std::vec![0x5A; len])
}

fn is_aborted(error: &StreamError) -> bool {
    matches!(
        error,
        StreamError::SendFailed {
            error: TransferError::Aborted,
            ..
        }
    )
}

#[tokio::test(start_paused = true)]
async fn a_long_message_goes_through_each_state() {
    let (mut a, mut b) = pair(Config::default().block_size(BlockSize::from_bits(2)));
    let states = async { a.start(payload(40)).try_collect::<Vec<_>>().await.unwrap() };
    let (states, received) = tokio::join!(states, b.recv());
    assert_eq!(received.unwrap().unwrap(), payload(40));
    let progress = |sent| SendState::Progress { sent, len: 40 };
    // The last flow control and the last frame are one step, of which the latest state is told.
    let expected = [
        SendState::Queued,
        SendState::Started,
        progress(20),
        SendState::Done,
    ];
    assert_eq!(states, expected);
}

#[tokio::test(start_paused = true)]
async fn a_single_frame_is_queued_and_then_done() {
    let (mut a, mut b) = pair(Config::default());
    let states: Vec<_> = a.start_functional(payload(7)).try_collect().await.unwrap();
    assert_eq!(states, [SendState::Queued, SendState::Done]);
    assert_eq!(b.recv().await.unwrap().unwrap(), payload(7));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_sent_has_no_state_but_its_error() {
    let (mut a, _b) = pair(Config::default());
    let mut sending = a.start(Bytes::new());
    let error = sending.next().await.unwrap().unwrap_err();
    assert!(matches!(error, StreamError::NotSent(SendError::Empty)), "{error}");
    assert!(sending.next().await.is_none());
    let again = sending.done().await.unwrap_err();
    assert!(matches!(again, StreamError::NotSent(SendError::Empty)), "{again}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_ends_with_its_error_and_the_next_begins_clean() {
    let (mut a, mut b) = pair(Config::default());
    let mut sending = a.start(payload(20));
    let id = sending.id();
    let failed = loop {
        match sending.next().await.unwrap() {
            Ok(SendState::Queued | SendState::Started) => {}
            Ok(state) => panic!("{state:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(failed.n_result(), Some(NResult::TimeoutBs));
    assert!(sending.next().await.is_none());
    assert_eq!(sending.id(), id);
    let again = sending.done().await.unwrap_err();
    assert_eq!(again.n_result(), Some(NResult::TimeoutBs));

    let received = async {
        while let Some(item) = b.recv().await {
            if let Ok(message) = item {
                return Some(message);
            }
        }
        None
    };
    let (sent, received) = tokio::join!(a.send(payload(30)), received);
    sent.unwrap();
    assert_eq!(received.unwrap(), payload(30));
}

#[tokio::test(start_paused = true)]
async fn an_aborted_message_ends_its_stream_with_that() {
    let (mut a, _b) = pair(Config::default());
    let mut sending = a.start(payload(20));
    assert_eq!(sending.next().await.unwrap().unwrap(), SendState::Queued);
    assert_eq!(sending.next().await.unwrap().unwrap(), SendState::Started);
    sending.abort();
    assert!(is_aborted(&sending.next().await.unwrap().unwrap_err()));
    sending.abort();
    assert!(is_aborted(&sending.done().await.unwrap_err()));
    assert!(a.sending().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_lets_its_message_go_on_and_its_failure_is_an_event() {
    let (mut a, mut b) = pair(Config::default());
    let mut sending = a.start(payload(20));
    let first = sending.id().unwrap();
    sending.next().await.unwrap().unwrap();
    drop(sending);
    // The receiver does not answer; the message after it is a single frame and not affected.
    a.send(payload(3)).await.unwrap();
    let failed = core::iter::from_fn(|| a.next_event()).find_map(|event| match event {
        Event::SendFailed { id, error, .. } => Some((id, error)),
        _ => None,
    });
    assert_eq!(failed, Some((first, TransferError::Timeout(Timeout::NBs))));
    // The stream as a sink has nothing to report either.
    a.flush().await.unwrap();
    b.recv().await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_message_still_queued_when_its_handle_is_dropped_is_not_sent() {
    let (mut a, mut b) = pair(Config::default());
    a.feed(payload(20)).await.unwrap();
    let mut second = a.start(payload(5));
    assert_eq!(second.next().await.unwrap().unwrap(), SendState::Queued);
    assert!(second.next().now_or_never().is_none());
    assert_eq!(second.id(), None);
    drop(second);
    let (sent, received) = tokio::join!(a.flush(), b.recv());
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), payload(20));
    let nothing = tokio::time::timeout(Duration::from_secs(5), b.recv()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    assert_eq!(a.stats().messages_sent, 1);
}

#[tokio::test(start_paused = true)]
async fn the_failure_of_a_message_that_the_sink_took_waits_for_the_sink() {
    let (mut a, _b) = pair(Config::default());
    a.feed(payload(20)).await.unwrap();
    a.send(payload(5)).await.unwrap();
    let failed = a.flush().await.unwrap_err();
    assert_eq!(failed.n_result(), Some(NResult::TimeoutBs));
    a.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_abort_from_another_task_wakes_the_one_that_waits() {
    let (a, _b) = pair(Config::default());
    let shared = Arc::new(Mutex::new(a));
    let waiting = Arc::clone(&shared);
    waiting
        .lock()
        .unwrap()
        .feed(payload(20))
        .now_or_never()
        .unwrap()
        .unwrap();
    let flushed = tokio::spawn(poll_fn(move |cx| waiting.lock().unwrap().poll_flush_unpin(cx)));
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(!flushed.is_finished());
    shared.lock().unwrap().abort_send();
    let told = tokio::time::timeout(Duration::from_millis(1), flushed).await;
    assert!(is_aborted(
        &told.expect("it is woken at once").unwrap().unwrap_err()
    ));
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_takes_its_time_and_wakes_the_sender() {
    let (mut a, mut b) = pair(Config::default());
    let limit = RateLimit::new(8_000, Duration::from_millis(100)).unwrap();
    a.channel = SourceChannel::new(*a.channel.address(), Config::default().rate_limit(Some(limit)));
    let start = tokio::time::Instant::now();
    let (sent, received) = tokio::join!(a.send(payload(300)), b.recv());
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), payload(300));
    // 43 frames, 12 in each window of 100 ms.
    let took = start.elapsed().as_millis();
    assert!((300..=340).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn with_half_duplex_a_message_goes_out_when_the_one_that_comes_in_is_complete() {
    let half = Config::default().duplex(Duplex::Half);
    let slow = half.st_min(StMin::from_millis(50).unwrap());
    let (mut a, mut b) = pair(slow);
    a.channel = SourceChannel::new(*a.channel.address(), half);
    let asking = async {
        a.send(payload(20)).await.unwrap();
        a.recv().await.unwrap().unwrap()
    };
    let answering = async {
        assert!(b.recv().now_or_never().is_none());
        while b.receiving().is_none() {
            tokio::task::yield_now().await;
            assert!(b.recv().now_or_never().is_none());
        }
        // Its first frame waits until the second of two consecutive frames has come, 50 ms later.
        b.send(payload(30)).await.unwrap();
        b.recv().await.unwrap().unwrap()
    };
    let start = tokio::time::Instant::now();
    let (answer, question) = tokio::join!(asking, answering);
    assert_eq!((question, answer), (payload(20), payload(30)));
    assert_eq!(start.elapsed(), Duration::from_millis(50));
}
