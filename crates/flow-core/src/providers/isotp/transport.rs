//! An ISO-TP endpoint as the transport of a flow.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;
use can_link::Link;
use futures_core::Stream;
use futures_sink::Sink;
use isotp::{IsoTp, StreamError};

use crate::carrier::Losses;

/// An endpoint whose failed messages are losses.
#[derive(Debug)]
pub(super) struct Transport {
    worker: IsoTp<Link>,
    /// The message that the flow began with.
    first: Option<Bytes>,
    losses: Losses,
}

/// Which way a message went that failed, where the endpoint goes on after it.
enum Lost {
    Outgoing,
    Incoming,
}

fn lost(error: &StreamError) -> Option<Lost> {
    match error {
        StreamError::NotSent(_) | StreamError::SendFailed { .. } => Some(Lost::Outgoing),
        StreamError::ReceiveFailed { .. } | StreamError::Refused { .. } => Some(Lost::Incoming),
        _ => None,
    }
}

/// Whether the endpoint goes on after the error.
pub(super) fn is_survivable(error: &StreamError) -> bool {
    lost(error).is_some()
}

impl Transport {
    pub(super) const fn new(worker: IsoTp<Link>, first: Option<Bytes>, losses: Losses) -> Self {
        Self {
            worker,
            first,
            losses,
        }
    }

    /// Counts a failure that the endpoint goes on after.
    fn survive(&self, error: StreamError) -> Result<(), StreamError> {
        match lost(&error) {
            Some(Lost::Outgoing) => self.losses.handle_lost_outgoing(1),
            Some(Lost::Incoming) => self.losses.handle_lost_incoming(1),
            None => return Err(error),
        }
        Ok(())
    }
}

impl Stream for Transport {
    type Item = Result<Bytes, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        loop {
            match ready!(Pin::new(&mut self.worker).poll_next(cx)) {
                Some(Err(error)) => {
                    if let Err(error) = self.survive(error) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                item => return Poll::Ready(item),
            }
        }
    }
}

impl Sink<Bytes> for Transport {
    type Error = StreamError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        while let Err(error) = ready!(Pin::new(&mut self.worker).poll_ready(cx)) {
            self.survive(error)?;
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), StreamError> {
        let sent = Pin::new(&mut self.worker).start_send(message);
        sent.or_else(|error| self.survive(error))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        while let Err(error) = ready!(Pin::new(&mut self.worker).poll_flush(cx)) {
            self.survive(error)?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        while let Err(error) = ready!(Pin::new(&mut self.worker).poll_close(cx)) {
            self.survive(error)?;
        }
        Poll::Ready(Ok(()))
    }
}
