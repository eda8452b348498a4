//! The model in front of a link.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use tinwire_time::{Instant, Origin};
use tokio::time::Sleep;

use super::model::{FaultConfig, FaultModel, FaultStats};
use crate::filter::FilterSet;
use crate::frame::{CanFrame, DataFrame, FdFrame};
use crate::link::Origin::Own;
use crate::link::{
    CanLink, CanRx, CanTx, Capabilities, Event, EventBuf, FilterPlace, LinkError, Received, SendError,
};

/// Frames taken from the link at once.
const BATCH: usize = 64;

/// A link whose received frames suffer faults; what is sent passes unharmed, as do echoes of it and events
/// that are not frames.
///
/// Wrap both ends of a connection to have faults both ways. A lost frame is not reported as an event, because
/// on a real bus it would not be either: see [`stats`](Self::stats). A damaged frame has one flipped data bit
/// (a frame without data stays as it is), which a real controller's CRC would have caught: it is there to
/// test end-to-end checks.
pub struct Faulty<L> {
    link: L,
    model: FaultModel<Received>,
    incoming: EventBuf,
    origin: Origin,
    alarm: Option<Pin<Box<Sleep>>>,
    ended: Ended,
}

/// Whether the link below still delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    No,
    Yes,
}

impl<L: CanLink> Faulty<L> {
    /// Puts faults in front of `link`.
    #[must_use]
    pub fn new(link: L, config: FaultConfig) -> Self {
        Self {
            link,
            model: FaultModel::new(config),
            incoming: EventBuf::new(),
            origin: Origin::new(tokio::time::Instant::now().into_std()),
            alarm: None,
            ended: Ended::No,
        }
    }

    /// What happened to the frames so far.
    #[must_use]
    pub const fn stats(&self) -> &FaultStats {
        self.model.stats()
    }

    /// The link without the faults; frames in flight are lost.
    #[must_use]
    pub fn into_inner(self) -> L {
        self.link
    }

    fn now(&self) -> Instant {
        self.origin.at(tokio::time::Instant::now().into_std())
    }

    /// True when the next frame in flight is due; otherwise arranges a wake-up for it.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> bool {
        // A timer takes a millisecond even for what is due at once.
        if self.model.poll_timeout().is_some_and(|at| at <= self.now()) {
            return true;
        }
        let deadline = self.model.poll_timeout().and_then(|at| self.origin.deadline(at));
        let Some(deadline) = deadline.map(tokio::time::Instant::from_std) else {
            self.alarm = None;
            return false;
        };
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(cx).is_ready()
    }
}

impl<L: CanLink> CanRx for Faulty<L> {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        let mut moved = 0;
        loop {
            let now = self.now();
            while moved < max {
                let Some(received) = self.model.poll_item(now) else {
                    break;
                };
                out.push_back(Event::Frame(received));
                moved += 1;
            }
            while moved < max {
                match self.incoming.pop_front() {
                    // the echo of an own frame confirms what was on the wire; the wire in this model is
                    // behind it
                    Some(Event::Frame(received)) if received.origin != Own => {
                        self.model.handle_item(now, received, |received, random| {
                            damage(&mut received.frame, random)
                        });
                    }
                    Some(event) => {
                        out.push_back(event);
                        moved += 1;
                    }
                    None => break,
                }
            }
            if moved > 0 {
                return Poll::Ready(Ok(moved));
            }
            if self.ended == Ended::No {
                match self.link.poll_recv(cx, &mut self.incoming, BATCH)? {
                    Poll::Ready(0) => self.ended = Ended::Yes,
                    Poll::Ready(_) => continue,
                    Poll::Pending => {}
                }
            }
            if self.ended == Ended::Yes && self.model.poll_timeout().is_none() {
                return Poll::Ready(Ok(0));
            }
            if !self.poll_alarm(cx) {
                return Poll::Pending;
            }
        }
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        self.link.set_filters(filters)
    }

    fn capabilities(&self) -> Capabilities {
        self.link.capabilities()
    }
}

impl<L: CanLink> CanTx for Faulty<L> {
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &[CanFrame]) -> Poll<Result<usize, SendError>> {
        self.link.poll_send(cx, frames)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.link.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.link.poll_close(cx)
    }
}

