//! The task that moves a network: frames, time and events. It makes no protocol decision.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use can_link::link::{CanLink, EventBuf, Origin};
use can_link::{CanFrame, Event as LinkEvent, FilterSet, LinkError};
use tinwire_time::Instant;
use tokio::sync::oneshot;

use super::echoes::Echoes;
use super::filters::{Confirmation, filters};
use super::shared::{Shared, State, again};
use crate::address::TxAddress;
use crate::alarm::Alarm;
use crate::channel::SourceChannel;
use crate::endpoints::EndpointId;
use crate::pci::Pci;

/// Link events taken at once, and frames handed to the link at once.
const BATCH: usize = 32;
/// Batches moved before other tasks get their turn.
const MAX_ROUNDS: usize = 16;
/// How long new frames wait at most for a flush: less than any peer waits for a flow control, and enough for
/// a slow bus to send a few.
const MAX_PAUSE: Duration = Duration::from_millis(200);

/// Whose frame it is.
enum Owner {
    Endpoint(EndpointId),
    Raw(oneshot::Sender<Result<(), can_link::SendError>>),
}

/// Moves a [`Network`](super::Network): a future that ends when the last handle is dropped, or the link ends.
///
/// A driver that is dropped before that ends the network as a lost link does.
pub struct Driver<L> {
    link: L,
    shared: Arc<Shared>,
    confirmation: Confirmation,
    incoming: EventBuf,
    /// Frames taken from the machine that the link has not taken yet, in order, and whose they are.
    outgoing: Vec<CanFrame>,
    owners: Vec<Owner>,
    echoes: Echoes,
    /// What the link was last told to deliver.
    filters: Option<FilterSet>,
    /// Frames to take from the machine at once: about what the link takes at once. On a busy link a frame
    /// then waits for few others once it has had its turn.
    room: usize,
    /// Until when new frames wait for a flush that is under way.
    pause: Option<Instant>,
    /// Whether a raw frame has the next turn, where one waits.
    raw_turn: bool,
    alarm: Alarm,
}

impl<L: CanLink> Driver<L> {
    pub(super) fn new(link: L, shared: Arc<Shared>, confirmation: Confirmation) -> Self {
        Self {
            link,
            shared,
            confirmation,
            incoming: EventBuf::with_capacity(BATCH),
            outgoing: Vec::with_capacity(BATCH),
            owners: Vec::with_capacity(BATCH),
            echoes: Echoes::default(),
            filters: None,
            room: BATCH,
            pause: None,
            raw_turn: false,
            alarm: Alarm::default(),
        }
    }

    /// Tells the link what is wanted, when that has changed.
    fn set_filters(&mut self) {
        let (wanted, waiting) = {
            let mut state = self.shared.lock();
            if !core::mem::take(&mut state.filters_changed) {
                return;
            }
            let waiting = core::mem::take(&mut state.filters_waiting);
            (filters(&state.endpoints, self.confirmation), waiting)
        };
        let set = match self.filters.as_ref() {
            Some(before) if *before == wanted => Ok(()),
            _ => self.link.set_filters(&wanted).map(drop),
        };
        if set.is_ok() {
            self.filters = Some(wanted);
        }
        for reply in waiting {
            // Whoever asked may have given up.
            let _ = reply.send(set.as_ref().copied().map_err(again));
        }
    }

