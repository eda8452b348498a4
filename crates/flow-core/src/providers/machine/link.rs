//! What one end of a connection knows of the other: sans-IO.
//!
//! ```text
//!        write, end, mark                    data, mark, end
//! here ------------------> under way ------------------------> there
//!      <-- read, reads --              (its queue: the window)
//! ```
//!
//! A packet may leave while the packets under way are fewer than the window *and* their bytes leave room for
//! it: the rule of the queue there, which therefore always has room for what arrives.

use bytes::Bytes;
use thiserror::Error;

use super::frame::{Count, Frame, FrameError, MAX_PAYLOAD, Reads};
use super::hello::Window;
use crate::error::WriteError;
use crate::flow::FlowState;
use crate::pipe::End;
use crate::queue::PushError;

/// A side has so small a part of its window under way that nothing would be read of it before it is told.
const SMALL_PART: u32 = 4;

/// How a peer broke the rules; its flow ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Breach {
    /// It sent something that is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It sent a packet after it had said that none comes.
    #[error("a packet after the end")]
    AfterEnd,
    /// It sent more than the window.
    #[error("more packets than the window holds")]
    BeyondWindow,
    /// It says that it read what was not sent, or takes back that it did.
    #[error("{packets} packets and {bytes} bytes read, which is not what is under way")]
    Read {
        /// How many packets.
        packets: u32,
        /// How many bytes.
        bytes: u32,
    },
}

/// What a frame brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// A packet for the reader.
    Packet(Bytes),
    /// The peer marked the flow.
    Mark(FlowState),
    /// No more packets come.
    End,
    /// There may be room, or a reason to write no more: look again.
    News,
    /// The peer wants to know what was read.
    Asks,
    /// Nothing but a sign of life.
    Nothing,
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Machine {
    window: Window,
    sent: Count,
    /// What the peer has read.
    read: Count,
    reads: Reads,
    mark: FlowState,
    /// This side writes no more.
    ended: bool,
    /// The peer writes no more.
    peer_ended: bool,
    over: Option<End>,
    /// The peer was asked what it read and has not answered.
    asking: bool,
}

impl Machine {
    pub(super) fn new(window: Window) -> Self {
        Self {
            window,
            sent: Count::default(),
            read: Count::default(),
            reads: Reads::Yes,
            mark: FlowState::Up,
            ended: false,
            peer_ended: false,
            over: None,
            asking: false,
        }
    }

    /// The longest packet the peer takes.
    pub(super) fn max_packet(&self) -> usize {
        let Window { bytes, longest, .. } = self.window;
        usize::try_from(bytes.min(longest)).map_or(MAX_PAYLOAD, |max| max.min(MAX_PAYLOAD))
    }

    const fn under_way(&self) -> Count {
        self.sent.since(self.read)
    }

    /// Packets that the peer has not read, as far as it said.
    pub(super) fn unread(&self) -> usize {
        usize::try_from(self.under_way().packets).unwrap_or(usize::MAX)
    }

    /// Why nothing may be written, however much room there is.
    pub(super) fn refusal(&self) -> Option<WriteError> {
        match (self.over, self.reads) {
            _ if self.ended => Some(WriteError::Closed),
            (Some(end), _) => Some(end.into()),
            (None, Reads::Never) => Some(WriteError::Deallocated),
            _ if self.mark == FlowState::Down => Some(WriteError::Down),
            (None, Reads::No) => Some(WriteError::PeerNotReading),
            (None, Reads::Yes) => None,
        }
    }

    /// Sends a packet of `len` bytes if it may go now, else [`WriteError::WouldBlock`].
    pub(super) fn send(&mut self, len: usize) -> Result<(), WriteError> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let max = self.max_packet();
        if len == 0 {
            return Err(PushError::Empty.into());
        }
        let fits = u32::try_from(len).ok().filter(|_| len <= max);
        let bytes = fits.ok_or(PushError::TooLong { len, max })?;
        let under_way = self.under_way();
        let room = self.window.bytes.saturating_sub(under_way.bytes);
        if under_way.packets >= self.window.packets || bytes > room {
            return Err(WriteError::WouldBlock);
        }
        self.sent = self.sent.with_packet(len);
        Ok(())
    }

    /// Whether somebody who waits for room should ask for it: so little is under way that the peer would not
    /// tell by itself soon.
    pub(super) const fn ask_for_room(&mut self) -> bool {
        let under_way = self.under_way();
        let small = under_way.packets <= self.window.packets / SMALL_PART
            && under_way.bytes <= self.window.bytes / SMALL_PART;
        small && self.ask()
    }

    /// Whether to ask the peer what it read: something is under way, and it was not asked.
    pub(super) const fn ask(&mut self) -> bool {
        let asks = !self.asking && self.under_way().packets > 0 && self.over.is_none();
        self.asking |= asks;
        asks
    }

    /// Nothing more will be written; `true` the first time.
    pub(super) const fn end(&mut self) -> bool {
        let first = !self.ended;
        self.ended = true;
        first
    }

    /// The connection is no more.
    pub(super) fn over(&mut self, end: End) {
        self.over.get_or_insert(end);
    }

    /// What it means that the connection was closed: who dies has not let go of both ways before.
    pub(super) fn closed(&self) -> End {
        if self.peer_ended && self.reads == Reads::Never {
            End::Dealloc
        } else {
            End::Silent
        }
    }

    /// Whether all that was written was read: `None` from a peer that could still read.
    pub(super) fn drained(&self) -> Option<Result<(), ()>> {
        if self.under_way().packets == 0 {
            return Some(Ok(()));
        }
        (self.over.is_some() || self.reads == Reads::Never).then_some(Err(()))
    }

    pub(super) fn handle_frame(&mut self, frame: Frame) -> Result<Incoming, Breach> {
        Ok(match frame {
            Frame::Data(_) if self.peer_ended => return Err(Breach::AfterEnd),
            Frame::Data(packet) => Incoming::Packet(packet),
            Frame::Alive => Incoming::Nothing,
            Frame::Read(count) => {
                let (before, after) = (self.under_way(), self.sent.since(count));
                if after.packets > before.packets || after.bytes > before.bytes {
                    let Count { packets, bytes } = count;
                    return Err(Breach::Read { packets, bytes });
                }
                self.read = count;
                self.asking = false;
                Incoming::News
            }
            Frame::Mark(mark) => {
                self.mark = mark;
                Incoming::Mark(mark)
            }
            Frame::End => {
                self.peer_ended = true;
                Incoming::End
            }
            Frame::Reads(reads) => {
                if self.reads != Reads::Never {
                    self.reads = reads;
                }
                Incoming::News
            }
            Frame::Tell => Incoming::Asks,
        })
    }
}

#[cfg(test)]
mod tests;
