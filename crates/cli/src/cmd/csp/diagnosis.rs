//! Why nothing answers: what passed by on the bus, and what our own node dropped, say more than silence.

use core::fmt;
use core::time::Duration;

use can_link::error_frame::BusState;
use csp_core::rt::PingConfig;
use csp_core::{Address, DropReason, Dropped, Flags, Header, Port, Subnet, Version};

use super::overheard::{Overheard, Talk};
use super::station::Station;
use crate::units;

/// Nodes that are named; of more only the first.
const MAX_NAMED: usize = 8;
/// No node is waited for longer, only to tell why another request failed.
const MAX_PROBE: Duration = Duration::from_secs(1);

/// A request that nothing answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unanswered {
    pub(super) remote: Address,
    pub(super) port: Port,
    pub(super) flags: Flags,
    /// How long the answer was waited for.
    pub(super) limit: Duration,
    pub(super) lacking: Lacking,
}

/// What a node may lack that has the service: it answers a request that it cannot fulfil as little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lacking {
    #[default]
    Nothing,
    /// An interface of the name in the request.
    Interface,
    /// Memory at the address in the request.
    Memory,
}

/// What the silence is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    LinkDown,
    BusOff,
    Unacknowledged,
    NotSent(String),
    /// A reply had another source port.
    OtherPort {
        remote: Address,
        asked: Port,
        came: Port,
    },
    /// A reply came from another node.
    OtherNode {
        asked: Address,
        came: Address,
    },
    /// A reply had no CRC32, as our request had.
    ReplyWithoutCrc,
    /// A reply had no HMAC, as our request had.
    ReplyWithoutHmac,
    OtherKey,
    BadChecksum,
    /// Our node dropped packets of the remote for another reason.
    Dropped {
        remote: Address,
        reason: DropReason,
    },
    /// The remote talks, but to an address that is not ours.
    ForOthers {
        remote: Address,
        packets: u64,
        addressed: Address,
        own: Subnet,
    },
    /// The remote talks to us under identifiers that our filters do not let through.
    Swapped {
        remote: Address,
        packets: u64,
    },
    /// What is on the bus has the other header version.
    OtherVersion {
        ours: Version,
        packets: u64,
        remote: Option<Address>,
    },
    /// Frames that made no packet.
    Broken {
        times: u64,
        reason: DropReason,
    },
    /// Others talk on this bus.
    OnlyOthers {
        remote: Address,
        others: Vec<Address>,
        own: Subnet,
    },
    /// Nothing on the bus is CSP.
    Foreign {
        frames: u64,
    },
    Nothing {
        ours: Version,
    },
    /// The remote answers a request with CRC32.
    WantsCrc,
    /// The remote answers a request without CRC32.
    RefusesCrc,
    /// The remote answers a request without HMAC.
    RefusesHmac,
    /// The remote answers a ping, but opens no connection.
    RefusesRdp {
        remote: Address,
        port: Port,
    },
    /// The remote answers a ping.
    OnlyPing {
        remote: Address,
        port: Port,
        lacking: Lacking,
    },
}

/// What our counters and the bus say about the silence.
pub(super) fn judge(about: &Unanswered, own: Subnet, heard: &Overheard, dropped: &[Dropped]) -> Finding {
    let remote = about.remote;
    trouble(heard)
        .or_else(|| reply(about, own, dropped))
        .or_else(|| for_others(remote, own, heard))
        .or_else(|| swapped(remote, own, heard, dropped))
        .or_else(|| other_version(remote, own, heard))
        .or_else(|| broken(dropped))
        .unwrap_or_else(|| silence(remote, own, heard))
}

/// What ails the link.
fn trouble(heard: &Overheard) -> Option<Finding> {
    if heard.is_down {
        return Some(Finding::LinkDown);
    }
    if heard.state == BusState::BusOff {
        return Some(Finding::BusOff);
    }
    if heard.unacknowledged > 0 && heard.frames == 0 {
        return Some(Finding::Unacknowledged);
    }
    heard.not_sent.clone().map(Finding::NotSent)
}

