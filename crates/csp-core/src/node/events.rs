//! The events that wait to be polled.

use alloc::collections::VecDeque;

use crate::{ConnectionId, Event};

/// Things to act on, and notices.
///
/// The former wait at most once each and so are bounded by what exists, the latter by number.
#[derive(Debug)]
pub(super) struct Events {
    ready: VecDeque<Event>,
    notices: VecDeque<Event>,
    max_notices: usize,
    lost: u64,
}

impl Events {
    pub(super) const fn new(max_notices: usize) -> Self {
        Self {
            ready: VecDeque::new(),
            notices: VecDeque::new(),
            max_notices,
            lost: 0,
        }
    }

    /// Queues a thing to act on, unless it already waits.
    pub(super) fn ready(&mut self, event: Event) {
        if !self.ready.contains(&event) {
            self.ready.push_back(event);
        }
    }

    /// Queues a notice; when there are too many the oldest goes.
    pub(super) fn notice(&mut self, event: Event) {
        if self.notices.len() >= self.max_notices {
            self.lost = self.lost.wrapping_add(1);
            if self.notices.pop_front().is_none() {
                return;
            }
        }
        self.notices.push_back(event);
    }

    /// Takes back what no longer concerns anybody.
    pub(super) fn forget_event(&mut self, event: Event) {
        self.ready.retain(|ready| *ready != event);
    }

    /// Takes back what concerns a connection.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.ready.retain(|event| match event {
            Event::Readable(connection)
            | Event::Writable(connection)
            | Event::Connected(connection)
            | Event::Acknowledged(connection)
            | Event::Closed { connection, .. } => *connection != id,
            _ => true,
        });
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        self.ready.pop_front().or_else(|| self.notices.pop_front())
    }

    pub(super) const fn reset_lost(&mut self) {
        self.lost = 0;
    }

    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InterfaceId, LinkState};

    #[test]
    fn notices_are_bounded_and_the_loss_is_counted() {
        let notice = |state| Event::Link {
            interface: InterfaceId::LOOPBACK,
            state,
        };
        let mut events = Events::new(1);
        events.notice(notice(LinkState::Down));
        events.notice(notice(LinkState::Up));
        assert_eq!(events.pop(), Some(notice(LinkState::Up)));
        assert_eq!((events.pop(), events.lost()), (None, 1));
        let mut none = Events::new(0);
        none.notice(notice(LinkState::Up));
        assert_eq!((none.pop(), none.lost()), (None, 1));
    }
}
