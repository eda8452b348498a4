//! What a raw socket is asked for before it is opened.

use core::time::Duration;
use std::string::String;

use super::raw::RawSocket;
pub use crate::address::{FdMode, Loopback, OnBusOff, Reconnect, XlMode};
use crate::error_frame::ErrorClasses;
use crate::filter::FilterSet;
use crate::link::{Echo, LinkError};

/// Receive buffer asked for: the kernel's default holds only 222 to 278 classic frames.
pub(super) const DEFAULT_RECEIVE_BUFFER: usize = 2 * 1024 * 1024;

/// Options of a raw CAN socket; [`open`](Self::open) makes the socket.
///
/// Everything is applied before the socket is bound, because a bound socket queues at once, and frames queued
/// under a wider filter stay queued (can-link specification, chapter 4).
///
/// ```no_run
/// # async fn f() -> Result<(), can_link::LinkError> {
/// use can_link::link::Echo;
/// use can_link::linux::RawOptions;
///
/// let link = RawOptions::new().own_messages(Echo::On).open("vcan0")?.into_link();
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct RawOptions {
    pub(super) fd: FdMode,
    pub(super) xl: XlMode,
    pub(super) own_messages: Echo,
    pub(super) loopback: Loopback,
    pub(super) filters: FilterSet,
    pub(super) receive_buffer: usize,
    pub(super) send_buffer: usize,
    pub(super) send_timeout: Option<Duration>,
    pub(super) on_bus_off: OnBusOff,
    pub(super) reconnect: Reconnect,
}

impl Default for RawOptions {
    fn default() -> Self {
        Self {
            fd: FdMode::default(),
            xl: XlMode::default(),
            own_messages: Echo::default(),
            loopback: Loopback::default(),
            filters: FilterSet::default(),
            receive_buffer: DEFAULT_RECEIVE_BUFFER,
            send_buffer: 0,
            send_timeout: None,
            on_bus_off: OnBusOff::default(),
            reconnect: Reconnect::default(),
        }
    }
}

impl RawOptions {
    /// The defaults: every kind of frame the interface carries, all error reports, no own echo.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether CAN FD frames pass. Default [`FdMode::Auto`].
    #[must_use]
    pub const fn fd(mut self, mode: FdMode) -> Self {
        self.fd = mode;
        self
    }

    /// Whether CAN XL frames pass. Default [`XlMode::Auto`].
    #[must_use]
    pub const fn xl(mut self, mode: XlMode) -> Self {
        self.xl = mode;
        self
    }

    /// Whether this socket receives its own frames, marked [`Origin::Own`](crate::link::Origin::Own). Default
    /// no, as in Linux.
    #[must_use]
    pub const fn own_messages(mut self, own: Echo) -> Self {
        self.own_messages = own;
        self
    }

    /// Whether other sockets of this host receive this socket's frames. Default yes, as in Linux; without it
    /// there is no own echo either.
    #[must_use]
    pub const fn loopback(mut self, loopback: Loopback) -> Self {
        self.loopback = loopback;
        self
    }

    /// Which frames and error reports are received. Default all.
    #[must_use]
    pub fn filters(mut self, filters: FilterSet) -> Self {
        self.filters = filters;
        self
    }

    /// Which error reports are received, whatever the data filters are. Default all.
    #[must_use]
    pub fn errors(mut self, errors: ErrorClasses) -> Self {
        self.filters = self.filters.with_errors(errors);
        self
    }

    /// Receive buffer in bytes of kernel memory; a frame costs 768 to 960. Default 2 MiB.
    ///
    /// The system may grant less: see [`RawSocket::receive_buffer`].
    #[must_use]
    pub const fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = bytes;
        self
    }

    /// Send buffer in bytes of kernel memory. Default 0, which the kernel raises to its minimum of 5 to 7
    /// frames.
    ///
    /// With more, the interface's queue of 10 frames is full before the socket is, and the kernel cannot wake
    /// a sender up from that: it then retries by a timer of 1 to 10 ms (chapter 6).
    #[must_use]
    pub const fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer = bytes;
        self
    }

    /// How long a frame may wait for room before [`SendError::Timeout`](crate::SendError::Timeout). Default
    /// for ever.
    ///
    /// Counted from the moment the kernel first refuses a frame until it takes it. A frame that follows one
    /// whose send was given up has a wait of its own.
    #[must_use]
    pub const fn send_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.send_timeout = timeout;
        self
    }

    /// What sending does while the controller is off the bus. Default [`OnBusOff::Fail`].
    #[must_use]
    pub const fn on_bus_off(mut self, policy: OnBusOff) -> Self {
        self.on_bus_off = policy;
        self
    }

    /// What happens when the interface is deleted. Default [`Reconnect::Auto`].
    #[must_use]
    pub const fn reconnect(mut self, policy: Reconnect) -> Self {
        self.reconnect = policy;
        self
    }

    /// Opens a socket on `interface`, or on all interfaces when it is `any`.
    ///
    /// An interface that is down is no error: frames flow once it is up.
    ///
    /// # Errors
    /// [`LinkError::NotFound`] when there is no such interface, [`LinkError::Unsupported`] when it is no CAN
    /// interface or lacks what was asked for or when the kernel has no CAN, [`LinkError::Permission`],
    /// [`LinkError::Io`].
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O enabled.
    pub fn open(self, interface: impl Into<String>) -> Result<RawSocket, LinkError> {
        RawSocket::open(self, interface.into())
    }
}
