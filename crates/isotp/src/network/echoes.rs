//! Which endpoint's frame came back.

use alloc::collections::VecDeque;

use can_link::CanFrame;

use crate::endpoints::EndpointId;

/// Echoes awaited at most. The oldest one is given up for a new one: its endpoint notices by N_As.
const MAX_ECHOES: usize = 1024;

/// Frames that the link has taken and not given back yet, in order.
#[derive(Debug, Default)]
pub(super) struct Echoes(VecDeque<(EndpointId, CanFrame)>);

impl Echoes {
    pub(super) fn await_one(&mut self, owner: EndpointId, frame: CanFrame) {
        if self.0.len() >= MAX_ECHOES {
            self.0.pop_front();
        }
        self.0.push_back((owner, frame));
    }

    /// Gives up the echoes of frames that are of no interest any more.
    pub(super) fn retain(&mut self, is_awaited: impl Fn(EndpointId, &CanFrame) -> bool) {
        self.0.retain(|(owner, frame)| is_awaited(*owner, frame));
    }

    /// Whose frame it is that came back. Usually the oldest; controllers with several transmit buffers may
    /// send in another order.
    pub(super) fn take(&mut self, frame: &CanFrame) -> Option<EndpointId> {
        let at = self.0.iter().position(|(_, awaited)| awaited == frame)?;
        self.0.remove(at).map(|(owner, _)| owner)
    }
}
