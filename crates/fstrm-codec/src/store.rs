//! Files that a crash cannot tear further than the last frame.
//!
//! A [`Store`] puts runs of frames into files, one after the other as [`rotate`](crate::rotate) says. Plain
//! `std` input and output: it blocks for as long as the disk does, and is told the time. A `Recorder` is its
//! thread, fed by a collector. Not here: sockets, and what becomes of frames while a store takes none.

mod config;
mod disk;
mod event;
mod naming;
mod outlet;
#[cfg(feature = "tokio")]
mod recorder;
mod work;

use std::boxed::Box;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::vec::Vec;

use thiserror::Error;
use tinwire_time::Instant;

pub use config::{Config, DEFAULT_BUFFER, Existing, InProgress, Sync};
pub use disk::{Disk, Folder, Outlet, Sink, State};
pub use event::{Event, Loss, Stats, StoreError};
#[cfg(feature = "tokio")]
pub use recorder::{Record, Recorder, RecorderConfig, RecorderHandle, RecorderStats};

use crate::control::{BuildError, ControlFrame};
use crate::file::AppendError;
use crate::frame::Run;
use crate::rotate::{Names, Now, Reason, Rotator};
use outlet::Current;

/// Events that wait to be polled; the oldest makes way.
const MAX_EVENTS: usize = 64;

/// Why a store cannot begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The first file cannot be opened or created.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The file exists and cannot be gone on with. It was left as it is.
    #[error("{}", path.display())]
    Append {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: AppendError,
    },
    /// The content type does not fit into START.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        let kind = match &error {
            OpenError::Io { error, .. } => error.kind(),
            OpenError::Append { .. } => io::ErrorKind::InvalidData,
            OpenError::Build(_) => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// The store takes nothing now: what it has cannot be written. Offer the same again, no sooner than `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the file cannot be written now")]
pub struct Blocked {
    /// When the store tries again.
    pub until: Instant,
}

/// What was accepted could not be written when the store was closed.
#[derive(Debug, Error)]
#[error("closing failed, {frames} frames are not in the file")]
pub struct CloseError {
    /// How many frames are lost.
    pub frames: u64,
    /// What kept them from the file.
    #[source]
    pub error: StoreError,
}

/// Writes runs of frames into files.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::time::SystemTime;
/// use fstrm_codec::Run;
/// use fstrm_codec::frame::FrameConfig;
/// use fstrm_codec::rotate::Now;
/// use fstrm_codec::store::{Config, Folder, Store};
/// use tinwire_time::Instant;
///
/// # let folder = std::env::temp_dir().join(format!("fstrm-store-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("capture.fstrm");
/// let now = Now { at: Instant::ZERO, wall: SystemTime::now() };
/// let mut store = Store::open(Folder, path, Config::new(), now)?; // creates it, or goes on in it
/// store.write_run(now, &Run::decode(b"\0\0\0\x05hello", FrameConfig::new())?)?;
/// store.close(now)?; // STOP
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
///
/// - Each write to a file ends at the border of a frame. A process that is killed leaves at most one torn
///   frame, at the end of the file; the next one cuts that and goes on in the same file.
/// - Small runs wait in a buffer, no longer than the flush interval; large ones go to the file from where
///   they lie.
/// - When writing fails, the file is cut back to the last whole frame, what was not written is kept, and
///   [`write_run`](Self::write_run) refuses more until a later try succeeds. No frame is lost, and none is
///   written twice, unless somebody removes the file.
/// - After each write it looks whether the file is still there. What went into a file that somebody removed,
///   cut or wrote to is written again, into a new one.
///
/// After any call, poll [`poll_event`](Self::poll_event) until `None`, and call
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) says. Memory: the
/// buffer, and the runs of one call.
pub struct Store<D: Disk = Folder> {
    disk: D,
    names: Box<dyn Names>,
    config: Config,
    start: ControlFrame,
    rotator: Rotator,
    file: Option<Current<D::File>>,
    /// Whole frames that were taken and are in no file, but for the first bytes of a torn one.
    pending: Vec<u8>,
    pending_frames: u64,
    /// Why the file at hand is to end, once what waits is in it.
    wanted: Option<Reason>,
    accepted: u64,
    synced: u64,
    doubt: Option<u64>,
    trouble: Option<Trouble>,
    flush_at: Option<Instant>,
    sync_at: Option<Instant>,
    events: VecDeque<Event>,
    stats: Stats,
}

/// Writing has failed; what waits is tried again.
#[derive(Debug)]
struct Trouble {
    since: Instant,
    delay: core::time::Duration,
    until: Instant,
    /// The latest error; none while a try is under way.
    kind: Option<io::ErrorKind>,
}

impl<D: Disk> Store<D> {
    /// Opens the first file: creates it with START, or goes on in the one that is there.
    ///
    /// # Errors
    /// When the file cannot be opened, or is there and cannot be gone on with.
    pub fn open(disk: D, names: impl Names + 'static, config: Config, now: Now) -> Result<Self, OpenError> {
        let mut store = Self::new(disk, Box::new(names), config)?;
        store.open_first(now)?;
        Ok(store)
    }

    fn new(disk: D, names: Box<dyn Names>, config: Config) -> Result<Self, OpenError> {
        let start = ControlFrame::start(config.content_type.as_ref().map(AsRef::as_ref))?;
        Ok(Self {
            disk,
            names,
            rotator: Rotator::new(config.rotation),
            config,
            start,
            file: None,
            pending: Vec::new(),
            pending_frames: 0,
            wanted: None,
            accepted: 0,
            synced: 0,
            doubt: None,
            trouble: None,
            flush_at: None,
            sync_at: None,
            events: VecDeque::new(),
            stats: Stats::default(),
        })
    }

