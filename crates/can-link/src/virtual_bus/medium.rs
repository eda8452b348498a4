//! The state of a bus: who is on it, what is queued, what is on the wire. No clock and no lock in here.

use alloc::vec::Vec;
use core::task::Waker;
use core::time::Duration;
use std::time::{Instant, SystemTime};

use super::bits::frame_duration;
use super::controller::{Controller, Loss, PortId};
use super::port::PortConfig;
use super::{BusConfig, BusStats};
use crate::error_frame::{BusState, ErrorFrame};
use crate::filter::FilterSet;
use crate::frame::CanFrame;
use crate::link::{
    BusError, ChannelId, DropReason, Event, EventBuf, LinkChange, Origin, Received, SendError, Timestamp,
};

/// Whether the interface can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Up,
    Down,
    Gone,
}

#[derive(Debug)]
struct OnWire {
    sender: PortId,
    frame: CanFrame,
    end: Instant,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Medium {
    config: BusConfig,
    start: Instant,
    epoch: SystemTime,
    ports: Vec<Controller>,
    next_id: u64,
    presence: Presence,
    on_wire: Option<OnWire>,
    /// When the last frame ended; the next one cannot start earlier.
    idle_since: Instant,
    stats: BusStats,
}

impl Medium {
    pub(super) fn new(config: BusConfig, start: Instant, epoch: SystemTime) -> Self {
        Self {
            config,
            start,
            epoch,
            ports: Vec::new(),
            next_id: 0,
            presence: Presence::Up,
            on_wire: None,
            idle_since: start,
            stats: BusStats::default(),
        }
    }

    pub(super) const fn config(&self) -> &BusConfig {
        &self.config
    }

    pub(super) const fn stats(&self) -> BusStats {
        self.stats
    }

    pub(super) const fn len(&self) -> usize {
        self.ports.len()
    }

    pub(super) fn join(&mut self, config: PortConfig) -> PortId {
        let id = PortId(self.next_id);
        self.next_id += 1;
        self.ports.push(Controller::new(id, config));
        id
    }

    pub(super) fn leave(&mut self, id: PortId, now: Instant) {
        let lost = self.port(id).map_or(0, |port| port.tx.len());
        self.stats.lost_in_queue += u64::try_from(lost).unwrap_or(u64::MAX);
        self.ports.retain(|port| port.id != id);
        self.advance(now); // a port that held the bus may have been the one that left
    }

    fn port(&mut self, id: PortId) -> Option<&mut Controller> {
        self.ports.iter_mut().find(|port| port.id == id)
    }

    pub(super) fn set_filters(&mut self, id: PortId, filters: &FilterSet, now: Instant) {
        if let Some(port) = self.port(id) {
            port.filters = filters.clone();
        }
        self.advance(now); // the port may have held the bus for a frame that it no longer wants
    }

    /// Queues a prefix of `frames`; `Ok(0)` means that the queue is full and `waker` is kept.
    pub(super) fn send(
        &mut self,
        id: PortId,
        frames: &[CanFrame],
        now: Instant,
        waker: &Waker,
    ) -> Result<usize, SendError> {
        self.advance(now);
        match self.presence {
            Presence::Up => {}
            Presence::Down => return Err(SendError::Down),
            Presence::Gone => return Err(SendError::Gone),
        }
        let mut taken = 0;
        for frame in frames {
            match self.config.capabilities.check(frame) {
                Err(error) if taken == 0 => return Err(error),
                Err(_) => break,
                Ok(()) => {}
            }
            let Some(port) = self.port(id) else {
                return Err(SendError::Closed);
            };
            if port.state == BusState::BusOff {
                return if taken == 0 {
                    Err(SendError::BusOff)
                } else {
                    Ok(taken)
                };
            }
            if port.tx.len() >= port.config.transmit_queue {
                port.tx_waker = Some(waker.clone());
                break;
            }
            port.tx.push_back(frame.clone());
            taken += 1;
            self.advance(now);
        }
        Ok(taken)
    }

    /// Whether everything the port sent was on the wire; keeps `waker` otherwise.
    pub(super) fn flushed(&mut self, id: PortId, now: Instant, waker: &Waker) -> Result<bool, SendError> {
        self.advance(now);
        let on_wire = self.on_wire.as_ref().is_some_and(|frame| frame.sender == id);
        let Some(port) = self.port(id) else {
            return Err(SendError::Closed);
        };
        if let Some(loss) = port.lost.take() {
            return Err(loss.into());
        }
        if port.tx.is_empty() && !on_wire {
            return Ok(true);
        }
        port.tx_waker = Some(waker.clone());
        Ok(false)
    }

    /// Moves up to `max` events to `out`; `None` when there are none and `waker` is kept. `Some(0)` at the
    /// end.
    pub(super) fn recv(
        &mut self,
        id: PortId,
        out: &mut EventBuf,
        max: usize,
        now: Instant,
        waker: &Waker,
    ) -> Option<usize> {
        self.advance(now);
        let presence = self.presence;
        let Some(port) = self.port(id) else { return Some(0) };
        let mut moved = 0;
        while moved < max {
            let Some(event) = port.rx.pop_front() else { break };
            out.push_back(event);
            moved += 1;
        }
        if moved < max && port.dropped > 0 {
            let count = core::mem::take(&mut port.dropped);
            out.push_back(Event::Dropped {
                count,
                reason: DropReason::ReceiveQueueFull,
            });
            moved += 1;
        }
        if moved > 0 {
            self.advance(now); // room in a blocking queue may let the bus go on
            return Some(moved);
        }
        if presence == Presence::Gone {
            return Some(0);
        }
        port.rx_waker = Some(waker.clone());
        None
    }

