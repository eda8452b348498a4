//! What a controller is made with, what is done to it, and what it counts.

use core::time::Duration;

/// What makes one controller differ from another.
#[derive(Clone, Copy, Debug)]
pub struct EcuConfig {
    pub(super) seed: u64,
    pub(super) erase_time: Duration,
    pub(super) boot_time: Duration,
    pub(super) lockout: Duration,
}

impl Default for EcuConfig {
    fn default() -> Self {
        Self::seeded(0)
    }
}

impl EcuConfig {
    /// The seed decides the seeds of security access. Default: 0.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self {
            seed,
            erase_time: Duration::from_secs(3),
            boot_time: Duration::ZERO,
            lockout: Duration::from_secs(10),
        }
    }

    /// How long erasing takes. Default: 3 s, so that a tester meets "response pending" twice.
    #[must_use]
    pub const fn erase_time(self, erase_time: Duration) -> Self {
        Self { erase_time, ..self }
    }

    /// How long the controller hears nothing after a reset. Default: no time.
    #[must_use]
    pub const fn boot_time(self, boot_time: Duration) -> Self {
        Self { boot_time, ..self }
    }

    /// How long no seed is given after [`MAX_ATTEMPTS`](super::MAX_ATTEMPTS) wrong keys. Default: 10 s.
    #[must_use]
    pub const fn lockout(self, lockout: Duration) -> Self {
        Self { lockout, ..self }
    }
}

/// Whether the engine runs: then nothing is programmed, and no trouble code cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// It stands.
    #[default]
    Off,
    /// It runs.
    Running,
}

/// What became of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests that came.
    pub requests: u64,
    /// Positive responses.
    pub positive: u64,
    /// Negative responses, but for "response pending".
    pub negative: u64,
    /// "Response pending", each time.
    pub pending: u64,
    /// Positive responses that the tester did not want.
    pub suppressed: u64,
    /// Requests to all that this controller cannot serve.
    pub passed_over: u64,
    /// Requests without a byte, which have no service to answer for.
    pub empty: u64,
    /// Requests that came while the controller started after a reset.
    pub unheard: u64,
    /// Requests and responses dropped because [`MAX_RESPONSES`](super::MAX_RESPONSES) were waiting.
    pub dropped: u64,
}
