//! How an interface is set up, and what of it cannot work.

use alloc::vec::Vec;

use thiserror::Error;

use super::mapping::Mapping;
use super::{InterfaceId, InterfaceName};
use crate::keys::Keys;
#[cfg(feature = "legacy-xtea")]
use crate::xtea;
use crate::{Address, Netmask, Subnet, SubnetError, Version, hmac};

/// Largest payload, trailers included, of an interface unless told otherwise.
///
/// The packet buffer of the peers.
pub const DEFAULT_MTU: usize = 256;

/// Smallest MTU that can be configured: room for the trailers of an empty packet.
pub const MIN_MTU: usize = 8;

/// How an interface is set up.
///
/// [`Node::add_interface`](crate::Node::add_interface) takes one.
#[derive(Clone, Debug)]
pub struct InterfaceConfig {
    pub(super) name: InterfaceName,
    pub(super) address: Address,
    pub(super) netmask: Netmask,
    pub(super) version: Version,
    pub(super) mtu: usize,
    pub(super) default: bool,
    pub(super) redundant: bool,
    pub(super) aliases: Vec<Address>,
    pub(super) keys: Keys,
    pub(super) mapping: Mapping,
}

impl InterfaceConfig {
    /// An interface called `name` with one address in one subnet.
    ///
    /// Header version 2, MTU 256, not a default.
    #[must_use]
    pub fn new(name: InterfaceName, address: Address, netmask: Netmask) -> Self {
        Self {
            name,
            address,
            netmask,
            version: Version::V2,
            mtu: DEFAULT_MTU,
            default: false,
            redundant: false,
            aliases: Vec::new(),
            keys: Keys::NONE,
            mapping: Mapping::default(),
        }
    }

    /// Header version spoken on the link. Default v2, as libcsp 2.x and csp-py.
    #[must_use]
    pub const fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Largest payload in bytes, trailers included, that may be sent.
    ///
    /// Default 256, as libcsp; at least 8 (BET-2).
    #[must_use]
    pub const fn mtu(mut self, mtu: usize) -> Self {
        self.mtu = mtu;
        self
    }

    /// Takes what no subnet and no route matches (ROUTE-5). Default: it does not.
    #[must_use]
    pub const fn default_route(mut self) -> Self {
        self.default = true;
        self
    }

    /// Adds an address under which packets are received too (as libcsp 2.2).
    ///
    /// Default none.
    #[must_use]
    pub fn alias(mut self, address: Address) -> Self {
        self.aliases.push(address);
        self
    }

    /// Key of the HMAC trailers on this interface. Default: the node's (BET-8).
    #[must_use]
    pub fn hmac_key(mut self, key: hmac::Key) -> Self {
        self.keys.hmac = Some(key);
        self
    }

    /// Key of the XTEA encryption on this interface, for nodes of libcsp 1.x. Default: the node's.
    #[cfg(feature = "legacy-xtea")]
    #[must_use]
    pub fn xtea_key(mut self, key: xtea::Key) -> Self {
        self.keys.xtea = Some(key);
        self
    }

    /// Declares a second path into a network that another interface is in already.
    ///
    /// Packets for the network then leave on both, as with the peers (ROUTE-3), and none is carried from one
    /// to the other. Default: an interface in the network of another is refused.
    #[must_use]
    pub const fn redundant(mut self) -> Self {
        self.redundant = true;
        self
    }

    /// Gives the address `outside` the name `inside` in the network of this interface.
    ///
    /// For addresses above 31 in a network of version 1: what enters the network from `outside`, or for it,
    /// reads `inside` there, and back. Nodes of either side can be named so; one inside needs a route to this
    /// interface under its outer address too. `inside` must be free in the network. The older form of the
    /// CRC32, which covers the header, does not survive the change of an address (SEC-3). Default: no names.
    #[must_use]
    pub fn map(mut self, outside: Address, inside: Address) -> Self {
        self.mapping.insert(outside, inside);
        self
    }

    /// The network the interface is in, for a link that filters by address.
    ///
    /// # Errors
    /// The address or the netmask does not fit the header version.
    pub const fn subnet(&self) -> Result<Subnet, SubnetError> {
        Subnet::new(self.version, self.address, self.netmask)
    }

    /// The MTU, for a link that has a limit of its own.
    #[must_use]
    pub const fn max_payload(&self) -> usize {
        self.mtu
    }

    /// The further addresses, for a link that filters by address.
    #[must_use]
    pub fn aliases(&self) -> &[Address] {
        &self.aliases
    }

    /// The names that [`map`](Self::map) gave to outer addresses, for a link that filters by address.
    ///
    /// Packets to them pass through this node.
    pub fn names(&self) -> impl Iterator<Item = Address> {
        self.mapping.pairs().map(|(_, inside)| inside)
    }

