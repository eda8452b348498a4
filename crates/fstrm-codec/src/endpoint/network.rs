//! TCP sockets: names to addresses, listening, options.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::io;
use std::vec::Vec;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, lookup_host};

use super::grammar::{Host, HostPort};

/// When a silent TCP connection is asked whether its peer still lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence before the first question, and between questions.
    pub interval: Duration,
}

impl Keepalive {
    /// Every 30 s. The system gives up after its own number of questions, 9 on Linux.
    pub const DEFAULT: Self = Self {
        interval: Duration::from_secs(30),
    };
}

/// What is set on every TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) keepalive: Option<Keepalive>,
}

impl Options {
    pub(super) fn apply(self, stream: &TcpStream) -> io::Result<()> {
        // Frames are gathered above; Nagle's rule would hold back the last ones for nothing.
        stream.set_nodelay(true)?;
        if let Some(Keepalive { interval }) = self.keepalive {
            let keepalive = TcpKeepalive::new().with_time(interval).with_interval(interval);
            SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
        }
        Ok(())
    }
}

/// The addresses to listen on or connect to; the first that works is the one.
pub(super) async fn resolve(address: &HostPort) -> io::Result<Vec<SocketAddr>> {
    let port = address.port;
    let fixed = |ips: &[IpAddr]| ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
    let found: Vec<_> = match &address.host {
        Host::Loopback => fixed(&[Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
        Host::Any => fixed(&[Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()]),
        Host::Named(name) => match name.parse::<IpAddr>() {
            Ok(ip) => fixed(&[ip]),
            Err(_) => lookup_host((name.as_str(), port)).await?.collect(),
        },
    };
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(found)
}

/// A listening socket; one of IPv6 that is open to all takes IPv4 too.
pub(super) fn listen(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // On Windows the option would let a second process take the port while the first one has it.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    TcpListener::from_std(socket.into())
}

/// An IPv4 peer of an IPv6 socket under its IPv4 address.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
