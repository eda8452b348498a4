//! A collector in memory that misbehaves as it is told: what the sender writes is taken apart as it is
//! written.

use alloc::sync::Arc;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::boxed::Box;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Mutex;
use std::vec::Vec;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::control::{ControlFrame, ControlLimit, ControlType};
use crate::frame::OwnedRun;
use crate::{Frame, FrameConfig, Parser};

/// What a connection does. Byte counts are of everything that is written, READY included.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) refuse: bool,
    pub(super) connect_after: Duration,
    pub(super) accept: bool,
    pub(super) finish: bool,
    pub(super) answer_after: Duration,
    /// Closes as soon as it has accepted.
    pub(super) close_on_accept: bool,
    /// Takes so many bytes, then fails.
    pub(super) cut_after: Option<usize>,
    /// Takes so many bytes, then no more.
    pub(super) stall_after: Option<usize>,
    /// Takes at most so many bytes at a time.
    pub(super) gulp: usize,
    /// And pauses so long after each.
    pub(super) pause: Duration,
    pub(super) vectored: bool,
}

impl Plan {
    pub(super) const fn good() -> Self {
        Self {
            refuse: false,
            connect_after: Duration::ZERO,
            accept: true,
            finish: true,
            answer_after: Duration::ZERO,
            close_on_accept: false,
            cut_after: None,
            stall_after: None,
            gulp: usize::MAX,
            pause: Duration::ZERO,
            vectored: true,
        }
    }
}

/// What a collector has of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    /// Numbers of the frames that arrived whole.
    pub(super) frames: Vec<u64>,
    /// When the frames were whole, by the paused clock.
    pub(super) at: Vec<tokio::time::Instant>,
    /// Whether it has sent FINISH: what it had until then is safe.
    pub(super) finished: bool,
    pub(super) stopped: bool,
}

/// Who waits for something to read, and whether the connection is closed under it.
type Reader = (Waker, Arc<Mutex<bool>>);

/// All that happened, connection by connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Collector {
    pub(super) logs: Arc<Mutex<Vec<Log>>>,
    readers: Arc<Mutex<Vec<Reader>>>,
    pub(super) attempts: Arc<Mutex<Vec<tokio::time::Instant>>>,
}

impl Collector {
    /// Makes connections by the plans, in order; the last one for ever.
    pub(super) fn connect(
        &self,
        plans: Vec<Plan>,
    ) -> impl FnMut() -> Pin<Box<dyn Future<Output = io::Result<Wire>> + Send>> + Send + 'static {
        let mut plans = VecDeque::from(plans);
        let collector = self.clone();
        move || {
            let plan = if plans.len() > 1 {
                plans.pop_front()
            } else {
                plans.front().cloned()
            };
            let plan = plan.unwrap();
            let collector = collector.clone();
            Box::pin(async move {
                collector.attempts.lock().unwrap().push(now());
                if !plan.connect_after.is_zero() {
                    sleep(plan.connect_after).await;
                }
                if plan.refuse {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                let mut logs = collector.logs.lock().unwrap();
                logs.push(Log::default());
                let index = logs.len() - 1;
                drop(logs);
                Ok(Wire {
                    collector,
                    index,
                    plan,
                    taken: 0,
                    input: Vec::new(),
                    parser: Parser::default(),
                    answers: Vec::new(),
                    answer_at: None,
                    pause: None,
                    closed: Arc::default(),
                })
            })
        }
    }

    pub(super) fn logs(&self) -> Vec<Log> {
        self.logs.lock().unwrap().clone()
    }

    /// Every frame of every connection, in order of arrival.
    pub(super) fn frames(&self) -> Vec<u64> {
        self.logs().into_iter().flat_map(|log| log.frames).collect()
    }

