//! Address strings: one grammar for every way to reach a CAN bus.
//!
//! ```text
//! address = [ scheme ":" ] body [ "?" key "=" value *( "&" key "=" value ) ]
//! ```
//!
//! Without a scheme the body is the name of a CAN interface: `can0` is `socketcan:can0`. Values are
//! percent-encoded. Unknown schemes and keys, keys given twice and empty values are errors that name the part
//! and what would be right.
//!
//! | example | type |
//! |---|---|
//! | `can0`, `socketcan:can0?fd=1&filter=123:7FF`, `socketcan:any` | [`SocketCanAddress`] |
//! | `virtual:NAME?own=1&queue=block` | [`VirtualAddress`] |
//! | `bus:NAME?own=1&queue=8192` | [`BusAddress`] |
//! | `sim:?loss=0.01&delay=2ms&dup=0.01&corrupt=0.01&seed=7` | [`SimAddress`] |
//! | `log:FILE?speed=1`, `log:-` | [`LogAddress`] |
//! | `slcan:/dev/ttyACM0@500000?baud=115200`, `slcan://host:port@500000` | [`SlcanAddress`] |
//! | `serial:/dev/ttyUSB0?baud=115200` | [`SerialAddress`] |
//! | `socketcand://host:29536/can0?mode=raw` | [`SocketCandAddress`] |
//! | `cannelloni://host:20000`, `cannelloni+tcp://..`, `cannelloni+tcp-listen://..` | [`CannelloniAddress`] |
//! | `mcast://239.74.163.2:43113?ttl=1` | [`MulticastAddress`] |
//! | `tinwire://host:port/NAME` | [`TinwireAddress`] |
//! | `isotpserver://host:port` | [`IsotpServerAddress`] |
//!
//! `Display` writes an address back, defaults left out.

mod choice;
mod endpoint;
mod error;
mod local;
mod network;
mod query;
mod serial;
mod socketcan;
#[cfg(test)]
mod tests;

use core::fmt;
use core::str::FromStr;

pub use choice::{FdMode, Loopback, OnBusOff, Reconnect, XlMode};
pub use endpoint::Endpoint;
pub use error::AddressError;
#[cfg(unix)]
pub(crate) use local::is_bus_name;
pub use local::{BusAddress, LogAddress, ReplaySpeed, SimAddress, VirtualAddress};
pub use network::{
    CannelloniAddress, CannelloniTransport, IsotpServerAddress, MulticastAddress, SocketCandAddress,
    SocketCandMode, TinwireAddress,
};
pub use serial::{SerialAddress, SlcanAddress, SlcanPort};
pub use socketcan::SocketCanAddress;

/// A way to reach a CAN bus, as a user writes it.
///
/// ```
/// use can_link::address::LinkAddress;
///
/// let address: LinkAddress = "bus:lab?own=1".parse()?;
/// assert_eq!(address.to_string(), "bus:lab?own=1");
/// let error = "socketcam:can0".parse::<LinkAddress>().unwrap_err();
/// assert_eq!(error.to_string(), r#"unknown scheme "socketcam" (did you mean "socketcan"?)"#);
/// # Ok::<(), can_link::address::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LinkAddress {
    /// A CAN interface of the Linux kernel.
    SocketCan(SocketCanAddress),
    /// A bus inside this process.
    Virtual(VirtualAddress),
    /// A bus shared by processes of this machine.
    Bus(BusAddress),
    /// Built-in simulated devices.
    Sim(SimAddress),
    /// Replay of a log.
    Log(LogAddress),
    /// An adapter that speaks slcan.
    Slcan(SlcanAddress),
    /// python-can's binary serial format.
    Serial(SerialAddress),
    /// A socketcand server.
    SocketCand(SocketCandAddress),
    /// A cannelloni peer.
    Cannelloni(CannelloniAddress),
    /// A multicast group as python-can's `udp_multicast` uses it.
    Multicast(MulticastAddress),
    /// tinwire's own transport.
    Tinwire(TinwireAddress),
    /// An isotpserver; carries ISO-TP messages only.
    IsotpServer(IsotpServerAddress),
}

/// Every scheme, for suggestions.
const SCHEMES: &[&str] = &[
    "socketcan",
    "virtual",
    "bus",
    "sim",
    "log",
    "slcan",
    "serial",
    "socketcand",
    "cannelloni",
    "cannelloni+tcp",
    "cannelloni+tcp-listen",
    "mcast",
    "tinwire",
    "isotpserver",
];

impl FromStr for LinkAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, query) = match text.split_once('?') {
            Some((address, query)) => (address, Some(query)),
            None => (text, None),
        };
        let Some((scheme, body)) = address.split_once(':') else {
            if SCHEMES.contains(&address) {
                return Err(AddressError::SchemeAlone {
                    scheme: address.into(),
                });
            }
            return SocketCanAddress::parse(address, query).map(Self::SocketCan);
        };
        match scheme {
            "socketcan" => SocketCanAddress::parse(body, query).map(Self::SocketCan),
            "virtual" => VirtualAddress::parse(body, query).map(Self::Virtual),
            "bus" => BusAddress::parse(body, query).map(Self::Bus),
            "sim" => SimAddress::parse(body, query).map(Self::Sim),
            "log" => LogAddress::parse(body, query).map(Self::Log),
            "slcan" => SlcanAddress::parse(body, query).map(Self::Slcan),
            "serial" => SerialAddress::parse(body, query).map(Self::Serial),
            "socketcand" => SocketCandAddress::parse(body, query).map(Self::SocketCand),
            "cannelloni" => {
                CannelloniAddress::parse(CannelloniTransport::Udp, body, query).map(Self::Cannelloni)
            }
            "cannelloni+tcp" => {
                CannelloniAddress::parse(CannelloniTransport::TcpClient, body, query).map(Self::Cannelloni)
            }
            "cannelloni+tcp-listen" => {
                CannelloniAddress::parse(CannelloniTransport::TcpServer, body, query).map(Self::Cannelloni)
            }
            "mcast" => MulticastAddress::parse(body, query).map(Self::Multicast),
            "tinwire" => TinwireAddress::parse(body, query).map(Self::Tinwire),
            "isotpserver" => IsotpServerAddress::parse(body, query).map(Self::IsotpServer),
            unknown => Err(AddressError::UnknownScheme {
                scheme: unknown.into(),
                suggestion: query::nearest(unknown, SCHEMES),
            }),
        }
    }
}

impl fmt::Display for LinkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SocketCan(address) => address.fmt(f),
            Self::Virtual(address) => address.fmt(f),
            Self::Bus(address) => address.fmt(f),
            Self::Sim(address) => address.fmt(f),
            Self::Log(address) => address.fmt(f),
            Self::Slcan(address) => address.fmt(f),
            Self::Serial(address) => address.fmt(f),
            Self::SocketCand(address) => address.fmt(f),
            Self::Cannelloni(address) => address.fmt(f),
            Self::Multicast(address) => address.fmt(f),
            Self::Tinwire(address) => address.fmt(f),
            Self::IsotpServer(address) => address.fmt(f),
        }
    }
}
