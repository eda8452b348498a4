//! Interfaces and their names as text.

use core::str::FromStr;

use thiserror::Error;

use super::{InterfaceConfig, InterfaceName, MAX_NAME_LEN};
use crate::{Address, Netmask, ParseAddressError, SubnetError, Version};

/// A text was not the name of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the name of an interface has 1 to {MAX_NAME_LEN} ASCII characters, no blanks and no commas")]
pub struct ParseNameError;

impl FromStr for InterfaceName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        Self::new(text).ok_or(ParseNameError)
    }
}

/// Why a text names no interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseInterfaceError {
    /// It has too few words or too many.
    #[error(
        "an interface is a name, an address with network bits and perhaps v1 or v2, as in \"CAN 1/8 v2\""
    )]
    Form,
    /// The name.
    #[error(transparent)]
    Name(#[from] ParseNameError),
    /// The address.
    #[error(transparent)]
    Address(#[from] ParseAddressError),
    /// The number of network bits.
    #[error("network bits are a decimal number from 0 to 14")]
    Netmask,
    /// Address and network bits do not fit the header version.
    #[error(transparent)]
    Subnet(#[from] SubnetError),
}

/// Name, address and network bits, and perhaps the header version.
///
/// ```
/// use csp_core::{InterfaceConfig, Version};
///
/// let radio: InterfaceConfig = "CAN 1/8".parse().unwrap();
/// assert_eq!(radio.subnet().unwrap().version(), Version::V2);
/// let bus: InterfaceConfig = "OLD 9/2 v1".parse().unwrap();
/// assert_eq!(bus.subnet().unwrap().version(), Version::V1);
/// ```
impl FromStr for InterfaceConfig {
    type Err = ParseInterfaceError;

    fn from_str(text: &str) -> Result<Self, ParseInterfaceError> {
        let mut words = text.split_ascii_whitespace();
        let (Some(name), Some(network)) = (words.next(), words.next()) else {
            return Err(ParseInterfaceError::Form);
        };
        let version = match (words.next(), words.next()) {
            (None | Some("v2"), None) => Version::V2,
            (Some("v1"), None) => Version::V1,
            _ => return Err(ParseInterfaceError::Form),
        };
        let (address, bits) = network.split_once('/').ok_or(ParseInterfaceError::Form)?;
        let name: InterfaceName = name.parse()?;
        let address: Address = address.parse()?;
        let bits = bits.parse().ok().and_then(Netmask::new);
        let config = Self::new(name, address, bits.ok_or(ParseInterfaceError::Netmask)?).version(version);
        config.subnet()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<InterfaceConfig, ParseInterfaceError> {
        text.parse()
    }

    #[test]
    fn an_interface_is_a_name_a_network_and_perhaps_a_version() {
        let config = parse("CAN 300/8").unwrap();
        let subnet = config.subnet().unwrap();
        assert_eq!(config.name.as_str(), "CAN");
        assert_eq!((subnet.address().to_bits(), subnet.netmask().to_bits()), (300, 8));
        assert_eq!(subnet.version(), Version::V2);
        assert_eq!(parse(" OLD\t9/2  v1 ").unwrap().version, Version::V1);
        assert_eq!(parse("NEW 9/2 v2").unwrap().version, Version::V2);
    }

    #[test]
    fn what_is_wrong_with_a_text_is_told() {
        use ParseInterfaceError as Wrong;
        for (text, wrong) in [
            ("", Wrong::Form),
            ("CAN", Wrong::Form),
            ("CAN 1", Wrong::Form),
            ("CAN 1/8 v3", Wrong::Form),
            ("CAN 1/8 v2 v2", Wrong::Form),
            ("ELEVENCHARS 1/8", Wrong::Name(ParseNameError)),
            ("CAN 16384/8", Wrong::Address(ParseAddressError)),
            ("CAN one/8", Wrong::Address(ParseAddressError)),
            ("CAN 1/15", Wrong::Netmask),
            ("CAN 1/-1", Wrong::Netmask),
        ] {
            assert_eq!(parse(text).unwrap_err(), wrong, "{text:?}");
        }
        for text in ["CAN 32/5 v1", "CAN 1/6 v1"] {
            assert!(matches!(parse(text), Err(Wrong::Subnet(_))), "{text:?}");
        }
    }
}
