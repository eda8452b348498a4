//! Any sequence of frames, times, faults of links and calls against one node with everything switched on.

use core::time::Duration;
use std::collections::BTreeSet;

use bytes::Bytes;
use csp_core::rdp::{Filler, Limits, Options, Segment, SegmentFlags, Sequence};
use csp_core::{
    Address, Asked, Binding, Config, ConnectConfig, ConnectionId, DedupConfig, DedupMode, Event, FilterId,
    Flags, Header, InterfaceConfig, InterfaceId, InterfaceName, LinkState, ListenerId, Message, Netmask,
    Node, OutsideConfig, Overflow, Packet, Port, Priority, SocketConfig, SocketId, Stage, TapConfig, TapId,
    Verdict, Version, crc,
};
use tinwire_time::Instant;

use testkit::fuzz::Input;

/// What each queue of the node takes.
const QUEUE: usize = 3;
/// Handles of a kind that are open at once.
const HANDLES: usize = 4;
/// Timeouts in which a node that nobody uses any more comes to rest.
const WIND_DOWN: usize = 1000;

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut subject = Subject::new(&mut input);
    while !input.is_empty() {
        match input.byte() % 16 {
            0..=4 => subject.receive(&mut input),
            5 | 6 => subject.send(&mut input),
            7 => subject.open(&mut input),
            8 => subject.shut(&mut input),
            9 => subject.watch(&mut input),
            10 | 11 => subject.judge(&mut input),
            12 => subject.transmit(&mut input),
            13 => subject.configure(&mut input),
            14 => subject.take_events(),
            _ => subject.wait(&mut input),
        }
        subject.check();
    }
    subject.finish();
}

/// The node, and the handles to it.
struct Subject {
    node: Node,
    now: Instant,
    links: Vec<(InterfaceId, Version)>,
    connections: Vec<ConnectionId>,
    listeners: Vec<ListenerId>,
    sockets: Vec<SocketId>,
    requests: Vec<Message>,
    taps: Vec<TapId>,
    filters: Vec<FilterId>,
    asked: Vec<Asked>,
    /// The last packet that left, which somebody may answer.
    left: Option<(InterfaceId, Packet)>,
    /// All tickets ever, told apart by what they print.
    tickets: BTreeSet<String>,
}

fn pick<T: Copy>(input: &mut Input<'_>, all: &[T]) -> Option<T> {
    let at = usize::from(input.byte()).checked_rem(all.len())?;
    all.get(at).copied()
}

fn port(input: &mut Input<'_>) -> Port {
    Port::new([0, 1, 4, 6, 10, 11, 20, 63][usize::from(input.byte() % 8)]).unwrap()
}

/// Ours, neighbours', strangers' and broadcasts.
fn address(input: &mut Input<'_>) -> Address {
    let known = [9, 10, 65, 66, 200, 201, 0, 31, 15, 71, 255, 0x3FFF];
    let bits = match input.byte() % 13 {
        at @ 0..=11 => known[usize::from(at)],
        _ => input.word() & 0x3FFF,
    };
    Address::new(bits).unwrap()
}

fn flags(input: &mut Input<'_>) -> Flags {
    match input.byte() % 6 {
        0 => Flags::from_bits(input.byte()),
        1 => Flags::CRC32,
        2 => Flags::HMAC | Flags::CRC32,
        3 => Flags::RDP,
        _ => Flags::NONE,
    }
}

/// An RDP trailer, behind options if it opens a connection.
fn segment(
    input: &mut Input<'_>,
    flags: SegmentFlags,
    sequence: Sequence,
    acknowledgement: Sequence,
) -> Vec<u8> {
    let segment = Segment {
        flags,
        filler: Filler::from_low_bits(input.byte()),
        sequence,
        acknowledgement,
    };
    let mut trailer = if segment.is_opening() {
        Options::default().encode().to_vec()
    } else {
        vec![]
    };
    trailer.extend(segment.encode());
    trailer
}

