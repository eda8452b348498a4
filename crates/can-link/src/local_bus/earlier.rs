//! What hosts said before they went, when the port had no room for it.

use alloc::collections::VecDeque;

use super::member::received;
use super::shared::Shared;
use super::wire::{Input, Message};

/// What is read of hosts that are gone before the port has room for it; more than a socket holds.
const MAX_EARLIER: usize = 1 << 20;
/// Hosts that may come and go before the port has room for what they said.
const MAX_EARLIER_HOSTS: usize = 16;

/// What hosts that are gone had said when the port had no room for it: it comes before all else.
#[derive(Default)]
pub(super) struct Earlier {
    inputs: VecDeque<Input>,
}

impl Earlier {
    /// Whether the present host's last words may be kept too.
    pub(super) fn has_room(&self, present: &Input) -> bool {
        let bytes: usize = self.inputs.iter().map(Input::len).sum();
        self.inputs.len() < MAX_EARLIER_HOSTS && bytes + present.len() < MAX_EARLIER
    }

    /// Keeps what a host that is gone had said.
    pub(super) fn push(&mut self, input: Input) {
        self.inputs.push_back(input);
    }

    /// Moves messages to the port while it has room, and tells of each takeover in its place; true when
    /// nothing is left.
    pub(super) fn deliver(&mut self, shared: &Shared) -> bool {
        while let Some(input) = self.inputs.front_mut() {
            if !shared.lock().wants_input() {
                return false;
            }
            if !deliver_one(input, shared) {
                self.inputs.pop_front();
                shared.lock().push_takeover();
            }
        }
        true
    }

    /// Moves what is left to the port, which will get nothing more.
    pub(super) fn deliver_all(&mut self, shared: &Shared) {
        while let Some(mut input) = self.inputs.pop_front() {
            while deliver_one(&mut input, shared) {}
            if !self.inputs.is_empty() {
                shared.lock().push_takeover();
            }
        }
    }
}

/// Moves one message of a host that is gone to the port; false when no whole one is left.
fn deliver_one(input: &mut Input, shared: &Shared) -> bool {
    match input.next_message() {
        Ok(Some(Message::Frame { frame, sender, nanos })) => {
            shared.lock().push_frame(received(frame, sender, nanos));
        }
        Ok(Some(Message::Lost(count))) => shared.lock().push_lost(count),
        Ok(Some(_)) => {}
        Ok(None) | Err(_) => return false,
    }
    true
}
