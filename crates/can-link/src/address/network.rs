//! Links over a network.

use alloc::string::String;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use super::AddressError;
use super::endpoint::{Endpoint, Form, parse_port};
use super::query::{DurationText, Query, QueryText};
use super::socketcan::interface_name;

/// How to talk to socketcand (`mode=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SocketCandMode {
    /// Raw mode.
    #[default]
    Raw,
    /// Broadcast-manager mode.
    Bcm,
}

/// `socketcand://host:29536/can0`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketCandAddress {
    /// The server; its port is 29536 unless told otherwise.
    pub endpoint: Endpoint,
    /// The server's CAN interface.
    pub channel: String,
    /// `mode=raw|bcm`. Default raw.
    pub mode: SocketCandMode,
    /// `connect_timeout=`. Default 10 s.
    pub connect_timeout: Duration,
}

impl SocketCandAddress {
    const FORM: Form = Form {
        scheme: "socketcand",
        default_port: Some(29_536),
        example: "socketcand://host:port/can0",
    };
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

    pub(super) fn parse(body: &str, query: Option<&str>) -> Result<Self, AddressError> {
        let (endpoint, path) = Self::FORM.endpoint(body)?;
        let channel = path
            .filter(|path| !path.is_empty())
            .ok_or_else(|| Self::FORM.missing("channel"))?;
        let query = Query::parse("socketcand", query, &["mode", "connect_timeout"])?;
        let modes = [("raw", SocketCandMode::Raw), ("bcm", SocketCandMode::Bcm)];
        Ok(Self {
            endpoint,
            channel: interface_name("socketcand", channel)?,
            mode: query.choice("mode", "raw or bcm", &modes)?.unwrap_or_default(),
            connect_timeout: query
                .duration("connect_timeout")?
                .unwrap_or(Self::CONNECT_TIMEOUT),
        })
    }
}

impl fmt::Display for SocketCandAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "socketcand://{}/{}", self.endpoint, self.channel)?;
        let mut query = QueryText::new(f);
        if self.mode == SocketCandMode::Bcm {
            query.put("mode", "bcm")?;
        }
        if self.connect_timeout != Self::CONNECT_TIMEOUT {
            query.put("connect_timeout", DurationText(self.connect_timeout))?;
        }
        Ok(())
    }
}

/// What carries cannelloni.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CannelloniTransport {
    /// `cannelloni://`: datagrams to and from one peer.
    Udp,
    /// `cannelloni+tcp://`: connect to a peer.
    TcpClient,
    /// `cannelloni+tcp-listen://`: wait for a peer.
    TcpServer,
}

impl CannelloniTransport {
    const fn scheme(self) -> &'static str {
        match self {
            Self::Udp => "cannelloni",
            Self::TcpClient => "cannelloni+tcp",
            Self::TcpServer => "cannelloni+tcp-listen",
        }
    }
}

/// `cannelloni://host:20000` and its TCP forms.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CannelloniAddress {
    /// What carries it.
    pub transport: CannelloniTransport,
    /// The peer, or for [`CannelloniTransport::TcpServer`] where to listen; port 20000 unless told otherwise.
    pub endpoint: Endpoint,
    /// `listen=`: the local UDP port. Default 20000.
    pub listen: u16,
    /// `bind=`: the local address.
    pub bind: Option<IpAddr>,
    /// `flush=`: how long frames are gathered. Default 100 ms.
    pub flush: Duration,
    /// `mtu=`: bytes of the largest datagram. Default 1500.
    pub mtu: u16,
    /// `sort=`: whether a datagram's frames are sorted by identifier. Default no.
    pub sort: bool,
    /// `peer_check=`: whether datagrams from others are refused. Default yes.
    pub peer_check: bool,
}

impl CannelloniAddress {
    const PORT: u16 = 20_000;
    const FLUSH: Duration = Duration::from_millis(100);
    const MTU: u16 = 1500;

    pub(super) fn parse(
        transport: CannelloniTransport,
        body: &str,
        query: Option<&str>,
    ) -> Result<Self, AddressError> {
        const UDP_KEYS: &[&str] = &["listen", "bind", "flush", "mtu", "sort", "peer_check"];
        const TCP_KEYS: &[&str] = &["bind", "flush", "sort", "peer_check"];
        let form = Form {
            scheme: transport.scheme(),
            default_port: Some(Self::PORT),
            example: match transport {
                CannelloniTransport::Udp => "cannelloni://host:20000",
                CannelloniTransport::TcpClient => "cannelloni+tcp://host:20000",
                CannelloniTransport::TcpServer => "cannelloni+tcp-listen://0.0.0.0:20000",
            },
        };
        let endpoint = form.endpoint_alone(body)?;
        let keys = if transport == CannelloniTransport::Udp {
            UDP_KEYS
        } else {
            TCP_KEYS
        };
        let query = Query::parse(form.scheme, query, keys)?;
        Ok(Self {
            transport,
            endpoint,
            listen: query.text("listen").map_or(Ok(Self::PORT), parse_port)?,
            bind: query.read("bind", "an IP address", |text| text.parse().ok())?,
            flush: query.duration("flush")?.unwrap_or(Self::FLUSH),
            mtu: query
                .number("mtu", "128 to 65507 bytes", 128..=65_507)?
                .unwrap_or(Self::MTU),
            sort: query.flag("sort")?.unwrap_or(false),
            peer_check: query.flag("peer_check")?.unwrap_or(true),
        })
    }
}

