//! Settings of a node, its sockets and its connections.

use alloc::boxed::Box;
use core::time::Duration;

use crate::hmac;
use crate::iface::Interface;
use crate::keys::Keys;
use crate::rdp;
use crate::seal::Protection;
use crate::service::{Bare, Boxed, Identity, Platform, Services};
#[cfg(feature = "legacy-xtea")]
use crate::xtea;
use crate::{DedupConfig, Flags, Need, Needs, Port, Priority, XteaFlag};

/// How a node is set up.
///
/// The defaults are those of libcsp 2.x where it has the setting (section 14).
#[derive(Debug)]
pub struct Config {
    pub(crate) port_max_bind: Port,
    pub(crate) max_connections: usize,
    pub(crate) transmit_queue: usize,
    pub(crate) event_queue: usize,
    pub(crate) flags: Flags,
    pub(crate) keys: Keys,
    pub(crate) xtea_flag: XteaFlag,
    pub(crate) reply_match: ReplyMatch,
    pub(crate) services: Services,
    pub(crate) identity: Identity,
    pub(crate) platform: Boxed,
    pub(crate) service_needs: Needs,
    pub(crate) forward: Switch,
    pub(crate) loopback_from_outside: Switch,
    pub(crate) checks: Switch,
    pub(crate) dedup: DedupConfig,
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
    /// Default none, as libcsp (`conn_dfl_so`) and csp-py (`default_send_flags`). A connection switches
    /// single ones on or off: [`ConnectConfig::crc32`] and its like.
    #[must_use]
    pub const fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// Key of the HMAC trailers of who has none of its own (BET-8).
    ///
    /// A connection's or socket's own key comes first, then the interface's. Default 16 zero bytes, as the
    /// peers (SEC-5).
    #[must_use]
    pub fn hmac_key(mut self, key: hmac::Key) -> Self {
        self.keys.hmac = Some(key);
        self
    }

    /// Key of the XTEA encryption of who has none of its own, for nodes of libcsp 1.x.
    ///
    /// Default none: what is encrypted is dropped and counted. It is no encryption to rely on (SEC-6).
    #[cfg(feature = "legacy-xtea")]
    #[must_use]
    pub fn xtea_key(mut self, key: xtea::Key) -> Self {
        self.keys.xtea = Some(key);
        self
    }