    /// When the frame on the wire ends, if there is one.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.on_wire.as_ref().map(|frame| frame.end)
    }

    /// Delivers every frame that has ended by `now` and starts the next ones.
    pub(super) fn advance(&mut self, now: Instant) {
        loop {
            if let Some(frame) = self.on_wire.take_if(|frame| frame.end <= now) {
                self.idle_since = frame.end;
                self.deliver(&frame);
            }
            if self.on_wire.is_some() || self.presence != Presence::Up {
                return;
            }
            let Some((sender, frame)) = self.arbitrate() else {
                self.idle_since = self.idle_since.max(now);
                return;
            };
            let duration = self
                .config
                .bit_rate
                .map_or(Duration::ZERO, |rate| frame_duration(&frame, rate));
            self.stats.busy += duration;
            let end = self.idle_since + duration;
            if end > now {
                // Every receiver that waits must set its alarm, also one that does not want this frame: when
                // it ends, somebody has to be there to start the next.
                self.ports.iter_mut().for_each(Controller::wake);
            }
            self.on_wire = Some(OnWire { sender, frame, end });
        }
    }

    /// Takes the frame that wins the bus, unless a blocking receiver has no room for it.
    fn arbitrate(&mut self) -> Option<(PortId, CanFrame)> {
        let heads = self
            .ports
            .iter()
            .filter_map(|port| Some((port.tx.front()?.arbitration_key(), port.id)));
        let (_, winner) = heads.min_by_key(|&(key, _)| key)?;
        let frame = self.port(winner)?.tx.front()?.clone();
        let held = self
            .ports
            .iter()
            .any(|port| port.holds() && port.wants(winner, &frame));
        if held {
            return None;
        }
        let port = self.port(winner)?;
        port.tx.pop_front();
        port.wake_sender();
        Some((winner, frame))
    }

    pub(super) fn time(&self, at: Instant) -> SystemTime {
        self.epoch + at.saturating_duration_since(self.start)
    }

    fn timestamp(&self, at: Instant) -> Timestamp {
        Timestamp {
            host: self.time(at),
            hardware: None,
            monotonic: at,
        }
    }

    fn deliver(&mut self, done: &OnWire) {
        let time = self.timestamp(done.end);
        self.stats.frames += 1;
        for port in &mut self.ports {
            if port.id == done.sender {
                port.wake_sender(); // a flush may be waiting for this frame
            }
            if port.wants(done.sender, &done.frame) {
                let origin = if port.id == done.sender {
                    Origin::Own
                } else {
                    Origin::Bus
                };
                let received = Received {
                    frame: done.frame.clone(),
                    time,
                    origin,
                    channel: ChannelId::default(),
                };
                self.stats.dropped += port.push_frame(received);
            }
        }
    }

    /// Reports bus errors to every port, as a controller that sees them would.
    pub(super) fn inject_error(&mut self, report: ErrorFrame, now: Instant) {
        let time = self.timestamp(now);
        for port in &mut self.ports {
            if port.filters.errors().intersects(report.classes()) {
                port.push_event(Event::BusError(BusError {
                    report,
                    time,
                    channel: ChannelId::default(),
                }));
            }
            let state = port.state.after(&report);
            self.stats.lost_in_queue += port.set_state(state);
        }
        let off = |id| {
            self.ports
                .iter()
                .any(|port| port.id == id && port.state == BusState::BusOff)
        };
        if self.on_wire.as_ref().is_some_and(|frame| off(frame.sender)) {
            self.abort_frame(now, Loss::BusOff);
        }
        self.advance(now);
    }

    /// What is on the wire never gets to its end.
    fn abort_frame(&mut self, now: Instant, loss: Loss) {
        let Some(frame) = self.on_wire.take() else { return };
        self.idle_since = now;
        self.stats.lost_in_queue += 1;
        if let Some(port) = self.port(frame.sender) {
            port.lost = Some(loss);
            port.wake_sender();
        }
    }

    /// Puts one port's controller into `state`.
    pub(super) fn set_state(&mut self, id: PortId, state: BusState, now: Instant) {
        self.advance(now);
        let lost = self.port(id).map_or(0, |port| port.set_state(state));
        self.stats.lost_in_queue += lost;
        if state == BusState::BusOff && self.on_wire.as_ref().is_some_and(|frame| frame.sender == id) {
            self.abort_frame(now, Loss::BusOff);
        }
        self.advance(now);
    }

    /// Takes the interface down, up, or away for good.
    pub(super) fn set_link(&mut self, change: LinkChange, now: Instant) {
        self.advance(now);
        self.presence = match change {
            LinkChange::Up | LinkChange::Reconnected => Presence::Up,
            LinkChange::Down => Presence::Down,
            LinkChange::Gone => Presence::Gone,
        };
        let loss = match self.presence {
            Presence::Up => None,
            Presence::Down => Some(Loss::Down),
            Presence::Gone => Some(Loss::Gone),
        };
        if let Some(loss) = loss {
            self.abort_frame(now, loss);
        }
        for port in &mut self.ports {
            if let Some(loss) = loss {
                self.stats.lost_in_queue += port.forget_queue(loss);
            }
            port.push_event(Event::Link(change));
            port.wake_sender();
        }
        self.advance(now);
    }
}
