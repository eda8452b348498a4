//! One direction of a flow, with what its two sides know of each other: sans-IO.
//!
//! ```text
//!          write, end, mark down                    read, let go, mark down
//! writer ------------------------> [ queue ] --------------------------> reader
//!        <-- room, reader gone --             -- packets, end, events -->
//! ```

#[cfg_attr(
    not(unix),
    allow(dead_code, unreachable_pub, reason = "only another process is told")
)]
mod credit;
mod shared;

use bytes::Bytes;

pub(crate) use credit::Credit;
#[cfg_attr(
    not(unix),
    expect(unreachable_pub, reason = "only the wire between processes shows them")
)]
pub use credit::{Count, Reads};
#[cfg(unix)]
pub(crate) use credit::{News, Urgency};
pub(crate) use shared::SharedPipe;

use crate::error::{ReadError, WriteError};
use crate::event::EventKind;
use crate::queue::{PacketQueue, PartialReads, PushError, QueueConfig};

/// Why a side is there no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It let go.
    Dealloc,
    /// It was silent for too long.
    Silent,
    /// What lies between gave up.
    Reset,
}

impl From<End> for ReadError {
    fn from(end: End) -> Self {
        match end {
            End::Dealloc => Self::Deallocated,
            End::Silent => Self::PeerGone,
            End::Reset => Self::Reset,
        }
    }
}

impl From<End> for WriteError {
    fn from(end: End) -> Self {
        match end {
            End::Dealloc => Self::Deallocated,
            End::Silent => Self::PeerGone,
            End::Reset => Self::Reset,
        }
    }
}

/// What the reading side does with packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Reads,
    /// It is write-only: packets would lie there for ever.
    Declines,
    Gone(End),
}

/// Whether a side says that the flow carries packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mark {
    #[default]
    Up,
    Down,
}

/// What the reading side has been told in events.
#[derive(Debug, Default)]
struct Told {
    /// Packets in the queue that were not told yet. Never more than lie there untouched.
    packets_due: usize,
    dropped_due: u64,
    mark: Mark,
    end: bool,
}

/// Counters of one direction, as its reader sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadStats {
    /// Packets that arrived in the queue.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets discarded because they did not fit the buffer of a read, with partial reads refused.
    pub discarded: u64,
    /// Packets dropped because the queue was full (broadcast layers only).
    pub dropped: u64,
    /// Packets that got lost on their way here, as far as the transport can tell.
    pub lost: u64,
}

#[derive(Debug)]
pub(crate) struct Pipe {
    queue: PacketQueue,
    reader: Reader,
    /// Set when the writing side is over.
    end: Option<End>,
    writer_mark: Mark,
    reader_mark: Mark,
    /// The reader carries packets on, and has not yet seen to it that all it took arrived.
    carrying: bool,
    /// Packets that got lost after the reader took them to carry them on.
    lost_beyond: u64,
    /// The reader let go before it had read everything, or while it was carrying.
    unread_at_end: bool,
    /// What was written, and what of it the reader threw away when it let go.
    written: Count,
    unread: Count,
    /// What the writing side knows of the reader, where that is another process.
    credit: Option<Credit>,
    told: Told,
    stats: ReadStats,
}

impl Pipe {
    pub(crate) fn new(config: QueueConfig) -> Self {
        Self {
            queue: PacketQueue::new(config),
            reader: Reader::Reads,
            end: None,
            writer_mark: Mark::Up,
            reader_mark: Mark::Up,
            carrying: false,
            lost_beyond: 0,
            unread_at_end: false,
            written: Count::default(),
            unread: Count::default(),
            credit: None,
            told: Told::default(),
            stats: ReadStats::default(),
        }
    }

    /// Why no packet would be taken now, however much room there is.
    pub(crate) fn refusal(&self) -> Option<WriteError> {
        match self.reader {
            _ if self.end.is_some() => Some(WriteError::Closed),
            Reader::Gone(end) => Some(end.into()),
            _ if self.writer_mark == Mark::Down || self.reader_mark == Mark::Down => Some(WriteError::Down),
            Reader::Declines => Some(WriteError::PeerNotReading),
            Reader::Reads => None,
        }
    }

