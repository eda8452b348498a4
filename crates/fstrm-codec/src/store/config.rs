//! What a store does when.

use core::time::Duration;

use crate::ContentType;
use crate::frame::FrameConfig;
use crate::rotate::Rotation;

/// Bytes that are written together by default: 256 KiB.
pub const DEFAULT_BUFFER: usize = 256 * 1024;

/// When the system is asked to bring a file to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// Never: the system does it in its own time. What was written survives this process, not the machine.
    /// The default, as `fstrm_capture`.
    #[default]
    Never,
    /// When a file ends.
    OnRotate,
    /// This long after a write, and when a file ends.
    Interval(Duration),
    /// After each flush, and when a file ends.
    EachFlush,
}

/// What to do with a file that is there when the store begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Go on in it; where it is numbered, in the one of the highest number. The default.
    #[default]
    Append,
    /// Leave it; begin one with the next number.
    Number,
}

/// What a file is called while it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InProgress {
    /// What it is always called. The default, as `fstrm_capture`.
    #[default]
    FinalName,
    /// The same with `.part` behind it, until it is whole.
    Part,
}

/// Settings of a [`Store`](super::Store).
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) content_type: Option<ContentType>,
    pub(super) limits: FrameConfig,
    pub(super) rotation: Rotation,
    pub(super) existing: Existing,
    pub(super) in_progress: InProgress,
    pub(super) sync: Sync,
    pub(super) buffer: usize,
    pub(super) flush_interval: Duration,
    pub(super) retry_first: Duration,
    pub(super) retry_most: Duration,
}

impl Config {
    /// The defaults: no content type, no rotation, append, final names, no sync, 256 KiB, 1 s.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            content_type: None,
            limits: FrameConfig::new(),
            rotation: Rotation::new(),
            existing: Existing::Append,
            in_progress: InProgress::FinalName,
            sync: Sync::Never,
            buffer: DEFAULT_BUFFER,
            flush_interval: Duration::from_secs(1),
            retry_first: Duration::from_millis(10),
            retry_most: Duration::from_secs(5),
        }
    }

    /// The content type that START names. Default: none; `fstrm_capture` wants one.
    #[must_use]
    pub fn content_type(mut self, content_type: ContentType) -> Self {
        self.content_type = Some(content_type);
        self
    }

    /// Longest frame that may stand in a file that is gone on with. Default: 1 MiB, as the C library.
    #[must_use]
    pub const fn limits(mut self, limits: FrameConfig) -> Self {
        self.limits = limits;
        self
    }

    /// When files end. Default: never.
    #[must_use]
    pub const fn rotation(mut self, rotation: Rotation) -> Self {
        self.rotation = rotation;
        self
    }

    /// What to do with a file that is there. Default [`Existing::Append`]; `fstrm_capture` overwrites it.
    #[must_use]
    pub const fn existing(mut self, existing: Existing) -> Self {
        self.existing = existing;
        self
    }

    /// What a file is called while it is written. Default [`InProgress::FinalName`], as `fstrm_capture`.
    #[must_use]
    pub const fn in_progress(mut self, in_progress: InProgress) -> Self {
        self.in_progress = in_progress;
        self
    }

    /// When files are brought to the disk. Default [`Sync::Never`], as `fstrm_capture`.
    #[must_use]
    pub const fn sync(mut self, sync: Sync) -> Self {
        self.sync = sync;
        self
    }

    /// Bytes that are written together: more wait no longer. Default 256 KiB; 0 writes each run at once.
    #[must_use]
    pub const fn buffer(mut self, len: usize) -> Self {
        self.buffer = len;
        self
    }

    /// How long a run may wait in the buffer. Default 1 s; `fstrm_capture` waits for 4 KiB, however long.
    #[must_use]
    pub const fn flush_interval(mut self, interval: Duration) -> Self {
        self.flush_interval = interval;
        self
    }

    /// How long to wait before writing is tried again: `first`, then twice as long each time, up to `most`.
    /// Default 10 ms to 5 s.
    #[must_use]
    pub const fn retry(mut self, first: Duration, most: Duration) -> Self {
        self.retry_first = first;
        self.retry_most = most;
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