impl fmt::Display for CannelloniAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.transport.scheme(), self.endpoint)?;
        let mut query = QueryText::new(f);
        query.put_unless("listen", self.listen, Self::PORT)?;
        query.put_some("bind", self.bind)?;
        if self.flush != Self::FLUSH {
            query.put("flush", DurationText(self.flush))?;
        }
        query.put_unless("mtu", self.mtu, Self::MTU)?;
        query.put_flag("sort", self.sort, false)?;
        query.put_flag("peer_check", self.peer_check, true)
    }
}

/// `mcast://239.74.163.2:43113`: python-can's `udp_multicast`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MulticastAddress {
    /// The group.
    pub group: IpAddr,
    /// The port. Default 43113.
    pub port: u16,
    /// `ttl=`: how many routers a datagram may pass. Default 1.
    pub ttl: u8,
    /// `fd=`: whether CAN FD frames are sent. Default yes.
    pub fd: bool,
    /// `iface=`: the network interface to use.
    pub interface: Option<String>,
    /// `own=`: whether own frames come back. Default no.
    pub own: bool,
}

impl MulticastAddress {
    const PORT: u16 = 43_113;

    pub(super) fn parse(body: &str, query: Option<&str>) -> Result<Self, AddressError> {
        const FORM: Form = Form {
            scheme: "mcast",
            default_port: Some(MulticastAddress::PORT),
            example: "mcast://239.74.163.2:43113",
        };
        let Endpoint { host, port } = FORM.endpoint_alone(body)?;
        let group = host.parse().ok().filter(IpAddr::is_multicast);
        let group = group.ok_or(AddressError::NotMulticast { host })?;
        let query = Query::parse("mcast", query, &["ttl", "fd", "iface", "own"])?;
        let interface = query
            .text("iface")
            .map(|name| interface_name("mcast", name))
            .transpose()?;
        Ok(Self {
            group,
            port,
            ttl: query.number("ttl", "0 to 255", 0..=255)?.unwrap_or(1),
            fd: query.flag("fd")?.unwrap_or(true),
            interface,
            own: query.flag("own")?.unwrap_or(false),
        })
    }
}

impl fmt::Display for MulticastAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group {
            IpAddr::V4(group) => write!(f, "mcast://{group}:{}", self.port)?,
            IpAddr::V6(group) => write!(f, "mcast://[{group}]:{}", self.port)?,
        }
        let mut query = QueryText::new(f);
        query.put_unless("ttl", self.ttl, 1)?;
        query.put_flag("fd", self.fd, true)?;
        query.put_some("iface", self.interface.as_ref())?;
        query.put_flag("own", self.own, false)
    }
}

/// `tinwire://host:port/NAME`: a bus served by another tinwire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TinwireAddress {
    /// The server.
    pub endpoint: Endpoint,
    /// The server's name for the bus.
    pub name: String,
}

impl TinwireAddress {
    const FORM: Form = Form {
        scheme: "tinwire",
        default_port: None,
        example: "tinwire://host:port/NAME",
    };

    pub(super) fn parse(body: &str, query: Option<&str>) -> Result<Self, AddressError> {
        let (endpoint, path) = Self::FORM.endpoint(body)?;
        let name = path
            .filter(|path| !path.is_empty())
            .ok_or_else(|| Self::FORM.missing("name"))?;
        Query::parse("tinwire", query, &[])?;
        Ok(Self {
            endpoint,
            name: name.into(),
        })
    }
}

impl fmt::Display for TinwireAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tinwire://{}/{}", self.endpoint, self.name)
    }
}

/// `isotpserver://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IsotpServerAddress {
    /// The server.
    pub endpoint: Endpoint,
}

impl IsotpServerAddress {
    pub(super) fn parse(body: &str, query: Option<&str>) -> Result<Self, AddressError> {
        const FORM: Form = Form {
            scheme: "isotpserver",
            default_port: None,
            example: "isotpserver://host:port",
        };
        let endpoint = FORM.endpoint_alone(body)?;
        Query::parse("isotpserver", query, &[])?;
        Ok(Self { endpoint })
    }
}

impl fmt::Display for IsotpServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "isotpserver://{}", self.endpoint)
    }
}
