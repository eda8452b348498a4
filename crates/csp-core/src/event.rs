//! What a node tells its owner: events, the reasons for drops, and counters.

use core::fmt;

use crate::rdp::{self, CloseReason};
use crate::seal::OpenError;
use crate::service::Service;
use crate::{ConnectionId, Header, InterfaceId, LinkState, ListenerId, SocketId, TapId};

/// Something happened that the owner of a node may want to act on.
///
/// From [`Node::poll_event`](crate::Node::poll_event).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A listener has connections to accept.
    ///
    /// Call [`Node::accept`](crate::Node::accept) until it gives `None`.
    Incoming(ListenerId),
    /// A connection has packets.
    ///
    /// Call [`Node::recv`](crate::Node::recv) until it gives `None`.
    Readable(ConnectionId),
    /// A connection may send again.
    ///
    /// Its last send was refused as [`SendError::Full`](crate::SendError::Full).
    Writable(ConnectionId),
    /// An RDP connection that this node asked for is open.
    Connected(ConnectionId),
    /// The other node has acknowledged more of what was sent by RDP.
    ///
    /// [`Node::acknowledged`](crate::Node::acknowledged) tells how much.
    Acknowledged(ConnectionId),
    /// A connection is over, and [`Node::close`](crate::Node::close) was not what ended it.
    ///
    /// What came before can still be received. The owner closes it when done with it.
    Closed {
        /// The connection.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
        /// Messages that were sent and not acknowledged. They may have arrived all the same.
        unacknowledged: u64,
    },
    /// A socket has packets.
    ///
    /// Call [`Node::recv_from`](crate::Node::recv_from) until it gives `None`.
    Datagram(SocketId),
    /// A tap has copies.
    ///
    /// Call [`Node::captured`](crate::Node::captured) until it gives `None`.
    Tapped(TapId),
    /// A packet was dropped.
    Dropped(Dropped),
    /// The link of an interface went up or down.
    Link {
        /// The interface.
        interface: InterfaceId,
        /// Its state from now on.
        state: LinkState,
    },
}

/// A packet that goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The interface it came from, or was to leave on.
    pub interface: InterfaceId,
    /// Its header, if there was one.
    pub header: Option<Header>,
    /// Why.
    pub reason: DropReason,
    /// How many times; more than one only where a link tells of several at once.
    pub count: u64,
}