impl Subject {
    fn new(input: &mut Input<'_>) -> Self {
        let mode = DedupMode::from_bits(input.byte() % 4).unwrap();
        let config = Config::default()
            .max_connections(HANDLES)
            .transmit_queue(QUEUE)
            .event_queue(QUEUE)
            .dedup(DedupConfig::default().mode(mode).depth(QUEUE));
        let mut node = Node::new(config, u64::from(input.byte()));
        let networks = [
            ("OLD", 9, 2, Version::V1),
            ("NEW", 65, 11, Version::V2),
            ("FAR", 200, 8, Version::V2),
        ];
        let links = networks
            .into_iter()
            .map(|(name, own, netmask, version)| {
                let (name, netmask) = (InterfaceName::new(name).unwrap(), Netmask::new(netmask).unwrap());
                let config = InterfaceConfig::new(name, Address::new(own).unwrap(), netmask).mtu(40);
                (
                    node.add_interface(config.version(version).default_route())
                        .unwrap(),
                    version,
                )
            })
            .collect();
        Self {
            node,
            now: Instant::from_millis(1),
            links,
            connections: vec![],
            listeners: vec![],
            sockets: vec![],
            requests: vec![],
            taps: vec![],
            filters: vec![],
            asked: vec![],
            left: None,
            tickets: BTreeSet::new(),
        }
    }

    fn receive(&mut self, input: &mut Input<'_>) {
        let Some((link, version)) = pick(input, &self.links) else {
            return;
        };
        let kind = input.byte();
        if kind.is_multiple_of(4) {
            return self.answer(input);
        }
        if kind % 4 == 1 {
            let frame = Bytes::copy_from_slice(input.take(12));
            self.node.handle_frame(self.now, link, frame);
            return;
        }
        let mut header = Header::new((address(input), port(input)), (address(input), port(input)));
        header.priority = Priority::new(input.byte() % 4).unwrap();
        header.flags = flags(input);
        let len = usize::from(input.byte() % 50);
        let mut payload = input.take(len).to_vec();
        if header.flags == Flags::RDP {
            let first = Sequence::new(input.word());
            payload.extend(segment(input, SegmentFlags::SYN, first, Sequence::new(0)));
        }
        let packet = Packet::new(header, payload.into());
        // A link hands over what has a form in its version; others may come from a careless owner.
        if let Ok(frame) = packet.encode(version) {
            self.node.handle_frame(self.now, link, frame);
        } else {
            self.node.handle_packet(self.now, link, packet);
        }
    }

    /// Something that fits the last packet that left, more or less.
    fn answer(&mut self, input: &mut Input<'_>) {
        let Some((link, packet)) = &self.left else { return };
        let header = packet.header.reply();
        let payload = match Segment::decode(&packet.payload) {
            Ok((theirs, _)) if header.flags == Flags::RDP => {
                let sequence = theirs.acknowledgement.plus(u16::from(input.byte() % 4));
                let flags = SegmentFlags::from_low_bits(input.byte());
                let len = usize::from(input.byte() % 8);
                let data = input.take(len).to_vec();
                [data, segment(input, flags, sequence, theirs.sequence)].concat()
            }
            _ => packet.payload.to_vec(),
        };
        let answer = Packet::new(header, payload.into());
        self.node.handle_packet(self.now, *link, answer);
    }

    fn send(&mut self, input: &mut Input<'_>) {
        let len = usize::from(input.byte() % 50);
        let payload = Bytes::copy_from_slice(input.take(len));
        // Every outcome is a good one.
        match input.byte() % 3 {
            0 => {
                if let Some(connection) = pick(input, &self.connections) {
                    let _ = self.node.send(self.now, connection, payload);
                }
            }
            1 => {
                if let Some(request) = self.requests.pop() {
                    let _ = self.node.reply(self.now, &request, None, payload);
                }
            }
            _ => {
                if let Some(socket) = pick(input, &self.sockets) {
                    let to = (address(input), port(input));
                    let config = ConnectConfig::default().flags(flags(input));
                    let _ = self.node.send_to(self.now, socket, to, config, payload);
                }
            }
        }
    }

