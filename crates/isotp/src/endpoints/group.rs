//! Groups: one functional request, an answer from anybody.

use alloc::vec::Vec;

use can_link::{CanFrame, Id, StandardId};

use super::{Claim, EndpointId, Endpoints, GroupId, Holder, InsertError};
use crate::address::{Address, RxAddress, Target, TxAddress};
use crate::config::Config;
use crate::pci::Pci;
use crate::responders::{Responder, Responders};

/// Something that happened in a group, beside the events of its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupEvent {
    /// A responder spoke for the first time, and is a member now.
    Joined {
        /// The endpoint that listens to it.
        member: EndpointId,
        /// Who it is.
        responder: Responder,
    },
    /// A responder spoke, and there is no room for it: what it said is lost.
    TooMany {
        /// Who it is.
        responder: Responder,
        /// How many members there are.
        limit: usize,
    },
}

/// Counters of a group since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupStats {
    /// Responders that became members.
    pub joined: u64,
    /// First frames of messages from responders that there was no room for.
    pub refused: u64,
}

/// A group and its members.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) responders: Responders,
    pub(super) config: Config,
    /// Sends the requests, and receives nothing.
    pub(super) sender: EndpointId,
    pub(super) members: Vec<EndpointId>,
    pub(super) stats: GroupStats,
}

impl Group {
    /// Who begins a message of this group with `frame`.
    ///
    /// Nobody, unless it is a single or first frame: a consecutive frame alone, or one that is no PDU, must
    /// not take the room of a responder.
    pub(super) fn speaker(&self, frame: &CanFrame) -> Option<Responder> {
        let (CanFrame::Data(_) | CanFrame::Fd(_)) = frame else {
            return None;
        };
        let responder = self.responders.of_frame(frame)?;
        let rx = responder.address().rx();
        let (_, data) = rx.matches(frame)?;
        let (pci, _) = Pci::decode_padded(data, rx.prefix(), self.config.padding.min_len()).ok()?;
        matches!(pci, Pci::SingleFrame { .. } | Pci::FirstFrame { .. }).then_some(responder)
    }

    pub(super) fn is_full(&self) -> bool {
        self.members.len() >= self.responders.max()
    }
}

/// A group of an [`Endpoints`], read-only.
#[derive(Clone, Copy, Debug)]
pub struct GroupRef<'a>(pub(super) &'a Group);

impl<'a> GroupRef<'a> {
    /// The endpoint that sends the group's requests. It receives nothing.
    #[must_use]
    pub const fn sender(&self) -> EndpointId {
        self.0.sender
    }

    /// The endpoints that listen to responders, by when those first spoke.
    #[must_use]
    pub fn members(&self) -> &'a [EndpointId] {
        &self.0.members
    }

    /// The rule for responders.
    #[must_use]
    pub const fn responders(&self) -> &'a Responders {
        &self.0.responders
    }

    /// Counters since it was made.
    #[must_use]
    pub const fn stats(&self) -> &'a GroupStats {
        &self.0.stats
    }
}

/// Events kept until they are polled.
const GROUP_EVENT_CAPACITY: usize = 64;

/// Which group an endpoint belongs to, and as what.
#[derive(Clone, Copy, Debug)]
pub(super) enum Membership {
    /// It is on its own.
    None,
    /// It sends the group's requests.
    Sender(GroupId),
    /// It listens to a responder.
    Member(GroupId),
}

impl Membership {
    pub(super) const fn group(self) -> Option<GroupId> {
        match self {
            Self::None => None,
            Self::Sender(group) | Self::Member(group) => Some(group),
        }
    }
}