/// Why a packet goes no further.
///
/// Each reason counts in one [`Counter`] of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// Fewer bytes than a header (HDR-3).
    ShortHeader,
    /// The link could not make a packet of its frames.
    LinkFrame,
    /// The link received more than it has room for in one packet.
    LinkTooLong,
    /// The link had no room for what it received.
    LinkFull,
    /// The rest of a packet never came on the link.
    LinkStale,
    /// The link failed to send.
    LinkSend,
    /// The interface's link is down.
    LinkDown,
    /// The CRC32 trailer is cut short or wrong (SEC-4).
    Checksum,
    /// The HMAC trailer is cut short or wrong (SEC-5).
    Authentication,
    /// The payload is encrypted and its nonce is cut short (SEC-6).
    Decryption,
    /// The payload is encrypted, and this node has no key or does not speak XTEA.
    EncryptedUnsupported,
    /// The receiver requires a CRC32 trailer (SEC-7).
    ChecksumRequired,
    /// The receiver requires an HMAC trailer (SEC-7).
    AuthenticationRequired,
    /// The receiver requires XTEA encryption (SEC-7).
    EncryptionRequired,
    /// The receiver requires RDP (SEC-7).
    RdpRequired,
    /// The packet has a flag that the receiver prohibits.
    Prohibited,
    /// The packet is an RDP segment, and its receiver does not speak RDP.
    RdpUnsupported,
    /// The packet ends in no RDP trailer, or is a SYN without options (RDP-2).
    RdpMalformed,
    /// The number of the RDP segment is not one of those that may come now (9.4).
    RdpOutOfWindow,
    /// The RDP segment acknowledges what was not sent, or not lately (9.4).
    RdpAcknowledgement,
    /// The RDP segment has no meaning for its connection, or is for none (9.7).
    RdpUnexpected,
    /// Nothing is bound to the port.
    NoListener,
    /// A service's request came from a service port: answering could go on for ever.
    ServiceLoop,
    /// The service asked for is off (BET-9).
    ServiceOff(Service),
    /// The node or its platform has nothing to answer with, or knows no way to do what is asked.
    ServiceUnavailable(Service),
    /// The platform would not do what is asked, or failed.
    ServiceRefused(Service),
    /// A service can make nothing of the request.
    BadRequest,
    /// A reply from elsewhere than the connection's remote (strict matching).
    WrongPeer,
    /// The connection's or socket's receive queue is full.
    ///
    /// The newest packet is dropped (CONN-5).
    ReceiveQueueFull,
    /// The listener's backlog is full.
    BacklogFull,
    /// The node has no room for another connection.
    TooManyConnections,
    /// The connection was not accepted in time.
    NotAccepted,
    /// No interface leads to the destination.
    NoRoute,
    /// The only ways out lead back to where the packet came from (split horizon).
    Blocked,
    /// The packet is for another node, and this one does not forward.
    NotForwarding,
    /// The packet came from a link and is for address 0, which this node keeps to itself.
    LoopbackFromOutside,
    /// The interface was removed.
    InterfaceRemoved,
    /// The interface's transmit queue is full; the newest packet is dropped.
    TransmitQueueFull,
    /// The payload is longer than the interface's MTU.
    TooLong,
    /// The header has no form in the interface's header version.
    Unencodable,
    /// It was here before, a moment ago (deduplication).
    Duplicate,
    /// A filter dropped it.
    Filtered,
    /// As many packets as may wait for the verdict of a filter; the newest is dropped.
    ///
    /// Counts as the peers' full router queue does, which is the receiving interface's `tx_error`
    /// (section 12).
    FilterQueueFull,
    /// The verdict of a filter did not come in time.
    FilterTimeout,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::ServiceOff(service) => return write!(f, "the service {service} is off"),
            Self::ServiceUnavailable(service) => return write!(f, "nothing to answer {service} with"),
            Self::ServiceRefused(service) => return write!(f, "{service} was refused"),
            Self::BadRequest => "no request that a service understands",
            Self::ShortHeader => "shorter than a header",
            Self::LinkFrame => "frames that make no packet",
            Self::LinkTooLong => "too long for the link's buffer",
            Self::LinkFull => "no room in the link's buffer",
            Self::LinkStale => "the rest never came",
            Self::LinkSend => "the link failed to send it",
            Self::LinkDown => "the link is down",
            Self::Checksum => "wrong checksum",
            Self::Authentication => "wrong authentication code",
            Self::Decryption => "encrypted, and too short",
            Self::EncryptedUnsupported => "encrypted, and there is no key",
            Self::ChecksumRequired => "no checksum, and one is required",
            Self::AuthenticationRequired => "no authentication code, and one is required",
            Self::EncryptionRequired => "not encrypted, and that is required",
            Self::RdpRequired => "not by RDP, and that is required",
            Self::Prohibited => "a flag that is prohibited",
            Self::RdpUnsupported => "RDP, which its receiver does not speak",
            Self::RdpMalformed => "no RDP segment",
            Self::RdpOutOfWindow => "an RDP segment out of the window",
            Self::RdpAcknowledgement => "an RDP segment that acknowledges what was not sent",
            Self::RdpUnexpected => "an RDP segment that nothing waits for",
            Self::NoListener => "nothing is bound to its port",
            Self::ServiceLoop => "a request from a service port",
            Self::WrongPeer => "not from the connection's peer",
            Self::ReceiveQueueFull => "the receive queue is full",
            Self::BacklogFull => "the listener's backlog is full",
            Self::TooManyConnections => "too many connections",
            Self::NotAccepted => "its connection was not accepted in time",
            Self::NoRoute => "no route to its destination",
            Self::Blocked => "its only way leads back",
            Self::NotForwarding => "not for this node, which does not forward",
            Self::LoopbackFromOutside => "for address 0, and from outside",
            Self::InterfaceRemoved => "its interface was removed",
            Self::TransmitQueueFull => "the transmit queue is full",
            Self::TooLong => "longer than the interface's MTU",
            Self::Unencodable => "no form in the interface's header version",
            Self::Duplicate => "it was here a moment ago",
            Self::Filtered => "dropped by a filter",
            Self::FilterQueueFull => "too many packets wait for a filter",
            Self::FilterTimeout => "a filter did not decide in time",
        };
        f.write_str(text)
    }
}