    /// Whether the interface could work, were it alone.
    pub(super) fn check(&self, subnet: Subnet) -> Result<(), InterfaceError> {
        if self.mtu < MIN_MTU {
            return Err(InterfaceError::MtuTooSmall { mtu: self.mtu });
        }
        let addresses = || core::iter::once(&self.address).chain(&self.aliases).copied();
        for (index, address) in addresses().enumerate() {
            if address == Address::LOOPBACK {
                return Err(InterfaceError::Loopback);
            }
            if subnet.is_broadcast(address) {
                return Err(InterfaceError::Broadcast { address });
            }
            if addresses().take(index).any(|earlier| earlier == address) {
                return Err(InterfaceError::AliasTwice { address });
            }
        }
        if let Some(address) = self.mapping.clash() {
            return Err(InterfaceError::MappedTwice { address });
        }
        for (outside, inside) in self.mapping.pairs() {
            Subnet::new(self.version, inside, self.netmask)?;
            let own = |address: Address| addresses().any(|own| own == address);
            let has_network = self.netmask != Netmask::NONE;
            let reserved = inside == Address::LOOPBACK || subnet.is_broadcast(inside) || own(inside);
            if reserved || (has_network && !subnet.contains(inside)) {
                return Err(InterfaceError::MappedName { inside });
            }
            let reserved = outside == Address::LOOPBACK || outside == Address::BROADCAST || own(outside);
            if reserved || self.mapping.is_name(outside) || (has_network && subnet.contains(outside)) {
                return Err(InterfaceError::MappedAddress { outside });
            }
        }
        Ok(())
    }
}

/// Why an interface cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InterfaceError {
    /// Address, alias or netmask does not fit the header version.
    #[error(transparent)]
    Subnet(#[from] SubnetError),
    /// Another interface has the name.
    #[error("there is already an interface named {name}")]
    NameInUse {
        /// The name.
        name: InterfaceName,
    },
    /// Another interface is in the same network, or in a part of it.
    ///
    /// Packets for the network would leave on both, and none be carried between them (BET-7).
    #[error(
        "interface {other} is already in the network of address {address}: choose another network, or \
         declare the interface redundant"
    )]
    NetworkInUse {
        /// The address given.
        address: Address,
        /// The interface that has the network.
        other: InterfaceName,
    },
    /// Another interface has the address or alias.
    #[error(
        "interface {other} already has address {address}: choose another, or declare the interface redundant"
    )]
    AddressInUse {
        /// The address or alias given.
        address: Address,
        /// The interface that has it.
        other: InterfaceName,
    },
    /// Address 0 is the node itself, on every node.
    #[error("address 0 is the loopback of every node: choose one from 1")]
    Loopback,
    /// The address or alias is a broadcast of the network.
    #[error("address {address} is a broadcast of its network: choose another, or another netmask")]
    Broadcast {
        /// The address or alias given.
        address: Address,
    },
    /// The alias is the interface's address or another alias.
    #[error("address {address} is given to the interface twice")]
    AliasTwice {
        /// The alias given.
        address: Address,
    },
    /// The node carries packets between interfaces, and this one has no network.
    ///
    /// All addresses would lie on its side, so nothing that it receives would be carried on (ROUTE-6).
    #[error(
        "interface {name} has netmask 0, so nothing received on it is forwarded: give it a netmask, or \
         switch forwarding off"
    )]
    NoNetwork {
        /// The interface with netmask 0.
        name: InterfaceName,
    },
    /// An address is mapped to two names, or two addresses to one.
    #[error("address {address} is mapped twice")]
    MappedTwice {
        /// The outer address or the name.
        address: Address,
    },
    /// The name of a mapped address is not one that a node of the network could have.
    #[error("the name {inside} of a mapped address is not a free one in the interface's network")]
    MappedName {
        /// The name.
        inside: Address,
    },
    /// A mapped address is one of the network, so packets to two nodes could not be told apart.
    #[error("the mapped address {outside} already has a meaning in the interface's network")]
    MappedAddress {
        /// The outer address.
        outside: Address,
    },
    /// The MTU has no room for trailers.
    #[error("an MTU of {mtu} is too small, it must be at least {MIN_MTU}")]
    MtuTooSmall {
        /// The MTU given.
        mtu: usize,
    },
    /// There are 65536 interfaces.
    #[error("the node has no room for another interface")]
    TooMany,
    /// There is no such interface, or it is the loopback.
    #[error("the node has no interface {interface:?} that could be changed")]
    Unknown {
        /// The one named.
        interface: InterfaceId,
    },
}