    /// What the XTEA flag means in version 1 headers.
    ///
    /// Default [`XteaFlag::Encrypted`], as libcsp 1.6; libcsp 2.x takes it for a reserved bit.
    #[must_use]
    pub const fn xtea_flag(mut self, meaning: XteaFlag) -> Self {
        self.xtea_flag = meaning;
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

    /// Which services the node offers.
    ///
    /// Default: those that are not [dangerous](crate::service::Service::is_dangerous) (BET-9); libcsp: all.
    #[must_use]
    pub const fn services(mut self, services: Services) -> Self {
        self.services = services;
        self
    }

    /// Who the node says it is.
    ///
    /// Default: no name, this crate and its version.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// What the services tell of, and change, beyond the node.
    ///
    /// Default: nothing, and requests for it get no reply.
    #[must_use]
    pub fn platform(mut self, platform: impl Platform + Send + 'static) -> Self {
        self.platform = Boxed(Box::new(platform));
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

    /// Whether packets for others are carried from one interface to another.
    ///
    /// Default on, as everywhere. Switched off they are dropped, and interfaces need no network of their own.
    #[must_use]
    pub const fn forward(mut self, forward: Switch) -> Self {
        self.forward = forward;
        self
    }

    /// Whether packets to address 0 that come from a link are for this node (spec 6.7).
    ///
    /// Default on, as libcsp 2.x. Switched off they are dropped as
    /// [`LoopbackFromOutside`](crate::DropReason::LoopbackFromOutside).
    #[must_use]
    pub const fn loopback_from_outside(mut self, accept: Switch) -> Self {
        self.loopback_from_outside = accept;
        self
    }

    /// Whether interfaces and routes that cannot work are refused (BET-7).
    ///
    /// Default on. Switched off everything is taken that has a meaning at all, as the peers do; what then
    /// cannot be carried is dropped with a reason.
    #[must_use]
    pub const fn checks(mut self, checks: Switch) -> Self {
        self.checks = checks;
        self
    }

    /// Which packets are dropped when they come again. Default none, as libcsp's library.
    #[must_use]
    pub const fn dedup(mut self, dedup: DedupConfig) -> Self {
        self.dedup = dedup;
        self
    }
}

impl Config {
    /// How packets are protected on `interface` by who has `keys` of its own (BET-8).
    pub(crate) fn protection<'a>(&'a self, keys: &'a Keys, interface: &'a Interface) -> Protection<'a> {
        Keys::protection(
            [keys, &interface.keys, &self.keys],
            interface.version,
            self.xtea_flag,
        )
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
            keys: Keys::default(),
            xtea_flag: XteaFlag::default(),
            reply_match: ReplyMatch::Strict,
            services: Services::default(),
            identity: Identity::new("")
                .model(env!("CARGO_PKG_NAME"))
                .revision(env!("CARGO_PKG_VERSION")),
            platform: Boxed(Box::new(Bare)),
            service_needs: Needs::default().crc32(Need::Required),
            forward: Switch::On,
            loopback_from_outside: Switch::On,
            checks: Switch::On,
            dedup: DedupConfig::default(),
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

/// How a listener or a socket receives.
#[derive(Clone, Debug)]
pub struct SocketConfig {
    pub(crate) needs: Needs,
    pub(crate) keys: Keys,
    pub(crate) receive_queue: usize,
    pub(crate) backlog: usize,
    pub(crate) accept_timeout: Duration,
    pub(crate) rdp_limits: rdp::Limits,
}

impl SocketConfig {
    /// What packets must carry. Default: everything optional, as libcsp.
    #[must_use]
    pub const fn needs(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }

    /// Key of the HMAC trailers of what is received and answered here.
    ///
    /// It is also that of the connections accepted here. Default: the interface's, or the node's (BET-8).
    #[must_use]
    pub fn hmac_key(mut self, key: hmac::Key) -> Self {
        self.keys.hmac = Some(key);
        self
    }

    /// Key of the XTEA encryption of what is received and answered here, for nodes of libcsp 1.x.
    ///
    /// Default: the interface's, or the node's.
    #[cfg(feature = "legacy-xtea")]
    #[must_use]
    pub fn xtea_key(mut self, key: xtea::Key) -> Self {
        self.keys.xtea = Some(key);
        self
    }

    /// Packets that wait, on the socket or on each accepted connection.
    ///
    /// A full queue drops the newest. Default 16, as libcsp (CONN-5). RDP takes two windows at least.
    #[must_use]
    pub const fn receive_queue(mut self, packets: usize) -> Self {
        self.receive_queue = packets;
        self
    }

    /// Connections that wait to be accepted.
    ///
    /// A packet that would open another is dropped. RDP connections that are about to open count too, and
    /// give way instead: of the node that has most of them the oldest. Default 16, as libcsp.
    #[must_use]
    pub const fn backlog(mut self, connections: usize) -> Self {
        self.backlog = connections;
        self
    }

    /// What RDP clients may ask for; other options are changed to the nearest allowed.
    ///
    /// What was changed stands in [`RdpStatus::options`](crate::RdpStatus::options), and no event tells it.
    /// Default: those of [`rdp::Limits`].
    #[must_use]
    pub const fn rdp_limits(mut self, limits: rdp::Limits) -> Self {
        self.rdp_limits = limits;
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
            keys: Keys::default(),
            receive_queue: 16,
            backlog: 16,
            accept_timeout: Duration::from_secs(10),
            rdp_limits: rdp::Limits::default(),
        }
    }
}

/// How a client connection sends and receives, or how a single packet is sent.
///
/// What a connection sends with it also requires of replies, as in libcsp 2.x, unless
/// [`reply_needs`](Self::reply_needs) says otherwise. Its options are libcsp's `CSP_O_*`, whose numbers are
/// told with each; what is not said is as in [`Config::flags`].
#[derive(Clone, Debug)]
pub struct ConnectConfig {
    flags: Option<Flags>,
    on: Flags,
    off: Flags,
    reply_needs: Option<Needs>,
    pub(crate) keys: Keys,
    pub(crate) priority: Priority,
    pub(crate) local_port: Option<Port>,
    pub(crate) receive_queue: usize,
    pub(crate) rdp_options: rdp::Options,
}

impl ConnectConfig {
    /// Flags of the packets sent, in place of the node's. Default: those of [`Config::flags`].
    ///
    /// Options set one by one, as [`crc32`](Self::crc32), come on top.
    #[must_use]
    pub const fn flags(mut self, flags: Flags) -> Self {
        self.flags = Some(flags);
        self
    }

    /// CRC32 on (`CSP_O_CRC32` 0x0040) or off (`CSP_O_NOCRC32` 0x0080), whatever the node's flags say.
    #[must_use]
    pub const fn crc32(self, used: Switch) -> Self {
        self.option(Flags::CRC32, used)
    }

    /// HMAC on (`CSP_O_HMAC` 0x0004) or off (`CSP_O_NOHMAC` 0x0008), whatever the node's flags say.
    #[must_use]
    pub const fn hmac(self, used: Switch) -> Self {
        self.option(Flags::HMAC, used)
    }

