//! Packets between nodes and links, and what the watches learn of them.

use bytes::Bytes;
use csp_core::rdp::{Options, Segment, SegmentFlags, Sequence, State};
use csp_core::{Flags, Header, InterfaceId, Packet, Port, crc};

use crate::plan::{Forgery, address, host_at};
use crate::watch::segment;
use crate::world::{LISTENING, Trace, World};

/// Segments that no story comes near; how many it may have is judged at its end.
const STORM: u64 = 50_000;

/// Whether a packet is what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Node,
    Stranger,
}

impl World {
    /// A stranger sends something in the name of a session's client or server.
    pub(crate) fn forge(&mut self, index: usize, forgery: Forgery) {
        let session = self.plan.sessions[index];
        // The stranger has no key.
        if session.flags.contains(Flags::HMAC) {
            return;
        }
        let Some((client, pair)) = self
            .pairs
            .iter()
            .rev()
            .find(|(user, _)| self.users[**user].session == index)
        else {
            return;
        };
        let port = self
            .owners
            .iter()
            .find(|(_, user)| *user == client)
            .map(|((_, port), _)| *port);
        let Some(port) = port else { return };
        let side = usize::from(self.rng.percent(50));
        let next = pair.watch.next(side).unwrap_or_else(|| Sequence::new(1));
        let (segment, body) = match forgery {
            Forgery::Reset(offset) => (
                Segment {
                    flags: SegmentFlags::RST,
                    sequence: next.plus(offset),
                    ..Segment::default()
                },
                vec![],
            ),
            Forgery::Opening => (
                Segment {
                    flags: SegmentFlags::SYN,
                    sequence: Sequence::new(7),
                    ..Segment::default()
                },
                Options::default().encode().to_vec(),
            ),
            Forgery::Garbage => (
                Segment {
                    flags: SegmentFlags::EAK | SegmentFlags::ACK,
                    sequence: next.plus(900),
                    ..Segment::default()
                },
                vec![1, 2, 3],
            ),
        };
        let client = (address(session.client, session.server), Port::new(port).unwrap());
        let server = (
            address(session.server, session.client),
            Port::new(LISTENING).unwrap(),
        );
        let (from, to, target) = if side == 0 {
            (client, server, session.server)
        } else {
            (server, client, session.client)
        };
        let mut header = Header::new(from, to);
        header.flags = session.flags | Flags::RDP;
        let mut payload = [&body[..], &segment.encode()].concat();
        if header.flags.contains(Flags::CRC32) {
            payload.extend(crc::checksum(&payload).to_be_bytes());
        }
        self.note(|| format!("a stranger: {forgery:?} to node {target}, {segment:?}"));
        let packet = Packet::new(header, payload.into());
        let (interface, ..) = self.hosts[target].links[0];
        self.receive(target, interface, packet, Sender::Stranger);
        self.tally.forged += 1;
    }

    /// Which client's connection a segment is of, and from which side.
    ///
    /// What is late may be of an earlier user of the port.
    fn origin(&self, header: &Header, segment: &Segment) -> Option<(usize, usize)> {
        let (from, to) = (host_at(header.source)?, host_at(header.destination)?);
        let (side, client) = if header.destination_port.to_bits() == LISTENING {
            (0, (from, header.source_port.to_bits()))
        } else {
            (1, (to, header.destination_port.to_bits()))
        };
        // A user begins with a SYN, which may by chance have the number of an earlier user's.
        if side == 0
            && segment.is_opening()
            && let Some(owner) = self.owners.get(&client)
            && !self.pairs[owner].watch.has_begun()
        {
            return Some((*owner, side));
        }
        let mut pairs = self.pairs.iter().rev();
        let user =
            pairs.find(|(_, pair)| (pair.host, pair.port) == client && pair.watch.is_of(side, segment));
        let again = || segment.is_opening().then(|| self.owners.get(&client)).flatten();
        Some((*user.map(|(user, _)| user).or_else(again)?, side))
    }

