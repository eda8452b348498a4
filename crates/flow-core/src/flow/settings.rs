//! What a flow is set to: one state, by single setters or by the flags of the C peer.

use core::time::Duration;

use super::{Access, Flow, FlowFlags, FlowState};
use crate::pipe::{Mark, Reading};
use crate::queue::PartialReads;

impl Flow {
    /// How this side uses the flow, in one word.
    #[must_use]
    pub const fn flags(&self) -> FlowFlags {
        let (reader, writer) = (&self.reader, &self.writer);
        FlowFlags::READ_ONLY
            .with_access(self.access())
            .with_if(matches!(writer.mark(), Mark::Down), FlowFlags::DOWN)
            .with_if(reader.is_non_blocking(), FlowFlags::NON_BLOCKING_READ)
            .with_if(writer.is_non_blocking(), FlowFlags::NON_BLOCKING_WRITE)
            .with_if(
                matches!(reader.partial_reads(), PartialReads::Refused),
                FlowFlags::NO_PARTIAL_READ,
            )
            .with_if(writer.no_partial_writes(), FlowFlags::NO_PARTIAL_WRITE)
    }

    /// Sets all that the flags say, as the single setters do.
    pub fn set_flags(&mut self, flags: FlowFlags) {
        self.set_access(flags.access());
        self.set_state(if flags.contains(FlowFlags::DOWN) {
            FlowState::Down
        } else {
            FlowState::Up
        });
        self.set_non_blocking_read(flags.contains(FlowFlags::NON_BLOCKING_READ));
        self.set_non_blocking_write(flags.contains(FlowFlags::NON_BLOCKING_WRITE));
        self.set_partial_reads(if flags.contains(FlowFlags::NO_PARTIAL_READ) {
            PartialReads::Refused
        } else {
            PartialReads::Allowed
        });
        self.writer
            .set_no_partial_writes(flags.contains(FlowFlags::NO_PARTIAL_WRITE));
    }

    /// What this side may do.
    #[must_use]
    pub const fn access(&self) -> Access {
        if !self.reader.reads() {
            Access::WriteOnly
        } else if self.writer.is_read_only() {
            Access::ReadOnly
        } else {
            Access::ReadWrite
        }
    }

    /// Sets what this side may do. Default: read and write.
    pub fn set_access(&mut self, access: Access) {
        self.reader.set_reading(match access {
            Access::WriteOnly => Reading::No,
            Access::ReadOnly | Access::ReadWrite => Reading::Yes,
        });
        self.writer.set_access(access);
    }

    /// Whether this side says that the flow carries packets.
    #[must_use]
    pub const fn state(&self) -> FlowState {
        match self.writer.mark() {
            Mark::Up => FlowState::Up,
            Mark::Down => FlowState::Down,
        }
    }

    /// Says whether the flow carries packets. Default: up. On a broadcast layer this concerns the own side
    /// only.
    pub fn set_state(&mut self, state: FlowState) {
        let mark = match state {
            FlowState::Up => Mark::Up,
            FlowState::Down => Mark::Down,
        };
        if self.writer.mark() != mark {
            self.inbound().as_reader(|pipe| pipe.mark_by_reader(mark));
            self.writer.set_mark(mark);
        }
    }

    /// Sets whether packets may be read in pieces. Default: allowed.
    pub const fn set_partial_reads(&mut self, partial: PartialReads) {
        self.reader.set_partial_reads(partial);
    }

    /// Sets whether a read with nothing there fails instead of waiting. Default: it waits.
    pub const fn set_non_blocking_read(&mut self, non_blocking: bool) {
        self.reader.set_non_blocking(non_blocking);
    }

    /// Sets whether a write without room fails instead of waiting. Default: it waits.
    pub const fn set_non_blocking_write(&mut self, non_blocking: bool) {
        self.writer.set_non_blocking(non_blocking);
    }

    /// For how long a read waits; `None` is for ever.
    #[must_use]
    pub const fn receive_timeout(&self) -> Option<Duration> {
        self.reader.timeout()
    }

    /// Sets for how long a read waits; zero looks once. Default: `None`, for ever.
    ///
    /// This holds for every call that waits for packets, but for those that are told another time, and for
    /// the `Stream`.
    pub const fn set_receive_timeout(&mut self, timeout: Option<Duration>) {
        self.reader.set_timeout(timeout);
    }

    /// For how long a write waits; `None` is for ever.
    #[must_use]
    pub const fn send_timeout(&self) -> Option<Duration> {
        self.writer.timeout()
    }

    /// Sets for how long a write waits for room; zero tries once. Default: `None`, for ever.
    ///
    /// This holds for every call that waits for room, but for those that are told another time, the `Sink`
    /// and [`dealloc`](Self::dealloc).
    pub const fn set_send_timeout(&mut self, timeout: Option<Duration>) {
        self.writer.set_timeout(timeout);
    }

    /// Sets the longest line in bytes, both ways. Default: [`DEFAULT_MAX_LINE`](super::DEFAULT_MAX_LINE).
    pub const fn set_max_line(&mut self, max: usize) {
        self.reader.set_max_line(max);
        self.writer.set_max_line(max);
    }
}
