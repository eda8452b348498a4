//! Both directions of a conversation between two other nodes.

use core::fmt;

#[cfg(feature = "alloc")]
use bytes::{Bytes, BytesMut};
use can_link::CanFrame;
use tinwire_time::Instant;

use crate::address::{Address, Target};
use crate::buffer::Buffer;
use crate::channel::Channel;
use crate::config::{Config, Role};
use crate::event::{Event, Stats};

/// Which of the two nodes sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The node whose address the follower has.
    Forth,
    /// The node it talks to.
    Back,
}

/// A follower of what two nodes send to each other, that never sends anything itself.
///
/// It is two listeners ([`Role::Listener`]), one for each direction, and knows more than those: a flow
/// control tells that its direction's message may take longer, or ends.
///
/// # Examples
/// ```
/// use can_link::{CanFrame, StandardId};
/// use isotp::{Address, Config, Direction, Follower};
/// use tinwire_time::Instant;
///
/// let (tester, ecu) = (StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap());
/// let mut follower = Follower::new(Address::normal(tester, ecu)?, Config::default());
///
/// let now = Instant::ZERO;
/// follower.handle_frame(now, &CanFrame::data(tester, &[0x02, 0x3E, 0x00]).unwrap());
/// let (direction, _, request) = follower.take_received(now).unwrap();
/// assert_eq!((direction, &request[..]), (Direction::Forth, &[0x3E, 0x00][..]));
///
/// follower.handle_frame(now, &CanFrame::data(ecu, &[0x02, 0x7E, 0x00]).unwrap());
/// let (direction, _, answer) = follower.take_received(now).unwrap();
/// assert_eq!((direction, &answer[..]), (Direction::Back, &[0x7E, 0x00][..]));
/// # Ok::<(), isotp::AddressError>(())
/// ```
pub struct Follower<R> {
    forth: Channel<[u8; 0], R>,
    back: Channel<[u8; 0], R>,
}

#[cfg(feature = "alloc")]
impl Follower<BytesMut> {
    /// A follower of the node with `address` and the one it talks to.
    ///
    /// Of `config` counts what a receiver needs: limits, N_Cr and padding.
    #[must_use]
    pub fn new(address: Address, config: Config) -> Self {
        Self::with_buffers(address, config, BytesMut::new(), BytesMut::new())
    }

    /// Takes a message that is complete, so that the next one in its direction has room.
    pub fn take_received(&mut self, now: Instant) -> Option<(Direction, Target, Bytes)> {
        let forth = self
            .forth
            .take_received(now)
            .map(|taken| (Direction::Forth, taken));
        let (direction, (target, message)) =
            forth.or_else(|| self.back.take_received(now).map(|taken| (Direction::Back, taken)))?;
        Some((direction, target, message))
    }
}

impl<R: Buffer> Follower<R> {
    /// A follower that puts messages together in a buffer for each direction.
    #[must_use]
    pub fn with_buffers(address: Address, config: Config, forth: R, back: R) -> Self {
        let config = config.role(Role::Listener);
        Self {
            forth: Channel::with_buffer(address.reversed(), config, forth),
            back: Channel::with_buffer(address, config, back),
        }
    }

    /// A frame was on the bus.
    pub fn handle_frame(&mut self, now: Instant, frame: &CanFrame) {
        // What one node answers concerns the message that the other one sends.
        if let Some(control) = self.forth.observe(now, frame) {
            self.back.handle_answer(now, control);
        }
        if let Some(control) = self.back.observe(now, frame) {
            self.forth.handle_answer(now, control);
        }
    }

    /// The next event, and in which direction. Call it until `None`.
    ///
    /// [`Event::Received`] and the like speak of the node that receives.
    pub fn poll_event(&mut self) -> Option<(Direction, Event)> {
        let forth = self.forth.poll_event().map(|event| (Direction::Forth, event));
        forth.or_else(|| self.back.poll_event().map(|event| (Direction::Back, event)))
    }

    /// A message that is complete, from [`Event::Received`] until it is released.
    #[must_use]
    pub fn received(&self) -> Option<(Direction, Target, &[u8])> {
        let forth = self.forth.received().map(|held| (Direction::Forth, held));
        let (direction, (target, data)) =
            forth.or_else(|| self.back.received().map(|held| (Direction::Back, held)))?;
        Some((direction, target, data))
    }

    /// Gives up the message that [`received`](Self::received) shows, so that the next one has room.
    pub fn release(&mut self, now: Instant) {
        match self.forth.received() {
            Some(_) => self.forth.release(now),
            None => self.back.release(now),
        }
    }

    /// What was counted in one direction.
    #[must_use]
    pub const fn stats(&self, direction: Direction) -> &Stats {
        match direction {
            Direction::Forth => self.forth.stats(),
            Direction::Back => self.back.stats(),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (forth, back) = (self.forth.poll_timeout(), self.back.poll_timeout());
        forth.into_iter().chain(back).min()
    }

    /// Lets the timers expire that are due. Early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.forth.handle_timeout(now);
        self.back.handle_timeout(now);
    }
}

impl<R: Buffer> fmt::Debug for Follower<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("forth", &self.forth)
            .field("back", &self.back)
            .finish()
    }
}