impl Endpoints {
    /// Adds a group: who sends with `sender`, who may answer, and the configuration of each of them.
    ///
    /// A responder becomes an endpoint of its own, with its own timers and failures, when it first speaks.
    ///
    /// # Errors
    /// When somebody receives one of the answers already, or there is no room.
    pub fn insert_group(
        &mut self,
        sender: TxAddress,
        responders: Responders,
        config: Config,
    ) -> Result<GroupId, InsertError> {
        let claims = responders.claims();
        let taken = |other: &Claim| claims.iter().any(|claim| claim.overlaps(other));
        for (key, slot) in self.slots.iter() {
            let rx = slot.channel.address().rx();
            if slot.membership.group().is_none() && taken(&Claim::of(rx)) {
                return Err(InsertError::clash(rx, Holder::Endpoint(EndpointId(key))));
            }
        }
        for (key, group) in self.groups.iter() {
            if let Some(claim) = group.responders.claims().iter().find(|claim| taken(claim)) {
                return Err(InsertError::Clash {
                    id: can_link::id::from_word(claim.ids.first),
                    byte: claim.byte,
                    holder: Holder::Group(GroupId(key)),
                });
            }
        }
        let sender = self.add(send_only(sender), config, Membership::None)?;
        let group = Group {
            responders,
            config,
            sender,
            members: Vec::new(),
            stats: GroupStats::default(),
        };
        let Some(id) = self.groups.insert(group).map(GroupId) else {
            self.slots.remove(sender.0);
            return Err(InsertError::Full { limit: self.limit });
        };
        if let Some(slot) = self.slots.get_mut(sender.0) {
            slot.membership = Membership::Sender(id);
        }
        Ok(id)
    }

    /// Removes a group and its members with all they were doing, and tells whether it was there.
    pub fn remove_group(&mut self, id: GroupId) -> bool {
        let Some(group) = self.groups.remove(id.0) else {
            return false;
        };
        self.discard(group.sender);
        for member in group.members {
            self.discard(member);
        }
        true
    }

    /// A group.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<GroupRef<'_>> {
        self.groups.get(id.0).map(GroupRef)
    }

    /// All groups.
    #[cfg(feature = "tokio")]
    pub(crate) fn groups(&self) -> impl Iterator<Item = GroupRef<'_>> {
        self.groups.iter().map(|(_, group)| GroupRef(group))
    }

    /// The channels of endpoints that are on their own.
    #[cfg(feature = "tokio")]
    pub(crate) fn singles(&self) -> impl Iterator<Item = &crate::SourceChannel> {
        let single = |slot: &&super::Slot| matches!(slot.membership, Membership::None);
        let slots = self.slots.iter().map(|(_, slot)| &**slot);
        slots.filter(single).map(|slot| &slot.channel)
    }

    /// The group that an endpoint is a member of, and the responder it listens to.
    #[must_use]
    pub fn member(&self, id: EndpointId) -> Option<(GroupId, Responder)> {
        let slot = self.slots.get(id.0)?;
        match slot.membership {
            Membership::Member(group) => Some((group, Responder::new(*slot.channel.address()))),
            Membership::None | Membership::Sender(_) => None,
        }
    }

    /// The group whose requests an endpoint sends.
    #[must_use]
    pub fn sends_for(&self, id: EndpointId) -> Option<GroupId> {
        match self.slots.get(id.0)?.membership {
            Membership::Sender(group) => Some(group),
            Membership::None | Membership::Member(_) => None,
        }
    }

    /// Makes the sender of a frame that nobody receives a member of a group, if it may be.
    pub(super) fn admit(&mut self, frame: &CanFrame) -> Option<EndpointId> {
        let (group, responder, room) = self.groups.iter().find_map(|(key, group)| {
            let responder = group.speaker(frame)?;
            Some((GroupId(key), responder, !group.is_full()))
        })?;
        let config = self.groups.get(group.0)?.config;
        let added = room
            .then(|| self.add(*responder.address(), config, Membership::Member(group)))
            .and_then(Result::ok);
        let members = self.groups.get_mut(group.0)?;
        let event = match added {
            Some(member) => {
                members.members.push(member);
                members.stats.joined += 1;
                self.index.insert(responder.address().rx(), member);
                GroupEvent::Joined { member, responder }
            }
            None => {
                members.stats.refused += 1;
                let limit = members.members.len();
                GroupEvent::TooMany { responder, limit }
            }
        };
        if self.group_events.len() >= GROUP_EVENT_CAPACITY {
            self.group_events.pop_front();
            self.stats.events_lost += 1;
        }
        self.group_events.push_back((group, event));
        added
    }
}

/// The address of who only sends. Its receiving half is entered nowhere, so which it is does not matter.
pub(crate) fn send_only(tx: TxAddress) -> Address {
    let own = [Target::Physical, Target::Functional].map(|target| tx.id(target));
    let unused = (0..=2).filter_map(StandardId::new).map(Id::from);
    let rx = unused.into_iter().find(|id| !own.contains(id));
    let rx = RxAddress::normal(rx.unwrap_or(Id::Standard(StandardId::MAX)));
    Address::asymmetric(tx, rx).expect("of three identifiers, one is not the sender's")
}
