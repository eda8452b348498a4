//! The task that serves the link of a hub.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::sync::Mutex;
use std::time::SystemTime;

use super::seat::PortId;
use super::shared::{self, End, Shared};
use crate::frame::CanFrame;
use crate::link::{CanRx, CanTx, ChannelId, EventBuf, Origin, OwnEcho, Received, SendError, Timestamp};

/// Events and frames moved per call into the link.
const BATCH: usize = 64;
/// Batches received before other tasks get their turn.
const MAX_BATCHES: usize = 16;

/// Moves events from the link to the ports and frames from the ports to the link.
pub(super) struct Task {
    rx: Box<dyn CanRx>,
    tx: Box<dyn CanTx>,
    shared: Arc<Mutex<Shared>>,
    incoming: EventBuf,
    /// Frames taken from the ports that the link has not taken yet, in order.
    outgoing: VecDeque<(PortId, CanFrame)>,
    /// The frames of `outgoing` alone, as the link wants them.
    frames: Vec<CanFrame>,
}

impl Task {
    pub(super) fn new(rx: Box<dyn CanRx>, tx: Box<dyn CanTx>, shared: Arc<Mutex<Shared>>) -> Self {
        Self {
            rx,
            tx,
            shared,
            incoming: EventBuf::new(),
            outgoing: VecDeque::new(),
            frames: Vec::new(),
        }
    }

    /// Sets the link's filters when a port's have changed.
    fn update_filters(&mut self, shared: &Mutex<Shared>) {
        let filters = {
            let mut shared = shared::lock(shared);
            if !core::mem::take(&mut shared.filters_changed) {
                return;
            }
            shared.union_of_filters()
        };
        // ports filter again in any case, so a link that cannot costs time only
        if self.rx.set_filters(&filters).is_ok() {
            shared::lock(shared).link_filters = filters;
        }
    }

    /// Hands events to the ports until there are none, or it is others' turn; ready when the link has ended.
    fn receive(&mut self, cx: &mut Context<'_>, shared: &Mutex<Shared>) -> Poll<()> {
        for _ in 0..MAX_BATCHES {
            match ready!(self.rx.poll_recv(cx, &mut self.incoming, BATCH)) {
                Ok(0) => {
                    shared::lock(shared).finish(None, End::Closed);
                    return Poll::Ready(());
                }
                Err(error) => {
                    shared::lock(shared).finish(Some(error), End::Gone);
                    return Poll::Ready(());
                }
                Ok(_) => {
                    let mut shared = shared::lock(shared);
                    self.incoming.drain(..).for_each(|event| shared.deliver(&event));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Hands frames to the link until it or the ports have no more.
    fn transmit(&mut self, cx: &mut Context<'_>, shared: &Mutex<Shared>) {
        loop {
            if self.outgoing.is_empty() {
                shared::lock(shared).collect(&mut self.outgoing, BATCH);
                self.frames.clear();
                self.frames
                    .extend(self.outgoing.iter().map(|(_, frame)| frame.clone()));
            }
            let unsent = self.frames.len() - self.outgoing.len();
            let frames = self.frames.get(unsent..).unwrap_or_default();
            if frames.is_empty() {
                return;
            }
            match self.tx.poll_send(cx, frames) {
                Poll::Pending => return,
                Poll::Ready(Ok(taken)) => {
                    let mut shared = shared::lock(shared);
                    for (id, frame) in self.outgoing.drain(..taken.min(self.outgoing.len())) {
                        let stamp = |frame| local_echo(frame);
                        let echo: Option<&dyn Fn(CanFrame) -> Received> =
                            (shared.capabilities.own_echo == OwnEcho::None).then_some(&stamp);
                        shared.taken(id, frame, echo);
                    }
                }
                Poll::Ready(Err(error)) => self.refuse(shared, error),
            }
        }
    }

    /// The first frame was refused; it is lost, and its sender is told. When the link is gone that goes for
    /// all.
    fn refuse(&mut self, shared: &Mutex<Shared>, error: SendError) {
        let mut shared = shared::lock(shared);
        if matches!(error, SendError::Gone | SendError::Closed) {
            for (id, _) in self.outgoing.drain(..) {
                shared.refused(id, shared::kind_of(&error));
            }
        } else if let Some((id, _)) = self.outgoing.pop_front() {
            shared.refused(id, error);
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>, shared: &Mutex<Shared>) {
        if !shared::lock(shared).needs_flush() {
            return;
        }
        match self.tx.poll_flush(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => shared::lock(shared).all_flushed(),
            Poll::Ready(Err(error)) => shared::lock(shared).flush_failed(&error),
        }
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let shared = Arc::clone(&this.shared);
        {
            let mut shared = shared::lock(&shared);
            if shared.users == 0 {
                return Poll::Ready(());
            }
            shared.task = Some(cx.waker().clone());
        }
        this.update_filters(&shared);
        this.transmit(cx, &shared);
        this.flush(cx, &shared);
        this.receive(cx, &shared)
    }
}

/// A runtime that shuts down, or a link that panics, must not leave the ports waiting for ever.
impl Drop for Task {
    fn drop(&mut self) {
        shared::lock(&self.shared).finish(None, End::Gone);
    }
}

/// What the other ports see of a frame that the link has taken.
fn local_echo(frame: CanFrame) -> Received {
    let time = Timestamp {
        host: SystemTime::now(),
        hardware: None,
        monotonic: tokio::time::Instant::now().into_std(),
    };
    Received {
        frame,
        time,
        origin: Origin::LocalHost,
        channel: ChannelId::default(),
    }
}
