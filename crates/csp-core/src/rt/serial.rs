//! The serializing interface.
//!
//! Packets as header and payload, over anything that carries whole frames.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;

use super::Incoming;
use crate::{DropReason, Packet, Transmit, Version};

/// Joins a `Stream + Sink` of frames to a node.
///
/// Each frame is a header of one version and the payload after it.
///
/// Datagram sockets, channels and `Framed` byte streams with a length or delimiter fit. A frame shorter than
/// a header is discarded and counted.
#[derive(Debug)]
pub struct Serial<T> {
    frames: T,
    version: Version,
}

impl<T> Serial<T> {
    /// An interface that speaks `version` over `frames`.
    ///
    /// Give the same version to the [`InterfaceConfig`](crate::InterfaceConfig).
    pub const fn new(frames: T, version: Version) -> Self {
        Self { frames, version }
    }

    /// The frames' own `Stream + Sink`.
    pub fn into_inner(self) -> T {
        self.frames
    }
}

impl<T, B> Stream for Serial<T>
where
    T: Stream<Item = io::Result<B>> + Unpin,
    B: Into<Bytes>,
{
    type Item = io::Result<Incoming>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let frame = ready!(Pin::new(&mut self.frames).poll_next(cx));
        let version = self.version;
        Poll::Ready(frame.map(|frame| {
            let packet = Packet::decode(version, frame?.into());
            Ok(packet.map_or(
                Incoming::Discarded {
                    reason: DropReason::ShortHeader,
                    count: 1,
                },
                Incoming::Packet,
            ))
        }))
    }
}

impl<T> Sink<Transmit> for Serial<T>
where
    T: Sink<Bytes, Error = io::Error> + Unpin,
{
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.frames).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, transmit: Transmit) -> io::Result<()> {
        let frame = transmit.packet.encode(self.version);
        let frame = frame.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Pin::new(&mut self.frames).start_send(frame)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.frames).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.frames).poll_close(cx)
    }
}
