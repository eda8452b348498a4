//! A flow that any number of threads use.

mod settings;

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec;
use alloc::vec::Vec;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

pub use settings::{FRCT_LINGER, FRCT_RESCNTL, FRCT_RETRANSMIT};

use super::bell::{Bell, Ended};
use super::error::Error;
use super::process;
use crate::error::{AcceptError, ReadError, WriteError};
use crate::event::FlowId;
use crate::flow::{DEFAULT_LINGER, FlowFlags};
use crate::name::Name;
use crate::qos::QosSpec;

/// When a process that is bound to no name looks whether it is by now.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How much [`Flow::read`] is asked for by who says nothing to PyOuroboros.
pub const DEFAULT_READ: usize = 2048;

/// A flow, or the place for one. Clones are the same flow, which ends when it is deallocated or the last
/// clone is dropped.
///
/// All calls may be made from several threads at once; one that waits holds up no other.
#[derive(Clone, Debug, Default)]
pub struct Flow(Arc<Shared>);

#[derive(Debug, Default)]
pub(super) struct Shared {
    body: Mutex<Option<Body>>,
    bell: Arc<Bell>,
}

#[derive(Debug)]
struct Body {
    flow: crate::Flow,
    frct: u32,
}

/// Ends the waits of a flow, from another thread.
#[derive(Clone, Debug)]
pub struct Interrupter(Weak<Bell>);

impl Interrupter {
    pub(super) fn new(bell: &Arc<Bell>) -> Self {
        Self(Arc::downgrade(bell))
    }

    /// Ends the calls that wait now with [`Error::KeyboardInterrupt`], and returns how many those are.
    /// Nothing is lost by it, and later calls wait as ever.
    #[expect(clippy::must_use_candidate, reason = "most do not care how many there were")]
    pub fn interrupt(&self) -> usize {
        self.0.upgrade().map_or(0, |bell| bell.interrupt())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Body>> {
        // nothing panics half-way while it is locked
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for Flow {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Flow {}

impl Flow {
    /// A place for a flow.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn of(flow: crate::Flow) -> Self {
        let new = Self::new();
        *new.0.lock() = Some(Body::new(flow));
        new
    }

    pub(super) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.0)
    }

    pub(super) fn upgrade(weak: &Weak<Shared>) -> Option<Self> {
        weak.upgrade().map(Self)
    }

    /// Does something with the flow that is there.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut crate::Flow) -> T) -> Result<T, Error> {
        let mut body = self.0.lock();
        let body = body.as_mut().ok_or(Error::FlowNotAllocatedException)?;
        Ok(act(&mut body.flow))
    }

    fn vacant(&self) -> Result<(), Error> {
        match *self.0.lock() {
            Some(_) => Err(Error::FlowAllocatedException),
            None => Ok(()),
        }
    }

    /// Puts a flow in, unless another thread did so meanwhile.
    fn fill(&self, flow: crate::Flow) -> Result<QosSpec, Error> {
        let mut body = self.0.lock();
        if body.is_some() {
            return Err(Error::FlowAllocatedException);
        }
        Ok(body.insert(Body::new(flow)).flow.qos())
    }

    /// Allocates a flow to `dst` and waits until the peer accepts: with no `timeo` for ever, with zero only
    /// if it does at once. Returns what the flow has. No `qos` is [`QOS_RAW`](super::QOS_RAW).
    ///
    /// # Errors
    ///
    /// [`Error`]; [`FlowAllocatedException`](Error::FlowAllocatedException) when there is a flow already.
    pub fn alloc(&self, dst: &str, qos: Option<QosSpec>, timeo: Option<Duration>) -> Result<QosSpec, Error> {
        self.vacant()?;
        let (name, provider) = (Name::new(dst)?, process::provider()?);
        let asked = provider.alloc(&name, qos.unwrap_or_default(), None);
        self.fill(self.0.bell.block_on(timeo, asked)??)
    }

    /// Accepts the next flow to any name that this process is bound to: with no `timeo` waits for ever, with
    /// zero not at all. Returns what the flow has; [`name`](Self::name) says what was asked for.
    ///
    /// A process that is bound to no name waits too, as with the peer: another process may bind it at any
    /// time ([`bind_process`](super::bind_process)), and it accepts within a second then.
    ///
    /// # Errors
    ///
    /// As [`alloc`](Self::alloc).
    pub fn accept(&self, timeo: Option<Duration>) -> Result<QosSpec, Error> {
        self.vacant()?;
        let provider = process::provider()?;
        let accepted = async {
            loop {
                match provider.accept(None).await {
                    Err(AcceptError::NoName) => tokio::time::sleep(LOOK_AGAIN).await,
                    accepted => return accepted,
                }
            }
        };
        self.fill(self.0.bell.block_on(timeo, accepted)??)
    }

    /// Joins the broadcast layer `dst`. The quality of such a flow is fixed: what is asked beyond it is
    /// refused.
    ///
    /// # Errors
    ///
    /// As [`alloc`](Self::alloc).
    pub fn join(&self, dst: &str, qos: Option<QosSpec>, timeo: Option<Duration>) -> Result<QosSpec, Error> {
        self.vacant()?;
        if let Some(qos) = qos {
            let has = QosSpec::BROADCAST.grant(&qos);
            has.map_err(crate::error::AllocError::from)?;
        }
        let (name, provider) = (Name::new(dst)?, process::provider()?);
        self.fill(self.0.bell.block_on(timeo, provider.join(&name, None))??)
    }

