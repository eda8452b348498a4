//! One port's controller: its queues, filters and state. Who else is on the bus is not known in here.

use alloc::collections::VecDeque;
use core::task::Waker;

use super::port::{Overflow, PortConfig};
use crate::error_frame::BusState;
use crate::filter::FilterSet;
use crate::frame::CanFrame;
use crate::link::{DropReason, Echo, Event, EventBuf, Received, SendError};

/// Places for events beside the frames of a receive queue.
const EVENT_PLACES: usize = 64;

/// Which port; never used again after the port has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PortId(pub(super) u64);

#[derive(Debug)]
pub(super) struct Controller {
    pub(super) id: PortId,
    pub(super) config: PortConfig,
    pub(super) filters: FilterSet,
    pub(super) tx: VecDeque<CanFrame>,
    pub(super) rx: EventBuf,
    /// Frames lost since the last report of them.
    pub(super) dropped: u64,
    pub(super) state: BusState,
    pub(super) rx_waker: Option<Waker>,
    pub(super) tx_waker: Option<Waker>,
    /// Why frames that were accepted since the last flush never got on the wire.
    pub(super) lost: Option<Loss>,
}

/// Why accepted frames were lost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loss {
    Down,
    Gone,
    BusOff,
}

impl From<Loss> for SendError {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Down => Self::Down,
            Loss::Gone => Self::Gone,
            Loss::BusOff => Self::BusOff,
        }
    }
}

impl Controller {
    pub(super) fn new(id: PortId, config: PortConfig) -> Self {
        Self {
            id,
            config,
            filters: FilterSet::default(),
            tx: VecDeque::new(),
            rx: EventBuf::new(),
            dropped: 0,
            state: BusState::Active,
            rx_waker: None,
            tx_waker: None,
            lost: None,
        }
    }

    /// Whether the port has no room for a frame and holds the bus until it has.
    pub(super) fn holds(&self) -> bool {
        self.config.overflow == Overflow::Block && self.rx.len() >= self.config.receive_queue
    }

    pub(super) fn wants(&self, sender: PortId, frame: &CanFrame) -> bool {
        (self.id != sender || self.config.echo == Echo::On) && self.filters.accepts(frame)
    }

    /// Queues a frame, or counts it as dropped; returns how many were dropped.
    pub(super) fn push_frame(&mut self, received: Received) -> u64 {
        let full = self.rx.len() >= self.config.receive_queue;
        if full {
            self.dropped += 1;
        } else {
            self.report_drops();
            self.rx.push_back(Event::Frame(received));
        }
        self.wake();
        u64::from(full)
    }

    /// Queues something that is not a frame; the queue has some places beside its frames for these.
    pub(super) fn push_event(&mut self, event: Event) {
        self.report_drops();
        if self.rx.len() < self.config.receive_queue.saturating_add(EVENT_PLACES) {
            self.rx.push_back(event);
        } else {
            self.dropped += 1;
        }
        self.wake();
    }

    /// Tells of lost frames at their place in the order, as soon as there is room.
    pub(super) fn report_drops(&mut self) {
        if self.dropped > 0 && self.rx.len() < self.config.receive_queue.saturating_add(EVENT_PLACES) {
            let count = core::mem::take(&mut self.dropped);
            self.rx.push_back(Event::Dropped {
                count,
                reason: DropReason::ReceiveQueueFull,
            });
        }
    }

    /// Enters `state` and returns how many queued frames were lost: a controller that goes bus-off forgets
    /// them.
    pub(super) fn set_state(&mut self, state: BusState) -> u64 {
        if self.state == state {
            return 0;
        }
        self.state = state;
        self.push_event(Event::State(state));
        if state == BusState::BusOff {
            self.forget_queue(Loss::BusOff)
        } else {
            0
        }
    }

    /// Loses what is queued, which the next flush will tell; returns how many frames that were.
    pub(super) fn forget_queue(&mut self, loss: Loss) -> u64 {
        let lost = u64::try_from(self.tx.len()).unwrap_or(u64::MAX);
        if lost > 0 {
            self.tx.clear();
            self.lost = Some(loss);
        }
        self.wake_sender();
        lost
    }

    pub(super) fn wake_sender(&mut self) {
        if let Some(waker) = self.tx_waker.take() {
            waker.wake();
        }
    }

    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.rx_waker.take() {
            waker.wake();
        }
    }
}
