//! What a machine is told once.

use core::time::Duration;

use crate::queue::DEFAULT_BYTES;
use crate::wire::{LayerKind, Wire};

/// How long a reliable sender with a closed window waits for any sign of its peer, unless told otherwise: 30
/// s. The peer means to wait 1 s, which is less than some links are dark.
pub const DEFAULT_RESET_AFTER: Duration = Duration::from_secs(30);

/// What happens to packets that get lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// They are sent again until they are acknowledged: every packet arrives, once and in order. `loss` 0.
    #[default]
    Reliable,
    /// Nothing: what arrives is in order, with gaps.
    Ordered,
}

/// What happens at the end to packets that are not acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Linger {
    /// The machine goes on until they are, or are given up.
    #[default]
    Yes,
    /// They are abandoned, and told by their number.
    No,
}

/// Settings of a [`Machine`](super::Machine). The default is that of the peer over UDP, reliable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pub(super) delivery: Delivery,
    pub(super) linger: Linger,
    pub(super) packets: u16,
    pub(super) bytes: usize,
    pub(super) wire: Wire,
    pub(super) kind: LayerKind,
    pub(super) a: Duration,
    pub(super) r: Duration,
    pub(super) reset_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Config {
    pub(super) const DEFAULT: Self = {
        let wire = Wire::V0_23;
        Self {
            delivery: Delivery::Reliable,
            linger: Linger::Yes,
            packets: wire.max_window(),
            bytes: DEFAULT_BYTES,
            wire,
            kind: LayerKind::Udp,
            a: wire.acknowledgement_time(),
            r: wire.retransmission_time(),
            reset_after: DEFAULT_RESET_AFTER,
        }
    };

    /// What happens to packets that get lost. Both ends must have the same. Default: [`Delivery::Reliable`].
    #[must_use]
    pub const fn delivery(self, delivery: Delivery) -> Self {
        Self { delivery, ..self }
    }

    /// What happens at the end to packets that are not acknowledged. Default: [`Linger::Yes`], as at the
    /// peer.
    #[must_use]
    pub const fn linger(self, linger: Linger) -> Self {
        Self { linger, ..self }
    }

    /// Packets that may be under way or wait to be sent, and as many that may wait to be read: 64 to 256, for
    /// a sender sends 64 before it knows the window; fewer count as 64 and more as 256. Default: 256, as at
    /// the peer.
    #[must_use]
    pub const fn packets(self, packets: u16) -> Self {
        let (min, max) = (self.wire.initial_window(), self.wire.max_window());
        let packets = match packets {
            less if less < min => min,
            more if more > max => max,
            packets => packets,
        };
        Self { packets, ..self }
    }

    /// Bytes that may be under way or wait to be sent, and thereby the longest packet; 0 counts as 1. A
    /// receiver keeps up to four times as many, opens its window no further than there is room for packets as
    /// long as the longest so far, and drops what has no room all the same, which is sent again. Default: 1
    /// MiB.
    #[must_use]
    pub const fn bytes(self, bytes: usize) -> Self {
        Self {
            bytes: if bytes == 0 { 1 } else { bytes },
            ..self
        }
    }

    /// The version of the wire. Default: the newest.
    #[must_use]
    pub const fn wire(self, wire: Wire) -> Self {
        Self { wire, ..self }
    }

    /// What lies below, which decides how long a packet may live there. Default: [`LayerKind::Udp`].
    #[must_use]
    pub const fn layer(self, kind: LayerKind) -> Self {
        Self { kind, ..self }
    }

    /// a: for how long after the peer was heard packets acknowledge what was received. Default: that of the
    /// wire.
    #[must_use]
    pub const fn acknowledgement_time(self, a: Duration) -> Self {
        Self { a, ..self }
    }

    /// r: how long a packet is sent again before the flow is given up. Default: that of the wire.
    #[must_use]
    pub const fn retransmission_time(self, r: Duration) -> Self {
        Self { r, ..self }
    }

    /// How long a reliable sender whose window is closed waits for any sign of its peer before it gives up.
    /// Default: [`DEFAULT_RESET_AFTER`].
    #[must_use]
    pub const fn reset_after(self, reset_after: Duration) -> Self {
        Self { reset_after, ..self }
    }

    /// Bytes that may be under way or wait to be sent. A receiver keeps at most four times as many, and one
    /// packet.
    #[must_use]
    pub const fn max_bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that a receiver keeps: the packets that are sent before its window is known have room, if none
    /// is longer than a sixteenth of the bytes that may be under way.
    pub(super) const fn max_kept(&self) -> usize {
        self.bytes.saturating_mul(4)
    }

    /// Packets that may be under way or wait to be sent, and as many that may wait to be read.
    #[must_use]
    pub const fn max_packets(&self) -> u16 {
        self.packets
    }

    /// Whether lost packets are sent again.
    #[must_use]
    pub const fn is_reliable(&self) -> bool {
        matches!(self.delivery, Delivery::Reliable)
    }

    pub(super) const fn sender_inactivity(&self) -> Duration {
        self.wire.sender_inactivity(self.kind, self.a, self.r)
    }

    pub(super) const fn receiver_inactivity(&self) -> Duration {
        self.wire.receiver_inactivity(self.kind, self.a, self.r)
    }

    /// Packets after which the window is told: half of what a sender sends before it knows it.
    pub(super) fn update_after(&self) -> u32 {
        u32::from(self.wire.initial_window() / 2)
    }
}
