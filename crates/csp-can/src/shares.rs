//! What each sender has in the making.

use crate::Sender;

/// Senders there can be: CFP 2 has six bits for them, CFP 1 five.
const SENDERS: usize = 64;

/// Packets and bytes in the making, of all senders and of each.
#[derive(Debug)]
pub(crate) struct Shares {
    pub(crate) all: Share,
    each: [Share; SENDERS],
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) packets: usize,
    pub(crate) bytes: usize,
}

impl Shares {
    pub(crate) const fn new() -> Self {
        let none = Share { packets: 0, bytes: 0 };
        Self {
            all: none,
            each: [none; SENDERS],
        }
    }

    pub(crate) fn of(&self, sender: Sender) -> Share {
        self.each
            .get(usize::from(sender.to_bits()))
            .copied()
            .unwrap_or_default()
    }

    /// Takes note of a new packet, or of more bytes of one.
    pub(crate) fn add(&mut self, sender: Sender, packets: usize, bytes: usize) {
        self.change(sender, |share| {
            share.packets += packets;
            share.bytes += bytes;
        });
    }

    /// Takes note of the end of a packet that had `bytes`.
    pub(crate) fn remove(&mut self, sender: Sender, bytes: usize) {
        self.change(sender, |share| {
            share.packets -= 1;
            share.bytes -= bytes;
        });
    }

    fn change(&mut self, sender: Sender, change: impl Fn(&mut Share)) {
        change(&mut self.all);
        if let Some(share) = self.each.get_mut(usize::from(sender.to_bits())) {
            change(share);
        }
    }
}