    /// Takes a batch of events from the link; false when there is none.
    fn receive(&mut self, cx: &mut Context<'_>) -> Result<bool, LinkError> {
        match self.link.poll_recv(cx, &mut self.incoming, BATCH) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(0)) => return Err(LinkError::Closed),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => return Err(error),
        }
        let mut state = self.shared.lock();
        let now = state.tick();
        while let Some(event) = self.incoming.pop_front() {
            let LinkEvent::Frame(received) = event else {
                state.note_link(event);
                continue;
            };
            match (received.origin, self.confirmation) {
                (Origin::Own, Confirmation::Echo) => {
                    if let Some(owner) = self.echoes.take(&received.frame) {
                        state.endpoints.handle_transmitted(now, owner, &received.frame);
                    }
                }
                (Origin::Own, Confirmation::Taken) => {}
                _ => state.endpoints.handle_frame(now, &received.frame),
            }
            // After each frame, for a channel keeps few events.
            state.collect();
        }
        Ok(true)
    }

    /// Hands a batch of frames to the link; false when there is none, or the link takes none.
    fn transmit(&mut self, cx: &mut Context<'_>) -> bool {
        let waits = self.flush(cx);
        {
            let shared = Arc::clone(&self.shared);
            let mut state = shared.lock();
            // Frames come before timers: one that waited in a queue is not late.
            let now = state.tick();
            state.endpoints.handle_timeout(now);
            state.collect();
            self.withdraw(&mut state);
            let room = if waits || !self.outgoing.is_empty() {
                0
            } else {
                self.room
            };
            while self.outgoing.len() < room
                && let Some((owner, frame)) = next_frame(&mut state, &mut self.raw_turn)
            {
                self.owners.push(owner);
                self.outgoing.push(frame);
            }
            state.collect();
        }
        if self.outgoing.is_empty() {
            return false;
        }
        let Poll::Ready(sent) = self.link.poll_send(cx, &self.outgoing) else {
            return false;
        };
        let mut state = self.shared.lock();
        let now = state.tick();
        let taken = match sent {
            Ok(taken) => taken.min(self.outgoing.len()),
            Err(error) => {
                // About the first frame alone, and there is one.
                let (owner, frame) = (self.owners.remove(0), self.outgoing.remove(0));
                refuse(&mut state, owner, &frame, error);
                return true;
            }
        };
        self.room = (2 * taken).clamp(1, BATCH);
        if self.confirmation == Confirmation::Taken {
            state.held.add(u64::try_from(taken).unwrap_or(u64::MAX));
        }
        for (owner, frame) in self.owners.drain(..taken).zip(self.outgoing.drain(..taken)) {
            match (owner, self.confirmation) {
                // Whoever sent it may have given up.
                (Owner::Raw(reply), _) => drop(reply.send(Ok(()))),
                (Owner::Endpoint(id), Confirmation::Echo) => self.echoes.await_one(id, frame),
                (Owner::Endpoint(id), Confirmation::Taken) => {
                    state.endpoints.handle_transmitted(now, id, &frame);
                    state.collect();
                }
            }
        }
        true
    }

    /// Takes frames back whose message failed, or whose endpoint is gone, before the link has them.
    fn withdraw(&mut self, state: &mut State) {
        let withdrawn = core::mem::take(&mut state.withdrawn);
        if withdrawn.is_empty() {
            return;
        }
        let follows = |id: EndpointId, frame: &CanFrame| {
            // What failed is what it sends; what it receives goes on.
            let answers = |channel: &SourceChannel| is_flow_control(frame, channel.address().tx());
            !withdrawn.contains(&id) || state.endpoints.get(id).is_some_and(answers)
        };
        let all = self.owners.drain(..).zip(self.outgoing.drain(..));
        let kept = all.filter(|(owner, frame)| match owner {
            Owner::Endpoint(id) => follows(*id, frame),
            Owner::Raw(_) => true,
        });
        (self.owners, self.outgoing) = kept.unzip();
        self.echoes.retain(follows);
    }

    /// Asks the link to let go of what it took, while somebody waits for that, and tells whether new frames
    /// are to wait: a link that is never idle might never be through. They wait for a while only, batch by
    /// batch, for a link whose bus is dead is never through either.
    fn flush(&mut self, cx: &mut Context<'_>) -> bool {
        if self.shared.lock().through.is_empty() {
            self.pause = None;
            return false;
        }
        let flushed = self.link.poll_flush(cx);
        let mut state = self.shared.lock();
        if let Poll::Ready(flushed) = flushed {
            state.flushed(flushed.as_ref().err());
            self.pause = None;
            return false;
        }
        let now = state.tick();
        state.fail_late();
        let over = *self.pause.get_or_insert_with(|| now + MAX_PAUSE);
        if over <= now {
            self.pause = None;
        }
        over > now
    }

    /// Whether no handle has used the machine meanwhile. From now on they wake this task.
    fn may_sleep(&self, cx: &Context<'_>) -> bool {
        let mut state = self.shared.lock();
        if !state.stirred {
            state.task = Some(cx.waker().clone());
        }
        !state.stirred
    }

    /// Sets the alarm to the next timeout; true when that has come already.
    fn alarm_rings(&mut self, cx: &mut Context<'_>) -> bool {
        let moments = {
            let mut state = self.shared.lock();
            let now = state.tick();
            let flushes = state.through.iter().map(|(_, _, through)| through.due);
            let flushes = flushes.chain(self.pause).min();
            let due = state.endpoints.poll_timeout().into_iter().chain(flushes).min();
            due.and_then(|due| Some((state.origin.deadline(now)?, state.origin.deadline(due)?)))
        };
        let Some((now, due)) = moments else {
            return false;
        };
        let [now, due] = [now, due].map(tokio::time::Instant::from_std);
        self.alarm.poll(cx, now, due).is_ready()
    }
}

