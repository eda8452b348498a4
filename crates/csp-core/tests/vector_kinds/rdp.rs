//! RDP: two nodes as the captured peers were, or one node and segments made by hand.
//!
//! The clock moves in steps of 10 ms, as in the captures, and both nodes are told the time at every step.
//! What libcsp 2.2 sent is compared byte for byte and by time. Of 1.6 and 2.1, and where a capture says that
//! its times are approximate, the data read and the last state are.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use csp_core::rdp::{Acks, CloseReason, Options, Segment, SegmentFlags, State, Window};
use csp_core::sfp::Fragments;
use csp_core::{
    ConnectConfig, ConnectionId, Event, Flags, Header, InterfaceConfig, InterfaceId, InterfaceName,
    ListenerId, Netmask, Node, Port, Priority, SendError, SocketConfig, Switch, Version,
};
use testkit::vectors::Value;
use tinwire_time::Instant;

use super::{Outcome, address, bare, byte, bytes, key, number, port, text, version};

const STEP: u64 = 10;

/// Whether everything of an entry was captured of 2.2, with exact times.
fn is_exact(entry: &Value) -> bool {
    let input = &entry["in"];
    let peers = [&entry["peer"], &input["client"]["peer"], &input["server"]["peer"]];
    let mut names = peers.iter().filter_map(|peer| peer.as_str());
    names.all(|peer| peer.starts_with("libcsp 2.2")) && entry.get("note").is_none()
}

fn events(entry: &Value) -> &[Value] {
    entry["out"]["events"].as_array().unwrap()
}

/// One end of the link.
struct Side {
    node: Node,
    link: InterfaceId,
    random: Arc<AtomicU64>,
    listener: Option<ListenerId>,
    connection: Option<ConnectionId>,
    /// What could not be sent yet.
    waiting: VecDeque<Vec<u8>>,
    read: Vec<Vec<u8>>,
    told: Vec<Event>,
}

impl Side {
    fn new(input: &Value, own: &Value) -> Self {
        let random = Arc::new(AtomicU64::new(0));
        let numbers = Arc::clone(&random);
        let config = bare().hmac_key(key(input));
        let mut node = Node::with_random(config, move || numbers.load(Ordering::Relaxed));
        let bits = match (input.get("netmask"), version(input)) {
            (Some(bits), _) => byte(bits),
            (None, Version::V1) => 1,
            (None, Version::V2) => 8,
        };
        let name = InterfaceName::new("A").unwrap();
        let interface = InterfaceConfig::new(name, address(own), Netmask::new(bits).unwrap());
        let link = node
            .add_interface(interface.version(version(input)).default_route())
            .unwrap();
        Self {
            node,
            link,
            random,
            listener: None,
            connection: None,
            waiting: VecDeque::new(),
            read: Vec::new(),
            told: Vec::new(),
        }
    }

    fn listen(&mut self, on: Port) {
        self.listener = Some(self.node.listen(on.into(), SocketConfig::default()).unwrap());
    }

    fn accept(&mut self) -> bool {
        let accepted = self.listener.and_then(|listener| self.node.accept(listener));
        self.connection = accepted.or(self.connection);
        accepted.is_some()
    }

    fn send(&mut self, now: Instant, data: Vec<u8>) {
        self.waiting.push_back(data);
        self.send_waiting(now);
    }

