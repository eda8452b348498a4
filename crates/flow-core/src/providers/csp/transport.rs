//! A CSP connection as the transport of a flow.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;
use csp_core::SendError;
use csp_core::rdp::CloseReason;
use csp_core::rt::{Connection, DeliveryError, RecvError};
use futures_core::Stream;
use futures_sink::Sink;

use crate::carrier::Losses;

/// A connection whose survivable failures are losses.
#[derive(Debug)]
pub(super) struct Transport {
    connection: Connection,
    /// Where they are told; FRCT, which makes up for them, has no use for that.
    losses: Option<Losses>,
}

impl Transport {
    pub(super) const fn new(connection: Connection, losses: Option<Losses>) -> Self {
        Self { connection, losses }
    }

    /// What a failure to send means for the flow.
    fn survive(&self, sent: Result<(), DeliveryError>) -> Result<(), RecvError> {
        match sent {
            Ok(()) => Ok(()),
            Err(DeliveryError::Send(SendError::Closed) | DeliveryError::Closed) => Err(RecvError::Closed),
            Err(DeliveryError::Ended { reason }) => Err(RecvError::Ended { reason }),
            Err(DeliveryError::Timeout { limit }) => Err(RecvError::Timeout { limit }),
            // no route for now, or one that takes less: this packet is gone, the next may go
            Err(_) => {
                if let Some(losses) = &self.losses {
                    losses.handle_lost_outgoing(1);
                }
                Ok(())
            }
        }
    }
}

impl Stream for Transport {
    type Item = Result<Bytes, RecvError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(Pin::new(&mut self.connection).poll_next(cx));
        Poll::Ready(match item {
            Some(Ok(message)) => Some(Ok(message.payload)),
            None => None,
            Some(Err(RecvError::Ended { reason })) => match reason {
                CloseReason::Finished | CloseReason::ClosedByPeer => None,
                CloseReason::PeerSilent => {
                    if let Some(losses) = &self.losses {
                        losses.handle_silence();
                    }
                    None
                }
                reason => Some(Err(RecvError::Ended { reason })),
            },
            Some(Err(error)) => Some(Err(error)),
        })
    }
}

impl Sink<Bytes> for Transport {
    type Error = RecvError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), RecvError>> {
        let ready = ready!(Pin::new(&mut self.connection).poll_ready(cx));
        Poll::Ready(self.survive(ready))
    }

    fn start_send(mut self: Pin<&mut Self>, packet: Bytes) -> Result<(), RecvError> {
        let sent = Pin::new(&mut self.connection).start_send(packet);
        self.survive(sent)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), RecvError>> {
        let flushed = ready!(Pin::new(&mut self.connection).poll_flush(cx));
        Poll::Ready(self.survive(flushed))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), RecvError>> {
        let closed = ready!(Pin::new(&mut self.connection).poll_close(cx));
        Poll::Ready(self.survive(closed))
    }
}
