//! What a collector is told before it begins.

use core::num::NonZeroUsize;
use core::time::Duration;

use crate::handshake;

/// Most connections at a time by default.
pub const DEFAULT_MAX_CONNECTIONS: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// Default time for a handshake as a whole, from the connection to START: 5 s.
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Default time for the first byte, where START may come first: 60 s.
pub const DEFAULT_FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(60);
/// Default time for a frame as a whole, from its first byte to its last: 60 s.
pub const DEFAULT_FRAME_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a refused connection is kept by default: 250 ms.
pub const DEFAULT_REFUSAL_PAUSE: Duration = Duration::from_millis(250);
/// Bytes of batches that nobody has confirmed or dropped yet, by default: 16 MiB.
pub const DEFAULT_QUEUE: usize = 16 << 20;
/// Bytes that incomplete frames of all connections may hold by default: 64 MiB.
pub const DEFAULT_MEMORY: usize = 64 << 20;
/// Default time for [`close`](super::Collector::close): 5 s.
pub const DEFAULT_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Which handshake is expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handshake {
    /// READY, ACCEPT, START: what DNS servers do on sockets. The default, and all that `fstrm_capture` takes.
    #[default]
    Bidirectional,
    /// START at once: unbound with `dnstap-bidirectional: no`, the Rust crates `dnstap` and `framestream`.
    Unidirectional,
    /// The first control frame decides.
    Either,
}

/// What becomes of a connection over the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// It waits until another one leaves: in the listener's backlog, as under `-c` of `fstrm_capture`. The
    /// default.
    #[default]
    Wait,
    /// It is closed at once, and counted.
    Refuse,
}

/// How a [`Collector`](super::Collector) behaves.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) stream: handshake::Config,
    pub(super) handshake: Handshake,
    pub(super) max_connections: NonZeroUsize,
    pub(super) overflow: Overflow,
    pub(super) handshake_timeout: Duration,
    pub(super) first_byte_timeout: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) frame_timeout: Duration,
    pub(super) refusal_pause: Duration,
    pub(super) queue: usize,
    pub(super) memory: usize,
    pub(super) close_timeout: Duration,
}

impl Config {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            stream: handshake::Config::new(),
            handshake: Handshake::Bidirectional,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            overflow: Overflow::Wait,
            handshake_timeout: DEFAULT_HANDSHAKE_TIMEOUT,
            first_byte_timeout: Some(DEFAULT_FIRST_BYTE_TIMEOUT),
            idle_timeout: None,
            frame_timeout: DEFAULT_FRAME_TIMEOUT,
            refusal_pause: DEFAULT_REFUSAL_PAUSE,
            queue: DEFAULT_QUEUE,
            memory: DEFAULT_MEMORY,
            close_timeout: DEFAULT_CLOSE_TIMEOUT,
        }
    }

    /// How each stream is read: content types, frame limit, policies. Default: any type, 1 MiB, strict.
    ///
    /// Its mode and its handshake timeout are not looked at: [`handshake`](Self::handshake) and
    /// [`handshake_timeout`](Self::handshake_timeout) decide.
    #[must_use]
    pub fn stream(mut self, stream: handshake::Config) -> Self {
        self.stream = stream;
        self
    }

    /// Which handshake is expected. Default [`Handshake::Bidirectional`].
    #[must_use]
    pub const fn handshake(mut self, handshake: Handshake) -> Self {
        self.handshake = handshake;
        self
    }

    /// Most connections at a time. Default 4,096; `fstrm_capture` has no limit but `-c`.
    #[must_use]
    pub const fn max_connections(mut self, max: NonZeroUsize) -> Self {
        self.max_connections = max;
        self
    }

    /// What becomes of a connection over the limit. Default [`Overflow::Wait`].
    #[must_use]
    pub const fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Longest time from the connection to START, however the bytes drip. Default 5 s.
    ///
    /// Where START may come first it runs from the first byte; until then the
    /// [`first_byte_timeout`](Self::first_byte_timeout) does.
    #[must_use]
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Longest silence of a connection before its first byte, where START may come first. Default 60 s.
    ///
    /// It is longer than the time for a handshake, as the Rust crates hold START back until there is
    /// something to send; they connect again by themselves. With none, anybody who connects and says nothing
    /// keeps a place for ever. Where READY has to come first the handshake timeout covers this too.
    #[must_use]
    pub const fn first_byte_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.first_byte_timeout = timeout;
        self
    }

    /// Longest silence between two frames. Default none: a name server may have nothing to say for days.
    #[must_use]
    pub const fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Longest time from a frame's first byte to its last. Default 60 s, which 1 MiB makes at 17 KiB/s.
    ///
    /// Time in which the collector does not read, because its queue is full, does not count.
    #[must_use]
    pub const fn frame_timeout(mut self, timeout: Duration) -> Self {
        self.frame_timeout = timeout;
        self
    }

    /// How long a connection that is no Frame Stream, or not the one expected, is kept before it is closed.
    /// Default 250 ms; zero closes it at once.
    ///
    /// unbound set to the other handshake connects again without any pause, a thousand times a second. Up to
    /// 256 connections are kept so, beside [`max_connections`](Self::max_connections); further ones are
    /// closed at once.
    #[must_use]
    pub const fn refusal_pause(mut self, pause: Duration) -> Self {
        self.refusal_pause = pause;
        self
    }

    /// Bytes of batches that are out: not yet taken, or taken and neither confirmed nor dropped. Default 16
    /// MiB, at least 1 KiB.
    ///
    /// When as much is out, no connection is read from; they go on in the order in which they came to wait,
    /// one batch each. A single batch may exceed it, alone.
    #[must_use]
    pub const fn queue(mut self, bytes: usize) -> Self {
        self.queue = bytes;
        self
    }

    /// Bytes that the incomplete frames of all connections may hold, apart from 8 KiB each. Default 64 MiB;
    /// half as much again serves as larger read buffers for those who send a lot.
    ///
    /// Taken for a frame as a whole, in turn, before its bytes are read. When it is all taken, the connection
    /// whose frame has been incomplete for longest is closed, if it has had a second; otherwise whoever needs
    /// some waits. Frames of up to 8 KiB need none of it, so senders of such go on in any case. A connection
    /// whose frame exceeds all of it is closed.
    #[must_use]
    pub const fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// Longest time for [`close`](super::Collector::close). Default 5 s.
    #[must_use]
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