/// What became of a reply that came and was not taken; the latest tells most.
fn reply(about: &Unanswered, own: Subnet, dropped: &[Dropped]) -> Option<Finding> {
    let Unanswered { remote, port, .. } = *about;
    let is_ours =
        |header: &Header| header.destination == own.address() || own.is_broadcast(header.destination);
    let finding = |(header, reason): (Header, DropReason)| match reason {
        DropReason::WrongPeer if header.source == remote => Some(Finding::OtherPort {
            remote,
            asked: port,
            came: header.source_port,
        }),
        DropReason::WrongPeer => Some(Finding::OtherNode {
            asked: remote,
            came: header.source,
        }),
        _ if header.source != remote => None,
        DropReason::ChecksumRequired => Some(Finding::ReplyWithoutCrc),
        DropReason::AuthenticationRequired => Some(Finding::ReplyWithoutHmac),
        DropReason::Checksum => Some(Finding::BadChecksum),
        DropReason::Authentication => Some(Finding::OtherKey),
        // It was too late: the request was given up.
        DropReason::NoListener => None,
        reason => Some(Finding::Dropped { remote, reason }),
    };
    let received = dropped.iter().rev().filter_map(|dropped| {
        let header = dropped.header.filter(is_ours)?;
        Some((header, dropped.reason))
    });
    received.filter_map(finding).next()
}

/// What the remote said to others, and nothing to us.
fn for_others(remote: Address, own: Subnet, heard: &Overheard) -> Option<Finding> {
    let is_by_remote = |talk: &Talk| talk.version == own.version() && talk.source == remote;
    let is_for_us = |talk: &Talk| talk.destination == own.address();
    if heard.count(|talk| is_by_remote(talk) && is_for_us(talk)) > 0 {
        return None;
    }
    let is_for_others = |talk: &Talk| is_by_remote(talk) && !own.is_broadcast(talk.destination);
    let example = heard.talks.keys().find(|talk| is_for_others(talk))?;
    Some(Finding::ForOthers {
        remote,
        packets: heard.count(is_for_others),
        addressed: example.destination,
        own,
    })
}

/// What the remote said to us as csp-py does with version 1, and our filters kept from us.
fn swapped(remote: Address, own: Subnet, heard: &Overheard, dropped: &[Dropped]) -> Option<Finding> {
    let is_by_remote = |dropped: &Dropped| dropped.header.is_some_and(|header| header.source == remote);
    if dropped.iter().any(is_by_remote) {
        return None;
    }
    let is_to_us = |talk: &Talk| talk.source == remote && talk.destination == own.address();
    let talks = heard.swapped.iter().filter(|(talk, _)| is_to_us(talk));
    let packets = talks.map(|(_, count)| count).sum();
    (packets > 0).then_some(Finding::Swapped { remote, packets })
}

fn other_version(remote: Address, own: Subnet, heard: &Overheard) -> Option<Finding> {
    let ours = own.version();
    let others = heard.count(|talk| talk.version != ours);
    if others == 0 || heard.count(|talk| talk.version == ours) > 0 {
        return None;
    }
    let by_remote = heard.count(|talk| talk.version != ours && talk.source == remote);
    Some(Finding::OtherVersion {
        ours,
        packets: others,
        remote: (by_remote > 0).then_some(remote),
    })
}

fn broken(dropped: &[Dropped]) -> Option<Finding> {
    let headless = || dropped.iter().filter(|dropped| dropped.header.is_none());
    Some(Finding::Broken {
        times: headless().map(|dropped| dropped.count).sum(),
        reason: headless().next_back()?.reason,
    })
}

