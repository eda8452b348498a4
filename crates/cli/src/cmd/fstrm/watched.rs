//! Long work on a file, with a bar and an end from outside.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use super::feed::blocking;
use crate::cmd::Session;
use crate::failure::{Failure, Result};

/// How often the bar is looked after.
const INTERVAL: Duration = Duration::from_millis(100);

/// Counts what is read.
pub(super) struct Watched<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R> Watched<R> {
    pub(super) fn new(inner: R, read: &Arc<AtomicU64>) -> Self {
        Self {
            inner,
            read: Arc::clone(read),
        }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buffer)?;
        let more = u64::try_from(len).unwrap_or(u64::MAX);
        self.read.fetch_add(more, Ordering::Relaxed);
        Ok(len)
    }
}

impl<R: Seek> Seek for Watched<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// Runs `work`, which counts what it reads of `total` bytes, if so many are known.
///
/// The outer failure is a signal or the deadline, the inner one that of the work.
pub(super) async fn watch<T: Send + 'static>(
    session: &Session,
    name: &str,
    total: Option<u64>,
    work: impl FnOnce(&Arc<AtomicU64>) -> Result<T> + Send + 'static,
) -> Result<core::result::Result<T, Failure>> {
    let read = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&read);
    let working = blocking(move || Ok(work(&counter)));
    let mut bar = total.map(|total| session.output.progress(total));
    let stop = session.stop.clone();
    stop.cut(async {
        let mut working = core::pin::pin!(working);
        loop {
            tokio::select! {
                biased;
                done = &mut working => return done,
                () = tokio::time::sleep(INTERVAL) => {
                    if let Some(bar) = &mut bar {
                        bar.show(read.load(Ordering::Relaxed), name);
                    }
                }
            }
        }
    })
    .await
}
