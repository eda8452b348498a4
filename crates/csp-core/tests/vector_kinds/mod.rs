//! One function per kind of vector.

pub(crate) mod node;
pub(crate) mod peers;
pub(crate) mod rdp;
pub(crate) mod routing;
pub(crate) mod rtable;
pub(crate) mod services;
pub(crate) mod sfp;
pub(crate) mod watch;
pub(crate) mod wire;

use csp_core::hmac::Key;
use csp_core::service::Services;
use csp_core::{
    Address, Config, Flags, Header, InterfaceConfig, InterfaceId, InterfaceName, Netmask, Node, Port,
    Priority, Switch, Version, XteaFlag,
};
use testkit::vectors::{Value, hex, optional};
use tinwire_time::Instant;

/// How an entry went. What is plainly wrong panics.
pub(crate) enum Outcome {
    Agrees,
    /// As it should, by a rule that the peer does not follow.
    Differs(&'static str),
    #[cfg_attr(
        feature = "legacy-xtea",
        expect(dead_code, reason = "everything is built then")
    )]
    NotBuilt(&'static str),
}

pub(crate) const NOW: Instant = Instant::ZERO;

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number: {value}"))
}

pub(crate) fn byte(value: &Value) -> u8 {
    number(value).try_into().unwrap()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}"))
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    hex(text(value))
}

pub(crate) fn address(value: &Value) -> Address {
    Address::new(number(value).try_into().unwrap()).unwrap()
}

pub(crate) fn port(value: &Value) -> Port {
    Port::new(byte(value)).unwrap()
}

pub(crate) fn version(input: &Value) -> Version {
    match input["version"].as_u64() {
        Some(1) => Version::V1,
        Some(2) => Version::V2,
        _ => panic!("a version: {input}"),
    }
}

/// An object with `pri dst src dport sport` and perhaps `flags`; `None` if a number has no place in any
/// header (HDR-4).
pub(crate) fn try_header(id: &Value) -> Option<Header> {
    let byte = |value: &Value| u8::try_from(number(value)).ok();
    let address = |value: &Value| u16::try_from(number(value)).ok().and_then(Address::new);
    let port = |value: &Value| byte(value).and_then(Port::new);
    let source = (address(&id["src"])?, port(&id["sport"])?);
    let mut header = Header::new(source, (address(&id["dst"])?, port(&id["dport"])?));
    header.priority = byte(&id["pri"]).and_then(Priority::new)?;
    header.flags = Flags::from_bits(optional(id, "flags").map_or(Some(0), byte)?);
    Some(header)
}

pub(crate) fn header(id: &Value) -> Header {
    try_header(id).unwrap_or_else(|| panic!("a header: {id}"))
}

/// Whether the peer does something that must not be copied.
pub(crate) fn is_quirk(entry: &Value) -> bool {
    optional(entry, "quirk").is_some_and(|quirk| quirk == true)
}

/// Whether the peer did something with input that must be refused.
pub(crate) fn is_negative(entry: &Value) -> bool {
    optional(entry, "negative").is_some_and(|negative| negative == true)
}

/// `plain`, or any of `crc`, `hmac`, `xtea` joined by underscores; `None` for others.
pub(crate) fn flags(opts: &str) -> Option<Flags> {
    opts.split('_').try_fold(Flags::NONE, |flags, word| match word {
        "plain" | "none" => Some(flags),
        "crc" => Some(flags | Flags::CRC32),
        "hmac" => Some(flags | Flags::HMAC),
        "xtea" => Some(flags | Flags::XTEA),
        _ => None,
    })
}

pub(crate) fn key(input: &Value) -> Key {
    match optional(input, "hmac_passphrase") {
        Some(phrase) => Key::from_pass_phrase(&bytes(phrase)),
        None => Key::from_pass_phrase(b"vector key"),
    }
}

/// What the XTEA flag means to the peer in version 1.
pub(crate) fn xtea_flag(entry: &Value) -> XteaFlag {
    if is_16(entry) {
        XteaFlag::Encrypted
    } else {
        XteaFlag::Reserved
    }
}

/// Whether the peer is of the 1.x line.
pub(crate) fn is_16(entry: &Value) -> bool {
    text(&entry["peer"]).starts_with("libcsp 1.")
}

/// Settings of a node without services, so that every port is free to bind, whatever the peer's highest.
pub(crate) fn bare() -> Config {
    Config::default()
        .services(Services::none())
        .port_max_bind(Port::MAX)
}

/// A node with one interface: `my_addr`, and the netmask given or the one that the captures were taken with.
///
/// It takes all settings, as the peers do.
pub(crate) fn one_interface(input: &Value, config: Config) -> (Node, InterfaceId) {
    let version = version(input);
    let netmask = match optional(input, "netmask") {
        Some(bits) => byte(bits),
        None if version == Version::V1 => 1,
        None => 8,
    };
    let own = optional(input, "my_addr").map_or(Address::new(9).unwrap(), address);
    let name = InterfaceName::new(optional(input, "iface").map_or("CAN", text)).unwrap();
    let interface = InterfaceConfig::new(name, own, Netmask::new(netmask).unwrap())
        .version(version)
        .mtu(buffer_size(input).unwrap_or(LARGEST_BUFFER));
    let config = config.hmac_key(key(input)).checks(Switch::Off);
    let config = match optional(input, "xtea_passphrase") {
        Some(phrase) => config.xtea_key(csp_core::xtea::Key::from_pass_phrase(&bytes(phrase))),
        None => config,
    };
    let mut node = Node::new(config, 1);
    let id = node.add_interface(interface.default_route()).unwrap();
    (node, id)
}

/// The peers' packet buffer, where payloads are larger than the usual one takes.
const LARGEST_BUFFER: usize = 2048;

/// The peer's packet buffer, where the entry tells.
pub(crate) fn buffer_size(input: &Value) -> Option<usize> {
    let size = optional(input, "buffer_size")?;
    Some(number(size).try_into().unwrap())
}

/// The frames that leave a node, header and payload.
pub(crate) fn sent(node: &mut Node, version: Version) -> Vec<Vec<u8>> {
    core::iter::from_fn(|| node.poll_transmit())
        .map(|transmit| transmit.packet.encode(version).unwrap().to_vec())
        .collect()
}
