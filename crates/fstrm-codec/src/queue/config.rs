//! How much is held, and what happens when that is too little.

use core::num::{NonZeroU32, NonZeroU64};

use crate::frame::DEFAULT_MAX_DATA_LEN;

/// Frames that wait at most, by default.
pub const DEFAULT_MAX_FRAMES: NonZeroU64 = NonZeroU64::new(1 << 20).expect("not zero");
/// Bytes that wait at most, by default: 8 MiB.
pub const DEFAULT_MAX_BYTES: NonZeroU64 = NonZeroU64::new(8 << 20).expect("not zero");
/// Bytes that may await confirmation, by default: 8 MiB.
pub const DEFAULT_WINDOW_BYTES: u64 = 8 << 20;
/// Bytes that do not wait for more, by default: 16 KiB.
pub const DEFAULT_COALESCE_BYTES: u64 = 16 << 10;

/// What happens to a frame that is offered to a full queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Whoever offers it waits. Nothing is lost, and a collector that is gone stops the program. The default.
    #[default]
    Block,
    /// It is dropped, as by unbound and the C library.
    DropNewest,
    /// The oldest ones that wait are dropped for it: what arrives in the end is recent.
    DropOldest,
}

/// When a frame is done, and no longer kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// When the transport has taken all of it; what every other sender does. The default.
    ///
    /// What lies in the socket's buffers when the collector dies is lost, and counted as sent.
    #[default]
    Written,
    /// When a FINISH covers it: at least once. What a lost connection leaves uncovered is sent again.
    Confirmed,
}

/// Bounds and policies of a [`Queue`](super::Queue).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(super) policy: Policy,
    pub(crate) delivery: Delivery,
    pub(super) max_frames: NonZeroU64,
    pub(super) max_bytes: NonZeroU64,
    pub(super) max_data: NonZeroU32,
    pub(super) window_bytes: u64,
    pub(super) coalesce_bytes: u64,
}

impl Config {
    /// The defaults: block, written, 1,048,576 frames, 8 MiB.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            policy: Policy::Block,
            delivery: Delivery::Written,
            max_frames: DEFAULT_MAX_FRAMES,
            max_bytes: DEFAULT_MAX_BYTES,
            max_data: DEFAULT_MAX_DATA_LEN,
            window_bytes: DEFAULT_WINDOW_BYTES,
            coalesce_bytes: DEFAULT_COALESCE_BYTES,
        }
    }

    /// What happens when the queue is full. Default [`Policy::Block`].
    #[must_use]
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// When a frame is done. Default [`Delivery::Written`].
    #[must_use]
    pub const fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Frames that wait at most. 1 or more; default 1,048,576 (C library: 511 in each queue).
    ///
    /// An empty queue takes a run of any number of frames.
    #[must_use]
    pub const fn max_frames(mut self, max: NonZeroU64) -> Self {
        self.max_frames = max;
        self
    }

    /// Bytes that wait at most, headers included. 1 or more; default 8 MiB (unbound: 1 MiB for each worker).
    ///
    /// An empty queue takes a run of any length. What is in flight comes on top, 256 KiB and a run at most,
    /// and what awaits confirmation; after a lost connection these may wait beyond the bound.
    #[must_use]
    pub const fn max_bytes(mut self, max: NonZeroU64) -> Self {
        self.max_bytes = max;
        self
    }

    /// Longest payload, in bytes. 1 to 2^32-1; default 1 MiB, the most that C readers take.
    #[must_use]
    pub const fn max_data(mut self, max: NonZeroU32) -> Self {
        self.max_data = max;
        self
    }

    /// Bytes that may await confirmation under [`Delivery::Confirmed`]. Default 8 MiB.
    ///
    /// A confirmation is asked for when it is half full; no more is written when it is full.
    #[must_use]
    pub const fn window_bytes(mut self, bytes: u64) -> Self {
        self.window_bytes = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Bytes that do not wait for more. Default 16 KiB (C library: 8 KiB).
    #[must_use]
    pub const fn coalesce_bytes(mut self, bytes: u64) -> Self {
        self.coalesce_bytes = bytes;
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
