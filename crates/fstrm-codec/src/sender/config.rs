//! How a sender behaves.

use core::time::Duration;

use crate::queue::{Delivery, Policy};
use crate::{ContentType, handshake, queue};

/// Default time that a lone frame waits for others: 10 ms.
pub const DEFAULT_COALESCE_DELAY: Duration = Duration::from_millis(10);
/// Default time for a connection to come about: 5 s.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Default time in which the transport has to take a byte: 30 s.
pub const DEFAULT_WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Default time for a close to send what is queued: 10 s.
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// Default time after which written frames are confirmed: 5 s.
pub const DEFAULT_CONFIRM_INTERVAL: Duration = Duration::from_secs(5);
/// Default delay before the first attempt to reconnect: 10 ms.
pub const DEFAULT_FIRST_BACKOFF: Duration = Duration::from_millis(10);
/// Default longest delay between attempts to reconnect: 5 s.
pub const DEFAULT_LAST_BACKOFF: Duration = Duration::from_secs(5);

/// How a [`Sender`](super::Sender) behaves.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) handshake: handshake::Config,
    pub(super) queue: queue::Config,
    pub(super) coalesce_delay: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) shutdown_timeout: Duration,
    pub(super) confirm_interval: Duration,
    pub(super) first_backoff: Duration,
    pub(super) last_backoff: Duration,
    pub(super) seed: Option<u64>,
}

impl Config {
    /// The defaults: bidirectional, no content type, block, written.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            handshake: handshake::Config::new(),
            queue: queue::Config::new(),
            coalesce_delay: DEFAULT_COALESCE_DELAY,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            write_timeout: DEFAULT_WRITE_TIMEOUT,
            shutdown_timeout: DEFAULT_SHUTDOWN_TIMEOUT,
            confirm_interval: DEFAULT_CONFIRM_INTERVAL,
            first_backoff: DEFAULT_FIRST_BACKOFF,
            last_backoff: DEFAULT_LAST_BACKOFF,
            seed: None,
        }
    }

    /// Mode, content types, limits, and the timeouts of ACCEPT and FINISH.
    #[must_use]
    pub fn handshake(mut self, handshake: handshake::Config) -> Self {
        self.handshake = handshake;
        self
    }

    /// Adds a content type to what READY offers. Default none.
    #[must_use]
    pub fn content_type(mut self, content_type: ContentType) -> Self {
        self.handshake = self.handshake.content_type(content_type);
        self
    }

    /// Bounds of the queue, its policy and delivery. The longest payload is that of the handshake.
    #[must_use]
    pub const fn queue(mut self, queue: queue::Config) -> Self {
        self.queue = queue;
        self
    }

    /// What happens when the queue is full. Default [`Policy::Block`].
    #[must_use]
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.queue = self.queue.policy(policy);
        self
    }

    /// When a frame is done. Default [`Delivery::Written`].
    #[must_use]
    pub const fn delivery(mut self, delivery: Delivery) -> Self {
        self.queue = self.queue.delivery(delivery);
        self
    }

    /// Longest time that a lone frame waits for others. Default 10 ms; 0 sends at once. The C library takes 1
    /// to 2 s.
    ///
    /// Nothing waits while much is queued, see
    /// [`coalesce_bytes`](queue::Config::coalesce_bytes).
    #[must_use]
    pub const fn coalesce_delay(mut self, delay: Duration) -> Self {
        self.coalesce_delay = delay;
        self
    }

    /// Longest time for a connection to come about. Default 5 s.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Longest time in which the transport takes no byte, before the connection is given up. Default 30 s;
    /// the C library waits for ever.
    #[must_use]
    pub const fn write_timeout(mut self, timeout: Duration) -> Self {
        self.write_timeout = timeout;
        self
    }

    /// Longest time that a close goes on sending, FINISH included. Default 10 s.
    #[must_use]
    pub const fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// Longest time that written frames stay unconfirmed under [`Delivery::Confirmed`]. Default 5 s.
    #[must_use]
    pub const fn confirm_interval(mut self, interval: Duration) -> Self {
        self.confirm_interval = interval;
        self
    }

    /// Delay before the first attempt to reconnect, and the longest, in between doubling. Default 10 ms to 5
    /// s (C library: always 5 s; unbound: 10 ms to 1 s). Each is cut by up to a half at random.
    #[must_use]
    pub const fn backoff(mut self, first: Duration, last: Duration) -> Self {
        self.first_backoff = first;
        self.last_backoff = last;
        self
    }

    /// Decides what of the delays is left to chance. Default: each sender another.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