/// Flips one data bit.
fn damage(frame: &mut CanFrame, random: u64) {
    let mut data: Vec<u8> = frame.payload().to_vec();
    let bits = u64::try_from(data.len() * 8).unwrap_or(0);
    let Some(bit) = random.checked_rem(bits) else {
        return;
    };
    let at = usize::try_from(bit / 8).unwrap_or(0);
    if let Some(byte) = data.get_mut(at) {
        *byte ^= 1 << (bit % 8);
    }
    let damaged = match frame {
        CanFrame::Data(old) => DataFrame::new(old.id(), &data).map(CanFrame::Data),
        CanFrame::Fd(old) => FdFrame::with_exact_len(old.id(), &data, old.flags()).map(CanFrame::Fd),
        CanFrame::Remote(_) | CanFrame::Xl(_) => None,
    };
    if let Some(damaged) = damaged {
        *frame = damaged;
    }
}

impl<L> fmt::Debug for Faulty<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty")
            .field("stats", self.model.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use embedded_can::StandardId;
    use futures::FutureExt;

    use super::super::Probability;
    use super::*;
    use crate::link::{CanRxExt, CanTxExt, LinkChange};
    use crate::virtual_bus::{Echo, PortConfig, VirtualBus};

    fn frame(byte: u8) -> CanFrame {
        CanFrame::data(StandardId::ZERO, &[byte]).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_delayed_frame_arrives_after_the_delay_and_not_before() {
        let bus = VirtualBus::new();
        let mut a = bus.join();
        let mut b = Faulty::new(
            bus.join(),
            FaultConfig::seeded(1).delay(Duration::from_millis(20)),
        );
        a.send(frame(1)).await.unwrap();
        let before = tokio::time::Instant::now();
        assert!(b.recv_frame().now_or_never().is_none());
        assert_eq!(b.recv_frame().await.unwrap().unwrap().frame, frame(1));
        assert_eq!(before.elapsed().as_millis(), 20);
    }

    #[tokio::test]
    async fn a_frame_without_delay_passes_at_once() {
        let bus = VirtualBus::new();
        let mut a = bus.join();
        let mut b = Faulty::new(bus.join(), FaultConfig::seeded(1));
        a.send(frame(1)).await.unwrap();
        assert!(b.recv_frame().now_or_never().is_some());
    }

    #[tokio::test]
    async fn lost_frames_are_counted_and_events_pass() {
        let bus = VirtualBus::new();
        let mut a = bus.join();
        let mut b = Faulty::new(bus.join(), FaultConfig::seeded(1).loss(Probability::ALWAYS));
        a.send(frame(1)).await.unwrap();
        bus.set_link(LinkChange::Down);
        assert_eq!(b.recv().await.unwrap(), Some(Event::Link(LinkChange::Down)));
        assert_eq!(b.stats().lost, 1);
    }

    #[tokio::test]
    async fn a_damaged_frame_differs_in_one_bit() {
        let bus = VirtualBus::new();
        let mut a = bus.join();
        let mut b = Faulty::new(bus.join(), FaultConfig::seeded(1).corrupt(Probability::ALWAYS));
        a.send(frame(0)).await.unwrap();
        let received = b.recv_frame().await.unwrap().unwrap().frame;
        assert_eq!(
            received
                .payload()
                .iter()
                .map(|byte| byte.count_ones())
                .sum::<u32>(),
            1
        );
    }

    #[tokio::test]
    async fn the_echo_of_an_own_frame_is_never_lost() {
        let port = VirtualBus::new().join_with(PortConfig::default().echo(Echo::On));
        let mut a = Faulty::new(port, FaultConfig::seeded(1).loss(Probability::ALWAYS));
        a.send(frame(1)).await.unwrap();
        assert_eq!(a.recv_frame().await.unwrap().unwrap().origin, Own);
        assert_eq!(a.stats().seen, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_in_flight_come_out_before_the_end_of_the_link() {
        let bus = VirtualBus::new();
        let mut a = bus.join();
        let mut b = Faulty::new(bus.join(), FaultConfig::seeded(1).delay(Duration::from_millis(5)));
        a.send(frame(1)).await.unwrap();
        bus.set_link(LinkChange::Gone);
        assert_eq!(b.recv().await.unwrap(), Some(Event::Link(LinkChange::Gone)));
        assert!(matches!(b.recv().await.unwrap(), Some(Event::Frame(_))));
        assert_eq!(b.recv().await.unwrap(), None);
    }
}