    /// Writes a packet; [`WriteError::WouldBlock`] when there is no room now.
    pub(crate) fn write(&mut self, packet: Bytes) -> Result<(), WriteError> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        Ok(self.push(packet)?)
    }

    /// Takes a packet that was written before its writer could know how things stand here; only room counts.
    /// A reader that is gone takes nothing, which is told.
    #[cfg(unix)]
    pub(crate) fn deliver(&mut self, packet: Bytes) -> Result<Delivered, PushError> {
        if matches!(self.reader, Reader::Gone(_)) {
            return Ok(Delivered::Unwanted);
        }
        self.push(packet)?;
        Ok(Delivered::Queued)
    }

    fn push(&mut self, packet: Bytes) -> Result<(), PushError> {
        let len = packet.len();
        self.queue.push(packet)?;
        self.stats.packets += 1;
        self.stats.bytes += u64::try_from(len).unwrap_or(u64::MAX);
        self.written = self.written.with_packet(len);
        self.told.packets_due += 1;
        Ok(())
    }

    /// Writes a packet for a reader that must not be waited for; what finds no room is dropped and counted.
    pub(crate) fn write_or_drop(&mut self, packet: Bytes) -> Dropped {
        let full = self.write(packet) == Err(PushError::Full.into());
        if full {
            self.stats.dropped += 1;
            self.told.dropped_due += 1;
        }
        if full { Dropped::Yes } else { Dropped::No }
    }

    /// Packets for this reader got lost before they came here.
    pub(crate) fn lose(&mut self, count: u64) {
        self.stats.lost += count;
        self.told.dropped_due += count;
    }

    /// The writing side is over: what is queued can be read, then the end. Once only.
    pub(crate) fn end(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    pub(crate) fn mark_by_writer(&mut self, mark: Mark) {
        self.writer_mark = mark;
    }

    pub(crate) fn mark_by_reader(&mut self, mark: Mark) {
        self.reader_mark = mark;
    }

    /// Takes a packet; `Ok(None)` when there is none now.
    pub(crate) fn pop(&mut self) -> Result<Option<Bytes>, ReadError> {
        let packet = self.queue.pop();
        self.after_read(packet)
    }

    /// Takes a packet to carry it on. Until [`arrived`](Self::arrived) it does not count as read.
    pub(crate) fn pop_to_carry(&mut self) -> Result<Option<Bytes>, ReadError> {
        let packet = self.pop();
        self.carrying |= matches!(packet, Ok(Some(_)));
        packet
    }

    /// Whether something taken to be carried on has not arrived yet.
    pub(crate) const fn is_carrying(&self) -> bool {
        self.carrying
    }

    /// Everything taken to be carried on has arrived, or all was done that can be.
    pub(crate) fn arrived(&mut self) {
        self.carrying = false;
    }

    /// Packets got lost after they were taken to be carried on.
    pub(crate) fn lose_beyond(&mut self, count: u64) {
        self.lost_beyond += count;
    }

    /// How many did so.
    pub(crate) fn lost_beyond(&self) -> u64 {
        self.lost_beyond
    }

    /// Takes what there is of a line; `Ok(None)` when there is nothing now.
    pub(crate) fn pop_until(&mut self, end: u8) -> Result<Option<Bytes>, ReadError> {
        let piece = self.queue.pop_until(end);
        self.after_read(piece)
    }

    /// Reads into `buffer`; `Ok(None)` when there is nothing now.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        partial: PartialReads,
    ) -> Result<Option<usize>, ReadError> {
        let read = self.queue.read(buffer, partial).transpose();
        self.stats.discarded = self.queue.discarded();
        self.after_read(read?)
    }

    fn after_read<T>(&mut self, read: Option<T>) -> Result<Option<T>, ReadError> {
        self.told.packets_due = self.told.packets_due.min(self.queue.untouched());
        match (read, self.end) {
            (None, Some(end)) => Err(end.into()),
            (read, _) => Ok(read),
        }
    }

    /// Why nothing may be read now, whatever lies there.
    pub(crate) fn read_refusal(&self) -> Option<ReadError> {
        match self.reader {
            Reader::Declines => Some(ReadError::WriteOnly),
            _ if self.reader_mark == Mark::Down => Some(ReadError::Down),
            Reader::Reads | Reader::Gone(_) => None,
        }
    }

    /// The reading side is over. What is queued is thrown away.
    pub(crate) fn let_go(&mut self, end: End) {
        if !matches!(self.reader, Reader::Gone(_)) {
            self.reader = Reader::Gone(end);
            self.unread = Count::new(self.queue.len(), self.queue.bytes());
            self.unread_at_end = self.queue.clear() > 0 || self.carrying;
            self.told.packets_due = 0;
        }
    }

    /// The reading side will read, or not.
    pub(crate) fn set_reading(&mut self, reading: Reading) {
        if !matches!(self.reader, Reader::Gone(_)) {
            self.reader = match reading {
                Reading::Yes => Reader::Reads,
                Reading::No => Reader::Declines,
            };
        }
    }

    /// Whether everything written has been read: `Ok` when so, `Err` with what has not; `None` from a reader
    /// that is there and could still read.
    pub(crate) fn drained(&self) -> Option<Result<(), ()>> {
        match self.reader {
            Reader::Gone(_) if self.unread_at_end => Some(Err(())),
            _ if self.queue.is_empty() && !self.carrying => Some(Ok(())),
            _ => None,
        }
    }

    /// What was read so far.
    fn taken(&self) -> Count {
        let queued = Count::new(self.queue.len(), self.queue.bytes());
        self.written.since(queued).since(self.unread)
    }

    /// Whether the reader reads.
    pub(crate) const fn reads(&self) -> Reads {
        match self.reader {
            Reader::Reads => Reads::Yes,
            Reader::Declines => Reads::No,
            Reader::Gone(_) => Reads::Never,
        }
    }

    /// The writing side is another process, which learns of reading as [`Credit`] says.
    #[cfg(unix)]
    pub(crate) fn set_credit(&mut self, credit: Credit) {
        self.credit = Some(credit);
    }

    /// What the other process should be told, and notes that it will be; all there is with
    /// [`Urgency::Now`].
    #[cfg(unix)]
    pub(crate) fn take_news(&mut self, urgency: Urgency) -> News {
        let (taken, reads, queued) = (self.taken(), self.reads(), !self.queue.is_empty());
        match &mut self.credit {
            Some(credit) => credit.take_news(taken, reads, queued, urgency),
            None => News::default(),
        }
    }

    /// Whether the writing side should hear of what the reader did.
    fn concerns_writer(&self) -> bool {
        self.credit
            .as_ref()
            .is_none_or(|credit| credit.is_due(self.taken(), self.reads()))
    }

    /// Packets in the queue.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn stats(&self) -> ReadStats {
        self.stats
    }

    /// Forgets what has been told, for a new listener: what is still true will be told to it.
    pub(crate) fn tell_anew(&mut self) {
        self.told = Told {
            packets_due: self.queue.untouched(),
            ..Told::default()
        };
    }

    /// Whether [`take_event`](Self::take_event) would give one.
    pub(crate) fn has_event(&self) -> bool {
        self.told.packets_due > 0
            || self.told.dropped_due > 0
            || self.told.mark != self.writer_mark
            || (self.end.is_some() && !self.told.end)
    }

    /// The next thing to tell. Derived from what differs from what was told, so there is no queue that could
    /// overflow: a flow that went down and up again unobserved tells nothing.
    pub(crate) fn take_event(&mut self) -> Option<EventKind> {
        let told = &mut self.told;
        if told.packets_due > 0 {
            told.packets_due -= 1;
            return Some(EventKind::Packet);
        }
        if told.dropped_due > 0 {
            let count = core::mem::take(&mut told.dropped_due);
            return Some(EventKind::Dropped { count });
        }
        if told.mark != self.writer_mark {
            told.mark = self.writer_mark;
            return Some(match told.mark {
                Mark::Up => EventKind::Up,
                Mark::Down => EventKind::Down,
            });
        }
        let end = self.end.filter(|_| !told.end)?;
        told.end = true;
        Some(match end {
            End::Dealloc => EventKind::Dealloc,
            End::Silent | End::Reset => EventKind::Peer,
        })
    }
}

/// What became of a packet from another process.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    Queued,
    Unwanted,
}

/// Whether a packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    Yes,
    No,
}

/// Whether a side reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Yes,
    No,
}

#[cfg(test)]
mod tests;