    /// Puts on the links what they have room for; true if that was anything.
    pub(crate) fn transmit(&mut self, host: usize) -> bool {
        let mut has_sent = false;
        for place in 0..self.hosts[host].links.len() {
            let (interface, link, way) = self.hosts[host].links[place];
            while self.wires[link][way].has_room(self.now) {
                let Some(transmit) = self.hosts[host].node.poll_transmit_on(interface) else {
                    break;
                };
                has_sent = true;
                self.hosts[host].counts.1 += 1;
                let packet = transmit.packet;
                assert!(packet.header.encode(self.plan.versions[link]).is_ok());
                if host_at(packet.header.source) == Some(host)
                    && let Some(seen) = segment(&packet)
                    && let Some((user, side)) = self.origin(&packet.header, &seen.0)
                {
                    self.tally.segments += 1;
                    assert!(self.tally.segments < STORM, "a storm");
                    self.pairs
                        .get_mut(&user)
                        .unwrap()
                        .watch
                        .sent(self.now, side, &seen);
                }
                let is_dark = self
                    .plan
                    .dark
                    .iter()
                    .any(|dark| dark.link == link && (dark.from..dark.to).contains(&self.now));
                let text = (self.trace == Trace::Printed).then(|| describe(&packet));
                let oddity = self
                    .plan
                    .oddities
                    .iter()
                    .find(|(number, _)| *number == self.pushed);
                let oddity = oddity.map(|(_, oddity)| *oddity);
                self.pushed += 1;
                let fate = self.wires[link][way].push(self.now, packet, is_dark, oddity);
                self.tally.count_fate(fate);
                self.note(|| format!("node {host} sends {}: {fate:?}", text.unwrap_or_default()));
            }
        }
        has_sent
    }

    pub(crate) fn deliver(&mut self) {
        for link in 0..self.wires.len() {
            for way in 0..2 {
                let host = link + 1 - way;
                let receiver = &self.hosts[host].links;
                let (interface, ..) = *receiver.iter().find(|(_, on, _)| *on == link).unwrap();
                while let Some(packet) = self.wires[link][way].pop(self.now) {
                    self.note(|| format!("node {host} gets {}", describe(&packet)));
                    self.receive(host, interface, packet, Sender::Node);
                }
            }
        }
    }

    fn receive(&mut self, host: usize, interface: InterfaceId, packet: Packet, sender: Sender) {
        let header = packet.header;
        let seen = segment(&packet).filter(|_| host_at(header.destination) == Some(host));
        let origin = seen
            .as_ref()
            .and_then(|(segment, _)| self.origin(&header, segment));
        let origin = origin.filter(|_| sender == Sender::Node);
        if let (Some(seen), Some((user, side))) = (&seen, origin) {
            self.tally.arrivals += u64::from(is_answered(seen));
            self.pairs.get_mut(&user).unwrap().watch.arrived(side, seen);
        }
        let is_opening = seen.is_some_and(|(segment, _)| segment.is_opening());
        let key = (
            host,
            host_at(header.source).unwrap(),
            header.source_port.to_bits(),
        );
        let before = is_opening && self.has_server(key);
        self.hosts[host].counts.0 += 1;
        self.hosts[host].node.handle_packet(self.now, interface, packet);
        if is_opening && !before && self.has_server(key) {
            match origin {
                Some((user, _)) => self.origins.insert(key, user),
                None => self.origins.remove(&key),
            };
        }
    }

    /// Whether a server has a connection from a client's port.
    fn has_server(&self, (host, client, port): (usize, usize, u8)) -> bool {
        self.hosts[host].node.rdp_connections().any(|status| {
            status.peers.local_port.to_bits() == LISTENING
                && host_at(status.peers.remote) == Some(client)
                && status.peers.remote_port.to_bits() == port
                && status.state != State::Closed
        })
    }
}

/// Whether a segment may be answered at once: an empty acknowledgement on an open connection never is.
fn is_answered((segment, body): &(Segment, Bytes)) -> bool {
    segment.flags != SegmentFlags::ACK || !body.is_empty()
}

fn describe(packet: &Packet) -> String {
    let header = packet.header;
    let way = format!(
        "{}:{} to {}:{}",
        header.source.to_bits(),
        header.source_port.to_bits(),
        header.destination.to_bits(),
        header.destination_port.to_bits()
    );
    segment(packet).map_or_else(
        || format!("{way}, no segment"),
        |(segment, body)| {
            format!(
                "{way}, {:?} {:?} of {:?}, {} bytes",
                segment.flags,
                segment.sequence,
                segment.acknowledgement,
                body.len()
            )
        },
    )
}
