//! How an interface is set up, and what of it cannot work.

use alloc::vec::Vec;

use thiserror::Error;

use super::InterfaceName;
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
    pub(super) aliases: Vec<Address>,
    pub(super) keys: Keys,
}

impl InterfaceConfig {
    /// An interface called `name` with one address in one subnet.
    ///
    /// Header version 2, MTU 256, not a default.
    #[must_use]
    pub const fn new(name: InterfaceName, address: Address, netmask: Netmask) -> Self {
        Self {
            name,
            address,
            netmask,
            version: Version::V2,
            mtu: DEFAULT_MTU,
            default: false,
            aliases: Vec::new(),
            keys: Keys::NONE,
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

    /// The network the interface is in, for a link that filters by address.
    ///
    /// # Errors
    /// The address or the netmask does not fit the header version.
    pub const fn subnet(&self) -> Result<Subnet, SubnetError> {
        Subnet::new(self.version, self.address, self.netmask)
    }

    /// The further addresses, for a link that filters by address.
    #[must_use]
    pub fn aliases(&self) -> &[Address] {
        &self.aliases
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
    /// Another interface is in the same network under another address.
    ///
    /// Which address packets leave with would be chance (BET-7). The same address and netmask twice is a
    /// redundant pair: packets leave on both.
    #[error("interface {other} is already in the network of address {address}")]
    NetworkInUse {
        /// The address given.
        address: Address,
        /// The interface that has the network.
        other: InterfaceName,
    },
    /// The MTU has no room for trailers.
    #[error("an MTU of {mtu} is too small, it must be at least {MIN_MTU}")]
    MtuTooSmall {
        /// The MTU given.
        mtu: usize,
    },
    /// There are 65535 interfaces.
    #[error("the node has no room for another interface")]
    TooMany,
}
