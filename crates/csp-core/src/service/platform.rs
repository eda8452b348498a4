//! What services tell and do beyond the node itself.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use tinwire_time::Instant;

use super::{Service, Timestamp};
use crate::{Address, Flags, InterfaceId, Route};

/// Where a request to a service came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// Who sent it, as its header says. Only with [`Flags::HMAC`] is that more than a claim.
    pub source: Address,
    /// The interface it came by.
    pub interface: InterfaceId,
    /// The flags of the request; with HMAC the tag was right.
    pub flags: Flags,
    /// Whether it was sent to a broadcast address.
    pub broadcast: bool,
    /// When the node got it.
    pub received_at: Instant,
}

/// Why a platform does not do what a request asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot: there is no such thing here.
    Unavailable,
    /// It could, and will not or failed.
    Refused,
}

impl Refusal {
    pub(crate) const fn reason(self, service: Service) -> crate::DropReason {
        match self {
            Self::Unavailable => crate::DropReason::ServiceUnavailable(service),
            Self::Refused => crate::DropReason::ServiceRefused(service),
        }
    }
}

/// What a node runs on, as its services see it.
///
/// A method that is not given has nothing to tell or cannot do it; the request then gets no reply (SVC-3),
/// which the node counts and tells as an event. Whether a request may come this far at all is decided before,
/// by [`Services`](super::Services).
///
/// The node waits for every method: none may block. Nor may one use a handle of its own node on tokio: it
/// would wait for itself, and panics instead.
///
/// ```
/// use csp_core::service::{Origin, Platform, Refusal, Service, Services};
/// use csp_core::{Config, Flags};
///
/// #[derive(Default)]
/// struct Board {
///     reboot_wanted: bool,
/// }
///
/// impl Platform for Board {
///     fn memory_free(&mut self, _: &Origin) -> Option<u32> {
///         Some(12_800)
///     }
///
///     fn reboot(&mut self, origin: &Origin) -> Result<(), Refusal> {
///         // Only who knows the key may.
///         if !origin.flags.contains(Flags::HMAC) {
///             return Err(Refusal::Refused);
///         }
///         self.reboot_wanted = true;
///         Ok(())
///     }
/// }
///
/// let services = Services::default().on(Service::Reboot);
/// let config = Config::default().services(services).platform(Board::default());
/// ```
pub trait Platform {
    /// The list of processes, for people, of at most [64 KiB](super::ps::MAX_TEXT_LEN).
    ///
    /// Empty or `None`: no reply. All packets of it wait in the transmit queue at once; what finds no room
    /// there is dropped.
    fn processes(&mut self, _origin: &Origin) -> Option<String> {
        None
    }

    /// Bytes of free memory.
    fn memory_free(&mut self, _origin: &Origin) -> Option<u32> {
        None
    }

    /// Free packet buffers. `None`: the node tells how many packets it has room to send.
    fn buffers_free(&mut self, _origin: &Origin) -> Option<u32> {
        None
    }

    /// Seconds since the start. `None`: the node tells how long its time has been going on.
    ///
    /// With tokio that begins with the node; elsewhere wherever its owner counts from, as the start.
    fn uptime(&mut self, _origin: &Origin) -> Option<u32> {
        None
    }

    /// The time now.
    fn clock(&mut self, _origin: &Origin) -> Option<Timestamp> {
        None
    }

    /// Sets the clock.
    ///
    /// # Errors
    /// The clock keeps its time.
    fn set_clock(&mut self, _origin: &Origin, _time: Timestamp) -> Result<(), Refusal> {
        Err(Refusal::Unavailable)
    }

    /// Starts everything again, after this call.
    ///
    /// # Errors
    /// Nothing happens.
    fn reboot(&mut self, _origin: &Origin) -> Result<(), Refusal> {
        Err(Refusal::Unavailable)
    }

    /// Switches everything off, after this call.
    ///
    /// # Errors
    /// Nothing happens.
    fn shutdown(&mut self, _origin: &Origin) -> Result<(), Refusal> {
        Err(Refusal::Unavailable)
    }

    /// Fills `data`, at most 200 bytes, with the memory at `address`.
    ///
    /// # Errors
    /// Not all of it may be read.
    fn peek(&mut self, _origin: &Origin, _address: u64, _data: &mut [u8]) -> Result<(), Refusal> {
        Err(Refusal::Unavailable)
    }

    /// Writes `data`, at most 200 bytes, to the memory at `address`.
    ///
    /// # Errors
    /// Nothing was written.
    fn poke(&mut self, _origin: &Origin, _address: u64, _data: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::Unavailable)
    }

    /// Whether the node may add `route`. By default it may, once the service is on.
    ///
    /// # Errors
    /// The routes stay as they are.
    fn set_route(&mut self, _origin: &Origin, _route: &Route) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A platform that has nothing.
pub(crate) struct Bare;

impl Platform for Bare {}

/// The platform of a node.
pub(crate) struct Boxed(pub(crate) Box<dyn Platform + Send>);

impl fmt::Debug for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Platform")
    }
}
