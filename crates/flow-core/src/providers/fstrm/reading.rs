//! The reading end of a stream as the transport of a flow.

use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, ready};

use bytes::Bytes;
use fstrm_codec::conn::ConnError;
use fstrm_codec::endpoint::Connection;
use fstrm_codec::{End, FstrmReader};
use futures_core::Stream;
use futures_sink::Sink;

use crate::carrier::Losses;

/// A reader, which confirms the end once the application has read everything.
#[derive(Debug)]
pub(super) struct Reading {
    reader: FstrmReader<Connection>,
    losses: Losses,
    ended: bool,
}

impl Reading {
    pub(super) const fn new(reader: FstrmReader<Connection>, losses: Losses) -> Self {
        Self {
            reader,
            losses,
            ended: false,
        }
    }

    /// After STOP: FINISH, once the application has read everything.
    fn poll_confirmed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.losses.poll_all_read(cx));
        pin!(self.reader.release_finish()).poll(cx)
    }
}

impl Stream for Reading {
    type Item = Result<Bytes, ConnError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.ended {
            match ready!(Pin::new(&mut self.reader).poll_next(cx)) {
                None => self.ended = true,
                item => return Poll::Ready(item),
            }
        }
        if self.reader.end_of_stream() == Some(End::Stop) {
            ready!(self.poll_confirmed(cx));
        } else {
            self.losses.handle_silence(); // it broke off: whoever wrote is gone
        }
        Poll::Ready(None)
    }
}

/// Takes nothing: the flow is read-only.
impl Sink<Bytes> for Reading {
    type Error = ConnError;

    fn poll_ready(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _packet: Bytes) -> Result<(), ConnError> {
        self.losses.handle_lost_outgoing(1);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        Poll::Ready(Ok(()))
    }
}
