//! What both machines hold for their driver: frames to send, events to tell, counters.

use alloc::collections::VecDeque;

use super::{Event, Stats};
use crate::control::{Control, ControlFrame};

/// Events held; a full queue loses its oldest, so that the end of a stream is always seen.
const MAX_EVENTS: usize = 16;

/// Frames to send and events to tell.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    frames: VecDeque<ControlFrame>,
    events: VecDeque<Event>,
    pub(super) stats: Stats,
}

impl Outbox {
    /// At most two frames wait at any time: a machine sends one per state.
    pub(super) fn send(&mut self, frame: ControlFrame) {
        self.frames.push_back(frame);
    }

    pub(super) fn tell(&mut self, event: Event) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
            self.stats.events_lost += 1;
        }
        self.events.push_back(event);
    }

    pub(super) fn ignore(&mut self, control: &Control<'_>) {
        self.stats.ignored_controls += 1;
        self.tell(Event::Ignored {
            control: control.control_type(),
        });
    }

    pub(super) fn skip(&mut self, len: u32) {
        self.stats.skipped_frames += 1;
        self.stats.skipped_bytes += u64::from(len);
        self.tell(Event::Skipped { len });
    }

    pub(super) fn count_data(&mut self, len: usize) {
        self.stats.data_frames += 1;
        self.stats.data_bytes += u64::try_from(len).unwrap_or(u64::MAX);
    }

    pub(super) fn count_run(&mut self, frames: u64, payload_bytes: u64) {
        self.stats.data_frames += frames;
        self.stats.data_bytes += payload_bytes;
    }

    pub(super) fn poll_transmit(&mut self) -> Option<ControlFrame> {
        self.frames.pop_front()
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Nothing more is sent: the connection is to be dropped.
    pub(super) fn drop_frames(&mut self) {
        self.frames.clear();
    }
}
