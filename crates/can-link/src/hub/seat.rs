//! One port's queues, filters and errors. The link and the other ports are not known in here.

use alloc::collections::VecDeque;
use core::task::Waker;

use super::HubPortConfig;
use crate::filter::FilterSet;
use crate::frame::CanFrame;
use crate::link::{DropReason, Event, EventBuf, SendError};

/// Places for events beside the frames of a receive queue.
const EVENT_PLACES: usize = 64;
/// Errors kept for a sender that does not ask.
const MAX_ERRORS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PortId(pub(super) u64);

#[derive(Debug)]
pub(super) struct Seat {
    pub(super) id: PortId,
    pub(super) config: HubPortConfig,
    pub(super) filters: FilterSet,
    pub(super) rx: EventBuf,
    pub(super) dropped: u64,
    pub(super) tx: VecDeque<CanFrame>,
    /// Errors about frames of this port, told one by one at its next sends and flushes.
    pub(super) errors: VecDeque<SendError>,
    /// Number of the last frame of this port that the link took.
    pub(super) sent: u64,
    /// Frames of this port that are with the task and not yet with the link.
    pub(super) in_hand: usize,
    /// Whether this port was told that the link failed.
    pub(super) told_failure: bool,
    pub(super) rx_waker: Option<Waker>,
    pub(super) tx_waker: Option<Waker>,
}

impl Seat {
    pub(super) fn new(id: PortId, config: HubPortConfig) -> Self {
        Self {
            id,
            config,
            filters: FilterSet::default(),
            rx: EventBuf::new(),
            dropped: 0,
            tx: VecDeque::new(),
            errors: VecDeque::new(),
            sent: 0,
            in_hand: 0,
            told_failure: false,
            rx_waker: None,
            tx_waker: None,
        }
    }

    /// Queues an event, or counts it; events that are not frames have some places of their own. Returns how
    /// many were lost.
    pub(super) fn push(&mut self, event: Event) -> u64 {
        let beside = if matches!(event, Event::Frame(_)) {
            0
        } else {
            EVENT_PLACES
        };
        let full = self.rx.len() >= self.config.receive_queue.saturating_add(beside);
        if full {
            self.dropped += 1;
        } else {
            self.report_drops();
            self.rx.push_back(event);
        }
        self.wake_receiver();
        u64::from(full)
    }

    pub(super) fn tell(&mut self, error: SendError) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push_back(error);
        }
        self.wake_sender();
    }

    pub(super) fn report_drops(&mut self) {
        if self.dropped > 0 {
            let count = core::mem::take(&mut self.dropped);
            self.rx.push_back(Event::Dropped {
                count,
                reason: DropReason::ReceiveQueueFull,
            });
        }
    }

    pub(super) fn wake_sender(&mut self) {
        if let Some(waker) = self.tx_waker.take() {
            waker.wake();
        }
    }

    pub(super) fn wake_receiver(&mut self) {
        if let Some(waker) = self.rx_waker.take() {
            waker.wake();
        }
    }
}
