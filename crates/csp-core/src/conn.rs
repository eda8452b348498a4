//! Connections, listeners and sockets as the node holds them.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::Bytes;
use thiserror::Error;
use tinwire_time::Instant;

use crate::keys::Keys;
use crate::ports::Binding;
use crate::rdp::{self, Transmit, Urgency};
use crate::slab::Key;
use crate::{
    Address, EncodeError, Event, Flags, Header, InterfaceId, Need, Needs, Port, Priority, SocketConfig,
};

/// Names a connection of one node; of no use after it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) Key);

/// Names a listener of one node; of no use after it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub(crate) Key);

/// Names a connectionless socket of one node; of no use after it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub(crate) Key);

/// A packet delivered to an application: trailers checked and stripped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The header as received.
    pub header: Header,
    /// The payload without trailers.
    pub payload: Bytes,
    /// The interface it came from.
    pub interface: InterfaceId,
    /// Whether it was sent to a broadcast address.
    pub broadcast: bool,
    /// When the node got it.
    pub received_at: Instant,
}

/// The two ends of a connection, as this node sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peers {
    /// Own address; [`Address::LOOPBACK`] where the interface decides when sending.
    pub local: Address,
    /// Own port.
    pub local_port: Port,
    /// The other's address.
    pub remote: Address,
    /// The other's port.
    pub remote_port: Port,
}

/// Messages that wait for an application.
///
/// At most `capacity`, and whether the application was told.
#[derive(Debug)]
pub(crate) struct Inbox {
    messages: VecDeque<Message>,
    capacity: usize,
    announced: bool,
}

/// What became of a message put into an [`Inbox`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// Queued; the application must be told that there is something.
    Announce,
    /// Queued; the application was told before and has not emptied the box since.
    Quiet,
    /// There was no room.
    Full,
}

impl Inbox {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            messages: VecDeque::new(),
            capacity,
            announced: false,
        }
    }

    pub(crate) fn push(&mut self, message: Message) -> Pushed {
        if self.messages.len() >= self.capacity {
            return Pushed::Full;
        }
        self.messages.push_back(message);
        if core::mem::replace(&mut self.announced, true) {
            Pushed::Quiet
        } else {
            Pushed::Announce
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front();
        if message.is_none() {
            self.announced = false;
        }
        message
    }
}

/// How a connection carries messages.
#[derive(Debug)]
pub(crate) enum Transport {
    /// Each in a packet of its own that may get lost.
    Plain {
        inbox: Inbox,
        /// How many were sent.
        sent: u64,
        /// Nothing more is to be sent.
        finished: bool,
    },
    /// Numbered, acknowledged, and in order.
    Rdp(Box<rdp::Machine<About>>),
}

/// What a [`Message`] tells beside its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub(crate) header: Header,
    pub(crate) interface: InterfaceId,
    pub(crate) broadcast: bool,
    pub(crate) received_at: Instant,
}

impl Message {
    /// The parts that RDP keeps until the message's turn has come.
    pub(crate) fn split(self) -> (Bytes, About) {
        let about = About {
            header: self.header,
            interface: self.interface,
            broadcast: self.broadcast,
            received_at: self.received_at,
        };
        (self.payload, about)
    }

    pub(crate) const fn join(payload: Bytes, about: About) -> Self {
        Self {
            header: about.header,
            payload,
            interface: about.interface,
            broadcast: about.broadcast,
            received_at: about.received_at,
        }
    }
}

/// Who opened a connection, and who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// We did; the local port is ours alone.
    Client,
    /// The other side did, and the application has it.
    Server,
    /// The other side is about to; nobody has it yet.
    Opening {
        listener: ListenerId,
        /// Where the other side asked, and when.
        interface: InterfaceId,
        since: Instant,
    },
    /// It is closed, and stays until the other side knows or would have noticed. Nobody has it any more.
    Lingering { client: bool },
    /// It never opened. No port leads to it; it waits for its owner to close it.
    Failed,
    /// The other side did; it waits in a listener's backlog until the deadline.
    Pending { listener: ListenerId, until: Instant },
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peers: Peers,
    pub(crate) role: Role,
    pub(crate) flags: Flags,
    pub(crate) priority: Priority,
    pub(crate) needs: Needs,
    pub(crate) keys: Keys,
    pub(crate) transport: Transport,
    /// When the transport wants to be told the time.
    pub(crate) deadline: Option<Instant>,
    /// It is over, and nobody has accepted it yet who could be told.
    pub(crate) ended: Option<Event>,
    /// A send was refused for lack of room, so the application waits to be told.
    pub(crate) blocked: bool,
}

impl Connection {
    /// The header of what the connection sends.
    pub(crate) const fn header(&self) -> Header {
        let peers = self.peers;
        let mut header = Header::new((peers.local, peers.local_port), (peers.remote, peers.remote_port));
        header.priority = self.priority;
        header.flags = self.flags;
        header
    }