fn silence(remote: Address, own: Subnet, heard: &Overheard) -> Finding {
    let mut others: Vec<_> = heard
        .talks
        .keys()
        .map(|talk| talk.source)
        .filter(|&source| source != own.address())
        .collect();
    others.dedup();
    if !others.is_empty() {
        return Finding::OnlyOthers { remote, others, own };
    }
    match heard.frames {
        0 => Finding::Nothing { ours: own.version() },
        frames => Finding::Foreign { frames },
    }
}

/// Why packets of others did not reach us, who only listen at `own`; `None`: there were none.
pub(super) fn passed_by(own: Subnet, heard: &Overheard) -> Option<Finding> {
    if let Some(trouble) = trouble(heard) {
        return Some(trouble);
    }
    let is_passing = |talk: &Talk| talk.version == own.version() && talk.destination != own.address();
    if let Some(talk) = heard.talks.keys().find(|talk| is_passing(talk)) {
        return Some(Finding::ForOthers {
            remote: talk.source,
            packets: heard.count(is_passing),
            addressed: talk.destination,
            own,
        });
    }
    other_version(own.address(), own, heard)
}

/// Looks closer where the bus and the counters say nothing: asks for an echo, with other flags too.
pub(super) async fn investigate(station: &mut Station, about: Unanswered) -> Finding {
    station.drops.catch_up();
    let heard = station.ear.heard();
    let found = judge(&about, station.own, &heard, station.drops.latest());
    let is_mute = matches!(
        found,
        Finding::OnlyOthers { .. } | Finding::Foreign { .. } | Finding::Nothing { .. }
    );
    if !is_mute || about.remote.to_bits() == 0 || station.own.is_broadcast(about.remote) {
        return found;
    }
    let config = PingConfig::default().size(1).timeout(about.limit.min(MAX_PROBE));
    let alike = about.flags.without(Flags::RDP);
    let other = if alike.contains(Flags::CRC32) {
        alike.without(Flags::CRC32)
    } else {
        alike.with(Flags::CRC32)
    };
    // Who asked for an echo has had that answer already.
    let is_ping = about.port == Port::PING && alike == about.flags;
    let has_hmac = about.flags.contains(Flags::HMAC);
    let Unanswered {
        remote,
        port,
        lacking,
        ..
    } = about;
    let answers = async |flags| station.node.ping(remote, config.flags(flags)).await.is_ok();
    let wants_crc = other.contains(Flags::CRC32);
    let (same, other, bare) = tokio::join!(
        async { !is_ping && answers(alike).await },
        answers(other),
        async { has_hmac && answers(alike.without(Flags::HMAC)).await },
    );
    match (same, other, bare) {
        (true, ..) if about.flags.contains(Flags::RDP) => Finding::RefusesRdp { remote, port },
        (true, ..) => Finding::OnlyPing {
            remote,
            port,
            lacking,
        },
        (_, true, _) if wants_crc => Finding::WantsCrc,
        (_, true, _) => Finding::RefusesCrc,
        (.., true) => Finding::RefusesHmac,
        _ => found,
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkDown => f.write_str(
                "the link is down; an interface of the kernel is brought up with: sudo ip link set NAME up",
            ),
            Self::BusOff => f.write_str(
                "the controller is bus-off: is the bit rate that of the bus, and is the bus terminated?",
            ),
            Self::Unacknowledged => f.write_str(
                "no other node acknowledges our frames: is anybody else on the bus, at the same bit rate?",
            ),
            Self::NotSent(why) => write!(f, "the link did not take our frames: {why}"),
            Self::OtherPort { remote, asked, came } => {
                write!(f, "node {remote} replied from port {came} in place of {asked}")
            }
            Self::OtherNode { asked, came } => write!(
                f,
                "the reply came from node {came} in place of {asked}: has the node several addresses?"
            ),
            Self::ReplyWithoutCrc => f.write_str(
                "a reply came without the CRC32 that our request had; --no-crc asks for none and takes it",
            ),
            Self::ReplyWithoutHmac => f.write_str(
                "a reply came without the authentication code that our request had: leave out \
                    --hmac",
            ),
            Self::OtherKey => {
                f.write_str("a reply came with a wrong authentication code: does the node have another key?")
            }
            Self::BadChecksum => f.write_str(
                "a reply came with a wrong CRC32: are frames lost on the way, or does the node sum \
                 differently?",
            ),
            Self::Dropped { remote, reason } => {
                write!(f, "a packet of node {remote} was dropped here: {reason}")
            }
            Self::ForOthers {
                remote,
                packets,
                addressed,
                own,
            } => write!(
                f,
                "frames of node {remote} for node {addressed} were seen on the bus but filtered ({}): our \
                 netmask is /{} and our address {}",
                units::counted(*packets, "packet"),
                own.netmask(),
                own.address()
            ),
            Self::Swapped { remote, packets } => write!(
                f,
                "node {remote} answers with source and destination swapped in its identifiers, as csp-py \
                 does ({}): add ,promisc to the interface",
                units::counted(*packets, "packet")
            ),
            Self::OtherVersion {
                ours,
                packets,
                remote,
            } => {
                let (ours, theirs) = versions(*ours);
                let of = remote.map_or_else(String::new, |remote| format!(", also of node {remote}"));
                write!(
                    f,
                    "there are packets of header version {theirs} (CFP {theirs}) on the bus: {packets}{of}; \
                     we speak version {ours}: add ,v{theirs} to the interface"
                )
            }
            Self::Broken { times, reason } => write!(
                f,
                "frames for us came {times} times that made no packet ({reason}): does the bus lose frames?"
            ),
            Self::OnlyOthers { remote, others, own } => {
                let named: Vec<_> = others.iter().take(MAX_NAMED).map(ToString::to_string).collect();
                let more = if others.len() > MAX_NAMED { " and more" } else { "" };
                write!(
                    f,
                    "node {remote} is not heard on this bus, only {}{more}: is it on, and has it a way back \
                     to {}/{}?",
                    named.join(", "),
                    own.address(),
                    own.netmask()
                )
            }
            Self::Foreign { frames } => write!(
                f,
                "{} passed on the bus, none of CSP: is the node on, and on this bus?",
                units::counted(*frames, "frame")
            ),
            Self::Nothing { ours } => {
                let (ours, theirs) = versions(*ours);
                write!(
                    f,
                    "no frames at all were seen on the bus: is the node on, and on this bus, at its \
                     bit rate? we speak header version {ours}, to which one of version {theirs} is \
                     silent: that is ,v{theirs} on the interface"
                )
            }
            Self::WantsCrc => f.write_str("with CRC32 the node answers: leave out --no-crc"),
            Self::RefusesCrc => f.write_str("without CRC32 the node answers: add --no-crc"),
            Self::RefusesHmac => f.write_str(
                "without an authentication code the node answers: has it another key, or none? leave out \
                 --hmac",
            ),
            Self::RefusesRdp { remote, port } => write!(
                f,
                "node {remote} answers a ping, but opens no connection on port {port}: leave out --rdp, or \
                 listen there"
            ),
            Self::OnlyPing {
                remote,
                port,
                lacking,
            } => {
                write!(f, "node {remote} answers a ping, but not this on port {port}: ")?;
                f.write_str(match lacking {
                    Lacking::Nothing => "is the service on there, and allowed?",
                    Lacking::Interface => {
                        "the service is off there or not allowed, or there is no such interface"
                    }
                    Lacking::Memory => {
                        "the service is off there or not allowed, or not all of this is memory that it shows"
                    }
                })
            }
        }
    }
}

/// The number of our header version, and of the other.
const fn versions(ours: Version) -> (u8, u8) {
    match ours {
        Version::V1 => (1, 2),
        Version::V2 => (2, 1),
    }
}

#[cfg(test)]
mod tests;
