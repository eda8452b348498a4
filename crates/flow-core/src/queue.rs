//! One direction of a flow: a bounded queue of packets, read whole or piece by piece.
//!
//! - **Full.** A queue takes a packet while it holds fewer packets than its limit *and* the packet's bytes
//!   fit under the limit of bytes. Otherwise [`push`](PacketQueue::push) says [`PushError::Full`] and changes
//!   nothing; who pushes waits or drops, by its own rule. A packet that would not fit an empty queue is
//!   [`PushError::TooLong`].
//! - **Partial reads.** A [`read`](PacketQueue::read) with a buffer smaller than the packet returns what
//!   fits, and the next read the rest. A read that fills its buffer to the last byte with the end of a packet
//!   is followed by one read of 0 bytes, the end-of-packet mark; a shorter read says by itself that the
//!   packet ended.
//! - **No partial reads.** A packet that does not fit the buffer is an error that says how long it was; the
//!   packet is gone and counted. There are no marks.

use alloc::collections::VecDeque;

use bytes::{Buf, Bytes};
use thiserror::Error;

/// Packets a queue holds unless told otherwise.
pub const DEFAULT_PACKETS: usize = 256;
/// Bytes a queue holds unless told otherwise: 1 MiB.
pub const DEFAULT_BYTES: usize = 1 << 20;

/// Limits of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    packets: usize,
    bytes: usize,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            packets: DEFAULT_PACKETS,
            bytes: DEFAULT_BYTES,
        }
    }
}

impl QueueConfig {
    /// Packets the queue holds; 0 counts as 1. Default: [`DEFAULT_PACKETS`].
    #[must_use]
    pub const fn packets(self, packets: usize) -> Self {
        Self {
            packets: if packets == 0 { 1 } else { packets },
            ..self
        }
    }

    /// Bytes the queue holds, and thereby the longest packet; 0 counts as 1. Default: [`DEFAULT_BYTES`]. The
    /// peer's own limit of a packet between processes of one host is 1,048,260 bytes.
    #[must_use]
    pub const fn bytes(self, bytes: usize) -> Self {
        Self {
            bytes: if bytes == 0 { 1 } else { bytes },
            ..self
        }
    }

    /// How many packets the queue holds.
    #[must_use]
    pub const fn max_packets(&self) -> usize {
        self.packets
    }

    /// The longest packet, in bytes.
    #[must_use]
    pub const fn max_packet(&self) -> usize {
        self.bytes
    }
}

/// Whether a packet may be read in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PartialReads {
    /// It may: what does not fit comes with the next read.
    #[default]
    Allowed,
    /// It may not: a packet that does not fit is discarded, counted, and an error.
    Refused,
}

/// Why a packet was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PushError {
    /// It is empty; on a wire that is a keepalive, which no reader ever sees.
    #[error("a packet has at least one byte")]
    Empty,
    /// No queue of this limit ever has room for it.
    #[error("packet of {len} bytes, at most {max} fit")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// There is no room now.
    #[error("the queue is full")]
    Full,
}

/// A packet that did not fit the reader's buffer, with partial reads refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("packet of {need} bytes discarded, the buffer has {got}")]
pub struct TooSmall {
    /// Length of the packet in bytes.
    pub need: usize,
    /// Length of the buffer in bytes.
    pub got: usize,
}

/// How far the packet at the front has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Front {
    /// Not at all.
    Whole,
    /// In part: the packet at the front is the rest.
    Begun,
    /// To its end, which the reader has not been told yet. The packet itself is gone from the queue.
    Mark,
}

/// A bounded queue of packets.
///
/// Memory is bounded by its [`QueueConfig`]; a packet read in part counts until its end.
#[derive(Debug)]
pub struct PacketQueue {
    config: QueueConfig,
    packets: VecDeque<Bytes>,
    bytes: usize,
    front: Front,
    discarded: u64,
}