    fn open(&mut self, input: &mut Input<'_>) {
        // A client may ask for a repeat each millisecond for an hour: too many to wait for the end of.
        let often = Duration::from_millis(100)..=Duration::MAX;
        let limits = Limits::default()
            .connection_timeout(Duration::from_millis(1)..=Duration::from_secs(10))
            .packet_timeout(often.clone())
            .ack_timeout(often);
        let config = SocketConfig::default()
            .receive_queue(QUEUE)
            .backlog(QUEUE)
            .rdp_limits(limits);
        let binding = if input.flag() {
            Binding::Any
        } else {
            port(input).into()
        };
        match input.byte() % 3 {
            0 if self.listeners.len() < HANDLES => {
                self.listeners.extend(self.node.listen(binding, config));
            }
            1 if self.sockets.len() < HANDLES => {
                self.sockets.extend(self.node.bind(binding, config));
            }
            _ => {
                let flags = flags(input);
                let config = ConnectConfig::default().flags(flags).receive_queue(QUEUE);
                let opened = self.node.connect(self.now, address(input), port(input), config);
                self.connections.extend(opened);
            }
        }
    }

    fn shut(&mut self, input: &mut Input<'_>) {
        let kind = input.byte();
        match kind % 4 {
            0 if kind >= 0x80 => {
                if let Some(connection) = pick(input, &self.connections) {
                    let limit = Duration::from_millis(u64::from(input.byte()) * 16);
                    self.node.finish(self.now, connection, limit);
                }
            }
            0 => {
                if let Some(connection) = self.connections.pop() {
                    self.node.close(self.now, connection);
                }
            }
            1 => {
                if let Some(listener) = self.listeners.pop() {
                    self.node.close_listener(self.now, listener);
                }
            }
            2 => {
                if let Some(socket) = self.sockets.pop() {
                    self.node.close_socket(socket);
                }
            }
            _ => {
                if let Some(tap) = self.taps.pop() {
                    self.node.close_tap(tap);
                }
            }
        }
    }

    /// Taps, filters and the bridge come and go.
    fn watch(&mut self, input: &mut Input<'_>) {
        let stage = [Stage::Incoming, Stage::Outgoing, Stage::Routed][usize::from(input.byte() % 3)];
        match input.byte() % 6 {
            0 if self.taps.len() < HANDLES => {
                let overflow = if input.flag() {
                    Overflow::Oldest
                } else {
                    Overflow::Newest
                };
                let config = TapConfig::default().queue(QUEUE).overflow(overflow);
                self.taps.push(self.node.tap(config));
            }
            1 if self.filters.len() < HANDLES => {
                let mask = input.byte();
                let filter = self.node.filter(stage, move |_, mut packet| {
                    packet.header.flags = Flags::from_bits(packet.header.flags.to_bits() ^ (mask & 0x81));
                    (mask & 0x0F != 0).then_some(packet).into()
                });
                self.filters.push(filter);
            }
            2 if self.filters.len() < HANDLES => {
                let timeout = Duration::from_millis(u64::from(input.byte()));
                let config = OutsideConfig::default().queue(QUEUE).timeout(timeout);
                self.filters.push(self.node.filter_outside(stage, config));
            }
            3 => {
                if let Some(filter) = self.filters.pop() {
                    self.node.remove_filter(self.now, filter);
                }
            }
            4 => {
                let ends = (pick(input, &self.links), pick(input, &self.links));
                if let (Some((one, _)), Some((other, _))) = ends {
                    assert_eq!(self.node.bridge(one, other).is_ok(), one != other);
                }
            }
            _ => drop(self.node.unbridge()),
        }
    }

    fn judge(&mut self, input: &mut Input<'_>) {
        while let Some(asked) = self.node.poll_filter() {
            assert!(
                self.tickets.insert(format!("{:?}", asked.ticket)),
                "asked twice about {asked:?}"
            );
            self.asked.push(asked);
        }
        for _ in 0..input.byte() % 4 {
            let Some(at) = usize::from(input.byte()).checked_rem(self.asked.len()) else {
                return;
            };
            let Asked { ticket, packet, .. } = self.asked.swap_remove(at);
            let verdict = match input.byte() % 4 {
                0 => Verdict::Drop,
                1 => Verdict::Pass(Packet::new(packet.header, Bytes::copy_from_slice(input.take(50)))),
                _ => Verdict::Pass(packet),
            };
            self.node.handle_verdict(self.now, ticket, verdict);
        }
    }

    fn transmit(&mut self, input: &mut Input<'_>) {
        for _ in 0..input.byte() % 8 {
            let Some(transmit) = self.node.poll_transmit() else {
                return;
            };
            let link = self.links.iter().find(|(id, _)| *id == transmit.interface);
            let (_, version) = link.expect("packets leave on links alone");
            assert!(transmit.packet.encode(*version).is_ok(), "{transmit:?}");
            assert!(transmit.packet.payload.len() <= 40, "{transmit:?}");
            self.left = Some((transmit.interface, transmit.packet));
        }
    }

