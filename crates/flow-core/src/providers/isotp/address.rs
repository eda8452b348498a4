//! `isotp:LINK?tx=ID&rx=ID`.

use alloc::string::String;
use core::str::FromStr;

use can_link::{ExtendedId, Id, StandardId};
use isotp::Address;

use crate::address::ParseAddressError;

const EXAMPLE: &str = "isotp:can0?tx=7E0&rx=7E8";

/// Two identifiers on a CAN link.
#[derive(Clone, Debug)]
pub struct IsoTpAddress {
    link: String,
    tx: Id,
    rx: Id,
    isotp: Address,
}

impl IsoTpAddress {
    /// The link, as text.
    #[must_use]
    pub fn link(&self) -> &str {
        &self.link
    }

    /// The address as `isotp` has it.
    #[must_use]
    pub const fn isotp(&self) -> Address {
        self.isotp
    }

    /// The identifiers of what is sent and received, as numbers.
    pub(super) fn identifiers(&self) -> (u32, u32) {
        (raw(self.tx), raw(self.rx))
    }
}

fn raw(id: Id) -> u32 {
    match id {
        Id::Standard(id) => id.as_raw().into(),
        Id::Extended(id) => id.as_raw(),
    }
}

impl FromStr for IsoTpAddress {
    type Err = ParseAddressError;

    /// Beside `tx` and `rx` there are `ext`, the address byte of the other node, and `rext`, that of this one
    /// (extended addressing); both or none.
    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let address: crate::Address = text.parse()?;
        address.expect("isotp", &["tx", "rx", "ext", "rext"], "tx, rx, ext, rext")?;
        let required = |key| {
            let missing = ParseAddressError::Missing {
                key,
                example: EXAMPLE,
            };
            id(address.value(key).ok_or(missing)?)
        };
        let (tx, rx) = (required("tx")?, required("rx")?);
        let byte = |key| address.value(key).map(byte).transpose();
        let isotp = match (byte("ext")?, byte("rext")?) {
            (None, None) => Address::normal(tx, rx),
            (Some(target), Some(source)) => Address::extended(tx, rx, target, source),
            (ext, _) => {
                return Err(ParseAddressError::Missing {
                    key: if ext.is_none() { "ext" } else { "rext" },
                    example: "isotp:can0?tx=7E0&rx=7E8&ext=F1&rext=10",
                });
            }
        };
        let same = |_| ParseAddressError::Value {
            what: "pair of different identifiers",
            value: text.into(),
            example: EXAMPLE,
        };
        Ok(Self {
            link: address.target().into(),
            tx,
            rx,
            isotp: isotp.map_err(same)?,
        })
    }
}

/// An identifier: up to 3 digits for 11 bits, 8 for 29.
fn id(text: &str) -> Result<Id, ParseAddressError> {
    let value = u32::from_str_radix(text, 16)
        .ok()
        .filter(|_| !text.starts_with('+'));
    let id = value.and_then(|value| {
        if text.len() == 8 {
            ExtendedId::new(value).map(Id::from)
        } else {
            u16::try_from(value).ok().and_then(StandardId::new).map(Id::from)
        }
    });
    id.ok_or_else(|| ParseAddressError::Value {
        what: "CAN identifier (3 hex digits up to 7FF, or 8 up to 1FFFFFFF)",
        value: text.into(),
        example: EXAMPLE,
    })
}

fn byte(text: &str) -> Result<u8, ParseAddressError> {
    let value = u8::from_str_radix(text, 16)
        .ok()
        .filter(|_| !text.starts_with('+'));
    value.ok_or_else(|| ParseAddressError::Value {
        what: "address byte in hex",
        value: text.into(),
        example: "isotp:can0?tx=7E0&rx=7E8&ext=F1&rext=10",
    })
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn link_and_identifiers_are_told_apart_and_each_wrong_part_is_named() {
        let parsed: IsoTpAddress = "isotp:bus:demo?tx=7E0&rx=18DAF110".parse().unwrap();
        assert_eq!(
            (parsed.link(), parsed.identifiers()),
            ("bus:demo", (0x7E0, 0x18DA_F110))
        );
        let extended: IsoTpAddress = "isotp:can0?tx=7E0&rx=7E8&ext=F1&rext=10".parse().unwrap();
        assert_eq!(extended.isotp().tx().address_byte(), Some(0xF1));
        assert_eq!(extended.isotp().rx().address_byte(), Some(0x10));
        for (text, said) in [
            (
                "isotp:can0?tx=7E0",
                "no \"rx\"; for example isotp:can0?tx=7E0&rx=7E8",
            ),
            (
                "isotp:can0?tx=800&rx=7E8",
                "\"800\" is no CAN identifier (3 hex digits up to 7FF, or 8 up to 1FFFFFFF); for example \
                 isotp:can0?tx=7E0&rx=7E8",
            ),
            (
                "isotp:can0?tx=7E0&rx=7E8&ext=F1",
                "no \"rext\"; for example isotp:can0?tx=7E0&rx=7E8&ext=F1&rext=10",
            ),
            (
                "isotp:can0?tx=1&rx=2&bs=3",
                "unknown key \"bs\"; known: tx, rx, ext, rext",
            ),
        ] {
            assert_eq!(text.parse::<IsoTpAddress>().unwrap_err().to_string(), said);
        }
        assert!("isotp:can0?tx=7E0&rx=7E0".parse::<IsoTpAddress>().is_err());
    }
}
