//! What a connection is doing, why it ended, and what it tells.

use core::fmt;

use tinwire_time::Instant;

use super::Sequence;

/// What a connection is doing (9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// A SYN was sent.
    SynSent,
    /// A SYN was received and answered.
    SynReceived,
    /// Open.
    Open,
    /// Open, and takes no more to send: it closes once everything is acknowledged.
    Finishing,
    /// Ended; one of the peer, the time and the user is not done with it.
    CloseWait,
    /// Gone.
    Closed,
}

/// The state with what belongs to it.
///
/// ```text
///      connect                accept
///         |                      |
///      SynSent               SynReceived -- never opened ------.
///         | SYN|ACK received     | ACK received                |
///         '--------> Open <------'                             |
///                      | close, RST in sequence, silence,      |
///                      | a segment that breaks the rules       |
///                  CloseWait                                   |
///                      | peer, time and user are done          |
///                   Closed <-----------------------------------'
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    SynSent {
        since: Instant,
        /// For the one more attempt when the other end has an old connection open (9.8).
        spare: Option<Sequence>,
        /// A reset came: somebody is there and does not want us.
        refused: bool,
    },
    SynReceived {
        since: Instant,
    },
    Open {
        /// When the last acceptable segment came.
        heard: Instant,
        /// Set by `finish`: until when to wait for acknowledgements.
        finish: Option<Instant>,
    },
    CloseWait {
        since: Instant,
        left: Left,
        user: User,
    },
    Closed,
}

/// Who is not done with a connection in `CloseWait`, beside its user (9.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The peer, who may not know yet, and so the time.
    Peer,
    /// The time: the peer knows.
    Time,
    /// Nobody.
    Nobody,
}

/// Whether anybody holds a connection that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    Holds,
    Gone,
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// `finish` was asked for, and everything sent is acknowledged.
    Finished,
    /// `finish` was asked for, and its time ran out.
    Unfinished,
    /// The other end answered resets to all attempts to connect.
    Refused,
    /// Nobody answered within the connection timeout.
    NoAnswer,
    /// The other end closed.
    ClosedByPeer,
    /// No acceptable segment came for the connection timeout (RDP-6).
    PeerSilent,
    /// The other end began anew, or sent what no open connection sends (9.4).
    Reset,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finished => "finished, everything was acknowledged",
            Self::Unfinished => "not everything was acknowledged in time",
            Self::Refused => "refused by the other end",
            Self::NoAnswer => "no answer",
            Self::ClosedByPeer => "closed by the other end",
            Self::PeerSilent => "nothing was heard from the other end",
            Self::Reset => "reset, the other end knows nothing of the connection",
        })
    }
}

/// Something that the user of a connection may want to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It is open.
    Connected,
    /// There is something to receive.
    Readable,
    /// More of what was sent is acknowledged.
    Acknowledged,
    /// There is room to send again, after a send that was refused.
    Writable,
    /// It is over. What was received before can still be read.
    Closed(CloseReason),
}

/// Counters of a connection, or of all connections of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages sent, each counted once.
    pub sent: u64,
    /// Messages acknowledged by the other end.
    pub acknowledged: u64,
    /// Messages received in order and once.
    pub received: u64,
    /// Segments sent again.
    pub retransmissions: u64,
    /// Segments with data that had been received before.
    pub duplicates: u64,
    /// Segments that came before an earlier one, and were kept.
    pub out_of_order: u64,
    /// Acknowledgements sent alone.
    pub acknowledgements: u64,
    /// Resets sent.
    pub resets: u64,
    /// Segments dropped: malformed, out of the window, or without room.
    pub dropped: u64,
    /// Connections whose options were not taken as the other end asked.
    pub clamped: u64,
}

impl Stats {
    /// Adds the counts of another connection.
    pub(crate) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.sent, other.sent),
            (&mut self.acknowledged, other.acknowledged),
            (&mut self.received, other.received),
            (&mut self.retransmissions, other.retransmissions),
            (&mut self.duplicates, other.duplicates),
            (&mut self.out_of_order, other.out_of_order),
            (&mut self.acknowledgements, other.acknowledgements),
            (&mut self.resets, other.resets),
            (&mut self.dropped, other.dropped),
            (&mut self.clamped, other.clamped),
        ];
        for (sum, count) in pairs {
            *sum = sum.wrapping_add(count);
        }
    }
}
