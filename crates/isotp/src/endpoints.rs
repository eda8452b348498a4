//! Any number of channels on one bus, without I/O.
//!
//! [`Endpoints`] holds a [`SourceChannel`] for each endpoint and finds out which of them a frame, a timer or
//! a turn to send is for. It makes no protocol decision, and adds none of its own to what the channels do:
//! each endpoint behaves as it would alone.
//!
//! ```text
//! frame ──► Index: identifier, address byte ──► channel ──► turns (who may send) ──► poll_transmit
//!             │ nobody                             │   └──► news (who has events) ─► poll_event
//!             └──► groups: a responder? a new one  └──────► alarms (who is next) ──► poll_timeout
//! ```
//!
//! **Cost.** A frame costs one look into a hash table for each way of comparing identifiers in use (two at
//! most: all bits, or all but the priority), whatever the number of endpoints; a frame that nobody receives
//! costs that and a look at each group's rule. Timers are in a heap of those that run. Endpoints that neither
//! send nor receive cost nothing but their memory, below 1 KiB each.
//!
//! **Who receives what.** A physical identifier (with its address byte, where the mode has one) is received
//! by one endpoint: two that would acknowledge the same frames are refused. A functional identifier may be
//! received by any number of endpoints, and each gets a message of its own. Endpoints of one bus do not hear
//! each other, as nothing hears its own frames.

mod alarms;
mod claim;
mod error;
mod group;
mod id;
mod index;
mod slab;
mod table;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use alarms::Alarms;
use bytes::Bytes;
use can_link::CanFrame;
pub(crate) use claim::{Claim, Range};
pub use error::{Holder, InsertError};
#[cfg(feature = "tokio")]
pub(crate) use group::send_only;
use group::{Group, Membership};
pub use group::{GroupEvent, GroupRef, GroupStats};
pub use id::{EndpointId, GroupId};
use index::Index;
pub(crate) use slab::{Key, Slab};
use tinwire_time::Instant;

use crate::address::Address;
use crate::channel::SourceChannel;
use crate::config::Config;
use crate::error::SendError;
use crate::event::{Event, TransferId};
use crate::payload::{Outgoing, Payload};

/// The default of [`Endpoints::with_limit`].
pub const DEFAULT_ENDPOINT_LIMIT: usize = 65_536;

/// Counters of a bus; each endpoint has its own beside these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointsStats {
    /// Frames that somebody received.
    pub frames_taken: u64,
    /// Frames that nobody received.
    pub frames_unclaimed: u64,
    /// Group events that newer ones pushed out of a full queue, unpolled.
    pub events_lost: u64,
}

/// An endpoint and where it waits.
#[derive(Debug)]
struct Slot {
    channel: SourceChannel,
    membership: Membership,
    /// Whether it is among `turns`.
    has_turn: bool,
    /// Whether it is among `news`.
    has_news: bool,
}

