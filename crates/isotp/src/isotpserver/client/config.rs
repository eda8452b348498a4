//! What a client can be told.

use core::time::Duration;

use crate::isotpserver::{DEFAULT_MAX_LEN, LineCodec, Reading};

/// The default of [`Reconnect::first`].
pub const DEFAULT_FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The default of [`Reconnect::longest`].
pub const DEFAULT_LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The parameters of a [`Client`](super::Client).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    reading: Reading,
    pub(super) max_len: usize,
    pub(super) reconnect: Option<Reconnect>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            reading: Reading::default(),
            max_len: DEFAULT_MAX_LEN,
            reconnect: None,
        }
    }
}

impl ClientConfig {
    /// What text of the server is taken for a message. Default: strict hex, which is all that the original
    /// writes.
    #[must_use]
    pub const fn reading(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }

    /// The longest message in bytes, in either direction. Default: 6000, as the original, which silently
    /// drops longer ones.
    #[must_use]
    pub const fn max_len(self, max_len: usize) -> Self {
        Self { max_len, ..self }
    }

    /// Whether and how to connect again when the server hung up. Default: not, as aioisotp.
    #[must_use]
    pub const fn reconnect(self, reconnect: Option<Reconnect>) -> Self {
        Self { reconnect, ..self }
    }

    pub(super) fn codec(self) -> LineCodec {
        LineCodec::client().reading(self.reading).max_len(self.max_len)
    }
}

/// When to connect again: after a pause that doubles with every attempt in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnect {
    pub(super) first: Duration,
    pub(super) longest: Duration,
    pub(super) attempts: Option<u32>,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            first: DEFAULT_FIRST_PAUSE,
            longest: DEFAULT_LONGEST_PAUSE,
            attempts: None,
        }
    }
}

impl Reconnect {
    /// The pause before the first attempt. Default: 100 ms.
    #[must_use]
    pub const fn first(self, first: Duration) -> Self {
        Self { first, ..self }
    }

    /// The longest pause. Default: 10 s.
    #[must_use]
    pub const fn longest(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// How many attempts in a row may be in vain before the stream ends. Default: any number.
    #[must_use]
    pub const fn attempts(self, attempts: Option<u32>) -> Self {
        Self { attempts, ..self }
    }
}
