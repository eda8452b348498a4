//! What a node knows of an interface: name, addresses, limits and counters.
//!
//! Not here: any driver.

mod config;
mod mapping;
mod parse;
mod table;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

pub use self::config::{DEFAULT_MTU, InterfaceConfig, InterfaceError, MIN_MTU};
use self::mapping::Mapping;
pub use self::parse::{ParseInterfaceError, ParseNameError};
pub(crate) use self::table::Interfaces;
use crate::keys::Keys;
use crate::node::Transmit;
use crate::{Address, Counter, Netmask, Subnet, Switch, Version};

/// Names an interface of one node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId {
    index: u16,
    /// How many interfaces had the place before, so that an id of one of them finds nothing.
    generation: u16,
}

impl InterfaceId {
    /// The loopback interface, `LOOP`, which every node has.
    pub const LOOPBACK: Self = Self {
        index: 0,
        generation: 0,
    };

    #[cfg(test)]
    pub(crate) fn from_index(index: usize) -> Option<Self> {
        Some(Self {
            index: u16::try_from(index).ok()?,
            generation: 0,
        })
    }

    #[cfg(test)]
    pub(crate) fn index(self) -> usize {
        usize::from(self.index)
    }
}

impl fmt::Debug for InterfaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InterfaceId({})", self.index)
    }
}

/// Longest name of an interface in bytes.
///
/// What the services and route strings of peers have room for.
pub const MAX_NAME_LEN: usize = 10;

/// The name of an interface: 1 to 10 ASCII characters without blanks and commas.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName {
    bytes: [u8; MAX_NAME_LEN],
    len: usize,
}

impl InterfaceName {
    /// The name `text`.
    ///
    /// `None` if it is empty, too long, or has characters that a route string could not hold.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
        let mut name = Self {
            bytes: [0; MAX_NAME_LEN],
            len: text.len(),
        };
        name.bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        fits.then_some(name)
    }

    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.bytes
            .get(..self.len)
            .and_then(|bytes| str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Debug for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Whether an interface's link can carry packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkState {
    /// It can.
    #[default]
    Up,
    /// It cannot; packets for it are refused until it is up again.
    Down,
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// Counters of one interface.
///
/// They are named and counted as the interface statistics of the peers. Payload bytes include trailers, not
/// headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterfaceStats {
    /// Packets sent.
    pub tx: u64,
    /// Packets received.
    pub rx: u64,
    /// Packets that could not be sent, and received ones that found no place in a filter's queue.
    pub tx_error: u64,
    /// Packets received that were wrong: checksum, missing trailer, too long.
    pub rx_error: u64,
    /// Packets that were right and still could not be used.
    ///
    /// No route, no listener, no room, a duplicate, a filter that would not let them pass.
    pub drop: u64,
    /// Packets whose authentication failed or was missing.
    pub autherr: u64,
    /// Link frames that made no packet.
    pub frame: u64,
    /// Payload bytes sent.
    pub tx_bytes: u64,
    /// Payload bytes received.
    pub rx_bytes: u64,
    /// Interrupts of the link's driver, where it tells them; else 0.
    ///
    /// [`Node::handle_interrupts`](crate::Node::handle_interrupts) adds to it.
    pub irq: u64,
}

impl InterfaceStats {
    pub(crate) const fn count(&mut self, counter: Counter, times: u64) {
        let field = match counter {
            Counter::TxError => &mut self.tx_error,
            Counter::RxError => &mut self.rx_error,
            Counter::Drop => &mut self.drop,
            Counter::AuthErr => &mut self.autherr,
            Counter::Frame => &mut self.frame,
        };
        *field = field.wrapping_add(times);
    }
}

/// An interface as a node holds it.
#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) id: InterfaceId,
    pub(crate) name: InterfaceName,
    pub(crate) subnet: Subnet,
    pub(crate) version: Version,
    pub(crate) mtu: usize,
    pub(crate) default: bool,
    pub(crate) redundant: bool,
    pub(crate) aliases: Vec<Address>,
    pub(crate) keys: Keys,
    pub(crate) mapping: Mapping,
    pub(crate) link: LinkState,
    pub(crate) stats: InterfaceStats,
    pub(crate) queue: VecDeque<Transmit>,
}

impl Interface {
    /// The interface by itself; what else the node has is not looked at.
    pub(crate) fn try_new(config: InterfaceConfig, checks: Switch) -> Result<Self, InterfaceError> {
        let subnet = config.subnet()?;
        for alias in &config.aliases {
            Subnet::new(config.version, *alias, config.netmask)?;
        }
        if checks == Switch::On {
            config.check(subnet)?;
        }
        Ok(Self {
            id: InterfaceId::LOOPBACK,
            name: config.name,
            subnet,
            version: config.version,
            mtu: config.mtu,
            default: config.default,
            redundant: config.redundant,
            aliases: config.aliases,
            mapping: config.mapping,
            keys: config.keys,
            link: LinkState::Up,
            stats: InterfaceStats::default(),
            queue: VecDeque::new(),
        })
    }

    pub(crate) fn loopback() -> Self {
        let name = InterfaceName::new("LOOP").expect("four letters make a name");
        let config = InterfaceConfig::new(name, Address::LOOPBACK, Netmask::host(Version::V2));
        Self::try_new(config.mtu(usize::from(u16::MAX)), Switch::Off)
            .expect("address 0 is in the range of every version")
    }

    pub(crate) const fn address(&self) -> Address {
        self.subnet.address()
    }

    /// How the interface would be set up with another address, its keys aside.
    pub(crate) fn config(&self, address: Address, netmask: Netmask) -> InterfaceConfig {
        InterfaceConfig {
            name: self.name,
            address,
            netmask,
            version: self.version,
            mtu: self.mtu,
            default: self.default,
            redundant: self.redundant,
            aliases: self.aliases.clone(),
            mapping: self.mapping.clone(),
            keys: Keys::NONE,
        }
    }

    /// Whether `address` is one of this interface's own.
    pub(crate) fn owns(&self, address: Address) -> bool {
        self.address() == address || self.aliases.contains(&address)
    }

    /// The address and the aliases.
    fn addresses(&self) -> impl Iterator<Item = Address> {
        core::iter::once(self.address()).chain(self.aliases.iter().copied())
    }

    /// Why this one cannot be beside `other`, both having links of their own.
    pub(crate) fn conflict(&self, other: &Self) -> Result<(), InterfaceError> {
        if self.redundant || other.redundant {
            return Ok(());
        }
        if let Some(address) = self.addresses().find(|address| other.owns(*address)) {
            return Err(InterfaceError::AddressInUse {
                address,
                other: other.name,
            });
        }
        let (ours, theirs) = (self.subnet, other.subnet);
        let have_networks = ours.netmask() != Netmask::NONE && theirs.netmask() != Netmask::NONE;
        if have_networks && (ours.contains(theirs.address()) || theirs.contains(ours.address())) {
            return Err(InterfaceError::NetworkInUse {
                address: self.address(),
                other: other.name,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_to_ten_characters_that_a_route_string_can_hold() {
        assert_eq!(InterfaceName::new("CAN").unwrap().as_str(), "CAN");
        assert!(InterfaceName::new("0123456789").is_some());
        for bad in ["", "01234567890", "A B", "A,B", "Ä"] {
            assert_eq!(InterfaceName::new(bad), None, "{bad:?}");
        }
    }
}