impl PacketQueue {
    /// An empty queue.
    #[must_use]
    pub const fn new(config: QueueConfig) -> Self {
        Self {
            config,
            packets: VecDeque::new(),
            bytes: 0,
            front: Front::Whole,
            discarded: 0,
        }
    }

    /// Puts a packet at the end.
    ///
    /// # Errors
    ///
    /// [`PushError`]; the queue is as before.
    pub fn push(&mut self, packet: Bytes) -> Result<(), PushError> {
        let max = self.config.bytes;
        match packet.len() {
            0 => Err(PushError::Empty),
            len if len > max => Err(PushError::TooLong { len, max }),
            len if len > max - self.bytes || self.packets.len() >= self.config.packets => {
                Err(PushError::Full)
            }
            len => {
                self.bytes += len;
                self.packets.push_back(packet);
                Ok(())
            }
        }
    }

    /// Takes a whole packet, or the rest of the one that [`read`](Self::read) has begun. `None` when there is
    /// none.
    pub fn pop(&mut self) -> Option<Bytes> {
        self.front = Front::Whole; // who takes packets needs no mark
        let packet = self.packets.pop_front()?;
        self.bytes -= packet.len();
        Some(packet)
    }

    /// Takes what is at the front, up to and with the first `end`; all of it when it has none. What follows
    /// is the rest of the packet, as after a [`read`](Self::read). `None` when there is nothing.
    pub fn pop_until(&mut self, end: u8) -> Option<Bytes> {
        let packet = self.packets.front_mut()?;
        let len = packet.iter().position(|byte| *byte == end).map(|at| at + 1);
        match len.filter(|len| *len < packet.len()) {
            Some(len) => {
                let piece = packet.split_to(len);
                self.bytes -= len;
                self.front = Front::Begun;
                Some(piece)
            }
            None => self.pop(),
        }
    }

    /// Reads from the packet at the front into `buffer` and returns how many bytes, by the rules of the
    /// [module](self). `None` when there is nothing. An empty buffer reads 0 bytes and changes nothing.
    pub fn read(&mut self, buffer: &mut [u8], partial: PartialReads) -> Option<Result<usize, TooSmall>> {
        if self.front == Front::Mark {
            if buffer.is_empty() {
                return Some(Ok(0));
            }
            self.front = Front::Whole;
            if partial == PartialReads::Allowed {
                return Some(Ok(0));
            }
        }
        let packet = self.packets.front_mut()?;
        if buffer.is_empty() {
            return Some(Ok(0));
        }
        if partial == PartialReads::Refused && packet.len() > buffer.len() {
            let (need, got) = (packet.len(), buffer.len());
            self.pop();
            self.discarded += 1;
            return Some(Err(TooSmall { need, got }));
        }
        let room = buffer.len();
        let read = packet.len().min(room);
        if let Some(buffer) = buffer.get_mut(..read) {
            packet.copy_to_slice(buffer);
        }
        self.bytes -= read;
        self.front = if packet.has_remaining() {
            Front::Begun
        } else {
            self.packets.pop_front();
            if read == room && partial == PartialReads::Allowed {
                Front::Mark
            } else {
                Front::Whole
            }
        };
        Some(Ok(read))
    }

    /// Whether a read would return at once: there is a packet, or a mark.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.front == Front::Mark || !self.packets.is_empty()
    }

    /// Packets in the queue, one that is read in part included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether there is no packet in the queue.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Packets of which nothing has been read yet.
    #[must_use]
    pub fn untouched(&self) -> usize {
        self.packets.len() - usize::from(self.front == Front::Begun)
    }

    /// Payload bytes in the queue.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Packets discarded because they did not fit a reader's buffer.
    #[must_use]
    pub const fn discarded(&self) -> u64 {
        self.discarded
    }

    /// Throws away what is in the queue and returns how many packets that were.
    pub fn clear(&mut self) -> usize {
        let packets = self.packets.len();
        self.packets.clear();
        self.bytes = 0;
        self.front = Front::Whole;
        packets
    }
}

#[cfg(test)]
mod tests;
