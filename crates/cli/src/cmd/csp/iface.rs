//! The text of an interface: a link, and options behind commas.

use core::str::FromStr;

use csp_core::{Address, Netmask, Subnet, Version};

use crate::failure::{Code, Failure};

/// Kinds of interface that are no CAN links.
const LATER: [&str; 7] = ["kiss:", "kiss+tcp:", "zmq:", "udp:", "tun:", "eth:", "pair:"];

/// An interface as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Iface {
    /// The CAN link; the configured one where none is named.
    pub(super) link: Option<String>,
    pub(super) address: Option<OwnAddress>,
    pub(super) version: Version,
    pub(super) is_default: bool,
    pub(super) is_promiscuous: bool,
    pub(super) name: Option<String>,
}

impl Default for Iface {
    fn default() -> Self {
        Self {
            link: None,
            address: None,
            version: Version::V2,
            is_default: false,
            is_promiscuous: false,
            name: None,
        }
    }
}

/// `10/8`: an address and its network bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnAddress {
    pub(super) address: Address,
    /// Where none are named, the header version decides.
    netmask: Option<Netmask>,
}

impl OwnAddress {
    /// Who we are where nobody says: as csh.
    pub(super) const DEFAULT: Self = Self {
        address: match Address::new(10) {
            Some(address) => address,
            None => Address::LOOPBACK,
        },
        netmask: None,
    };

    /// The address in the network of a header version. Without network bits version 2 has 8 of them, as csh,
    /// and version 1 none: the interface then leads to all of its 32 addresses.
    pub(super) fn subnet(self, version: Version) -> Result<Subnet, Failure> {
        let usual = match version {
            Version::V1 => Netmask::NONE,
            Version::V2 => Netmask::new(8).unwrap_or(Netmask::NONE),
        };
        Subnet::new(version, self.address, self.netmask.unwrap_or(usual))
            .map_err(|error| Failure::caused(Code::BadAddress, error).context("our own address"))
    }
}

impl FromStr for OwnAddress {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let wrong = || {
            let message =
                format!("{text:?} is no address: write ADDR/BITS, 0 to 16383 and 0 to 14, as in 10/8");
            Failure::new(Code::BadAddress, message)
        };
        let netmask = |bits: &str| bits.parse().ok().and_then(Netmask::new).ok_or_else(wrong);
        Ok(Self {
            address: address.parse().map_err(|_| wrong())?,
            netmask: bits.map(netmask).transpose()?,
        })
    }
}

impl FromStr for Iface {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        if let Some(kind) = LATER.iter().find(|kind| text.starts_with(**kind)) {
            let message = format!("interface {text}: {kind} interfaces are not in this version; can:LINK is");
            return Err(Failure::new(Code::NotInThisVersion, message));
        }
        let mut parts = text.strip_prefix("can:").unwrap_or(text).split(',');
        let mut link = parts.next().unwrap_or_default().to_owned();
        let mut iface = Self::default();
        for part in parts {
            match part.split_once('=') {
                Some(("addr", address)) => iface.address = Some(address.parse()?),
                Some(("name", name)) => iface.name = Some(name.to_owned()),
                None if part == "v1" => iface.version = Version::V1,
                None if part == "v2" => iface.version = Version::V2,
                None if part == "default" => iface.is_default = true,
                None if part == "promisc" => iface.is_promiscuous = true,
                // The link's own options may have commas too, as in ?filter=1:7FF,2:7FF.
                _ if link.contains('?') => {
                    link.push(',');
                    link.push_str(part);
                }
                _ => {
                    let message = format!(
                        "interface {text}: {part:?} is no option; \
                         known: addr=ADDR/BITS v1 v2 default promisc name=NAME"
                    );
                    return Err(Failure::new(Code::BadAddress, message));
                }
            }
        }
        iface.link = (!link.is_empty()).then_some(link);
        Ok(iface)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iface(text: &str) -> Iface {
        text.parse().unwrap()
    }

    fn own(iface: &Iface) -> String {
        let subnet = iface.address.unwrap().subnet(iface.version).unwrap();
        format!("{}/{}", subnet.address(), subnet.netmask())
    }

    #[test]
    fn a_bare_link_is_a_can_interface() {
        assert_eq!(iface("can:bus:lab"), iface("bus:lab"));
        assert_eq!(iface("can0").link.as_deref(), Some("can0"));
        assert_eq!(iface("can:can0").link.as_deref(), Some("can0"));
    }

    #[test]
    fn options_stand_behind_commas() {
        let iface = iface("can:can0,addr=10/5,v1,default,promisc,name=CAN2");
        assert_eq!(own(&iface), "10/5");
        assert_eq!(iface.version, Version::V1);
        assert!(iface.is_default && iface.is_promiscuous);
        assert_eq!(iface.name.as_deref(), Some("CAN2"));
    }

    #[test]
    fn options_alone_leave_the_link_to_the_configuration() {
        let iface = iface(",addr=3");
        assert_eq!(iface.link, None);
        assert_eq!(own(&iface), "3/8", "eight bits, as csh");
    }

    #[test]
    fn all_addresses_of_version_1_are_one_network() {
        assert_eq!(own(&iface("can0,v1,addr=3")), "3/0");
        let wrong = iface("can0,v1,addr=32").address.unwrap().subnet(Version::V1);
        assert_eq!(
            wrong.unwrap_err().text(),
            "error: our own address: address 32 does not fit the header version, whose largest is 31"
        );
    }

    #[test]
    fn commas_of_the_link_stay_with_the_link() {
        let iface = iface("socketcan:can0?filter=1:7FF,2:7FF,addr=4/8");
        assert_eq!(iface.link.as_deref(), Some("socketcan:can0?filter=1:7FF,2:7FF"));
        assert!(iface.address.is_some());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let text = |text: &str| text.parse::<Iface>().unwrap_err().text();
        assert!(text("can0,adr=1").contains("\"adr=1\" is no option"));
        assert!(text("can0,addr=99999").contains("is no address"));
        assert!(text("zmq://hub").contains("zmq: interfaces are not in this version"));
    }
}
