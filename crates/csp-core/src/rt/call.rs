//! One question to a service of another node, and its answer.

use core::time::Duration;
use std::io;

use bytes::Bytes;
use thiserror::Error;
use tinwire_time::Instant;

use super::{CallError, Connection, Node, RecvError};
use crate::rdp::CloseReason;
use crate::service::{NoShortForm, ReplyError};
use crate::{Address, ConnectConfig, ConnectError, Flags, InterfaceId, Message, Port, Priority, SendError};

/// How to ask a service of another node.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub(super) timeout: Duration,
    pub(super) quiet: Duration,
    flags: Flags,
    priority: Priority,
}

impl Call {
    /// How long to wait for the answer. Default 1 s, as libcsp's commands.
    ///
    /// Where several are collected ([`Node::identify_all`]): how long that goes on.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long nothing more must come for an answer in several packets to be complete.
    ///
    /// Only [`Node::processes`] has such: nothing in its packets says which is the last. Default 250 ms.
    #[must_use]
    pub const fn quiet(mut self, quiet: Duration) -> Self {
        self.quiet = quiet;
        self
    }

    /// Flags of the request, and so of the reply.
    ///
    /// Default CRC32, without which libcsp 2.x does not answer (SVC-1).
    #[must_use]
    pub const fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// Priority of the request, and so of the reply. Default norm, as everywhere.
    #[must_use]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }
}

impl Default for Call {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(1),
            quiet: Duration::from_millis(250),
            flags: Flags::CRC32,
            priority: Priority::Norm,
        }
    }
}

/// What a service of another node answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer<T> {
    /// The answer itself.
    pub value: T,
    /// Who answered; differs from who was asked if that was a broadcast.
    pub from: Address,
    /// The interface it came by.
    pub interface: InterfaceId,
    /// From the node taking the request to the node getting the (first) reply.
    ///
    /// Waiting on the link is in it, the scheduling of the caller's task is not.
    pub rtt: Duration,
}

/// Why a service of another node gave no answer.
///
/// One that is off there, refuses, or fails stays silent (SVC-3): all that is a
/// [`Timeout`](ServiceError::Timeout). The other node knows why; one of ours tells it as an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// No connection could be opened.
    #[error(transparent)]
    Connect(#[from] CallError<ConnectError>),
    /// The request could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// No answer came in time.
    #[error("no answer within {limit:?}")]
    Timeout {
        /// How long it was waited.
        limit: Duration,
    },
    /// The connection was over before; only one by RDP ends so.
    #[error("no answer: {reason}")]
    Ended {
        /// Why it is over.
        reason: CloseReason,
    },
    /// The node stopped while waiting.
    #[error("the node has stopped")]
    Stopped,
    /// What came is not an answer to the question.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// The route has no form that libcsp 1.6 understands; nothing was sent.
    #[error(transparent)]
    Route(#[from] NoShortForm),
}

impl From<RecvError> for ServiceError {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Timeout { limit } => Self::Timeout { limit },
            RecvError::Closed => Self::Stopped,
            RecvError::Ended { reason } => Self::Ended { reason },
        }
    }
}

impl From<ServiceError> for io::Error {
    fn from(error: ServiceError) -> Self {
        let kind = match error {
            ServiceError::Connect(_) => io::ErrorKind::AddrNotAvailable,
            ServiceError::Send(error) => return error.into(),
            ServiceError::Timeout { .. } => io::ErrorKind::TimedOut,
            ServiceError::Ended { reason } => reason.kind(),
            ServiceError::Stopped => io::ErrorKind::BrokenPipe,
            ServiceError::Reply(_) => io::ErrorKind::InvalidData,
            ServiceError::Route(_) => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// Room for the one reply of most services, and what a careless link makes of it.
pub(super) const FEW: usize = 16;
/// Room for the replies of a network, or for a text in several packets, that come in one burst.
pub(super) const MANY: usize = 512;

/// A question that was asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) connection: Connection,
    pub(super) sent_at: Instant,
}

impl Asked {
    pub(super) fn answer<T>(&self, reply: &Message, value: T) -> Answer<T> {
        Answer {
            value,
            from: reply.header.source,
            interface: reply.interface,
            rtt: reply.received_at.saturating_since(self.sent_at),
        }
    }
}

impl Node {
    /// Sends `request` to a service; its replies come by the connection, where so many of them may wait.
    pub(super) async fn ask(
        &self,
        remote: Address,
        port: Port,
        call: Call,
        request: Bytes,
        replies: usize,
    ) -> Result<Asked, ServiceError> {
        let options = ConnectConfig::default()
            .flags(call.flags)
            .priority(call.priority)
            .receive_queue(replies);
        let connection = self.connect(remote, port, options).await?;
        let sent_at = connection.send_at(request).await?;
        Ok(Asked { connection, sent_at })
    }

    /// Asks a service and reads its one reply.
    pub(super) async fn call_service<T>(
        &self,
        (remote, port): (Address, Port),
        call: Call,
        request: Bytes,
        decode: impl FnOnce(&[u8]) -> Result<T, ReplyError>,
    ) -> Result<Answer<T>, ServiceError> {
        let limit = call.timeout;
        let exchange = async {
            let mut asked = self.ask(remote, port, call, request, FEW).await?;
            let reply = asked.connection.recv().await?;
            let value = decode(&reply.payload)?;
            Ok(asked.answer(&reply, value))
        };
        let late = Err(ServiceError::Timeout { limit });
        tokio::time::timeout(limit, exchange).await.unwrap_or(late)
    }
}
