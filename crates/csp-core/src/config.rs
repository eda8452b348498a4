//! Settings of a node, its sockets and its connections.

use core::time::Duration;

use crate::hmac::Key;
use crate::{DropReason, Flags, Port, Priority};

/// How a node is set up.
///
/// The defaults are those of libcsp 2.x where it has the setting (section 14).
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) port_max_bind: Port,
    pub(crate) max_connections: usize,
    pub(crate) transmit_queue: usize,
    pub(crate) event_queue: usize,
    pub(crate) flags: Flags,
    pub(crate) hmac_key: Key,
    pub(crate) reply_match: ReplyMatch,
    pub(crate) ping: Switch,
    pub(crate) service_needs: Needs,
}

impl Config {
    /// Highest port that can be bound; those above are ephemeral.
    ///
    /// Default 16, as libcsp 2.x (1.6: 24).
    #[must_use]
    pub const fn port_max_bind(mut self, port: Port) -> Self {
        self.port_max_bind = port;
        self
    }

    /// Most connections at once, those waiting to be accepted included.
    ///
    /// Default 64 (libcsp: 8).
    #[must_use]
    pub const fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Packets that wait for each interface.
    ///
    /// A full queue refuses own packets and drops forwarded ones. Default 64 (libcsp: 15 in all).
    #[must_use]
    pub const fn transmit_queue(mut self, packets: usize) -> Self {
        self.transmit_queue = packets;
        self
    }

    /// Drop and link events kept for [`Node::poll_event`](crate::Node::poll_event).
    ///
    /// A new one pushes the oldest out. Default 64.
    #[must_use]
    pub const fn event_queue(mut self, events: usize) -> Self {
        self.event_queue = events;
        self
    }

    /// Flags of connections and datagrams that don't choose their own.
    ///
    /// Default none, as libcsp and csp-py.
    #[must_use]
    pub const fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// Key of the HMAC trailers. Default 16 zero bytes, as the peers (SEC-5).
    #[must_use]
    pub fn hmac_key(mut self, key: Key) -> Self {
        self.hmac_key = key;
        self
    }

    /// Which packets a client connection takes as replies.
    ///
    /// Default [`ReplyMatch::Strict`].
    #[must_use]
    pub const fn reply_match(mut self, reply_match: ReplyMatch) -> Self {
        self.reply_match = reply_match;
        self
    }

    /// Whether port 1 answers pings. Default on, as everywhere.
    #[must_use]
    pub const fn ping(mut self, ping: Switch) -> Self {
        self.ping = ping;
        self
    }

    /// What requests to services must carry.
    ///
    /// Default: CRC32 required, as libcsp 2.x; 1.6 and csp-py ask for nothing (SVC-1).
    #[must_use]
    pub const fn service_needs(mut self, needs: Needs) -> Self {
        self.service_needs = needs;
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port_max_bind: Port::from_low_bits(16),
            max_connections: 64,
            transmit_queue: 64,
            event_queue: 64,
            flags: Flags::NONE,
            hmac_key: Key::default(),
            reply_match: ReplyMatch::Strict,
            ping: Switch::On,
            service_needs: Needs::default().crc32(Need::Required),
        }
    }
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Off.
    Off,
    /// On.
    On,
}

/// Which packets to a client connection's port are its replies (CONN-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMatch {
    /// From the remote's port, and from its address unless that is a broadcast.
    #[default]
    Strict,
    /// From anybody, as libcsp 2.x.
    PortOnly,
}

/// What a receiver thinks of a trailer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Need {
    /// It may be there.
    #[default]
    Optional,
    /// Packets without it are dropped.
    Required,
    /// Packets with it are dropped.
    Prohibited,
}

/// The trailers that a receiver requires and prohibits (SEC-7).
///
/// By default all are optional.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    crc32: Need,
    hmac: Need,
    rdp: Need,
}

impl Needs {
    /// The CRC32 trailer. Default optional.
    #[must_use]
    pub const fn crc32(mut self, need: Need) -> Self {
        self.crc32 = need;
        self
    }

    /// The HMAC trailer. Default optional.
    #[must_use]
    pub const fn hmac(mut self, need: Need) -> Self {
        self.hmac = need;
        self
    }

    /// The RDP trailer. Default optional.
    #[must_use]
    pub const fn rdp(mut self, need: Need) -> Self {
        self.rdp = need;
        self
    }

    /// What a connection that sends with `flags` requires of replies (section 8).
    pub(crate) const fn of_replies(flags: Flags) -> Self {
        const fn need(used: bool) -> Need {
            if used { Need::Required } else { Need::Optional }
        }
        Self {
            crc32: need(flags.contains(Flags::CRC32)),
            hmac: need(flags.contains(Flags::HMAC)),
            rdp: Need::Optional,
        }
    }