    /// The header of a segment (9.2).
    pub(crate) fn segment_header(&self, transmit: &Transmit) -> Header {
        let mut header = self.header();
        header.flags |= transmit.flags;
        if transmit.urgency == Urgency::Control {
            header.priority = header.priority.min(Priority::High);
        }
        header
    }

    /// With what the connection sends.
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            keys: self.keys.clone(),
            encrypted: self.needs.xtea,
        }
    }
}

/// Who sends a packet of this node's own, as far as its protection goes.
///
/// By default nobody in particular: a service, say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// Its own keys.
    pub(crate) keys: Keys,
    /// Whether it sends at all where nothing is encrypted.
    pub(crate) encrypted: Need,
}

impl Origin {
    pub(crate) const fn of_socket(keys: Keys) -> Self {
        Self {
            keys,
            encrypted: Need::Optional,
        }
    }
}

/// A port where connections arrive.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) binding: Binding,
    pub(crate) config: SocketConfig,
    pub(crate) backlog: VecDeque<ConnectionId>,
    pub(crate) announced: bool,
}

/// A port where single packets arrive.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) binding: Binding,
    pub(crate) config: SocketConfig,
    pub(crate) inbox: Inbox,
}

/// Why a connection cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The local port asked for is in use.
    #[error("local port {port} is already in use")]
    PortInUse {
        /// The port asked for.
        port: Port,
    },
    /// Every ephemeral port is in use.
    #[error("no ephemeral port is free")]
    NoFreePort,
    /// The node has its fill of connections.
    #[error("the node already has {max} connections")]
    TooManyConnections {
        /// The configured maximum.
        max: usize,
    },
    /// The other end was asked by RDP and did not open it: nobody answered, or somebody refused.
    #[error("the connection was not opened: {reason}")]
    NotOpened {
        /// Why not.
        reason: rdp::CloseReason,
    },
    /// The request to open the connection cannot be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The flags ask for something that a connection to this address cannot have: RDP to a broadcast.
    #[error("{flags:?} cannot be used on a connection")]
    Unsupported {
        /// The flags in question.
        flags: Flags,
    },
}

/// Why a packet cannot be sent. Nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection or socket is closed.
    #[error("the connection is closed")]
    Closed,
    /// The payload is too long for the interface (BET-2).
    #[error("a payload of {len} bytes is too long, the interface takes {max}")]
    TooLong {
        /// Length of the payload.
        len: usize,
        /// Longest payload with the trailers asked for.
        max: usize,
    },
    /// The payload is empty, which has no form in RDP: it would be an acknowledgement.
    #[error("an empty message cannot be sent by RDP")]
    Empty,
    /// No subnet, route or default interface leads there.
    #[error("no route to address {destination}")]
    NoRoute {
        /// The destination.
        destination: Address,
    },
    /// The interface's transmit queue is full, or as much is unacknowledged as RDP's window allows.
    ///
    /// Try again after [`Event::Writable`].
    #[error("there is no room to send")]
    Full,
    /// The interface's link is down.
    #[error("the link of the interface is down")]
    LinkDown,
    /// The header has no form in the interface's header version.
    #[error(transparent)]
    Header(#[from] EncodeError),
    /// A filter dropped it.
    #[error("a filter dropped the packet")]
    Filtered,
    /// On a node that speaks both header versions 31 is one node, and on this v1 interface it would be all.
    ///
    /// [`Address::BROADCAST`] is the broadcast of both.
    #[error(
        "address {address} would be the broadcast on the interface: give it a name there, or send to 16383"
    )]
    Broadcast {
        /// The broadcast of the interface's header version.
        address: Address,
    },
    /// The flags ask for something that the node does not do here.
    #[error("{flags:?} cannot be used here")]
    Unsupported {
        /// The flags in question.
        flags: Flags,
    },
}

impl From<rdp::SendError> for SendError {
    fn from(error: rdp::SendError) -> Self {
        match error {
            rdp::SendError::Closed => Self::Closed,
            rdp::SendError::Full => Self::Full,
            rdp::SendError::Empty => Self::Empty,
        }
    }
}

#[cfg(feature = "std")]
impl From<SendError> for std::io::Error {
    fn from(error: SendError) -> Self {
        use std::io::ErrorKind;
        let kind = match error {
            SendError::Closed => ErrorKind::NotConnected,
            SendError::TooLong { .. }
            | SendError::Empty
            | SendError::Header(_)
            | SendError::Broadcast { .. }
            | SendError::Unsupported { .. } => ErrorKind::InvalidInput,
            SendError::NoRoute { .. } => ErrorKind::HostUnreachable,
            SendError::Full => ErrorKind::WouldBlock,
            SendError::LinkDown => ErrorKind::NetworkDown,
            SendError::Filtered => ErrorKind::PermissionDenied,
        };
        Self::new(kind, error)
    }
}