impl<L: CanLink> Future for Driver<L> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        for _ in 0..MAX_ROUNDS {
            {
                let mut state = this.shared.lock();
                if state.is_unused() {
                    return Poll::Ready(());
                }
                state.stirred = false;
            }
            let received = match this.receive(cx) {
                Ok(received) => received,
                Err(error) => {
                    this.shared.lock().end(error);
                    return Poll::Ready(());
                }
            };
            // Before anything is sent: who has just joined a group waits for echoes, too.
            this.set_filters();
            let sent = this.transmit(cx);
            if !received && !sent && !this.alarm_rings(cx) && this.may_sleep(cx) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<L> Drop for Driver<L> {
    fn drop(&mut self) {
        self.shared.lock().end(LinkError::Closed);
    }
}

impl<L> fmt::Debug for Driver<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("outgoing", &self.outgoing.len())
            .finish_non_exhaustive()
    }
}

fn is_flow_control(frame: &CanFrame, tx: &TxAddress) -> bool {
    let decoded = tx.matches(frame).map(|(_, data)| Pci::decode(data, tx.prefix()));
    matches!(decoded, Some(Ok((Pci::FlowControl(_), _))))
}

/// The next frame to send: raw ones take turns with those of all endpoints.
fn next_frame(state: &mut State, raw_turn: &mut bool) -> Option<(Owner, CanFrame)> {
    let now = state.now;
    *raw_turn = !*raw_turn;
    if *raw_turn && let Some(raw) = state.next_raw() {
        return Some(raw);
    }
    let frame = state.endpoints.poll_transmit(now);
    let frame = frame.map(|(id, frame)| (Owner::Endpoint(id), frame));
    frame.or_else(|| state.next_raw())
}

impl State {
    fn next_raw(&mut self) -> Option<(Owner, CanFrame)> {
        let raw = self.raw.pop_front()?;
        self.raw_writers.wake(&mut self.wakes);
        Some((Owner::Raw(raw.reply), raw.frame))
    }
}

/// The link refused a frame: tells whoever sent it.
fn refuse(state: &mut State, owner: Owner, frame: &CanFrame, error: can_link::SendError) {
    match owner {
        Owner::Raw(reply) => drop(reply.send(Err(error))),
        Owner::Endpoint(id) => {
            let now = state.now;
            // The cause is of the failure that follows only: left behind, it would be told of a later one.
            state.collect();
            state.refusal = Some(error);
            state.endpoints.handle_not_transmitted(now, id, frame);
            state.collect();
            state.refusal = None;
        }
    }
}
