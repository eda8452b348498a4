//! The task that serves the link of a hub.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Mutex;
use std::time::SystemTime;

use super::shared::{self, End, PortId, Shared};
use crate::frame::CanFrame;
use crate::link::{CanRx, CanTx, ChannelId, EventBuf, Origin, OwnEcho, Received, SendError, Timestamp};

/// Events and frames moved per call into the link.
const BATCH: usize = 64;

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
        let _ = self.rx.set_filters(&filters);
    }

    /// Hands events to the ports; `Some` when the link has ended.
    fn receive(&mut self, cx: &mut Context<'_>, shared: &Mutex<Shared>) -> Option<End> {
        loop {
            match self.rx.poll_recv(cx, &mut self.incoming, BATCH) {
                Poll::Pending => return None,
                Poll::Ready(Ok(0)) => return Some(End::Closed),
                Poll::Ready(Err(_)) => return Some(End::Gone),
                Poll::Ready(Ok(_)) => {
                    let mut shared = shared::lock(shared);
                    self.incoming.drain(..).for_each(|event| shared.deliver(&event));
                }
            }
        }
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

    /// The first frame was refused; it is lost, and its sender is told. When the link is gone that goes for all.
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
        if shared::lock(shared).needs_flush() && self.tx.poll_flush(cx).is_ready() {
            // a failed flush is told by the next send; nothing further can be flushed of what was taken
            shared::lock(shared).all_flushed();
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
        if let Some(end) = this.receive(cx, &shared) {
            shared::lock(&shared).finish(end);
            return Poll::Ready(());
        }
        Poll::Pending
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