    /// Takes one run. See [`write_runs`](Self::write_runs).
    ///
    /// # Errors
    /// While what was taken before cannot be written.
    pub fn write_run(&mut self, now: Now, run: &Run<'_>) -> Result<(), Blocked> {
        self.write_runs(now, core::slice::from_ref(run))
    }

    /// Takes runs, all of them or none, in order.
    ///
    /// What was taken is in the file once [`written`](Self::written) has come to what
    /// [`accepted`](Self::accepted) says now.
    ///
    /// # Errors
    /// While what was taken before cannot be written.
    pub fn write_runs(&mut self, now: Now, runs: &[Run<'_>]) -> Result<(), Blocked> {
        self.handle_timeout(now);
        if let Some(trouble) = &self.trouble {
            return Err(Blocked { until: trouble.until });
        }
        let len: usize = runs.iter().map(|run| run.as_wire().len()).sum();
        self.accepted += u64::try_from(len).unwrap_or(u64::MAX);
        let waiting = self.pending.len() + len;
        if waiting < self.config.buffer {
            self.keep(runs);
            let due = now.at + self.config.flush_interval;
            self.flush_at = self.flush_at.or(Some(due));
        } else {
            self.drain(now, runs);
        }
        Ok(())
    }

    /// Hands what waits in the buffer to the file, now.
    pub fn flush(&mut self, now: Now) {
        if self.trouble.is_none() && !self.pending.is_empty() {
            self.drain(now, &[]);
        }
    }

    /// Flushes, and makes sure that the disk has everything.
    pub fn sync(&mut self, now: Now) {
        self.flush(now);
        if self.trouble.is_none() {
            self.sync_file();
        }
    }

    /// Ends the file at hand; the next one begins with the next frame. A stream goes on.
    ///
    /// A file without a frame is taken away instead. While writing fails, the file ends when it can.
    pub fn rotate(&mut self, now: Now) {
        self.wanted = Some(Reason::Asked);
        if self.trouble.is_none() {
            self.drain(now, &[]);
        }
    }

    /// Writes what waits and STOP, and closes the file; tries once, whatever happened before.
    ///
    /// # Errors
    /// When something that was taken could not be written. It stays taken: a second call tries again.
    pub fn close(&mut self, now: Now) -> Result<(), CloseError> {
        self.wanted = Some(Reason::Closed);
        self.work(now).map_err(|error| CloseError {
            frames: self.pending_frames,
            error,
        })?;
        self.recover(now);
        Ok(())
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) though nothing happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if let Some(trouble) = &self.trouble {
            return Some(trouble.until);
        }
        let deadlines = [self.flush_at, self.sync_at, self.rotator.poll_timeout()];
        deadlines.into_iter().flatten().min()
    }

    /// Flushes, rotates, syncs and tries again, whatever is due.
    pub fn handle_timeout(&mut self, now: Now) {
        if self
            .trouble
            .as_ref()
            .is_some_and(|trouble| now.at < trouble.until)
        {
            return;
        }
        if self.rotator.is_over(now) {
            self.wanted = self.wanted.or(Some(Reason::Age));
        }
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| now.at >= deadline);
        if self.trouble.is_some() || self.wanted.is_some() || is_due(self.flush_at) {
            self.drain(now, &[]);
        }
        if self.trouble.is_none() && is_due(self.sync_at) {
            self.sync_file();
        }
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Bytes taken so far, from the opening on.
    #[must_use]
    pub const fn accepted(&self) -> u64 {
        self.accepted
    }

    /// How many of them are in a file.
    #[must_use]
    pub fn written(&self) -> u64 {
        let waiting = u64::try_from(self.pending.len()).unwrap_or(u64::MAX);
        self.accepted.saturating_sub(waiting)
    }

    /// How many of them can be relied on: written, and on the disk where [`Sync`] promises that.
    #[must_use]
    pub fn confirmed(&self) -> u64 {
        match self.config.sync {
            Sync::Never | Sync::OnRotate => self.written(),
            Sync::Interval(_) | Sync::EachFlush => self.synced,
        }
    }

    /// Told once after the disk failed to confirm: what was not confirmed up to here never will be.
    pub const fn take_doubt(&mut self) -> Option<u64> {
        self.doubt.take()
    }

    /// Whether writing fails at present.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.trouble.is_some()
    }

    /// Whether the reader of a pipe has gone: nothing will ever be written again.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let kind = self.trouble.as_ref().and_then(|trouble| trouble.kind);
        kind == Some(io::ErrorKind::BrokenPipe)
    }

    /// The file at hand; `None` between two files.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| &*file.path)
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            waiting_frames: self.pending_frames,
            ..self.stats
        }
    }
}

impl Store<Folder> {
    /// A store that writes one stream to `stream`, as to a pipe: nothing is rotated or cut, and the first
    /// failure that is not passing ends it.
    ///
    /// # Errors
    /// When START cannot be written.
    pub fn stream(
        stream: impl Write + Send + 'static,
        name: impl Into<PathBuf>,
        config: Config,
        now: Now,
    ) -> Result<Self, OpenError> {
        let name = name.into();
        let mut store = Self::new(Folder, Box::new(name.clone()), config)?;
        let begun = store.begin(Sink::Stream(Box::new(stream)), name.clone(), name.clone(), now);
        begun.map_err(|error| OpenError::Io { path: name, error })?;
        Ok(store)
    }
}

impl<D: Disk> core::fmt::Debug for Store<D> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path())
            .field("accepted", &self.accepted)
            .field("waiting", &self.pending.len())
            .field("trouble", &self.trouble)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
