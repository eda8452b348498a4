//! Port numbers, and who owns which port of a node.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

#[cfg(feature = "alloc")]
use crate::{ConnectionId, ListenerId, SocketId};

/// A port, 0 to 63.
///
/// 0 to 6 are services; those above a node's highest bind port are ephemeral.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(u8);

impl Port {
    /// Management: identity, routes, statistics, memory, clock.
    pub const CMP: Self = Self(0);
    /// Echo.
    pub const PING: Self = Self(1);
    /// Process list.
    pub const PS: Self = Self(2);
    /// Free memory.
    pub const MEMFREE: Self = Self(3);
    /// Reboot and shutdown.
    pub const REBOOT: Self = Self(4);
    /// Free packet buffers.
    pub const BUF_FREE: Self = Self(5);
    /// Uptime.
    pub const UPTIME: Self = Self(6);
    /// The largest port.
    pub const MAX: Self = Self(63);

    /// Port `bits`; `None` above 63.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        if bits <= Self::MAX.0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// The port in the low six bits, the rest ignored.
    pub(crate) const fn from_low_bits(bits: u8) -> Self {
        Self(bits & Self::MAX.0)
    }

    /// The number of the port.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Port({})", self.0)
    }
}

impl FromStr for Port {
    type Err = ParsePortError;

    fn from_str(text: &str) -> Result<Self, ParsePortError> {
        text.parse().ok().and_then(Self::new).ok_or(ParsePortError)
    }
}

/// A text was not a decimal number from 0 to 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a port is a decimal number from 0 to 63")]
pub struct ParsePortError;

/// What a listener or socket is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// One port.
    Port(Port),
    /// Every port up to the highest bind port that nothing else is bound to (PORT-1).
    Any,
}

impl From<Port> for Binding {
    fn from(port: Port) -> Self {
        Self::Port(port)
    }
}

/// Why a port cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BindError {
    /// Something else has it.
    #[error("{binding:?} is already in use")]
    InUse {
        /// What was asked for.
        binding: Binding,
    },
    /// It is in the ephemeral range.
    #[error("port {port} is above {max}, the highest that can be bound")]
    TooHigh {
        /// The port asked for.
        port: Port,
        /// The node's highest bind port.
        max: Port,
    },
}

/// Who gets the packets to a port.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Service,
    Listener(ListenerId),
    Socket(SocketId),
    Client(ConnectionId),
}

/// The owners of all ports of a node.
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub(crate) struct PortTable {
    owners: [Option<Owner>; 64],
    any: Option<Owner>,
    max_bind: Port,
    /// Where the search for a free ephemeral port begins, counted from the first one.
    next: Option<u8>,
}

#[cfg(feature = "alloc")]
impl PortTable {
    pub(crate) const fn new(max_bind: Port) -> Self {
        Self {
            owners: [None; 64],
            any: None,
            max_bind,
            next: None,
        }
    }

    fn slot(&mut self, binding: Binding) -> &mut Option<Owner> {
        match binding {
            Binding::Port(port) => self
                .owners
                .get_mut(usize::from(port.0))
                .expect("a port is below 64"),
            Binding::Any => &mut self.any,
        }
    }

    /// Whether `binding` could be taken by a listener, socket or service.
    pub(crate) fn check(&mut self, binding: Binding) -> Result<(), BindError> {
        let max = self.max_bind;
        match binding {
            Binding::Port(port) if port > max => Err(BindError::TooHigh { port, max }),
            _ if self.slot(binding).is_some() => Err(BindError::InUse { binding }),
            _ => Ok(()),
        }
    }

    pub(crate) fn set(&mut self, binding: Binding, owner: Owner) {
        *self.slot(binding) = Some(owner);
    }

    pub(crate) fn release(&mut self, binding: Binding) {
        *self.slot(binding) = None;
    }

    /// Who gets packets to `port`.
    ///
    /// Its owner, else whoever is bound to any port (PORT-1).
    pub(crate) fn owner(&self, port: Port) -> Option<Owner> {
        let own = self.owners.get(usize::from(port.0)).copied().flatten();
        own.or(if port <= self.max_bind { self.any } else { None })
    }

    pub(crate) fn is_free(&mut self, port: Port) -> bool {
        self.slot(Binding::Port(port)).is_none()
    }

    /// The next free ephemeral port, for the first time from one on that `random` picks (CONN-4).
    ///
    /// So one that was given back rests as long as it can: the other end may not know yet, and without RDP
    /// never learns, that its connection is over.
    pub(crate) fn ephemeral(&mut self, random: u64) -> Option<Port> {
        let first = self.max_bind.0.saturating_add(1);
        let count = u64::from(Port::MAX.0.saturating_sub(self.max_bind.0));
        let start = random.checked_rem(count)?;
        let start = self.next.map_or(start, u64::from);
        let mut offsets = (0..count).filter_map(|step| u8::try_from((start + step) % count).ok());
        let (offset, port) = offsets.find_map(|offset| {
            let port = Port::new(first.saturating_add(offset))?;
            self.is_free(port).then_some((offset, port))
        })?;
        self.next = Some(offset.saturating_add(1));
        Some(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_has_six_bits() {
        assert_eq!(Port::new(63), Some(Port::MAX));
        assert_eq!(Port::new(64), None);
        assert_eq!("10".parse(), Ok(Port::new(10).unwrap()));
        assert_eq!("any".parse::<Port>(), Err(ParsePortError));
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn ephemeral_ports_begin_anywhere_above_the_bind_range_and_skip_those_in_use() {
        let port = |bits| Port::new(bits).unwrap();
        let table = || PortTable::new(port(60));
        assert_eq!(table().ephemeral(0), Some(port(61)));
        let mut table = table();
        assert_eq!(table.ephemeral(5), Some(port(63)));
        table.set(port(63).into(), Owner::Service);
        assert_eq!(table.ephemeral(5), Some(port(61)), "wraps");
        assert_eq!(table.ephemeral(5), Some(port(62)), "61 rests");
        table.set(port(61).into(), Owner::Service);
        table.set(port(62).into(), Owner::Service);
        assert_eq!(table.ephemeral(5), None);
        assert_eq!(PortTable::new(Port::MAX).ephemeral(5), None, "no ephemeral range");
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn any_takes_what_nobody_else_bound_up_to_the_highest_bind_port() {
        let port = |bits| Port::new(bits).unwrap();
        let mut table = PortTable::new(port(16));
        table.set(port(5).into(), Owner::Service);
        assert_eq!(table.owner(port(6)), None);
        assert_eq!(table.check(Binding::Any), Ok(()));
        let any = Owner::Service;
        table.set(Binding::Any, any);
        assert_eq!(table.owner(port(16)), Some(any));
        assert_eq!(table.owner(port(17)), None);
        assert_eq!(
            table.check(Binding::Any),
            Err(BindError::InUse {
                binding: Binding::Any
            })
        );
        assert_eq!(
            table.check(port(17).into()),
            Err(BindError::TooHigh {
                port: port(17),
                max: port(16)
            })
        );
    }
}