    /// RDP on (`CSP_O_RDP` 0x0001) or off (`CSP_O_NORDP` 0x0002), whatever the node's flags say.
    #[must_use]
    pub const fn rdp(self, used: Switch) -> Self {
        self.option(Flags::RDP, used)
    }

    /// RDP on, with these options, to which both ends keep (RDP-3).
    ///
    /// Default with [`rdp`](Self::rdp): those of libcsp.
    #[must_use]
    pub const fn rdp_options(mut self, options: rdp::Options) -> Self {
        self.rdp_options = options;
        self.option(Flags::RDP, Switch::On)
    }

    /// XTEA on (`CSP_O_XTEA` 0x0010) or off (`CSP_O_NOXTEA` 0x0020), whatever the node's flags say.
    ///
    /// On is for nodes of libcsp 1.x. A connection with it refuses to send where it would not encrypt:
    /// without the feature `legacy-xtea`, without a key, and in version 2.
    #[must_use]
    pub const fn xtea(self, used: Switch) -> Self {
        self.option(Flags::XTEA, used)
    }

    const fn option(mut self, flag: Flags, used: Switch) -> Self {
        let (on, off) = match used {
            Switch::On => (self.on.with(flag), self.off.without(flag)),
            Switch::Off => (self.on.without(flag), self.off.with(flag)),
        };
        self.on = on;
        self.off = off;
        self
    }

    /// What replies must carry, in place of what is sent.
    ///
    /// For peers that answer with flags of their own, as the listeners of csp-py do: by
    /// `Needs::default()` their replies come through whatever they carry, while ours keep their flags. What
    /// a trailer says is checked where there is one. With RDP all packets have its trailer, whatever is set
    /// here. Default: the protections that the connection sends with, as libcsp 2.x.
    #[must_use]
    pub const fn reply_needs(mut self, needs: Needs) -> Self {
        self.reply_needs = Some(needs);
        self
    }

    /// What a connection that sends with `flags` requires of replies.
    pub(crate) fn needs_of_replies(&self, flags: Flags) -> Needs {
        match self.reply_needs {
            None => Needs::of_replies(flags),
            Some(needs) if flags.contains(Flags::RDP) => needs.rdp(Need::Required),
            Some(needs) => needs,
        }
    }

    /// The flags to send with on a node whose own are `node`.
    pub(crate) fn flags_over(&self, node: Flags) -> Flags {
        self.flags.unwrap_or(node).with(self.on).without(self.off)
    }

    /// Key of the HMAC trailers of this connection. Default: the interface's, or the node's (BET-8).
    #[must_use]
    pub fn hmac_key(mut self, key: hmac::Key) -> Self {
        self.keys.hmac = Some(key);
        self
    }

    /// Key of the XTEA encryption of this connection, for nodes of libcsp 1.x.
    ///
    /// Default: the interface's, or the node's.
    #[cfg(feature = "legacy-xtea")]
    #[must_use]
    pub fn xtea_key(mut self, key: xtea::Key) -> Self {
        self.keys.xtea = Some(key);
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
    /// Default 16, as libcsp (CONN-5). RDP takes two windows at least.
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
            on: Flags::NONE,
            off: Flags::NONE,
            reply_needs: None,
            keys: Keys::default(),
            priority: Priority::Norm,
            local_port: None,
            receive_queue: 16,
            rdp_options: rdp::Options::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn an_option_of_a_connection_beats_the_flags_of_the_node() {
        let node = Flags::CRC32 | Flags::RDP;
        let config = ConnectConfig::default()
            .crc32(Switch::Off)
            .hmac(Switch::On)
            .rdp(Switch::Off);
        assert_eq!(config.flags_over(node), Flags::HMAC);
        assert_eq!(
            config.clone().crc32(Switch::On).flags_over(node),
            Flags::HMAC | Flags::CRC32
        );
        assert_eq!(
            config.flags(Flags::XTEA).flags_over(node),
            Flags::HMAC | Flags::XTEA
        );
        assert_eq!(ConnectConfig::default().flags_over(node), node);
    }

    #[test]
    fn debug_shows_that_there_is_a_key_and_not_which() {
        let key = || hmac::Key::from_bytes([0xAB; 16]);
        for shown in [
            format!("{:?}", Config::default().hmac_key(key())),
            format!("{:?}", SocketConfig::default().hmac_key(key())),
            format!("{:?}", ConnectConfig::default().hmac_key(key())),
        ] {
            assert!(shown.contains("hmac: Some(Key(..))"), "{shown}");
            assert!(!shown.contains("171"), "{shown}");
        }
    }
}
