//! What a node knows of an interface: name, addresses, limits and counters.
//!
//! Not here: any driver.

mod config;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

pub use self::config::{DEFAULT_MTU, InterfaceConfig, InterfaceError, MIN_MTU};
use crate::keys::Keys;
use crate::node::Transmit;
use crate::{Address, Counter, Netmask, Subnet, Version};

/// Names an interface of one node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(u16);

impl InterfaceId {
    /// The loopback interface, `LOOP`, which every node has.
    pub const LOOPBACK: Self = Self(0);

    pub(crate) fn from_index(index: usize) -> Option<Self> {
        u16::try_from(index).ok().map(Self)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Debug for InterfaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InterfaceId({})", self.0)
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
    /// Packets that could not be sent.
    pub tx_error: u64,
    /// Packets received that were wrong: checksum, missing trailer, too long.
    pub rx_error: u64,
    /// Packets that were right and still could not be used.
    ///
    /// No route, no listener, no room.
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
    pub(crate) name: InterfaceName,
    pub(crate) subnet: Subnet,
    pub(crate) version: Version,
    pub(crate) mtu: usize,
    pub(crate) default: bool,
    pub(crate) aliases: Vec<Address>,
    pub(crate) keys: Keys,
    pub(crate) link: LinkState,
    pub(crate) stats: InterfaceStats,
    pub(crate) queue: VecDeque<Transmit>,
}

impl Interface {
    pub(crate) fn try_new(config: InterfaceConfig) -> Result<Self, InterfaceError> {
        let InterfaceConfig {
            name,
            address,
            netmask,
            version,
            mtu,
            default,
            aliases,
            keys,
        } = config;
        if mtu < MIN_MTU {
            return Err(InterfaceError::MtuTooSmall { mtu });
        }
        for alias in &aliases {
            Subnet::new(version, *alias, netmask)?;
        }
        Ok(Self {
            name,
            subnet: Subnet::new(version, address, netmask)?,
            version,
            mtu,
            default,
            aliases,
            keys,
            link: LinkState::Up,
            stats: InterfaceStats::default(),
            queue: VecDeque::new(),
        })
    }

    pub(crate) fn loopback() -> Self {
        let name = InterfaceName::new("LOOP").expect("four letters make a name");
        let config = InterfaceConfig::new(name, Address::LOOPBACK, Netmask::host(Version::V2));
        Self::try_new(config.mtu(usize::from(u16::MAX))).expect("address 0 is in the range of every version")
    }

    pub(crate) const fn address(&self) -> Address {
        self.subnet.address()
    }

    /// Whether `address` is one of this interface's own.
    pub(crate) fn owns(&self, address: Address) -> bool {
        self.address() == address || self.aliases.contains(&address)
    }

    /// Whether a destination could match either.
    ///
    /// A redundant pair is wanted so; two without a network never do.
    pub(crate) fn collides(&self, other: &Self) -> bool {
        self.subnet != other.subnet
            && self.subnet.netmask() != Netmask::NONE
            && other.subnet.netmask() != Netmask::NONE
            && (self.subnet.contains(other.address()) || other.subnet.contains(self.address()))
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
