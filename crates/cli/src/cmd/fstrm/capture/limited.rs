//! No more frames than were asked for.

use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, ready};
use std::sync::Arc;

use fstrm_codec::collector::{Batch, Batches, Receipt};
use fstrm_codec::frame::{FrameConfig, OwnedRun};
use fstrm_codec::store::Record;
use futures::Stream;
use tokio::sync::Notify;

/// The batches, up to a number of frames; what follows is taken and thrown away.
#[derive(Debug)]
pub(super) struct Limited {
    batches: Batches,
    /// Frames that are still to come; `None` without a limit.
    left: Option<u64>,
    meter: Arc<Meter>,
}

/// Tells when there is enough.
#[derive(Debug, Default)]
pub(super) struct Meter {
    full: Notify,
    surplus: AtomicU64,
}

impl Meter {
    /// Completes when the last frame that was asked for has come. May be dropped and called again until then.
    pub(super) async fn full(&self) {
        self.full.notified().await;
    }

    /// Frames that came behind the last one.
    pub(super) fn surplus(&self) -> u64 {
        self.surplus.load(Ordering::Relaxed)
    }
}

/// What is to be written of a batch.
#[derive(Debug)]
pub(super) struct Part {
    run: OwnedRun,
    receipt: Receipt,
}

impl Limited {
    pub(super) fn new(batches: Batches, count: Option<u64>) -> (Self, Arc<Meter>) {
        let meter = Arc::new(Meter::default());
        let limited = Self {
            batches,
            left: count,
            meter: Arc::clone(&meter),
        };
        (limited, meter)
    }

    /// The part of a batch that is wanted; `None` when nothing is.
    fn part(&mut self, batch: Batch) -> Option<Part> {
        let (run, receipt) = batch.split();
        let Some(left) = self.left else {
            return Some(Part { run, receipt });
        };
        let frames = run.frames();
        self.left = Some(left.saturating_sub(frames));
        if frames >= left && left > 0 {
            self.meter.full.notify_one();
        }
        self.meter
            .surplus
            .fetch_add(frames.saturating_sub(left), Ordering::Relaxed);
        match front(&run, left) {
            Some(run) => Some(Part { run, receipt }),
            None => {
                // Nobody asked for it, so nobody shall send it again.
                receipt.confirm();
                None
            }
        }
    }
}

/// The first `count` frames.
fn front(run: &OwnedRun, count: u64) -> Option<OwnedRun> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let len: usize = run
        .as_run()
        .iter()
        .take(count)
        .map(|payload| payload.len() + 4)
        .sum();
    let wire = run.as_wire().slice(..len);
    let any = FrameConfig::new().max_data(core::num::NonZeroU32::MAX);
    OwnedRun::decode(wire, any).ok()
}

impl Stream for Limited {
    type Item = Part;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        let this = self.get_mut();
        loop {
            let Some(batch) = ready!(Pin::new(&mut this.batches).poll_next(cx)) else {
                return Poll::Ready(None);
            };
            if let Some(part) = this.part(batch) {
                return Poll::Ready(Some(part));
            }
        }
    }
}

impl Record for Part {
    type Receipt = Receipt;

    fn split(self) -> (OwnedRun, Receipt) {
        (self.run, self.receipt)
    }

    fn confirm(receipt: Receipt) {
        receipt.confirm();
    }
}