/// Many ISO-TP endpoints on one bus, without any I/O.
///
/// # The loop around it
/// ```text
/// each frame from the bus      handle_frame(now, &frame)
/// each own frame, once sent    handle_transmitted(now, id, &frame)
/// a message to send            get_mut(id).send(now, payload)
/// then, until None             poll_event()                         get_mut(id).take_received(now)
/// then, until None             poll_transmit(now) -> (id, frame)
/// then sleep until             poll_timeout()     -> handle_timeout(now)
/// ```
/// `now` never goes back. What `poll_*` return changes after any call that takes `now`, and after
/// [`get_mut`](Self::get_mut). Poll events after each frame: a channel keeps six.
///
/// # Examples
/// ```
/// use bytes::Bytes;
/// use can_link::{CanFrame, StandardId};
/// use isotp::{Address, Config, Endpoints, Event};
/// use tinwire_time::Instant;
///
/// let id = |raw| StandardId::new(raw).unwrap();
/// let mut ecus = Endpoints::new();
/// let engine = ecus.insert(Address::normal(id(0x7E8), id(0x7E0))?, Config::default())?;
/// let gearbox = ecus.insert(Address::normal(id(0x7E9), id(0x7E1))?, Config::default())?;
///
/// let now = Instant::ZERO;
/// ecus.handle_frame(now, &CanFrame::data(id(0x7E1), &[0x02, 0x3E, 0x00]).unwrap());
/// let (whose, event) = ecus.poll_event().unwrap();
/// assert!(whose == gearbox && matches!(event, Event::Received { .. }));
/// let (_, request) = ecus.get_mut(gearbox).unwrap().take_received(now).unwrap();
/// assert_eq!(request[..], [0x3E, 0x00]);
///
/// ecus.get_mut(gearbox).unwrap().send(now, Bytes::from_static(&[0x7E, 0x00]))?;
/// let (whose, frame) = ecus.poll_transmit(now).unwrap();
/// assert_eq!((whose, frame.id()), (gearbox, id(0x7E9).into()));
/// ecus.handle_transmitted(now, whose, &frame);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Endpoints {
    /// Each on its own, so that a growing table neither moves them nor keeps room for twice as many.
    slots: Slab<Box<Slot>>,
    index: Index,
    groups: Slab<Group>,
    alarms: Alarms,
    /// Who may have a frame to send, each once, in the order of their turns.
    turns: VecDeque<EndpointId>,
    /// Who may have an event, each once.
    news: VecDeque<EndpointId>,
    group_events: VecDeque<(GroupId, GroupEvent)>,
    /// Whom the frame or the moment at hand is for; kept for its memory.
    takers: Vec<EndpointId>,
    limit: usize,
    stats: EndpointsStats,
}

impl Default for Endpoints {
    fn default() -> Self {
        Self::new()
    }
}

