//! Two interfaces in memory: what one sends the other receives.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use futures_core::Stream;
use futures_sink::Sink;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::Incoming;
use crate::{Packet, Transmit};

/// Packets on their way in each direction; a sender waits for room.
const PAIR_QUEUE: usize = 64;

/// One end of an interface pair.
///
/// When it is dropped the other's link is down for good.
#[derive(Debug)]
pub struct PairEnd {
    outgoing: PollSender<Packet>,
    incoming: mpsc::Receiver<Packet>,
}

/// Two ends of a wire in memory, without delay or loss.
#[must_use]
pub fn pair() -> (PairEnd, PairEnd) {
    let (there, at_two) = mpsc::channel(PAIR_QUEUE);
    let (back, at_one) = mpsc::channel(PAIR_QUEUE);
    (
        PairEnd {
            outgoing: PollSender::new(there),
            incoming: at_one,
        },
        PairEnd {
            outgoing: PollSender::new(back),
            incoming: at_two,
        },
    )
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the other end of the pair is gone")
}

impl Stream for PairEnd {
    type Item = io::Result<Incoming>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let packet = ready!(self.incoming.poll_recv(cx));
        Poll::Ready(packet.map(|packet| Ok(Incoming::Packet(packet))))
    }
}

impl Sink<Transmit> for PairEnd {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_reserve(cx).map_err(|_| gone())
    }

    fn start_send(mut self: Pin<&mut Self>, transmit: Transmit) -> io::Result<()> {
        self.outgoing.send_item(transmit.packet).map_err(|_| gone())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.close();
        Poll::Ready(Ok(()))
    }
}
