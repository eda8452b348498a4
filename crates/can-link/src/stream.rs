//! A CAN link as a byte stream of fixed-size records, so that stock `Framed` is correct over it.
//!
//! `tokio_util::codec::Framed` reads into whatever room its buffer has left and writes its whole buffer at
//! once. Over a socket that keeps message borders this cuts frames apart and glues them together.
//! [`RecordStream`] shows the link as what `Framed` expects, a stream of bytes: each frame is one record of
//! [`RECORD_LEN`] bytes (layout in [`crate::record`]). A read may end anywhere; the rest of the record comes
//! with the next one. A write takes whole records and sends each as one frame.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;
use std::vec::Vec;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::frame::CanFrame;
use crate::link::{BadInput, CanLink, Event, EventBuf, Origin, SendError};
use crate::record::{self, RECORD_LEN};

/// Events and frames moved per call into the link.
const BATCH: usize = 64;
/// Events kept for [`RecordStream::next_event`]; when there are more, the oldest is lost.
const MAX_EVENTS: usize = 256;

/// A CAN link as a byte stream of 72-byte records.
///
/// Carries classic and CAN FD frames. Everything else is counted in [`stats`](Self::stats) and, for who
/// cares, offered by [`next_event`](Self::next_event): bus errors, drops, link changes, CAN XL frames (they
/// fit no record). Echoes of own frames are left out unless [`with_own_echoes`](Self::with_own_echoes) asks
/// for them, because a codec cannot tell them from traffic.
///
/// The stream ends when the link ends, and fails when the link fails; a bad frame does neither. A written
/// record that is no frame, or that the link cannot carry, is refused: counted, told as an event, and passed
/// over, since `Framed` would offer it again for ever. Only a write of less than one record is an error, for
/// it can come from no codec that is meant for records.
#[derive(Debug)]
pub struct RecordStream<L> {
    link: L,
    incoming: EventBuf,
    record: [u8; RECORD_LEN],
    /// How much of `record` was read; `RECORD_LEN` when it is used up.
    taken: usize,
    outgoing: Vec<CanFrame>,
    events: EventBuf,
    stats: RecordStats,
    echoes: Echoes,
}

/// Whether own frames are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Echoes {
    Skip,
    Show,
}

/// What passed through a [`RecordStream`] and what did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordStats {
    /// Frames shown as records.
    pub read: u64,
    /// Records sent as frames.
    pub written: u64,
    /// Own echoes left out.
    pub own_echoes: u64,
    /// CAN XL frames, which no record can carry.
    pub xl_frames: u64,
    /// Reports of bus errors.
    pub bus_errors: u64,
    /// Frames that the link lost before this stream saw them.
    pub dropped: u64,
    /// Datagrams that were no frames, and identifiers that were mended.
    pub bad_input: u64,
    /// Written records that were no frames or that the link cannot carry; they were not sent.
    pub refused: u64,
    /// The oldest events, lost because 256 newer ones came; they are in the counts above.
    pub events_lost: u64,
}

/// A write that is not made of whole records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Fewer bytes than one record.
    #[error(
        "a write of {got} bytes; a codec over a record stream writes whole records of {RECORD_LEN} bytes"
    )]
    Truncated {
        /// Bytes in the write.
        got: usize,
    },
}

impl From<RecordError> for io::Error {
    fn from(error: RecordError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

impl<L: CanLink> RecordStream<L> {
    /// Shows `link` as a stream of records.
    #[must_use]
    pub fn new(link: L) -> Self {
        Self {
            link,
            incoming: EventBuf::with_capacity(BATCH),
            record: [0; RECORD_LEN],
            taken: RECORD_LEN,
            outgoing: Vec::with_capacity(BATCH),
            events: EventBuf::new(),
            stats: RecordStats::default(),
            echoes: Echoes::Skip,
        }
    }

    /// Shows echoes of own frames too.
    #[must_use]
    pub fn with_own_echoes(self) -> Self {
        Self {
            echoes: Echoes::Show,
            ..self
        }
    }

    /// The link.
    #[must_use]
    pub const fn link(&self) -> &L {
        &self.link
    }

    /// The link, to change its filters. Frames received directly from it are missing from the stream.
    pub const fn link_mut(&mut self) -> &mut L {
        &mut self.link
    }

    /// Counts since the stream was made.
    #[must_use]
    pub const fn stats(&self) -> &RecordStats {
        &self.stats
    }

    /// The oldest event that is not a record, if any. At most 256 are kept; beyond that the oldest is lost
    /// and counted.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Turns one event into the current record, or into a count and an event on the side.
    fn take(&mut self, event: Event) {
        match &event {
            Event::Frame(received) if received.origin == Origin::Own && self.echoes == Echoes::Skip => {
                self.stats.own_echoes += 1;
                return;
            }
            Event::Frame(received) => {
                if let Some(record) = record::encode_record(&received.frame) {
                    self.record = record;
                    self.taken = 0;
                    self.stats.read += 1;
                    return;
                }
                self.stats.xl_frames += 1;
            }
            Event::BusError(_) => self.stats.bus_errors += 1,
            Event::Dropped { count, .. } => self.stats.dropped += count,
            Event::BadInput(_) => self.stats.bad_input += 1,
            Event::State(_) | Event::Link(_) => {}
        }
        self.tell(event);
    }

    /// Keeps an event; the newest say most about the state of the link.
    fn tell(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.stats.events_lost += 1;
        }
        self.events.push_back(event);
    }

    /// Passes over one written record that cannot be sent.
    fn refuse(&mut self, why: BadInput) -> Poll<io::Result<usize>> {
        self.stats.refused += 1;
        self.tell(Event::BadInput(why));
        Poll::Ready(Ok(RECORD_LEN))
    }

    /// Copies what is left of the current record.
    fn copy_record(&mut self, out: &mut ReadBuf<'_>) {
        let rest = self.record.get(self.taken..).unwrap_or_default();
        let part = rest.get(..out.remaining()).unwrap_or(rest);
        out.put_slice(part);
        self.taken += part.len();
    }
}

impl<L: CanLink> AsyncRead for RecordStream<L> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = out.filled().len();
        loop {
            this.copy_record(out);
            if out.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if let Some(event) = this.incoming.pop_front() {
                this.take(event);
                continue;
            }
            if out.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            if ready!(this.link.poll_recv(cx, &mut this.incoming, BATCH))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<L: CanLink> AsyncWrite for RecordStream<L> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let (records, _) = bytes.as_chunks::<RECORD_LEN>();
        if records.is_empty() {
            return Poll::Ready(match bytes.len() {
                0 => Ok(0),
                got => Err(RecordError::Truncated { got }.into()),
            });
        }
        this.outgoing.clear();
        for record in records.iter().take(BATCH) {
            match record::decode_record(record) {
                Ok(frame) => this.outgoing.push(frame),
                Err(error) if this.outgoing.is_empty() => return this.refuse(BadInput::Record(error)),
                Err(_) => break, // comes first with the next write
            }
        }
        let sent = match ready!(this.link.poll_send(cx, &this.outgoing)) {
            Ok(sent) => sent,
            Err(SendError::Unsupported { what }) => return this.refuse(BadInput::Unsupported { what }),
            Err(error) => return Poll::Ready(Err(error.into())),
        };
        this.stats.written += u64::try_from(sent).unwrap_or(u64::MAX);
        Poll::Ready(Ok(sent * RECORD_LEN))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.poll_flush(cx).map_err(Into::into)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.poll_close(cx).map_err(Into::into)
    }
}