    /// Ends the flow and waits, for at most [`DEFAULT_LINGER`], until the peer has read everything; without
    /// [`FRCT_LINGER`] it does not wait. Calls of other threads that wait for the flow end. Another flow can
    /// be allocated then.
    ///
    /// # Errors
    ///
    /// [`FlowNotAllocatedException`](Error::FlowNotAllocatedException) when there is none. After any other
    /// error there is none either; [`FlowDeallocWarning`](Error::FlowDeallocWarning) says that the peer has
    /// not read everything.
    pub fn dealloc(&self) -> Result<(), Error> {
        let body = self.0.lock().take();
        let Body { flow, frct } = body.ok_or(Error::FlowNotAllocatedException)?;
        self.0.bell.ring(); // who waits for it sees that it is gone
        if frct & FRCT_LINGER == 0 {
            return Ok(());
        }
        let drained = self.0.bell.block_on(None, flow.dealloc_within(DEFAULT_LINGER))?;
        drained.map_err(Error::FlowDeallocWarning)
    }

    /// Writes one packet and returns its length. Without a byte nothing is written and 0 is returned: a
    /// keepalive, which the flow sends by itself.
    ///
    /// # Errors
    ///
    /// [`Error`]; then nothing of the packet has left.
    pub fn write(&self, buf: &[u8]) -> Result<usize, Error> {
        if buf.is_empty() {
            return self.with(|_| 0);
        }
        let packet = Bytes::copy_from_slice(buf);
        self.writing(|flow, cx| flow.poll_write(cx, &packet).map_err(Error::from))?;
        Ok(buf.len())
    }

    /// Writes `ln` as a line of UTF-8 ended by `\n`, and returns how many bytes that are, the end included.
    ///
    /// # Errors
    ///
    /// [`Error`]; a [`ValueError`](Error::ValueError) when `ln` is more than one line.
    pub fn writeline(&self, ln: &str) -> Result<usize, Error> {
        let mut line = self.with(|flow| flow.line(ln))??;
        self.writing(|flow, cx| flow.poll_write_line(cx, &mut line).map_err(Error::from))?;
        Ok(ln.strip_suffix('\n').unwrap_or(ln).len() + 1)
    }

    /// Reads at most `count` bytes of the next packet; what does not fit comes with the next read, and after
    /// a piece that was `count` bytes and the packet's last comes an empty one.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn read(&self, count: usize) -> Result<Vec<u8>, Error> {
        // more than the longest packet never comes; one byte more than that sees its end
        let most = self.with(|flow| flow.max_packet().saturating_add(1))?;
        let mut buffer = vec![0; count.min(most)];
        let len = self.read_into(&mut buffer)?;
        buffer.truncate(len);
        Ok(buffer)
    }

    /// As [`read`](Self::read), into a buffer. Returns how many bytes.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn read_into(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.reading(|flow, cx| flow.poll_read(cx, buffer).map_err(Error::from))
    }

    /// The next line, without its end, however packets cut it.
    ///
    /// # Errors
    ///
    /// [`Error`]; a [`ValueError`](Error::ValueError) of a line that is not UTF-8.
    pub fn readline(&self) -> Result<String, Error> {
        self.reading(|flow, cx| flow.poll_read_line(cx).map_err(Error::from))
    }

    fn reading<T>(
        &self,
        poll: impl FnMut(&mut crate::Flow, &Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Result<T, Error> {
        let limit = self.with(|flow| {
            let never = flow.flags().contains(FlowFlags::NON_BLOCKING_READ);
            (never, flow.receive_timeout())
        })?;
        self.wait(limit, ReadError::WouldBlock, poll)
    }

    fn writing<T>(
        &self,
        poll: impl FnMut(&mut crate::Flow, &Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Result<T, Error> {
        let limit = self.with(|flow| {
            let never = flow.flags().contains(FlowFlags::NON_BLOCKING_WRITE);
            (never, flow.send_timeout())
        })?;
        self.wait(limit, WriteError::WouldBlock, poll)
    }

    /// Polls until there is a result; the flow is locked only while it is polled.
    fn wait<T>(
        &self,
        (never, timeout): (bool, Option<Duration>),
        would_block: impl Into<Error>,
        mut poll: impl FnMut(&mut crate::Flow, &Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Result<T, Error> {
        let timeout = if never { Some(Duration::ZERO) } else { timeout };
        let polled = self
            .0
            .bell
            .wait(timeout, |cx| match self.with(|flow| poll(flow, cx)) {
                Ok(polled) => polled,
                Err(error) => Poll::Ready(Err(error)),
            });
        match polled {
            Ok(result) => result,
            Err(Ended::TimedOut) if never => Err(would_block.into()),
            Err(ended) => Err(ended.into()),
        }
    }

    /// The flow as events of the asynchronous calls name it.
    pub(super) fn id(&self) -> Result<FlowId, Error> {
        self.with(|flow| flow.id())
    }

    /// What ends the waits of this flow from another thread; of its allocation, too.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter::new(&self.0.bell)
    }
}