    fn send_waiting(&mut self, now: Instant) {
        while let Some(data) = self.waiting.front()
            && let Some(connection) = self.connection
        {
            match self.node.send(now, connection, data.clone().into()) {
                Ok(_) => drop(self.waiting.pop_front()),
                Err(SendError::Full) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn read(&mut self) -> Option<Vec<u8>> {
        let message = self.node.recv(self.connection?)?;
        self.read.push(message.payload.to_vec());
        Some(message.payload.to_vec())
    }

    fn close(&mut self, now: Instant) {
        if let Some(connection) = self.connection.take() {
            self.node.close(now, connection);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.node.handle_timeout(now);
        self.send_waiting(now);
        self.told.extend(core::iter::from_fn(|| self.node.poll_event()));
    }

    /// The one connection's, as the vectors write it.
    fn state(&self) -> (bool, &'static str) {
        let mut all = self.node.rdp_connections();
        let Some(status) = all.next() else {
            return (false, "CLOSED");
        };
        assert!(all.next().is_none(), "one connection");
        let name = match status.state {
            State::SynSent => "SYN_SENT",
            State::SynReceived => "SYN_RCVD",
            State::Open | State::Finishing => "OPEN",
            State::CloseWait => "CLOSE_WAIT",
            State::Closed => "CLOSED",
        };
        (true, name)
    }
}

fn options(of: &Value, names: [&str; 6]) -> Options {
    let [window, connection, packet, delayed, ack, count] = names.map(|name| number(&of[name]));
    let millis = Duration::from_millis;
    Options::default()
        .window(Window::new(window.try_into().unwrap()).unwrap())
        .connection_timeout(millis(connection))
        .packet_timeout(millis(packet))
        .acks(if delayed == 0 {
            Acks::Immediate
        } else {
            Acks::Delayed
        })
        .ack_timeout(millis(ack))
        .ack_delay_count(count.try_into().unwrap())
}

/// A frame on the link: who sent it and when.
type Sent = (u64, char, Vec<u8>);

/// Two nodes, and a link that treats the same segments as the captured one did.
struct Transcript<'a> {
    entry: &'a Value,
    millis: u64,
    one: Side,
    two: Side,
    sent: Vec<Sent>,
    late: Vec<Sent>,
    cut: bool,
    /// Where the capture last tells of states, and what they are here.
    last: Option<(usize, [(bool, &'static str); 2])>,
    seen: BTreeMap<(char, u8, Vec<u8>), usize>,
}

impl Transcript<'_> {
    fn now(&self) -> Instant {
        Instant::from_millis(self.millis)
    }

    /// What the capture says of the same segment: its direction, kind and data, the same time over.
    fn fate(&mut self, from: char, frame: &[u8]) -> Option<&Value> {
        let (segment, data) = segment(version(&self.entry["in"]), frame);
        let occurrence = self
            .seen
            .entry((from, segment.flags.to_bits(), data.clone()))
            .or_default();
        let same = events(self.entry).iter().filter(|event| {
            event.get("dir").is_some_and(|dir| text(dir).starts_with(from))
                && flags_of(event) == segment.flags
                && bytes(&event["rdp"]["data"]) == data
        });
        let fate = same.clone().nth(*occurrence);
        *occurrence += 1;
        fate
    }

    fn side(&mut self, name: char) -> &mut Side {
        match name {
            'A' => &mut self.one,
            'B' => &mut self.two,
            _ => panic!("{name}"),
        }
    }

    fn deliver(&mut self, from: char, frame: &[u8]) {
        let now = self.now();
        let side = self.side(if from == 'A' { 'B' } else { 'A' });
        side.node.handle_frame(now, side.link, frame.to_vec().into());
        side.handle_timeout(now);
    }

    /// Carries frames until nothing moves.
    fn exchange(&mut self) {
        let version = version(&self.entry["in"]);
        loop {
            let mut moved = false;
            for from in ['A', 'B'] {
                while let Some(transmit) = self.side(from).node.poll_transmit() {
                    moved = true;
                    let frame = transmit.packet.encode(version).unwrap().to_vec();
                    self.sent.push((self.millis, from, frame.clone()));
                    let fate = self.fate(from, &frame).cloned().unwrap_or_default();
                    if self.cut || fate.get("lost").is_some() {
                        continue;
                    }
                    if let Some(at) = fate.get("delivered_at") {
                        self.late.push((number(at), from, frame));
                        continue;
                    }
                    self.deliver(from, &frame);
                    if fate.get("duplicated").is_some() {
                        self.deliver(from, &frame);
                    }
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn turn(&mut self) {
        let now = self.now();
        self.one.handle_timeout(now);
        self.two.handle_timeout(now);
        self.exchange();
    }

    fn advance(&mut self, millis: u64) {
        while self.millis < millis {
            self.millis = (self.millis / STEP * STEP + STEP).min(millis);
            let due = self.late.extract_if(.., |late| late.0 <= self.millis);
            for (_, from, frame) in due.collect::<Vec<_>>() {
                self.deliver(from, &frame);
            }
            self.turn();
        }
    }

    /// Reads on where the capture is not to be compared read by read.
    fn read_all(&mut self, name: char) {
        while self.side(name).read().is_some() {
            self.turn();
        }
    }

    fn connect(&mut self, place: usize) {
        let (entry, now) = (self.entry, self.now());
        let input = &entry["in"];
        let rest = &events(entry)[place..];
        let frame = |dir: &str, flags| {
            let mut frames = rest.iter().filter(|event| event["dir"] == dir);
            frames.find(|event| flags_of(event) == flags)
        };
        let syn = frame("A>B", SegmentFlags::SYN).unwrap();
        if let Some(answer) = frame("B>A", SegmentFlags::SYN | SegmentFlags::ACK) {
            let number = number(&answer["rdp"]["seq"]);
            self.two.random.store(number, Ordering::Relaxed);
        }
        self.one
            .random
            .store(number(&syn["rdp"]["seq"]), Ordering::Relaxed);
        let (header, _) = Header::decode(version(input), &bytes(&syn["frame"])).unwrap();
        let call = &rest[0];
        let mut config = ConnectConfig::default()
            .rdp_options(options(
                &input["rdp_options"],
                [
                    "window_size",
                    "conn_timeout_ms",
                    "packet_timeout_ms",
                    "delayed_acks",
                    "ack_timeout_ms",
                    "ack_delay_count",
                ],
            ))
            .priority(Priority::new(byte(&call["prio"])).unwrap())
            .local_port(header.source_port);
        for option in input["conn_options"].as_array().unwrap() {
            config = match text(option) {
                "crc" => config.crc32(Switch::On),
                "hmac" => config.hmac(Switch::On),
                other => panic!("{other}"),
            };
        }
        let opened = self
            .one
            .node
            .connect(now, address(&call["dst"]), port(&call["dport"]), config);
        self.one.connection = Some(opened.unwrap());
    }

    fn act(&mut self, place: usize) {
        let (entry, now) = (self.entry, self.now());
        let event = &events(entry)[place];
        let exact = is_exact(entry);
        let app = text(&event["app"]);
        let name = app.chars().next().unwrap();
        match app {
            "A.connect" => self.connect(place),
            "A.connected" => {
                let connected = Event::Connected(self.one.connection.unwrap());
                assert!(self.one.told.contains(&connected), "{event}: {entry}");
            }
            "A.connect_failed" => {
                let limit = number(&entry["in"]["rdp_options"]["conn_timeout_ms"]);
                self.advance(self.millis + 2 * limit);
                let closed = self.one.told.iter().find_map(|event| match event {
                    Event::Closed { reason, .. } => Some(*reason),
                    _ => None,
                });
                assert!(
                    matches!(closed, Some(CloseReason::NoAnswer | CloseReason::Refused)),
                    "{closed:?}: {entry}"
                );
            }
            "B.accept" => assert_eq!(
                Value::from(self.two.accept()),
                event["result"],
                "{event}: {entry}"
            ),
            "A.send" | "B.send" => self.side(name).send(now, bytes(&event["data"])),
            "A.sfp_send" => {
                let (blob, mtu) = (bytes(&event["data"]), number(&event["mtu"]).try_into().unwrap());
                let connection = self.one.connection.unwrap();
                let room = self.one.node.max_payload(connection).unwrap();
                for fragment in Fragments::try_new(&blob, mtu, room).unwrap() {
                    self.one.node.send_fragment(now, connection, &fragment).unwrap();
                }
            }
            "A.read" | "B.read" => {
                let read = self.side(name).read();
                if exact {
                    let expected = event["data"].as_str().map(|_| bytes(&event["data"]));
                    assert_eq!(read, expected, "{event}: {entry}");
                }
            }
            "A.close" | "B.close" => {
                if !exact {
                    self.read_all(name);
                }
                self.side(name).close(now);
            }
            "simultaneous close" => {
                self.one.close(now);
                self.two.close(now);
            }
            "link cut" => self.cut = true,
            "A restarts and reuses its source port" => {
                let input = &entry["in"];
                self.one = Side::new(input, &input["client"]["addr"]);
            }
            "state" if exact => self.check_state(event, [self.one.state(), self.two.state()]),
            "state" => self.last = Some((place, [self.one.state(), self.two.state()])),
            // Told by what follows, or in the captured peer's own words.
            "sender blocked" | "reader has not read" | "A.read after cut" => {}
            _ => panic!("{event}: {entry}"),
        }
        self.turn();
    }

    fn check_state(&self, event: &Value, states: [(bool, &str); 2]) {
        for (name, (open, rdp)) in ["A", "B"].into_iter().zip(states) {
            if let Some(expected) = event.get(name) {
                assert_eq!(Value::from(open), expected["open"], "{event}: {}", self.entry);
                assert_eq!(Value::from(rdp), expected["rdp"], "{event}: {}", self.entry);
            }
        }
    }
}

fn segment(version: Version, frame: &[u8]) -> (Segment, Vec<u8>) {
    let (header, mut payload) = Header::decode(version, frame).unwrap();
    for flag in [Flags::CRC32, Flags::HMAC] {
        if header.flags.contains(flag) {
            payload = &payload[..payload.len() - 4];
        }
    }
    let (segment, data) = Segment::decode(payload).unwrap();
    (segment, data.to_vec())
}

fn flags_of(event: &Value) -> SegmentFlags {
    text(&event["rdp"]["flags"])
        .split('|')
        .fold(SegmentFlags::NONE, |flags, name| {
            let flag = match name {
                "SYN" => SegmentFlags::SYN,
                "ACK" => SegmentFlags::ACK,
                "EAK" => SegmentFlags::EAK,
                "RST" => SegmentFlags::RST,
                _ => panic!("{event}"),
            };
            flags | flag
        })
}

/// The data of all events of one kind.
fn data_of(entry: &Value, app: &str) -> Vec<Vec<u8>> {
    events(entry)
        .iter()
        .filter(|event| event["app"] == app && event["data"].is_string())
        .map(|event| bytes(&event["data"]))
        .collect()
}

pub(crate) fn rdp_transcript(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let mut replay = Transcript {
        entry,
        millis: 0,
        one: Side::new(input, &input["client"]["addr"]),
        two: Side::new(input, &input["server"]["addr"]),
        sent: Vec::new(),
        late: Vec::new(),
        cut: false,
        last: None,
        seen: BTreeMap::new(),
    };
    // Where nobody answers the SYN, nobody listened.
    let answered = |event: &Value| event.get("dir").is_some_and(|dir| dir == "B>A");
    if events(entry).iter().any(answered) {
        replay.two.listen(port(&input["server"]["port"]));
    }
    for (place, event) in events(entry).iter().enumerate() {
        replay.advance(number(&event["t"]));
        if event.get("app").is_some() {
            replay.act(place);
        }
    }
    if !is_exact(entry) {
        return by_meaning(replay);
    }
    let frames = |from: char| {
        let frames = replay.sent.iter().filter(move |(_, sender, _)| *sender == from);
        frames
            .map(|(at, _, frame)| (*at, frame.clone()))
            .collect::<Vec<_>>()
    };
    let mut cleared = false;
    for from in ['A', 'B'] {
        let captured = events(entry)
            .iter()
            .filter(|event| event.get("dir").is_some_and(|dir| text(dir).starts_with(from)));
        let expected: Vec<_> = captured
            .map(|event| {
                let (frame, changed) = without_stale_flag(version(input), event);
                cleared |= changed;
                (number(&event["t"]), frame)
            })
            .collect();
        assert_eq!(frames(from), expected, "{from}: {entry}");
    }
    if cleared {
        return Outcome::Differs("SFP-7: the flag FRAG is on fragments alone");
    }
    Outcome::Agrees
}

/// A captured frame; one without data does not keep the flag of fragments sent before.
fn without_stale_flag(version: Version, event: &Value) -> (Vec<u8>, bool) {
    let frame = bytes(&event["frame"]);
    let (mut header, payload) = Header::decode(version, &frame).unwrap();
    if !header.flags.contains(Flags::FRAG) || event["rdp"]["data"] != "" {
        return (frame, false);
    }
    header.flags = header.flags.without(Flags::FRAG);
    ([&header.encode(version).unwrap()[..], payload].concat(), true)
}

fn by_meaning(mut replay: Transcript<'_>) -> Outcome {
    let entry = replay.entry;
    replay.read_all('A');
    replay.read_all('B');
    let read = [
        (&replay.one.read, "A.read", "B.send"),
        (&replay.two.read, "B.read", "A.send"),
    ];
    let mut differing = read
        .into_iter()
        .filter(|(ours, side, _)| **ours != data_of(entry, side));
    if let Some((ours, _, sender)) = differing.next() {
        // What the peer loses on its way to its user arrives here.
        assert_eq!(*ours, data_of(entry, sender), "{entry}");
        return Outcome::Differs("9.9: what comes out of order, or is repeated after the end, is delivered");
    }
    if let Some((place, states)) = replay.last {
        replay.check_state(&events(entry)[place], states);
    }
    Outcome::Agrees
}

pub(crate) fn rdp_script(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let mut server = Side::new(input, &input["server_addr"]);
    server.listen(port(&input["server_port"]));
    let iss = input["server_iss"].as_u64().unwrap_or_default();
    server.random.store(iss, Ordering::Relaxed);
    let mut sent = Vec::new();
    let mut millis = 0;
    let mut collect = |server: &mut Side, millis: u64| {
        server.handle_timeout(Instant::from_millis(millis));
        let frames = super::sent(&mut server.node, version(input));
        sent.extend(frames.into_iter().map(|frame| (millis, frame)));
    };
    let exact = is_exact(entry);
    for event in events(entry) {
        while millis < number(&event["t"]) {
            millis += STEP;
            collect(&mut server, millis);
        }
        script_step(&mut server, Instant::from_millis(millis), event, entry);
        collect(&mut server, millis);
    }
    let captured = events(entry).iter().filter(|event| event.get("tx").is_some());
    let expected: Vec<_> = captured
        .map(|event| (number(&event["t"]), bytes(&event["tx"])))
        .collect();
    if exact {
        assert_eq!(sent, expected, "{entry}");
        return Outcome::Agrees;
    }
    // What opens a connection, and whether one ends, is the same in all versions, but for the answer to
    // nobody.
    let kinds = |frames: &[(u64, Vec<u8>)], kind: SegmentFlags| {
        let segments = frames.iter().map(|(_, frame)| segment(version(input), frame).0);
        segments.filter(|segment| segment.flags == kind).count()
    };
    let opening = SegmentFlags::SYN | SegmentFlags::ACK;
    if kinds(&expected, opening) > 0 && kinds(&sent, opening) == 0 {
        assert_eq!(kinds(&sent, SegmentFlags::RST), 1, "{entry}");
        return Outcome::Differs("RDP-11: a SYN|ACK opens nothing");
    }
    Outcome::Agrees
}

fn script_step(server: &mut Side, now: Instant, event: &Value, entry: &Value) {
    if let Some(frame) = event.get("rx") {
        server.node.handle_frame(now, server.link, bytes(frame).into());
    } else if let Some(expected) = event.get("accept") {
        assert_eq!(Value::from(server.accept()), *expected, "{event}: {entry}");
    } else if let Some(expected) = event.get("read") {
        let read = server.read();
        assert_eq!(
            read,
            expected.as_str().map(|_| bytes(expected)),
            "{event}: {entry}"
        );
    } else if let Some(data) = event.get("send") {
        server.send(now, bytes(data));
    } else if event.get("close").is_some() {
        server.close(now);
    } else if let Some(expected) = event.get("state") {
        check_script_state(server, expected, entry);
    } else {
        assert!(event.get("tx").is_some(), "{event}: {entry}");
    }
}

fn check_script_state(server: &Side, expected: &Value, entry: &Value) {
    let (open, rdp) = server.state();
    if expected.is_null() {
        assert!(!open, "{entry}");
        return;
    }
    assert_eq!(Value::from(open), expected["open"], "{expected}: {entry}");
    assert_eq!(Value::from(rdp), expected["rdp"], "{expected}: {entry}");
    if let Some(status) = server.node.rdp_connections().next() {
        let names = [
            "window",
            "conn_timeout",
            "packet_timeout",
            "delayed_acks",
            "ack_timeout",
            "ack_delay_count",
        ];
        assert_eq!(status.options.options(), options(expected, names), "{entry}");
    }
}
