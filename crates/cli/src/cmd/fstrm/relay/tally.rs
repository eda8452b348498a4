//! What a relay has carried so far, for itself and for whoever asks.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fstrm_codec::collector::Watch;
use fstrm_codec::endpoint::Endpoint;

use crate::broker;
use crate::cmd::streams::{Meter, Output};
use crate::failure::Result;
use crate::metrics::{Exporter, Page, Relayed, brokers, relayed};
use crate::units::counted;

/// Counters of a relay.
#[derive(Debug, Default)]
pub(super) struct Tally {
    frames: AtomicU64,
    bytes: AtomicU64,
    wrong_type: AtomicU64,
    /// Frames that a sieve kept back, by reason.
    sifted: Mutex<Vec<(&'static str, u64)>>,
    /// Outputs, once they are open.
    outputs: Mutex<Vec<(String, Meter)>>,
}

impl Tally {
    /// Frames that are passed on.
    pub(super) fn count(&self, frames: u64, bytes: u64) {
        self.frames.fetch_add(frames, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Frames that are not, for what they are.
    pub(super) fn count_wrong(&self, frames: u64) {
        self.wrong_type.fetch_add(frames, Ordering::Relaxed);
    }

    /// What a sieve has kept back so far.
    pub(super) fn sift(&self, counts: impl IntoIterator<Item = (&'static str, u64)>) {
        let mut sifted = self.sifted.lock().unwrap_or_else(PoisonError::into_inner);
        sifted.clear();
        sifted.extend(counts);
    }

    pub(super) fn opened(&self, output: &Output) {
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        outputs.push((output.name().to_owned(), output.meter()));
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn wrong_type(&self) -> u64 {
        self.wrong_type.load(Ordering::Relaxed)
    }

    /// How it goes, in a line.
    pub(super) fn status(&self) -> String {
        let outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        let levels = outputs.iter().map(|(_, meter)| meter.level());
        let (waiting, dropped) = levels.fold((0, 0), |(waiting, dropped), level| {
            (waiting + level.frames, dropped + level.stats.dropped)
        });
        let frames = counted(self.frames(), "frame");
        format!("{frames}, {waiting} waiting, {dropped} dropped")
    }

    fn page(&self, page: &mut Page, sockets: Option<&Watch>) {
        let outputs: Vec<_> = {
            let outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
            let levels = outputs.iter().map(|(name, meter)| (name.clone(), meter.level()));
            levels.collect()
        };
        let stats = sockets.map(Watch::stats);
        let sifted = self.sifted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let figures = Relayed {
            frames: self.frames(),
            bytes: self.bytes(),
            wrong_type: self.wrong_type(),
            sifted: &sifted,
            sockets: stats.as_ref(),
            outputs: &outputs,
        };
        relayed(page, &figures);
    }
}

/// The figures, for whoever asks.
pub(super) async fn exporter(
    address: &Endpoint,
    tally: &Arc<Tally>,
    sockets: Option<Watch>,
    named: Vec<(String, broker::Watch)>,
) -> Result<Exporter> {
    let tally = Arc::clone(tally);
    let render = move |page: &mut Page| {
        tally.page(page, sockets.as_ref());
        let stats: Vec<_> = named
            .iter()
            .map(|(name, watch)| (name.as_str(), watch.stats()))
            .collect();
        brokers(page, &stats);
    };
    Exporter::bind(address, render).await
}