    /// Why a packet with `flags` is not acceptable, if it is not.
    pub(crate) fn refusal(self, flags: Flags) -> Option<DropReason> {
        [
            (self.crc32, Flags::CRC32, DropReason::ChecksumRequired),
            (self.hmac, Flags::HMAC, DropReason::AuthenticationRequired),
            (self.rdp, Flags::RDP, DropReason::RdpRequired),
        ]
        .into_iter()
        .find_map(|(need, flag, missing)| match (need, flags.contains(flag)) {
            (Need::Required, false) => Some(missing),
            (Need::Prohibited, true) => Some(DropReason::Prohibited),
            _ => None,
        })
    }
}

/// How a listener or a socket receives.
#[derive(Clone, Copy, Debug)]
pub struct SocketConfig {
    pub(crate) needs: Needs,
    pub(crate) receive_queue: usize,
    pub(crate) backlog: usize,
    pub(crate) accept_timeout: Duration,
}

impl SocketConfig {
    /// What packets must carry. Default: everything optional, as libcsp.
    #[must_use]
    pub const fn needs(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }

    /// Packets that wait, on the socket or on each accepted connection.
    ///
    /// A full queue drops the newest. Default 16, as libcsp (CONN-5).
    #[must_use]
    pub const fn receive_queue(mut self, packets: usize) -> Self {
        self.receive_queue = packets;
        self
    }

    /// Connections that wait to be accepted.
    ///
    /// A packet that would open another is dropped. Default 16, as libcsp.
    #[must_use]
    pub const fn backlog(mut self, connections: usize) -> Self {
        self.backlog = connections;
        self
    }

    /// How long a connection waits to be accepted.
    ///
    /// Then it is dropped with its packets. Default 10 s: what the peers wait for an RDP connection; they
    /// keep plain ones for ever.
    #[must_use]
    pub const fn accept_timeout(mut self, timeout: Duration) -> Self {
        self.accept_timeout = timeout;
        self
    }
}

impl Default for SocketConfig {
    fn default() -> Self {
        Self {
            needs: Needs::default(),
            receive_queue: 16,
            backlog: 16,
            accept_timeout: Duration::from_secs(10),
        }
    }
}

/// How a client connection sends and receives.
#[derive(Clone, Copy, Debug)]
pub struct ConnectConfig {
    pub(crate) flags: Option<Flags>,
    pub(crate) priority: Priority,
    pub(crate) local_port: Option<Port>,
    pub(crate) receive_queue: usize,
}

impl ConnectConfig {
    /// Flags of the packets sent, in place of the node's.
    ///
    /// CRC32 and HMAC are then required of replies too, as in libcsp 2.x. Default: those of
    /// [`Config::flags`].
    #[must_use]
    pub const fn flags(mut self, flags: Flags) -> Self {
        self.flags = Some(flags);
        self
    }

    /// Priority of the packets sent. Default norm, as everywhere.
    #[must_use]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// The port to send from.
    ///
    /// Default: a free one above [`Config::port_max_bind`], beginning at a random one (CONN-4).
    #[must_use]
    pub const fn local_port(mut self, port: Port) -> Self {
        self.local_port = Some(port);
        self
    }

    /// Packets that wait for the application; a full queue drops the newest.
    ///
    /// Default 16, as libcsp (CONN-5).
    #[must_use]
    pub const fn receive_queue(mut self, packets: usize) -> Self {
        self.receive_queue = packets;
        self
    }
}

impl Default for ConnectConfig {
    fn default() -> Self {
        Self {
            flags: None,
            priority: Priority::Norm,
            local_port: None,
            receive_queue: 16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_trailer_is_named_and_a_prohibited_one_refused() {
        let needs = Needs::default()
            .crc32(Need::Required)
            .hmac(Need::Required)
            .rdp(Need::Prohibited);
        let all = Flags::CRC32 | Flags::HMAC;
        assert_eq!(needs.refusal(all), None);
        assert_eq!(needs.refusal(Flags::HMAC), Some(DropReason::ChecksumRequired));
        assert_eq!(
            needs.refusal(Flags::CRC32),
            Some(DropReason::AuthenticationRequired)
        );
        assert_eq!(needs.refusal(all | Flags::RDP), Some(DropReason::Prohibited));
        let rdp = Needs::default().rdp(Need::Required);
        assert_eq!(rdp.refusal(Flags::NONE), Some(DropReason::RdpRequired));
    }
}
