//! What a server can be told.

use core::time::Duration;

use crate::isotpserver::{DEFAULT_MAX_LEN, LineCodec, Reading};

/// The default of [`ServerConfig::max_clients`].
pub const DEFAULT_MAX_CLIENTS: usize = 64;
/// The default of [`ServerConfig::max_queued`].
pub const DEFAULT_MAX_QUEUED: usize = 256 * 1024;
/// The default of [`ServerConfig::stall_timeout`].
pub const DEFAULT_STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What becomes of connections when a transfer fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Failures {
    /// They stay. The failure is an event.
    #[default]
    Stay,
    /// They are closed, as the original does without a word: that of the client whose message failed, or all
    /// when a reception failed or brought a message longer than [`ServerConfig::max_len`].
    HangUp,
}

/// The parameters of a [`Server`](super::Server).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    reading: Reading,
    pub(super) failures: Failures,
    pub(super) max_len: usize,
    pub(super) max_clients: usize,
    pub(super) max_queued: usize,
    pub(super) stall_timeout: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            reading: Reading::default(),
            failures: Failures::default(),
            max_len: DEFAULT_MAX_LEN,
            max_clients: DEFAULT_MAX_CLIENTS,
            max_queued: DEFAULT_MAX_QUEUED,
            stall_timeout: DEFAULT_STALL_TIMEOUT,
        }
    }
}

impl ServerConfig {
    /// What text of clients is taken for a message. Default: strict hex; the original is tolerant.
    #[must_use]
    pub const fn reading(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }

    /// What becomes of connections when a transfer fails. Default: they stay; the original hangs up.
    #[must_use]
    pub const fn failures(self, failures: Failures) -> Self {
        Self { failures, ..self }
    }

    /// The longest message of a client, in bytes. What comes from the bus is limited by the endpoint.
    ///
    /// Default: 6000, as the original.
    #[must_use]
    pub const fn max_len(self, max_len: usize) -> Self {
        Self { max_len, ..self }
    }

    /// How many clients may be connected; one more is turned away at once.
    ///
    /// Default: 64. The original has no limit.
    #[must_use]
    pub const fn max_clients(self, max_clients: usize) -> Self {
        Self { max_clients, ..self }
    }

    /// How many bytes of lines are kept for a client that does not read. Then it misses messages, each of
    /// which is an event; a single line is always kept.
    ///
    /// Default: 256 KiB. The original leaves this to the socket and then loses messages silently.
    #[must_use]
    pub const fn max_queued(self, max_queued: usize) -> Self {
        Self { max_queued, ..self }
    }

    /// How long a client for whom there are lines may read nothing; then it is taken for dead and turned out.
    ///
    /// Default: 30 s. The original waits as long as the connection does.
    #[must_use]
    pub const fn stall_timeout(self, stall_timeout: Duration) -> Self {
        Self {
            stall_timeout,
            ..self
        }
    }

    pub(super) fn codec(self) -> LineCodec {
        LineCodec::server().reading(self.reading).max_len(self.max_len)
    }
}
