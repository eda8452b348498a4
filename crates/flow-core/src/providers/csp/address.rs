//! `csp:ADDR:PORT?if=NAME&frct=reliable`.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::str::FromStr;

use csp_core::rt::{InterfaceStatus, Node};
use csp_core::{Address, Port};

use crate::address::ParseAddressError;
use crate::frct::Delivery;

const EXAMPLE: &str = "csp:5:20?if=CAN";

/// A port of a CSP node, or of this one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CspAddress {
    node: Option<Address>,
    port: Port,
    interface: Option<String>,
    frct: Option<Delivery>,
}

impl CspAddress {
    /// The node; `None` for `*`, which is this one whatever its addresses are.
    #[must_use]
    pub const fn node(&self) -> Option<Address> {
        self.node
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> Port {
        self.port
    }

    /// The interface that must lead there.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        self.interface.as_deref()
    }

    /// What FRCT gives the flow in RDP's place, where it is asked for: `frct=reliable` or `frct=ordered`.
    /// Both ends must say the same, since nothing on the wire does.
    #[must_use]
    pub const fn frct(&self) -> Option<Delivery> {
        self.frct
    }

    /// Checks that `node` has the interface asked for, and that it leads to the address: CSP finds its way by
    /// routes, so this is a condition and not a choice.
    pub(super) fn check_interface(&self, node: &Node) -> Result<(), Box<str>> {
        let (Some(name), Some(remote)) = (&self.interface, self.node) else {
            return Ok(());
        };
        let interface = find(node, name)?;
        if node.interfaces_to(remote).contains(&interface.id) {
            Ok(())
        } else {
            Err(format!("no route leads to address {remote} by interface {name}").into())
        }
    }

    /// Checks that a port of `node` is meant.
    pub(super) fn check_own(&self, node: &Node) -> Result<(), Box<str>> {
        if let Some(name) = &self.interface {
            find(node, name)?;
        }
        let Some(own) = self.node else {
            return Ok(());
        };
        let interfaces = node.status().interfaces;
        if interfaces
            .iter()
            .any(|interface| interface.subnet.address() == own)
        {
            Ok(())
        } else {
            let port = self.port;
            Err(format!("{own} is no address of this node; write csp:*:{port}").into())
        }
    }
}

fn find(node: &Node, name: &str) -> Result<InterfaceStatus, Box<str>> {
    let interfaces = node.status().interfaces;
    let known: alloc::vec::Vec<&str> = interfaces
        .iter()
        .map(|interface| interface.name.as_str())
        .collect();
    let missing = format!("no interface {name}; there are: {}", known.join(", "));
    let found = interfaces
        .iter()
        .position(|interface| interface.name.as_str() == name);
    found
        .and_then(|found| interfaces.into_iter().nth(found))
        .ok_or_else(|| missing.into())
}

impl FromStr for CspAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let address: crate::Address = text.parse()?;
        address.expect("csp", &["if", "frct"], "if, frct")?;
        let wrong = |what, value: &str| ParseAddressError::Value {
            what,
            value: value.into(),
            example: EXAMPLE,
        };
        let (node, port) = address
            .target()
            .split_once(':')
            .ok_or_else(|| wrong("node and port", address.target()))?;
        let node = match node {
            "*" => None,
            node => Some(node.parse().map_err(|_| wrong("address of a node", node))?),
        };
        let frct = address.value("frct").map(|value| match value {
            "reliable" => Ok(Delivery::Reliable),
            "ordered" => Ok(Delivery::Ordered),
            other => Err(ParseAddressError::Value {
                what: "delivery by FRCT (reliable or ordered)",
                value: other.into(),
                example: "csp:5:20?if=CAN&frct=reliable",
            }),
        });
        Ok(Self {
            node,
            frct: frct.transpose()?,
            port: port.parse().map_err(|_| wrong("port from 0 to 63", port))?,
            interface: address.value("if").map(Into::into),
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn node_port_and_interface_are_told_apart_and_each_wrong_part_is_named() {
        let parsed: CspAddress = "csp:5:20?if=CAN".parse().unwrap();
        assert_eq!(parsed.node().map(Address::to_bits), Some(5));
        assert_eq!((parsed.port().to_bits(), parsed.interface()), (20, Some("CAN")));
        let reliable: CspAddress = "csp:5:20?frct=reliable".parse().unwrap();
        assert_eq!((parsed.frct(), reliable.frct()), (None, Some(Delivery::Reliable)));
        assert_eq!("csp:*:7".parse::<CspAddress>().unwrap().node(), None);
        for (text, said) in [
            ("csp:5", "\"5\" is no node and port; for example csp:5:20?if=CAN"),
            (
                "csp:x:20",
                "\"x\" is no address of a node; for example csp:5:20?if=CAN",
            ),
            (
                "csp:5:64",
                "\"64\" is no port from 0 to 63; for example csp:5:20?if=CAN",
            ),
            ("csp:5:20?iff=CAN", "unknown key \"iff\"; known: if, frct"),
            (
                "csp:5:20?frct=on",
                "\"on\" is no delivery by FRCT (reliable or ordered); for example \
                 csp:5:20?if=CAN&frct=reliable",
            ),
            ("echo", "this provider takes \"csp:\", got \"local:\""),
        ] {
            assert_eq!(text.parse::<CspAddress>().unwrap_err().to_string(), said);
        }
    }
}
