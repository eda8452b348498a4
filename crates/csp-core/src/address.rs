//! Addresses, netmasks and the subnets they make (NET-1, NET-2).

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::Version;

/// A node address, 0 to 16383 (14 bits). With v1 headers only 0 to 31 can be sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(u16);

impl Address {
    /// The node itself, and "not filled in yet" as a source.
    pub const LOOPBACK: Self = Self(0);
    /// The global broadcast of v2, and the largest address.
    ///
    /// That of v1 is [`Version::broadcast`].
    pub const BROADCAST: Self = Self(0x3FFF);

    /// The address `bits`; `None` above 16383.
    #[must_use]
    pub const fn new(bits: u16) -> Option<Self> {
        if bits <= Self::BROADCAST.0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// The address in the low bits of `bits`, the rest ignored.
    ///
    /// For fields already cut to 14 bits.
    pub(crate) const fn from_low_bits(bits: u16) -> Self {
        Self(bits & Self::BROADCAST.0)
    }

    /// The number of the address.
    #[must_use]
    pub const fn to_bits(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.0)
    }
}

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        text.parse().ok().and_then(Self::new).ok_or(ParseAddressError)
    }
}

/// A text was not a decimal number from 0 to 16383.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an address is a decimal number from 0 to 16383")]
pub struct ParseAddressError;

/// How many leading bits of an address name the network, 0 to 14.
///
/// With v1 headers 0 to 5.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Netmask(u8);

impl Netmask {
    /// No subnet: an interface with it is never chosen by subnet (NET-1).
    pub const NONE: Self = Self(0);

    /// A netmask of `bits` network bits; `None` above 14.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        if bits <= 14 { Some(Self(bits)) } else { None }
    }

    /// The netmask that covers a single address: all bits of `version`'s addresses.
    #[must_use]
    pub const fn host(version: Version) -> Self {
        Self(version.address_bits())
    }

    /// The number of network bits.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Netmask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Netmask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Netmask({})", self.0)
    }
}

/// An address with the netmask that applies to it: the network it lies in.
///
/// ```
/// use csp_core::{Address, Netmask, Subnet, Version};
///
/// let subnet = Subnet::new(Version::V2, Address::new(9).unwrap(), Netmask::new(8).unwrap()).unwrap();
/// assert!(subnet.contains(Address::new(63).unwrap()));
/// assert!(!subnet.contains(Address::new(64).unwrap()));
/// assert_eq!(subnet.broadcast(), Address::new(63).unwrap());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subnet {
    address: Address,
    netmask: Netmask,
    version: Version,
}

impl Subnet {
    /// The network of `address` under `netmask`.
    ///
    /// The netmask counts in the address bits of `version`.
    ///
    /// # Errors
    /// The address or the netmask has more bits than addresses of `version` have.
    pub const fn new(version: Version, address: Address, netmask: Netmask) -> Result<Self, SubnetError> {
        if address.0 > version.broadcast().0 {
            return Err(SubnetError::Address {
                address,
                max: version.broadcast(),
            });
        }
        if netmask.0 > version.address_bits() {
            return Err(SubnetError::Netmask {
                netmask,
                max: version.address_bits(),
            });
        }
        Ok(Self {
            address,
            netmask,
            version,
        })
    }

    /// The address as given, host bits included.
    #[must_use]
    pub const fn address(self) -> Address {
        self.address
    }

    /// The number of network bits.
    #[must_use]
    pub const fn netmask(self) -> Netmask {
        self.netmask
    }

    /// The header version whose address bits the netmask counts.
    #[must_use]
    pub const fn version(self) -> Version {
        self.version
    }

    /// Ones where the host part of an address is.
    ///
    /// `2^(address bits - netmask) - 1` (NET-1).
    #[must_use]
    pub const fn host_mask(self) -> u16 {
        (1 << self.version.address_bits().saturating_sub(self.netmask.0)) - 1
    }

    /// Whether `other` agrees with the address above the host bits.
    ///
    /// Under netmask 0 everything of the version does.
    #[must_use]
    pub const fn contains(self, other: Address) -> bool {
        other.0 <= self.version.broadcast().0 && (self.address.0 ^ other.0) & !self.host_mask() == 0
    }

    /// The network's own broadcast address.
    ///
    /// Its network bits, all host bits one (NET-2).
    #[must_use]
    pub const fn broadcast(self) -> Address {
        Address(self.address.0 | self.host_mask())
    }

    /// Whether `other` is the subnet's or the global broadcast.
    ///
    /// A netmask that leaves no host bits has no subnet broadcast: that address is the host itself.
    #[must_use]
    pub const fn is_broadcast(self, other: Address) -> bool {
        let subnet = self.host_mask() != 0 && other.0 == self.broadcast().0;
        subnet || other.0 == self.version.broadcast().0
    }
}

/// Why an address and a netmask make no subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubnetError {
    /// The address has too many bits.
    #[error("address {address} does not fit the header version, whose largest is {max}")]
    Address {
        /// The address given.
        address: Address,
        /// The largest address of the version.
        max: Address,
    },
    /// The netmask has too many bits.
    #[error("netmask {netmask} does not fit the header version, whose addresses have {max} bits")]
    Netmask {
        /// The netmask given.
        netmask: Netmask,
        /// The number of address bits of the version.
        max: u8,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(version: Version, address: u16, netmask: u8) -> Subnet {
        Subnet::new(
            version,
            Address::new(address).unwrap(),
            Netmask::new(netmask).unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn an_address_has_fourteen_bits() {
        assert_eq!(Address::new(16383), Some(Address::BROADCAST));
        assert_eq!(Address::new(16384), None);
        assert_eq!("16383".parse(), Ok(Address::BROADCAST));
        assert_eq!("16384".parse::<Address>(), Err(ParseAddressError));
        assert_eq!("0x10".parse::<Address>(), Err(ParseAddressError));
    }

    #[test]
    fn the_subnet_broadcast_keeps_the_network_bits() {
        assert_eq!(subnet(Version::V1, 9, 1).broadcast(), Address::new(15).unwrap());
        assert_eq!(subnet(Version::V1, 9, 2).broadcast(), Address::new(15).unwrap());
        assert_eq!(
            subnet(Version::V2, 300, 8).broadcast(),
            Address::new(319).unwrap()
        );
    }

    #[test]
    fn a_host_netmask_has_no_broadcast_but_the_global_one() {
        let host = subnet(Version::V2, 9, 14);
        assert!(!host.is_broadcast(Address::new(9).unwrap()));
        assert!(host.is_broadcast(Address::BROADCAST));
    }

    #[test]
    fn netmask_zero_contains_every_address_of_the_version_and_no_other() {
        let all = subnet(Version::V1, 9, 0);
        assert!(all.contains(Address::new(31).unwrap()));
        assert!(!all.contains(Address::new(32).unwrap()));
    }

    #[test]
    fn what_does_not_fit_the_version_is_refused_with_the_limit() {
        let wide = Address::new(32).unwrap();
        assert_eq!(
            Subnet::new(Version::V1, wide, Netmask::NONE),
            Err(SubnetError::Address {
                address: wide,
                max: Address::new(31).unwrap()
            })
        );
        let netmask = Netmask::new(6).unwrap();
        assert_eq!(
            Subnet::new(Version::V1, Address::LOOPBACK, netmask),
            Err(SubnetError::Netmask { netmask, max: 5 })
        );
    }
}
