//! What a stream's two ends are told before they begin.

use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::time::Duration;

use crate::ContentType;
use crate::control::{ControlLimit, Strictness};
use crate::frame::{Beginning, FrameConfig, Oversize};

/// Default time to wait for READY, START, ACCEPT and FINISH: 5 s.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Default time for a reader to take at least one byte: 30 s.
pub const DEFAULT_WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether the reader answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The reader answers (READY/ACCEPT, STOP/FINISH): what collectors on sockets expect. The default.
    #[default]
    Bidirectional,
    /// The reader is silent: files, pipes, and the senders that know nothing else.
    Unidirectional,
}

/// What a reader does with a data frame that comes before START.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataBeforeStart {
    /// It is an error. The default.
    #[default]
    Refuse,
    /// The stream counts as started, without a content type; `fstrm_capture` takes such frames too.
    Accept,
}

/// What a unidirectional reader does with READY before START.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadyBeforeStart {
    /// It is an error. The default.
    #[default]
    Refuse,
    /// It is passed over and counted: what is read is the writer's side of a recorded session.
    Accept,
}

/// When a bidirectional reader answers STOP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// At once, so that a writer that waits for FINISH can leave; golang-framestream does the same. The
    /// default.
    #[default]
    AtOnce,
    /// When its owner says so, by
    /// [`release_finish`](crate::handshake::ReaderMachine::release_finish): a writer that has seen FINISH
    /// knows then that its frames are where they should be.
    OnRelease,
}

/// How one end of a stream behaves. The same for readers and writers; each setter says whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) mode: Mode,
    pub(crate) content_types: Vec<ContentType>,
    pub(crate) frame: FrameConfig,
    pub(crate) data_before_start: DataBeforeStart,
    pub(crate) ready_before_start: ReadyBeforeStart,
    pub(crate) control_limit: ControlLimit,
    pub(crate) finish: Finish,
    pub(crate) handshake_timeout: Duration,
    pub(crate) finish_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) write_timeout: Duration,
}

impl Config {
    /// The defaults: bidirectional, any content type, strict, 1 MiB, 5 s.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            mode: Mode::Bidirectional,
            content_types: Vec::new(),
            frame: FrameConfig::new(),
            data_before_start: DataBeforeStart::Refuse,
            ready_before_start: ReadyBeforeStart::Refuse,
            control_limit: ControlLimit::Narrow,
            finish: Finish::AtOnce,
            handshake_timeout: DEFAULT_TIMEOUT,
            finish_timeout: DEFAULT_TIMEOUT,
            idle_timeout: None,
            write_timeout: DEFAULT_WRITE_TIMEOUT,
        }
    }

    /// Whether the reader answers. Default [`Mode::Bidirectional`], as every DNS server on a socket.
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Adds a content type, in order of preference. Default none: a reader takes everything, a writer names
    /// nothing.
    #[must_use]
    pub fn content_type(mut self, content_type: ContentType) -> Self {
        self.content_types.push(content_type);
        self
    }

    /// Longest data payload that is read or written, in bytes. 1 to 2^32-1; default 1 MiB, as the C library.
    #[must_use]
    pub const fn max_data(mut self, max: NonZeroU32) -> Self {
        self.frame = self.frame.max_data(max);
        self
    }

    /// What a reader does with a data frame over the limit. Default [`Oversize::Refuse`].
    #[must_use]
    pub const fn oversize(mut self, oversize: Oversize) -> Self {
        self.frame = self.frame.oversize(oversize);
        self
    }

    /// How irregular and misplaced control frames are taken. Default [`Strictness::Strict`], as the C
    /// library.
    #[must_use]
    pub const fn strictness(mut self, strictness: Strictness) -> Self {
        self.frame = self.frame.strictness(strictness);
        self
    }

    /// What a reader does with data before START. Default [`DataBeforeStart::Refuse`], as the C library.
    #[must_use]
    pub const fn data_before_start(mut self, data: DataBeforeStart) -> Self {
        self.data_before_start = data;
        self.frame = self.frame.beginning(match data {
            DataBeforeStart::Refuse => Beginning::Control,
            DataBeforeStart::Accept => Beginning::Any,
        });
        self
    }

    /// What a unidirectional reader does with READY before START. Default [`ReadyBeforeStart::Refuse`], as
    /// the C library; the Python codec, which knows no order, takes it.
    #[must_use]
    pub const fn ready_before_start(mut self, ready: ReadyBeforeStart) -> Self {
        self.ready_before_start = ready;
        self
    }

    /// How long READY and ACCEPT may get. Default [`ControlLimit::Narrow`], which `fstrm_capture` needs.
    #[must_use]
    pub const fn control_limit(mut self, limit: ControlLimit) -> Self {
        self.control_limit = limit;
        self
    }

    /// When a bidirectional reader answers STOP. Default [`Finish::AtOnce`], as golang-framestream.
    #[must_use]
    pub const fn finish(mut self, finish: Finish) -> Self {
        self.finish = finish;
        self
    }

    /// Longest wait for ACCEPT (writer), or for READY and for START (bidirectional reader). Default 5 s.
    ///
    /// [`Duration::MAX`] waits for ever, as the C library 0.6.1. A unidirectional reader never times out: a
    /// sender may hold START back until it has data.
    #[must_use]
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Longest wait for FINISH (bidirectional writer), or to get FINISH out (bidirectional reader). Default 5
    /// s.
    ///
    /// [`Duration::MAX`] waits for ever, as the C library 0.6.1.
    #[must_use]
    pub const fn finish_timeout(mut self, timeout: Duration) -> Self {
        self.finish_timeout = timeout;
        self
    }

    /// Longest silence between data that a connection's reader bears. Default none: a quiet server is no
    /// dead one, and TCP keepalive finds the dead.
    #[must_use]
    pub const fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Longest time that a connection's writer waits for the reader to take a byte. Default 30 s.
    ///
    /// [`Duration::MAX`] waits for ever, as the C library.
    #[must_use]
    pub const fn write_timeout(mut self, timeout: Duration) -> Self {
        self.write_timeout = timeout;
        self
    }

    /// The parser's share of this configuration.
    #[must_use]
    pub const fn frame(&self) -> FrameConfig {
        self.frame
    }

    /// The content types as bytes.
    pub(crate) fn type_bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.content_types.iter().map(ContentType::as_bytes)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
