//! The bus as its users hold it.

use alloc::sync::Arc;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::bits::BitRate;
use super::medium::Medium;
use super::port::{PortConfig, VirtualPort};
use super::registry;
use crate::error_frame::ErrorFrame;
use crate::frame::{MAX_CLASSIC_LEN, MAX_FD_LEN, MAX_XL_LEN};
use crate::link::{Capabilities, LinkChange, OwnEcho};

/// How a [`VirtualBus`] behaves.
#[derive(Clone, Copy, Debug)]
pub struct BusConfig {
    pub(super) bit_rate: Option<BitRate>,
    pub(super) capabilities: Capabilities,
    pub(super) epoch: Option<SystemTime>,
}

impl Default for BusConfig {
    /// Unpaced; carries classic, FD and XL frames; the wall clock at creation is the time of the first stamp.
    fn default() -> Self {
        let capabilities = Capabilities {
            max_data: MAX_XL_LEN,
            error_reports: true,
            own_echo: OwnEcho::OnWire,
            ..Capabilities::default()
        };
        Self {
            bit_rate: None,
            capabilities,
            epoch: None,
        }
    }
}

impl BusConfig {
    /// Paces the bus: a frame takes as long as its bits. Default: frames take no time.
    #[must_use]
    pub const fn bit_rate(self, rate: BitRate) -> Self {
        Self {
            bit_rate: Some(rate),
            ..self
        }
    }

    /// Carries classic frames only, as an interface with MTU 16. Default: every kind.
    #[must_use]
    pub const fn classic_only(mut self) -> Self {
        self.capabilities.max_data = MAX_CLASSIC_LEN;
        self
    }

    /// Carries classic and FD frames, as an interface with MTU 72. Default: every kind.
    #[must_use]
    pub const fn fd_only(mut self) -> Self {
        self.capabilities.max_data = MAX_FD_LEN;
        self
    }

    /// The wall-clock time of the bus's creation, for reproducible time stamps. Default: the system's clock.
    #[must_use]
    pub const fn epoch(self, epoch: SystemTime) -> Self {
        Self {
            epoch: Some(epoch),
            ..self
        }
    }
}

/// What happened on a bus since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusStats {
    /// Frames that were on the wire.
    pub frames: u64,
    /// Copies lost because a receiver's queue was full, summed over receivers.
    pub dropped: u64,
    /// Frames still queued (or on the wire) when their port left or the interface went down or away.
    pub lost_in_queue: u64,
    /// Time the wire was occupied; zero without a bit rate.
    pub busy: Duration,
}

/// A CAN bus inside the process. Clones are the same bus; it lives as long as a clone or a port does.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// use can_link::virtual_bus::VirtualBus;
/// use can_link::{CanFrame, CanRxExt, CanTxExt, StandardId};
///
/// let bus = VirtualBus::new();
/// let (mut alice, mut bob) = (bus.join(), bus.join());
/// let frame = CanFrame::data(StandardId::new(0x123).unwrap(), b"hi").unwrap();
/// alice.send(frame.clone()).await?;
/// assert_eq!(bob.recv_frame().await?.unwrap().frame, frame);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct VirtualBus {
    pub(super) medium: Arc<Mutex<Medium>>,
}

impl VirtualBus {
    /// A private bus with the default configuration.
    #[must_use]
    pub fn new() -> Self {
        Self::with_config(BusConfig::default())
    }

    /// A private bus.
    #[must_use]
    pub fn with_config(config: BusConfig) -> Self {
        let epoch = config.epoch.unwrap_or_else(SystemTime::now);
        Self {
            medium: Arc::new(Mutex::new(Medium::new(config, Self::now(), epoch))),
        }
    }

    /// The bus of this name in this process; made with the default configuration when nobody is on it.
    #[must_use]
    pub fn named(name: &str) -> Self {
        registry::named(name)
    }

    /// Joins the bus with default settings.
    #[must_use]
    pub fn join(&self) -> VirtualPort {
        self.join_with(PortConfig::default())
    }

    /// Joins the bus.
    #[must_use]
    pub fn join_with(&self, config: PortConfig) -> VirtualPort {
        VirtualPort::join(self.clone(), config)
    }

    /// The bus's wall clock, by which received frames are stamped: its epoch plus the time since it was made.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.lock().time(Self::now())
    }

    /// How many ports are on the bus.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no port is on the bus.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts since the bus was made.
    #[must_use]
    pub fn stats(&self) -> BusStats {
        self.lock().stats()
    }

    /// Reports bus errors to every port that wants them; states follow (a bus-off report puts every port off
    /// the bus).
    pub fn inject_error(&self, report: ErrorFrame) {
        self.lock().inject_error(report, Self::now());
    }

    /// Takes the interface down, up, or away for good; frames queued by then are lost and counted.
    pub fn set_link(&self, change: LinkChange) {
        self.lock().set_link(change, Self::now());
    }

    pub(super) fn now() -> std::time::Instant {
        tokio::time::Instant::now().into_std()
    }

    /// The state is consistent between calls, so a panic elsewhere does not spoil it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Medium> {
        self.medium.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for VirtualBus {
    fn default() -> Self {
        Self::new()
    }
}
