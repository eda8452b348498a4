//! The writing end of a stream as the transport of a flow.

use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use bytes::Bytes;
use fstrm_codec::FstrmWriter;
use fstrm_codec::conn::ConnError;
use fstrm_codec::endpoint::Connection;
use futures_core::Stream;
use futures_sink::Sink;

/// A writer, whose reader sends nothing but its going away.
#[derive(Debug)]
pub(super) struct Writing(pub(super) FstrmWriter<Connection>);

impl Stream for Writing {
    type Item = Result<Bytes, ConnError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // whoever is polled anew each time keeps nothing between the polls, and loses nothing
        let gone = pin!(self.0.gone());
        gone.poll(cx).map(|error| Some(Err(error)))
    }
}

impl Sink<Bytes> for Writing {
    type Error = ConnError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        Pin::new(&mut self.0).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, packet: Bytes) -> Result<(), ConnError> {
        Pin::new(&mut self.0).start_send(packet)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnError>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}
