//! Whose frame is it: two identifiers, one for all, and what the byte before the PCI has to be.

use can_link::{CanFrame, Filter, FilterSet, Id};
use isotp::{Pci, Prefix};

use crate::args::isotp::dump::AddressByte;

/// Who sent a frame of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Talker {
    Source,
    Destination,
    Broadcast,
}

impl Talker {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Broadcast => "broadcast",
        }
    }
}

/// The conversation that is watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) source: Id,
    pub(super) destination: Id,
    pub(super) broadcast: Option<Id>,
    /// What the source's address byte has to be, where there is one.
    pub(super) source_byte: Option<AddressByte>,
    /// What the destination's has to be; any where only the source's is told.
    pub(super) destination_byte: Option<AddressByte>,
}

/// A frame of the conversation, taken apart no further than its address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Talk<'a> {
    pub(super) from: Talker,
    pub(super) frame: &'a CanFrame,
    pub(super) prefix: Prefix,
}

impl Pair {
    /// What has to pass the link's filters.
    pub(super) fn filters(&self) -> FilterSet {
        let ids = [self.source, self.destination].into_iter().chain(self.broadcast);
        FilterSet::any(ids.map(Filter::id))
    }

    /// Whether a byte precedes the PCI.
    pub(super) const fn prefix(&self) -> Prefix {
        match self.source_byte {
            Some(_) => Prefix::AddressByte,
            None => Prefix::None,
        }
    }

    /// Whether only one address byte of this sender is accepted.
    pub(super) const fn knows_byte(&self, from: Talker) -> bool {
        let wanted = match from {
            Talker::Source => self.source_byte,
            Talker::Destination => self.destination_byte,
            Talker::Broadcast => None,
        };
        matches!(wanted, Some(AddressByte::Is(_)))
    }

    /// The frame as part of the conversation, if it is one.
    pub(super) fn talk<'a>(&self, frame: &'a CanFrame) -> Option<Talk<'a>> {
        if !matches!(frame, CanFrame::Data(_) | CanFrame::Fd(_)) {
            return None;
        }
        let (from, wanted) = match frame.id() {
            id if id == self.source => (Talker::Source, self.source_byte),
            id if id == self.destination => (Talker::Destination, self.destination_byte),
            id if Some(id) == self.broadcast => (Talker::Broadcast, None),
            _ => return None,
        };
        let byte = frame.payload().first().copied().unwrap_or_default();
        let accepted = wanted.is_none_or(|wanted| wanted.accepts(byte));
        accepted.then_some(Talk {
            from,
            frame,
            prefix: self.prefix(),
        })
    }
}

impl Talk<'_> {
    /// The byte before the PCI, where the conversation has one and the frame is not empty.
    pub(super) fn address_byte(&self) -> Option<u8> {
        match self.prefix {
            Prefix::None => None,
            Prefix::AddressByte => self.frame.payload().first().copied(),
        }
    }

    /// The PCI and what follows it; an error where no receiver would take the frame.
    pub(super) fn pci(&self) -> Result<(Pci, &[u8]), isotp::DecodeError> {
        let data = self.frame.payload().get(self.prefix.len()..).unwrap_or_default();
        // How the network pads is unknown, so no length is held against a frame.
        Pci::decode_padded(data, self.prefix, usize::MAX)
    }
}