    /// Closes the connections that wait for something to read.
    pub(super) fn hang_up(&self) {
        for (waker, closed) in self.readers.lock().unwrap().drain(..) {
            *closed.lock().unwrap() = true;
            waker.wake();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test reads the paused clock")]
pub(super) fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// The sender's end of a connection.
#[derive(Debug)]
pub(super) struct Wire {
    collector: Collector,
    index: usize,
    plan: Plan,
    taken: usize,
    input: Vec<u8>,
    parser: Parser,
    answers: Vec<u8>,
    answer_at: Option<Pin<Box<Sleep>>>,
    pause: Option<Pin<Box<Sleep>>>,
    closed: Arc<Mutex<bool>>,
}

impl Wire {
    /// How much may be taken now.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if *self.closed.lock().unwrap() || self.plan.cut_after.is_some_and(|cut| cut <= self.taken) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let limits = [self.plan.cut_after, self.plan.stall_after];
        let left = limits
            .into_iter()
            .flatten()
            .map(|limit| limit.saturating_sub(self.taken))
            .min();
        match left.map_or(self.plan.gulp, |left| left.min(self.plan.gulp)) {
            0 => Poll::Pending,
            room => Poll::Ready(Ok(room)),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.taken += bytes.len();
        self.input.extend_from_slice(bytes);
        if !self.plan.pause.is_zero() {
            self.pause = Some(Box::pin(sleep(self.plan.pause)));
        }
        let mut at = 0;
        loop {
            let parsed = self
                .parser
                .parse(&self.input[at..])
                .expect("a sender sends frames");
            at += parsed.consumed;
            match parsed.frame {
                Some(Frame::Data(payload)) => {
                    let mut logs = self.collector.logs.lock().unwrap();
                    logs[self.index].frames.push(number(payload));
                    logs[self.index].at.push(now());
                }
                Some(Frame::Control(control)) => match control.control_type() {
                    ControlType::Ready if self.plan.accept => {
                        let accept = ControlFrame::build(
                            ControlType::Accept,
                            core::iter::empty(),
                            ControlLimit::Narrow,
                        );
                        self.answer(accept.unwrap());
                        if self.plan.close_on_accept {
                            self.plan.cut_after = Some(self.taken);
                        }
                    }
                    ControlType::Stop => {
                        let mut logs = self.collector.logs.lock().unwrap();
                        logs[self.index].stopped = true;
                        drop(logs);
                        if self.plan.finish {
                            self.answer(ControlFrame::finish());
                        }
                    }
                    _ => {}
                },
                Some(other) => panic!("{other:?}"),
                None => break,
            }
        }
        self.input.drain(..at);
    }

    fn answer(&mut self, frame: ControlFrame) {
        self.answers.extend_from_slice(frame.as_bytes());
        self.answer_at = Some(Box::pin(sleep(self.plan.answer_after)));
        for (waker, _) in self.collector.readers.lock().unwrap().drain(..) {
            waker.wake();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(answer_at) = &mut this.answer_at {
            if answer_at.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            this.answer_at = None;
            buffer.put_slice(&core::mem::take(&mut this.answers));
            let mut logs = this.collector.logs.lock().unwrap();
            let log = &mut logs[this.index];
            log.finished = log.stopped;
            return Poll::Ready(Ok(()));
        }
        let is_cut = this.plan.cut_after.is_some_and(|cut| cut <= this.taken);
        if is_cut || *this.closed.lock().unwrap() {
            return Poll::Ready(Ok(()));
        }
        let mut readers = this.collector.readers.lock().unwrap();
        readers.push((cx.waker().clone(), Arc::clone(&this.closed)));
        Poll::Pending
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let room = ready!(this.poll_room(cx))?.min(bytes.len());
        this.take(&bytes[..room]);
        Poll::Ready(Ok(room))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let room = ready!(this.poll_room(cx))?;
        let bytes: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .take(room)
            .collect();
        this.take(&bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn is_write_vectored(&self) -> bool {
        self.plan.vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A payload that begins with its number.
pub(super) fn payload(number: u64, len: usize) -> Bytes {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(len.max(8), 0xA5);
    payload.into()
}

/// Frames of these numbers as a run.
pub(super) fn run(numbers: core::ops::Range<u64>, len: usize) -> OwnedRun {
    let payloads: Vec<_> = numbers.map(|number| payload(number, len)).collect();
    OwnedRun::encode(payloads.iter().map(|payload| &payload[..]), FrameConfig::new()).unwrap()
}

fn number(payload: &[u8]) -> u64 {
    u64::from_be_bytes(*payload.first_chunk().unwrap())
}
