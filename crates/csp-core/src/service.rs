//! The services on ports 0 to 6.
//!
//! What a server answers, and what a client asks and expects (section 11). One file per service, pure
//! functions of a request or a reply: no time, no I/O. The node decides who may ask (SVC-1), which services
//! are on ([`Services`]) and sends the reply to where the request came from (SVC-2). What a request reads or
//! changes outside of the node is asked of a [`Platform`].
//!
//! ```
//! use csp_core::Config;
//! use csp_core::service::{Identity, Service, Services};
//!
//! let services = Services::default().on(Service::Reboot).off(Service::Processes);
//! let identity = Identity::new("obc").model("breadboard").revision("3");
//! let config = Config::default().services(services).identity(identity);
//! ```

pub mod cmp;
pub mod figure;
pub mod ping;
mod platform;
pub mod ps;
pub mod reboot;
mod region;

use core::fmt;

use thiserror::Error;

pub use self::cmp::clock::Timestamp;
pub use self::cmp::ident::Identity;
pub use self::cmp::memory::{Peek, Poke, TooMuch};
pub use self::cmp::route::{NoShortForm, SetRoute};
pub use self::cmp::stats::Counters;
pub(crate) use self::platform::{Bare, Boxed};
pub use self::platform::{Origin, Platform, Refusal};
pub use self::reboot::PowerCommand;
pub use self::region::{Memory, RegionError};
use crate::Port;

/// A service that a node can offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Service {
    /// Echo, on port 1.
    Ping,
    /// The list of processes, on port 2.
    Processes,
    /// Bytes of free memory, on port 3.
    MemoryFree,
    /// Reboot, on port 4. Dangerous.
    Reboot,
    /// Shut down, on port 4. Dangerous.
    Shutdown,
    /// Free packet buffers, on port 5.
    BuffersFree,
    /// Seconds since the start, on port 6.
    Uptime,
    /// Who the node is, on port 0.
    Identity,
    /// Adding routes, on port 0, both forms. Dangerous.
    SetRoute,
    /// Counters of an interface, on port 0.
    InterfaceStats,
    /// Reading memory, on port 0, both widths. Dangerous.
    Peek,
    /// Writing memory, on port 0, both widths. Dangerous.
    Poke,
    /// Reading the clock, on port 0.
    Clock,
    /// Setting the clock, on port 0. Dangerous.
    SetClock,
}

impl Service {
    /// Every service, by port and code.
    pub const ALL: [Self; 14] = [
        Self::Identity,
        Self::SetRoute,
        Self::InterfaceStats,
        Self::Peek,
        Self::Poke,
        Self::Clock,
        Self::SetClock,
        Self::Ping,
        Self::Processes,
        Self::MemoryFree,
        Self::Reboot,
        Self::Shutdown,
        Self::BuffersFree,
        Self::Uptime,
    ];

    /// The port it is on.
    #[must_use]
    pub const fn port(self) -> Port {
        match self {
            Self::Ping => Port::PING,
            Self::Processes => Port::PS,
            Self::MemoryFree => Port::MEMFREE,
            Self::Reboot | Self::Shutdown => Port::REBOOT,
            Self::BuffersFree => Port::BUF_FREE,
            Self::Uptime => Port::UPTIME,
            Self::Identity
            | Self::SetRoute
            | Self::InterfaceStats
            | Self::Peek
            | Self::Poke
            | Self::Clock
            | Self::SetClock => Port::CMP,
        }
    }

    /// Whether it changes the node or bares its memory: off unless switched on by name (BET-9).
    #[must_use]
    pub const fn is_dangerous(self) -> bool {
        matches!(
            self,
            Self::Reboot | Self::Shutdown | Self::SetRoute | Self::Peek | Self::Poke | Self::SetClock
        )
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ping => "ping",
            Self::Processes => "ps",
            Self::MemoryFree => "memfree",
            Self::Reboot => "reboot",
            Self::Shutdown => "shutdown",
            Self::BuffersFree => "buffree",
            Self::Uptime => "uptime",
            Self::Identity => "ident",
            Self::SetRoute => "route-set",
            Self::InterfaceStats => "ifstat",
            Self::Peek => "peek",
            Self::Poke => "poke",
            Self::Clock => "clock",
            Self::SetClock => "clock-set",
        })
    }
}

/// Which services a node offers.
///
/// By default those that are not [dangerous](Service::is_dangerous). A port none of whose services is on can
/// be bound by the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Services {
    on: u16,
    text_len: usize,
}