impl From<OpenError> for DropReason {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Crc(_) => Self::Checksum,
            OpenError::Hmac(_) => Self::Authentication,
            OpenError::Nonce { .. } => Self::Decryption,
            OpenError::NoKey => Self::EncryptedUnsupported,
        }
    }
}

impl DropReason {
    /// The counter in which the reason counts.
    #[must_use]
    pub const fn counter(self) -> Counter {
        match self {
            Self::ShortHeader | Self::LinkFrame => Counter::Frame,
            Self::LinkTooLong
            | Self::Checksum
            | Self::ChecksumRequired
            | Self::RdpRequired
            | Self::Prohibited
            | Self::BadRequest
            | Self::RdpUnsupported
            | Self::RdpMalformed => Counter::RxError,
            Self::Authentication
            | Self::Decryption
            | Self::EncryptedUnsupported
            | Self::AuthenticationRequired
            | Self::EncryptionRequired => Counter::AuthErr,
            Self::LinkSend
            | Self::LinkDown
            | Self::TransmitQueueFull
            | Self::TooLong
            | Self::Unencodable
            | Self::FilterQueueFull => Counter::TxError,
            Self::LinkFull
            | Self::LinkStale
            | Self::NoListener
            | Self::ServiceLoop
            | Self::ServiceOff(_)
            | Self::ServiceUnavailable(_)
            | Self::ServiceRefused(_)
            | Self::WrongPeer
            | Self::ReceiveQueueFull
            | Self::BacklogFull
            | Self::TooManyConnections
            | Self::NotAccepted
            | Self::RdpOutOfWindow
            | Self::RdpAcknowledgement
            | Self::RdpUnexpected
            | Self::NoRoute
            | Self::Blocked
            | Self::Duplicate
            | Self::Filtered
            | Self::FilterTimeout
            | Self::NotForwarding
            | Self::LoopbackFromOutside
            | Self::InterfaceRemoved => Counter::Drop,
        }
    }
}

/// The counters of [`InterfaceStats`](crate::InterfaceStats) that faults go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// `tx_error`.
    TxError,
    /// `rx_error`.
    RxError,
    /// `drop`.
    Drop,
    /// `autherr`.
    AuthErr,
    /// `frame`.
    Frame,
}

/// Counters of a node beside those of its interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Packets delivered to connections, sockets and services.
    pub delivered: u64,
    /// Packets carried from one interface to another.
    pub forwarded: u64,
    /// Requests that a service answered or did.
    pub served: u64,
    /// Packets dropped, for whatever reason; each counts with its interface too.
    pub dropped: u64,
    /// Of all RDP connections, past ones included.
    pub rdp: rdp::Stats,
    /// Events of drops and links that newer ones pushed out unpolled.
    pub events_lost: u64,
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn a_drop_is_told_in_words_that_follow_a_colon() {
        assert_eq!(
            DropReason::ChecksumRequired.to_string(),
            "no checksum, and one is required"
        );
        assert_eq!(LinkState::Down.to_string(), "down");
    }

    #[test]
    fn each_reason_counts_where_the_peers_count_it() {
        let counters = [
            ("HDR-3", DropReason::ShortHeader, Counter::Frame),
            ("SEC-4", DropReason::Checksum, Counter::RxError),
            ("SEC-5", DropReason::Authentication, Counter::AuthErr),
            ("SEC-6", DropReason::Decryption, Counter::AuthErr),
            ("SEC-7", DropReason::ChecksumRequired, Counter::RxError),
            ("SEC-7", DropReason::AuthenticationRequired, Counter::AuthErr),
            ("SEC-7", DropReason::EncryptionRequired, Counter::AuthErr),
            ("SEC-7", DropReason::RdpRequired, Counter::RxError),
            ("SEC-8", DropReason::TooLong, Counter::TxError),
            ("CFP1-3", DropReason::LinkTooLong, Counter::RxError),
            ("CFP1-4", DropReason::LinkFrame, Counter::Frame),
            ("CAN-5", DropReason::LinkSend, Counter::TxError),
            ("CAN-7", DropReason::LinkFull, Counter::Drop),
            ("7.2", DropReason::NoRoute, Counter::Drop),
            ("7.2", DropReason::Blocked, Counter::Drop),
            ("12, dedup", DropReason::Duplicate, Counter::Drop),
            ("12, queues", DropReason::FilterQueueFull, Counter::TxError),
        ];
        for (clause, reason, counter) in counters {
            assert_eq!(reason.counter(), counter, "{clause}: {reason}");
        }
    }
}