impl Endpoints {
    /// A bus without endpoints.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_limit(DEFAULT_ENDPOINT_LIMIT)
    }

    /// A bus for at most `limit` endpoints, the members of groups and one more for each group included.
    ///
    /// Default: 65,536.
    #[must_use]
    pub const fn with_limit(limit: usize) -> Self {
        Self {
            slots: Slab::new(),
            index: Index::new(),
            groups: Slab::new(),
            alarms: Alarms::new(),
            turns: VecDeque::new(),
            news: VecDeque::new(),
            group_events: VecDeque::new(),
            takers: Vec::new(),
            limit,
            stats: EndpointsStats {
                frames_taken: 0,
                frames_unclaimed: 0,
                events_lost: 0,
            },
        }
    }

    /// How many endpoints there are, the members of groups and one more for each group included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no endpoint.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counters since it was made.
    #[must_use]
    pub const fn stats(&self) -> &EndpointsStats {
        &self.stats
    }

    /// Adds an endpoint.
    ///
    /// # Errors
    /// When somebody receives its frames already, or there is no room.
    pub fn insert(&mut self, address: Address, config: Config) -> Result<EndpointId, InsertError> {
        let claim = Claim::of(address.rx());
        let rival = |(key, group): (Key, &Group)| {
            let claims = group.responders.claims();
            claims
                .iter()
                .any(|taken| taken.overlaps(&claim))
                .then_some(GroupId(key))
        };
        let group = self.groups.iter().find_map(rival).map(Holder::Group);
        let rival = group.or_else(|| self.index.rival(address.rx()).map(Holder::Endpoint));
        if let Some(holder) = rival {
            return Err(InsertError::clash(address.rx(), holder));
        }
        let id = self.add(address, config, Membership::None)?;
        self.index.insert(address.rx(), id);
        Ok(id)
    }

    /// Removes an endpoint with all it was doing, and tells whether it was there.
    ///
    /// Nothing tells its peers; they notice by their timers. The members of a group go with it alone.
    pub fn remove(&mut self, id: EndpointId) -> bool {
        match self.slots.get(id.0) {
            Some(slot) if slot.membership.group().is_none() => {
                self.discard(id);
                true
            }
            _ => false,
        }
    }

    /// An endpoint's channel.
    #[must_use]
    pub fn get(&self, id: EndpointId) -> Option<&SourceChannel> {
        self.slots.get(id.0).map(|slot| &slot.channel)
    }

    /// An endpoint's channel, to send and to take messages.
    ///
    /// What it has to send or to tell afterwards is found when what this returns is dropped.
    #[must_use]
    pub fn get_mut(&mut self, id: EndpointId) -> Option<EndpointMut<'_>> {
        self.slots.get(id.0)?;
        Some(EndpointMut { endpoints: self, id })
    }

    /// All endpoints.
    pub fn iter(&self) -> impl Iterator<Item = (EndpointId, &SourceChannel)> {
        self.slots
            .iter()
            .map(|(key, slot)| (EndpointId(key), &slot.channel))
    }

    /// A frame arrived from the bus.
    pub fn handle_frame(&mut self, now: Instant, frame: &CanFrame) {
        let mut takers = core::mem::take(&mut self.takers);
        takers.extend(self.index.takers(frame));
        if takers.is_empty() {
            takers.extend(self.admit(frame));
        }
        let counter = match takers.len() {
            0 => &mut self.stats.frames_unclaimed,
            _ => &mut self.stats.frames_taken,
        };
        *counter += 1;
        for id in takers.drain(..) {
            self.with(id, |channel| channel.handle_frame(now, frame));
        }
        self.takers = takers;
    }

    /// The link has sent `frame`, which came from [`poll_transmit`](Self::poll_transmit) for `id`; see
    /// [`Channel::handle_transmitted`](crate::Channel::handle_transmitted).
    pub fn handle_transmitted(&mut self, now: Instant, id: EndpointId, frame: &CanFrame) {
        self.with(id, |channel| channel.handle_transmitted(now, frame));
    }

    /// The link will not send `frame`, which came from [`poll_transmit`](Self::poll_transmit) for `id`: its
    /// message fails.
    pub fn handle_not_transmitted(&mut self, now: Instant, id: EndpointId, frame: &CanFrame) {
        self.with(id, |channel| channel.handle_not_transmitted(now, frame));
    }

    /// The link is gone: ends every transfer as failed.
    pub fn handle_link_lost(&mut self) {
        let all: Vec<_> = self.slots.iter().map(|(key, _)| EndpointId(key)).collect();
        for id in all {
            self.with(id, SourceChannel::handle_link_lost);
        }
    }

    /// The next frame to send, if one is due, and whose it is. Call it until `None`.
    ///
    /// Endpoints with something to send take turns, one frame each.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<(EndpointId, CanFrame)> {
        while let Some(id) = self.turns.pop_front() {
            let Some(slot) = self.slots.get_mut(id.0) else {
                continue;
            };
            slot.has_turn = false;
            let Some(frame) = slot.channel.poll_transmit(now) else {
                // A rate limit may have held it back until a moment that was not known before.
                self.alarms.set(id.0.place(), slot.channel.poll_timeout());
                // The source of its message may have failed.
                if !core::mem::replace(&mut slot.has_news, true) {
                    self.news.push_back(id);
                }
                continue;
            };
            self.note(id);
            return Some((id, frame));
        }
        None
    }

    /// The next event, and whose it is. Call it until `None`.
    ///
    /// Those of one endpoint are in order.
    pub fn poll_event(&mut self) -> Option<(EndpointId, Event)> {
        while let Some(id) = self.news.front().copied() {
            if let Some(slot) = self.slots.get_mut(id.0) {
                if let Some(event) = slot.channel.poll_event() {
                    return Some((id, event));
                }
                slot.has_news = false;
            }
            self.news.pop_front();
        }
        None
    }

    /// The next event of a group, and which. At most 64 are kept; a full queue loses its oldest.
    pub fn poll_group_event(&mut self) -> Option<(GroupId, GroupEvent)> {
        self.group_events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.alarms.earliest()
    }

    /// Lets the timers expire that are due. Early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        // All of them first: one that asks for a moment that has passed is asked again at the next call.
        let mut ringing = core::mem::take(&mut self.takers);
        while let Some(place) = self.alarms.due(now) {
            self.alarms.set(place, None);
            ringing.extend(self.slots.at(place).map(EndpointId));
        }
        for id in ringing.drain(..) {
            self.with(id, |channel| channel.handle_timeout(now));
        }
        self.takers = ringing;
    }

    /// Does something with a channel, and notes what that channel may have to send or to tell afterwards.
    fn with(&mut self, id: EndpointId, act: impl FnOnce(&mut SourceChannel)) {
        if let Some(slot) = self.slots.get_mut(id.0) {
            act(&mut slot.channel);
            self.note(id);
        }
    }

    /// Notes what a channel that was used may have to send or to tell, and until when it may sleep.
    fn note(&mut self, id: EndpointId) {
        let Some(slot) = self.slots.get_mut(id.0) else {
            return;
        };
        self.alarms.set(id.0.place(), slot.channel.poll_timeout());
        if !core::mem::replace(&mut slot.has_turn, true) {
            self.turns.push_back(id);
        }
        if !core::mem::replace(&mut slot.has_news, true) {
            self.news.push_back(id);
        }
    }

    /// Adds a channel that receives nothing yet.
    fn add(
        &mut self,
        address: Address,
        config: Config,
        membership: Membership,
    ) -> Result<EndpointId, InsertError> {
        let full = InsertError::Full { limit: self.limit };
        if self.slots.len() >= self.limit {
            return Err(full);
        }
        let slot = Box::new(Slot {
            channel: SourceChannel::new(address, config),
            membership,
            has_turn: false,
            has_news: false,
        });
        self.slots.insert(slot).map(EndpointId).ok_or(full)
    }

    fn discard(&mut self, id: EndpointId) {
        if let Some(slot) = self.slots.remove(id.0) {
            // Its turn and its news are passed over when they come up.
            self.alarms.set(id.0.place(), None);
            if !matches!(slot.membership, Membership::Sender(_)) {
                self.index.remove(slot.channel.address().rx(), id);
            }
            self.sweep();
        }
    }

    /// Forgets the turns and news of endpoints that are gone, once these are the most: while the link is
    /// stuck nobody polls.
    fn sweep(&mut self) {
        let most = 2 * self.slots.len() + 16;
        for waiting in [&mut self.turns, &mut self.news] {
            if waiting.len() > most {
                waiting.retain(|id| self.slots.get(id.0).is_some());
            }
        }
    }
}

