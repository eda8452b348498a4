//! Two interfaces in memory: what one sends the other receives.

use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_core::Stream;
use futures_sink::Sink;

use super::Incoming;
use super::waiters::note;
use crate::{Packet, Transmit};

/// Packets on their way in each direction; a sender waits for room.
const PAIR_QUEUE: usize = 64;

/// One direction.
#[derive(Debug, Default)]
struct Way {
    packets: VecDeque<Packet>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    closed: bool,
}

#[derive(Clone, Debug, Default)]
struct Wire(Arc<Mutex<Way>>);

impl Wire {
    fn lock(&self) -> MutexGuard<'_, Way> {
        // Whole before and after each call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut way = self.lock();
        way.closed = true;
        let waiting = [way.reader.take(), way.writer.take()];
        drop(way);
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}

/// One end of an interface pair.
///
/// When it is dropped the other's link is down for good.
#[derive(Debug)]
pub struct PairEnd {
    outgoing: Wire,
    incoming: Wire,
}

/// Two ends of a wire in memory, without delay or loss.
#[must_use]
pub fn pair() -> (PairEnd, PairEnd) {
    let (there, back) = (Wire::default(), Wire::default());
    let one = PairEnd {
        outgoing: there.clone(),
        incoming: back.clone(),
    };
    let two = PairEnd {
        outgoing: back,
        incoming: there,
    };
    (one, two)
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the other end of the pair is gone")
}

impl Stream for PairEnd {
    type Item = io::Result<Incoming>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut way = self.incoming.lock();
        let Some(packet) = way.packets.pop_front() else {
            if way.closed {
                return Poll::Ready(None);
            }
            note(&mut way.reader, cx);
            return Poll::Pending;
        };
        let writer = way.writer.take();
        drop(way);
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(Some(Ok(Incoming::Packet(packet))))
    }
}

impl Sink<Transmit> for PairEnd {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut way = self.outgoing.lock();
        if way.closed {
            return Poll::Ready(Err(gone()));
        }
        if way.packets.len() < PAIR_QUEUE {
            return Poll::Ready(Ok(()));
        }
        note(&mut way.writer, cx);
        Poll::Pending
    }

    fn start_send(self: Pin<&mut Self>, transmit: Transmit) -> io::Result<()> {
        let mut way = self.outgoing.lock();
        if way.closed {
            return Err(gone());
        }
        way.packets.push_back(transmit.packet);
        let reader = way.reader.take();
        drop(way);
        reader.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.close();
        Poll::Ready(Ok(()))
    }
}

impl Drop for PairEnd {
    fn drop(&mut self) {
        self.outgoing.close();
        self.incoming.close();
    }
}
