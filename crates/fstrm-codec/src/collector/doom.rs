//! How a session is told from outside that it is over.

use core::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

/// Why a session is ended by somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its incomplete frame has held memory for longest while others need it.
    Memory,
    /// A batch of it was dropped unconfirmed.
    Unconfirmed,
    /// The collector closes, and the time for that is over.
    Closed,
}

/// The first verdict counts.
#[derive(Debug, Default)]
pub(super) struct Doom {
    verdict: AtomicU8,
    passed: CancellationToken,
}

impl Doom {
    pub(super) fn pass(&self, verdict: Verdict) {
        let bits = match verdict {
            Verdict::Memory => 1,
            Verdict::Unconfirmed => 2,
            Verdict::Closed => 3,
        };
        // Whoever comes second finds the session ended already.
        let _ = self
            .verdict
            .compare_exchange(0, bits, Ordering::AcqRel, Ordering::Acquire);
        self.passed.cancel();
    }

    /// Completes with the verdict.
    pub(super) async fn passed(&self) -> Verdict {
        self.passed.cancelled().await;
        match self.verdict.load(Ordering::Acquire) {
            1 => Verdict::Memory,
            2 => Verdict::Unconfirmed,
            _ => Verdict::Closed,
        }
    }

    /// Whether there is a verdict.
    pub(super) fn is_passed(&self) -> bool {
        self.passed.is_cancelled()
    }
}
