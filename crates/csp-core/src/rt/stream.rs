//! Connections as `Stream` and `Sink`.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;

use super::conn::CloseError;
use super::{Connection, DeliveryError, RecvError};
use crate::{Message, SendError};

/// How long the sink's `close` waits for acknowledgements: as long as libcsp waits for a silent peer.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// Where the stream and the sink of a connection are.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// The stream has told why the connection is over.
    told: bool,
    /// What the sink took and the node has no room for.
    held: Option<Bytes>,
    /// The place of the sink among the senders.
    turn: Option<u64>,
    /// The sink takes no more.
    closing: bool,
}

/// What arrives; the last item tells why nothing more does.
impl Stream for Connection {
    type Item = Result<Message, RecvError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ends.told {
            return Poll::Ready(None);
        }
        let message = ready!(self.poll_recv(cx));
        self.ends.told = message.is_err();
        Poll::Ready(Some(message))
    }
}

impl Connection {
    /// Sends what the sink holds.
    fn poll_held(&mut self, cx: &Context<'_>) -> Poll<Result<(), DeliveryError>> {
        let Self { sender, ends } = self;
        let Some(payload) = &ends.held else {
            return Poll::Ready(Ok(()));
        };
        let mut state = sender.shared.lock();
        let send = |node: &mut crate::Node, now| node.send(now, sender.id, payload.clone());
        let sent = ready!(state.poll_send(sender.id, &mut ends.turn, send, cx));
        state.leave(sender.id, &mut ends.turn);
        ends.held = None;
        Poll::Ready(sent.map(drop).map_err(DeliveryError::from))
    }
}

/// What is to be sent. Flushed is what waits for its link; `close` waits for acknowledgements, up to 10 s.
impl Sink<Bytes> for Connection {
    type Error = DeliveryError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        self.poll_held(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, payload: Bytes) -> Result<(), DeliveryError> {
        match self.try_send(payload.clone()) {
            Err(SendError::Full) => {
                self.ends.held = Some(payload);
                Ok(())
            }
            sent => Ok(sent?),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        self.poll_held(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        if !self.ends.closing {
            ready!(self.poll_held(cx))?;
            self.ends.closing = true;
            self.sender.finish(CLOSE_LIMIT);
        }
        let finished = ready!(self.sender.poll_finished(cx));
        Poll::Ready(finished.map_err(|error| match error {
            CloseError::Unacknowledged { reason, .. } => DeliveryError::Ended { reason },
            CloseError::Stopped => DeliveryError::Closed,
        }))
    }
}
