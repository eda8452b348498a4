//! What a server reports, and what it counts.

use alloc::string::String;
use core::fmt;
use std::io;

use bytes::Bytes;

use super::OpenFailure;
use crate::isotpserver::Malformed;
use crate::stream::StreamError;

/// A connection, by a number that no later one gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub(super) u64);

impl ClientId {
    /// Connections are counted from 1.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.0)
    }
}

/// Why a connection ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Departure {
    /// The client closed it.
    Closed,
    /// The client reset it, or the network did.
    Broken(io::Error),
    /// The client read nothing for [`ServerConfig::stall_timeout`](super::ServerConfig::stall_timeout).
    Stalled,
    /// A transfer failed, and [`Failures::HangUp`](super::Failures::HangUp) is set.
    HungUp,
    /// There is no endpoint to serve it with.
    NoEndpoint,
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("it hung up"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::Stalled => f.write_str("it read nothing for too long"),
            Self::HungUp => f.write_str("hung up on, as the original does when a transfer fails"),
            Self::NoEndpoint => f.write_str("hung up on: no endpoint"),
        }
    }
}

/// What happened at a server.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerEvent {
    /// A client connected.
    Joined {
        /// Its number.
        client: ClientId,
        /// Its address.
        peer: String,
    },
    /// A client was turned away: as many as permitted are connected.
    TurnedAway {
        /// Its address.
        peer: String,
        /// How many are permitted.
        max: usize,
    },
    /// A connection ended.
    Left {
        /// Whose.
        client: ClientId,
        /// Why.
        reason: Departure,
    },
    /// A client's message is on the bus as a whole.
    Sent {
        /// Whose.
        client: ClientId,
        /// The message.
        message: Bytes,
    },
    /// A client's message was not sent, or not as a whole.
    SendFailed {
        /// Whose.
        client: ClientId,
        /// Why.
        error: StreamError,
    },
    /// A client sent text that is no message.
    Malformed {
        /// Which one.
        client: ClientId,
        /// What it was.
        reason: Malformed,
    },
    /// A message came from the bus.
    Received {
        /// The message.
        message: Bytes,
        /// For how many clients it was queued.
        clients: usize,
    },
    /// A message from the bus did not arrive as a whole.
    ReceiveFailed(StreamError),
    /// A client did not get a message from the bus, because it has not read those before.
    Missed {
        /// Which one.
        client: ClientId,
        /// The message's length in bytes.
        len: usize,
    },
    /// A connection could not be accepted. The next attempt is made after a pause.
    NotAccepted(io::Error),
    /// The endpoint could not be opened when a client connected.
    NotOpened(OpenFailure),
    /// The endpoint ended, and with it all connections. It is opened again for the next client.
    EndpointEnded(Option<StreamError>),
}

/// What a server counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Clients that connected.
    pub joined: u64,
    /// Clients that were turned away.
    pub turned_away: u64,
    /// Clients that were taken for dead.
    pub stalled: u64,
    /// Messages of clients that are on the bus.
    pub sent: u64,
    /// Messages of clients that are not, or not as a whole.
    pub send_failed: u64,
    /// Items of clients' text that were no message.
    pub malformed: u64,
    /// Messages from the bus.
    pub received: u64,
    /// Messages from the bus that did not arrive as a whole.
    pub receive_failed: u64,
    /// Messages from the bus that one client did not get, each client counted.
    pub missed: u64,
}