/// An endpoint's channel in an [`Endpoints`]; see [`Endpoints::get_mut`].
#[derive(Debug)]
pub struct EndpointMut<'a> {
    endpoints: &'a mut Endpoints,
    id: EndpointId,
}

impl EndpointMut<'_> {
    /// Sends a message to one node; see [`Channel::send`](crate::Channel::send).
    ///
    /// # Errors
    /// When the message cannot be sent, or another one is under way; no frame has left then.
    pub fn send(&mut self, now: Instant, message: Bytes) -> Result<TransferId, SendError> {
        (**self).send(now, message.into())
    }

    /// Sends a message to all nodes, which must fit a single frame.
    ///
    /// # Errors
    /// As [`send`](Self::send), and when the message needs more than one frame.
    pub fn send_functional(&mut self, now: Instant, message: Bytes) -> Result<TransferId, SendError> {
        (**self).send_functional(now, message.into())
    }

    /// Sends a message to one node whose bytes `source` produces meanwhile.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_from(
        &mut self,
        now: Instant,
        source: impl Payload + Send + 'static,
    ) -> Result<TransferId, SendError> {
        (**self).send(now, Outgoing::from_source(source))
    }
}

impl Deref for EndpointMut<'_> {
    type Target = SourceChannel;

    fn deref(&self) -> &SourceChannel {
        let slot = self.endpoints.slots.get(self.id.0);
        &slot
            .expect("looked up when this was made, and borrowed since")
            .channel
    }
}

impl DerefMut for EndpointMut<'_> {
    fn deref_mut(&mut self) -> &mut SourceChannel {
        let slot = self.endpoints.slots.get_mut(self.id.0);
        &mut slot
            .expect("looked up when this was made, and borrowed since")
            .channel
    }
}

impl Drop for EndpointMut<'_> {
    fn drop(&mut self) {
        self.endpoints.note(self.id);
    }
}

#[cfg(test)]
mod tests;