impl Services {
    /// No service at all, ping included.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            on: 0,
            text_len: usize::MAX,
        }
    }

    /// Switches `service` on.
    #[must_use]
    pub const fn on(mut self, service: Service) -> Self {
        self.on |= service.bit();
        self
    }

    /// Switches `service` off.
    #[must_use]
    pub const fn off(mut self, service: Service) -> Self {
        self.on &= !service.bit();
        self
    }

    /// Most bytes of the list of processes in one packet; at least 1 is sent.
    ///
    /// Default: what the interface's MTU has room for, as libcsp 2.x; 1.6 sends [`ps::PACKET_LEN`].
    #[must_use]
    pub const fn text_len(mut self, bytes: usize) -> Self {
        self.text_len = bytes;
        self
    }

    /// Whether `service` is on.
    #[must_use]
    pub const fn is_on(self, service: Service) -> bool {
        self.on & service.bit() != 0
    }

    /// The services that are on.
    pub fn iter(self) -> impl Iterator<Item = Service> {
        Service::ALL
            .into_iter()
            .filter(move |service| self.is_on(*service))
    }

    pub(crate) const fn max_text_len(self) -> usize {
        self.text_len
    }
}

impl Default for Services {
    fn default() -> Self {
        let safe = Service::ALL.into_iter().filter(|service| !service.is_dangerous());
        safe.fold(Self::none(), Self::on)
    }
}

/// Why a request is none that a service could act on. It gets no reply (SVC-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It ends before its last field.
    #[error("a request of {got} bytes is too short, it needs {need}")]
    Short {
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        got: usize,
    },
    /// It has more bytes than a request of its kind has.
    #[error("a request of {got} bytes, expected exactly {expected}")]
    Length {
        /// The one length there is.
        expected: usize,
        /// Bytes there.
        got: usize,
    },
    /// Its type is not that of a management request, 0.
    #[error("type {got} is not a request, expected 0")]
    Type {
        /// The type given.
        got: u8,
    },
    /// No management service has the code.
    #[error("there is no service with code {code}")]
    UnknownCode {
        /// The code given.
        code: u8,
    },
    /// It asks for more memory than a packet of the service has room for (SVC-4).
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// The word on port 4 is neither of the two magic ones.
    #[error("{word:#010x} asks neither for a reboot nor for a shutdown")]
    UnknownWord {
        /// The word given.
        word: u32,
    },
    /// The destination or next hop of a route is no address.
    #[error("{value} is not an address, the largest is 16383")]
    Address {
        /// The number given.
        value: u16,
    },
    /// The name cannot be that of an interface.
    #[error("the name is none that an interface can have")]
    Name,
}

/// Why a reply is not one to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// It has another length than a reply of its kind (SVC-4).
    #[error("expected a reply of {expected} bytes, got {got}")]
    Length {
        /// The one length there is.
        expected: usize,
        /// Bytes received.
        got: usize,
    },
    /// Its type is not that of a management reply, 255.
    #[error("expected a reply, type 255, got type {got}")]
    Type {
        /// The type received.
        got: u8,
    },
    /// It answers another management request.
    #[error("expected a reply to code {expected}, got one to code {got}")]
    Code {
        /// The code asked for.
        expected: u8,
        /// The code received.
        got: u8,
    },
    /// It carries another amount of memory than was asked for.
    #[error("expected {expected} bytes of memory, the reply tells of {got}")]
    Amount {
        /// Bytes asked for.
        expected: u8,
        /// Bytes the reply tells of.
        got: u8,
    },
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn by_default_the_harmless_services_are_on_and_every_dangerous_one_is_off() {
        let services = Services::default();
        for service in Service::ALL {
            assert_eq!(services.is_on(service), !service.is_dangerous(), "{service}");
        }
        let dangerous = Service::ALL.into_iter().filter(|service| service.is_dangerous());
        assert_eq!(
            dangerous.map(|service| service.to_string()).collect::<Vec<_>>(),
            ["route-set", "peek", "poke", "clock-set", "reboot", "shutdown"]
        );
    }

    #[test]
    fn each_service_is_switched_alone() {
        assert_eq!(Services::none().iter().count(), 0);
        for service in Service::ALL {
            let one = Services::none().on(service);
            assert_eq!(one.iter().collect::<Vec<_>>(), [service]);
            assert_eq!(one.off(service), Services::none());
        }
    }
}
