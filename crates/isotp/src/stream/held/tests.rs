#![expect(
    clippy::disallowed_methods,
    reason = "tests of a driver have tasks, and look at the paused clock"
)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;

use bytes::Bytes;
use can_link::link::{CanRx, CanTx, Capabilities, EventBuf, FilterPlace};
use can_link::virtual_bus::{VirtualBus, VirtualPort};
use can_link::{CanFrame, FilterSet, LinkError, StandardId};
use futures::{FutureExt as _, SinkExt, StreamExt as _};
use tokio::time::{Sleep, sleep, timeout};

use super::*;
use crate::address::Address;
use crate::config::Config;
use crate::stream::IsoTpStream;

const N_AS: Duration = Duration::from_millis(1000);
const LONG: Duration = Duration::from_secs(3600);

/// A port that takes frames at once, and lets go of all so long after it took the last; `None`: never.
pub(crate) struct Keeping {
    port: VirtualPort,
    keeps: Option<Duration>,
    flush: Option<Pin<Box<Sleep>>>,
}

impl Keeping {
    pub(crate) const fn new(port: VirtualPort, keeps: Option<Duration>) -> Self {
        let flush = None;
        Self { port, keeps, flush }
    }
}

impl CanRx for Keeping {
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

impl CanTx for Keeping {
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        frames: &[CanFrame],
    ) -> Poll<Result<usize, can_link::SendError>> {
        let taken = ready!(self.port.poll_send(cx, frames));
        // What it has now takes as long from now on.
        self.flush = None;
        Poll::Ready(taken)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), can_link::SendError>> {
        let Some(keeps) = self.keeps else {
            return Poll::Pending;
        };
        let flush = self.flush.get_or_insert_with(|| Box::pin(sleep(keeps)));
        ready!(flush.as_mut().poll(cx));
        self.flush = None;
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), can_link::SendError>> {
        self.poll_flush(cx)
    }
}

fn payload(len: u8) -> Bytes {
    (0..len).collect()
}

fn pair(keeps: Option<Duration>) -> (IsoTpStream<Keeping>, IsoTpStream<VirtualPort>) {
    let id = |raw| StandardId::new(raw).unwrap();
    let address = Address::normal(id(0x7E0), id(0x7E8)).unwrap();
    let bus = VirtualBus::new();
    let config = Config::default().n_as(N_AS);
    let a = IsoTpStream::new(Keeping::new(bus.join(), keeps), address, config).unwrap();
    (
        a,
        IsoTpStream::new(bus.join(), address.reversed(), config).unwrap(),
    )
}

/// Checks that a message of `len` bytes failed by N_As, and nothing else.
#[track_caller]
pub(crate) fn assert_late(outcome: Result<(), StreamError>, len: u32) {
    let error = outcome.unwrap_err();
    let late = matches!(
        error,
        StreamError::SendFailed {
            error: TransferError::Timeout(Timeout::NAs),
            sent: Some(sent),
            len: of,
            cause: None,
            ..
        } if sent == len && of == len
    );
    assert!(late, "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_link_never_lets_go_of_fails_by_n_as() {
    let (mut a, _b) = pair(None);
    for _ in 0..2 {
        let begin = tokio::time::Instant::now();
        assert_late(timeout(LONG, a.send(payload(3))).await.unwrap(), 3);
        // The frame before is still there, and may still have to leave first.
        assert!(
            (N_AS..=2 * N_AS).contains(&begin.elapsed()),
            "{:?}",
            begin.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_sink_tells_once_that_the_link_does_not_let_go() {
    let (mut a, _b) = pair(None);
    a.feed(payload(5)).await.unwrap();
    assert_late(timeout(LONG, SinkExt::flush(&mut a)).await.unwrap(), 5);
    timeout(LONG, SinkExt::flush(&mut a)).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn closing_a_sink_tells_that_the_link_does_not_let_go() {
    let (mut a, _b) = pair(None);
    a.feed(payload(5)).await.unwrap();
    assert_late(timeout(LONG, SinkExt::close(&mut a)).await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_lets_go_just_in_time_fails_nothing() {
    let keeps = N_AS * 9 / 10;
    let (mut a, _b) = pair(Some(keeps));
    for _ in 0..3 {
        let begin = tokio::time::Instant::now();
        a.send(payload(3)).await.unwrap();
        assert_eq!(begin.elapsed(), keeps);
    }
}

#[tokio::test(start_paused = true)]
async fn each_frame_that_the_link_may_have_gets_its_own_n_as() {
    // A first frame and two consecutive ones.
    let (mut a, mut b) = pair(Some(N_AS * 29 / 10));
    let (sent, received) = tokio::join!(a.send(payload(20)), b.recv());
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), payload(20));
    let (mut a, mut b) = pair(Some(N_AS * 31 / 10));
    let (sent, received) = tokio::join!(a.send(payload(20)), b.recv());
    assert_late(sent, 20);
    assert_eq!(received.unwrap().unwrap(), payload(20));
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_notices_the_late_link_wakes_the_writer() {
    let (mut a, _b) = pair(None);
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    a.feed(payload(3)).await.unwrap();
    while woken.0.swap(false, Ordering::SeqCst) || a.sending().is_some() {
        let flushed = a.poll_flush_unpin(&mut Context::from_waker(&waker));
        assert!(flushed.is_pending());
    }
    // The time has come, and no timer has rung yet.
    let _no_turn_for_timers = tokio::time::advance(N_AS).now_or_never();
    assert!(!woken.0.load(Ordering::SeqCst));
    assert!(a.next().now_or_never().is_none());
    assert!(woken.0.load(Ordering::SeqCst));
    let flushed = a.poll_flush_unpin(&mut Context::from_waker(&waker));
    let Poll::Ready(outcome) = flushed else {
        panic!("still pending");
    };
    assert_late(outcome, 3);
}

#[test]
fn the_bound_has_an_end() {
    let n_as = Micros::covering(N_AS);
    let mut held = Held::default();
    assert_eq!(held.due(Instant::ZERO, n_as), Instant::from_millis(1000));
    held.add(u64::MAX);
    held.add(1);
    assert_eq!(held.due(Instant::ZERO, n_as), Instant::from_millis(128_000));
    held.clear();
    assert!(held.is_empty());
}
