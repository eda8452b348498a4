//! What is seen of a broker from outside, and how it is told to come to an end.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::stats::Stats;

/// The figures of one broker. Clones are of the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stats: Mutex<Stats>,
    hurry: Notify,
}

impl Watch {
    /// As they were when the broker was last looked at.
    pub(crate) fn stats(&self) -> Stats {
        *self.0.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish(&self, stats: Stats) {
        *self.0.stats.lock().unwrap_or_else(PoisonError::into_inner) = stats;
    }

    /// Says that whoever runs the relay wants it to end: the broker is waited for a moment only.
    pub(crate) fn hurry(&self) {
        self.0.hurry.notify_one();
    }

    /// Completes once after [`hurry`](Self::hurry).
    pub(super) async fn hurried(&self) {
        self.0.hurry.notified().await;
    }
}
