//! The version of the wire, and all that depends on it.
//!
//! The project whose wire this is promises nothing between its minor versions: formats and constants are
//! those of one of them, named by [`Wire`] (spec ch. 10, 13).

use core::time::Duration;

/// A version of the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wire {
    /// Ouroboros 0.23.
    #[default]
    V0_23,
}

/// What lies below a flow, as far as its constants go: how long a packet may live in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LayerKind {
    /// UDP between hosts. Default, as it is the longest.
    #[default]
    Udp,
    /// Frames of one Ethernet.
    Ethernet,
    /// A unicast layer of the peer's.
    Unicast,
    /// A broadcast layer.
    Broadcast,
    /// The processes of one host, through a layer.
    Local,
    /// The processes of one host, without.
    Direct,
}

impl Wire {
    /// MPL: how long a packet lives in a layer at most.
    #[must_use]
    pub const fn packet_lifetime(self, kind: LayerKind) -> Duration {
        match (self, kind) {
            (Self::V0_23, LayerKind::Udp) => Duration::from_secs(5),
            (
                Self::V0_23,
                LayerKind::Ethernet | LayerKind::Unicast | LayerKind::Broadcast | LayerKind::Local,
            ) => Duration::from_millis(100),
            (Self::V0_23, LayerKind::Direct) => Duration::from_millis(1),
        }
    }

    /// a: how long an acknowledgement may be delayed.
    #[must_use]
    pub const fn acknowledgement_time(self) -> Duration {
        match self {
            Self::V0_23 => Duration::from_secs(10),
        }
    }

    /// r: how long a packet is sent again before its flow is given up.
    #[must_use]
    pub const fn retransmission_time(self) -> Duration {
        match self {
            Self::V0_23 => Duration::from_secs(120),
        }
    }

    /// Packets that a sender may have under way before it knows the peer's window.
    #[must_use]
    pub const fn initial_window(self) -> u16 {
        match self {
            Self::V0_23 => 64,
        }
    }

    /// Q: packets that a receiver may have room for at most.
    #[must_use]
    pub const fn max_window(self) -> u16 {
        match self {
            Self::V0_23 => 256,
        }
    }

    /// What the peer rounds all its times to.
    #[must_use]
    pub const fn tick(self) -> Duration {
        match self {
            Self::V0_23 => Duration::from_millis(5),
        }
    }

    /// The retransmission timer before any round trip was measured.
    #[must_use]
    pub const fn initial_rto(self) -> Duration {
        match self {
            Self::V0_23 => Duration::from_secs(1),
        }
    }

    /// The peer's least retransmission timer. Ours is [`MIN_RTO`](crate::frct::MIN_RTO).
    #[must_use]
    pub const fn peer_min_rto(self) -> Duration {
        match self {
            Self::V0_23 => Duration::from_micros(250),
        }
    }

    /// How long the peer delays an acknowledgement at least.
    #[must_use]
    pub const fn delayed_acknowledgement(self) -> Duration {
        match self {
            Self::V0_23 => Duration::from_millis(10),
        }
    }

    /// Time between two rendez-vous while a window is closed.
    #[must_use]
    pub const fn rendezvous_interval(self) -> Duration {
        match self {
            Self::V0_23 => Duration::from_millis(100),
        }
    }

    /// The peer's intended patience with a closed window.
    #[must_use]
    pub const fn rendezvous_time(self) -> Duration {
        match self {
            Self::V0_23 => Duration::from_secs(1),
        }
    }

    /// An epoch of a key is two to the power of this, in packets.
    #[must_use]
    pub const fn rotation_bit(self) -> u8 {
        match self {
            Self::V0_23 => 20,
        }
    }

    /// Without a packet for so long, a sender takes its run for over: `floor(3 MPL + a + r) + 1` seconds.
    #[must_use]
    pub const fn sender_inactivity(self, kind: LayerKind, a: Duration, r: Duration) -> Duration {
        whole_seconds(self.packet_lifetime(kind).saturating_mul(3), a, r)
    }

    /// Without a packet for so long, a receiver takes the peer's run for over: `floor(2 MPL + a + r) + 1`
    /// seconds.
    #[must_use]
    pub const fn receiver_inactivity(self, kind: LayerKind, a: Duration, r: Duration) -> Duration {
        whole_seconds(self.packet_lifetime(kind).saturating_mul(2), a, r)
    }
}

const fn whole_seconds(lifetimes: Duration, a: Duration, r: Duration) -> Duration {
    let sum = lifetimes.saturating_add(a).saturating_add(r);
    Duration::from_secs(sum.as_secs().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inactivities_are_those_that_the_peer_has_for_udp() {
        let wire = Wire::V0_23;
        let (a, r) = (wire.acknowledgement_time(), wire.retransmission_time());
        assert_eq!(wire.sender_inactivity(LayerKind::Udp, a, r).as_secs(), 146);
        assert_eq!(wire.receiver_inactivity(LayerKind::Udp, a, r).as_secs(), 141);
        assert_eq!(wire.receiver_inactivity(LayerKind::Direct, a, r).as_secs(), 131);
    }
}
