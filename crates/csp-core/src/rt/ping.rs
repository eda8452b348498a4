//! The ping client.

use core::time::Duration;

use thiserror::Error;

use super::call::FEW;
use super::{Answer, Call, CallError, Node, RecvError, ServiceError};
use crate::rdp::CloseReason;
use crate::service::ping::{EchoError, check, request};
use crate::{Address, ConnectError, Flags, InterfaceId, Port, Priority, SendError};

/// How to ping.
#[derive(Clone, Copy, Debug)]
pub struct PingConfig {
    size: usize,
    timeout: Duration,
    flags: Flags,
    priority: Priority,
}

impl PingConfig {
    /// Bytes of payload. Default 100, as csp-py.
    #[must_use]
    pub const fn size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// How long to wait for the reply.
    ///
    /// Default 1 s, as libcsp's command; csp-py waits for ever.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Flags of the request.
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

impl Default for PingConfig {
    fn default() -> Self {
        Self {
            size: 100,
            timeout: Duration::from_secs(1),
            flags: Flags::CRC32,
            priority: Priority::Norm,
        }
    }
}

/// A ping that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pong {
    /// From the node taking the request to the node getting the reply.
    ///
    /// Waiting on the link is in it, the scheduling of the caller's task is not.
    pub rtt: Duration,
    /// Who answered; differs from who was asked if that was a broadcast.
    pub from: Address,
    /// The interface the reply came by.
    pub interface: InterfaceId,
}

/// Why a ping failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PingError {
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
    /// The answer does not carry what was sent.
    #[error(transparent)]
    Echo(#[from] EchoError),
}

impl From<ServiceError> for PingError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Connect(error) => Self::Connect(error),
            ServiceError::Send(error) => Self::Send(error),
            ServiceError::Timeout { limit } => Self::Timeout { limit },
            ServiceError::Ended { reason } => Self::Ended { reason },
            // The last two do not befall a ping.
            ServiceError::Stopped | ServiceError::Reply(_) | ServiceError::Route(_) => Self::Stopped,
        }
    }
}

impl From<RecvError> for PingError {
    fn from(error: RecvError) -> Self {
        ServiceError::from(error).into()
    }
}

impl From<PingError> for std::io::Error {
    fn from(error: PingError) -> Self {
        use std::io::ErrorKind;
        let kind = match error {
            PingError::Connect(_) => ErrorKind::AddrNotAvailable,
            PingError::Send(error) => return error.into(),
            PingError::Timeout { .. } => ErrorKind::TimedOut,
            PingError::Ended { reason } => reason.kind(),
            PingError::Stopped => ErrorKind::BrokenPipe,
            PingError::Echo(_) => ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

impl Node {
    /// Asks the ping service of `remote` for an echo.
    ///
    /// # Errors
    /// Nothing or something else came back, or nothing could be sent: see [`PingError`].
    ///
    /// # Cancel safety
    /// A dropped future may have sent the request; its reply is then dropped.
    pub async fn ping(&self, remote: Address, config: PingConfig) -> Result<Pong, PingError> {
        let limit = config.timeout;
        tokio::time::timeout(limit, self.ping_untimed(remote, config))
            .await
            .unwrap_or(Err(PingError::Timeout { limit }))
    }

    async fn ping_untimed(&self, remote: Address, config: PingConfig) -> Result<Pong, PingError> {
        let call = Call::default().flags(config.flags).priority(config.priority);
        let request = request(config.size);
        let mut asked = self.ask(remote, Port::PING, call, request.clone(), FEW).await?;
        let reply = asked.connection.recv().await?;
        check(&request, &reply.payload)?;
        let Answer {
            rtt, from, interface, ..
        } = asked.answer(&reply, ());
        Ok(Pong { rtt, from, interface })
    }
}