    fn configure(&mut self, input: &mut Input<'_>) {
        let Some((link, _)) = pick(input, &self.links) else {
            return;
        };
        match input.byte() % 4 {
            0 => self.node.handle_link(link, LinkState::Down),
            1 => self.node.handle_link(link, LinkState::Up),
            2 => {
                let mode = DedupMode::from_bits(input.byte() % 4).unwrap();
                self.node
                    .set_dedup(DedupConfig::default().mode(mode).depth(QUEUE));
            }
            _ if self.links.len() > 1 && input.byte().is_multiple_of(8) => {
                assert!(self.node.remove_interface(link).is_some());
                self.links.retain(|(id, _)| *id != link);
            }
            _ => self.node.reset_interface_stats(link),
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.node.poll_event() {
            match event {
                Event::Incoming(listener) => {
                    while let Some(accepted) = self.node.accept(listener) {
                        self.connections.push(accepted);
                    }
                }
                Event::Readable(connection) => while self.node.recv(connection).is_some() {},
                Event::Datagram(socket) => {
                    while let Some(request) = self.node.recv_from(socket) {
                        self.requests.push(request);
                    }
                    self.requests.truncate(HANDLES);
                }
                Event::Tapped(tap) => {
                    let mut taken = 0;
                    while self.node.captured(tap).is_some() {
                        taken += 1;
                    }
                    assert!((1..=QUEUE).contains(&taken), "{taken} copies");
                }
                _ => {}
            }
        }
    }

    fn wait(&mut self, input: &mut Input<'_>) {
        self.now += Duration::from_millis(u64::from(input.word() % 2048));
        self.expire();
    }

    /// What is due is done, and nothing is due for ever.
    fn expire(&mut self) {
        self.node.handle_timeout(self.now);
        let next = self.node.poll_timeout();
        assert!(
            next.is_none_or(|next| next > self.now),
            "{next:?} at {:?}",
            self.now
        );
    }

    fn check(&self) {
        for (link, _) in &self.links {
            assert!(self.node.waiting_on(*link) <= QUEUE);
        }
        let dropped: u64 = self.node.drops().map(|(_, count)| count).sum();
        assert_eq!(self.node.stats().dropped, dropped);
    }

    /// A node that nobody uses any more comes to rest, and still answers.
    fn finish(&mut self) {
        self.take_events();
        for connection in self.connections.drain(..) {
            self.node.close(self.now, connection);
        }
        for listener in self.listeners.drain(..) {
            self.node.close_listener(self.now, listener);
        }
        for socket in self.sockets.drain(..) {
            self.node.close_socket(socket);
        }
        for filter in self.filters.drain(..) {
            self.node.remove_filter(self.now, filter);
        }
        self.node.unbridge();
        for _ in 0..WIND_DOWN {
            while self.node.poll_transmit().is_some() {}
            self.take_events();
            let Some(next) = self.node.poll_timeout() else {
                return self.ping();
            };
            self.now = self.now.max(next);
            self.expire();
        }
        panic!("the node does not come to rest");
    }

    fn ping(&mut self) {
        let Some((link, _)) = self.links.first().copied() else {
            return;
        };
        self.node.handle_link(link, LinkState::Up);
        let (_, _, subnet, _) = self.node.interfaces().find(|(id, ..)| *id == link).unwrap();
        let own = subnet.address();
        let neighbour = Address::new(own.to_bits() + 1).unwrap();
        let port = Port::new(20).unwrap();
        let mut header = Header::new((neighbour, port), (own, Port::PING));
        header.flags = Flags::CRC32;
        let payload = [b"?", &crc::checksum(b"?").to_be_bytes()[..]].concat();
        let request = Packet::new(header, payload.into());
        // Long enough for no duplicate.
        self.now += Duration::from_secs(1);
        self.node.handle_packet(self.now, link, request.clone());
        let answer = self.node.poll_transmit().expect("an answer").packet;
        assert_eq!(answer, Packet::new(header.reply(), request.payload));
    }
}
