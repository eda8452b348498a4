//! Two nodes as the captured peers were.

use std::collections::BTreeMap;

use csp_core::rdp::CloseReason;
use csp_core::sfp::Fragments;
use csp_core::{ConnectConfig, Priority, Switch};

use super::reasons::reason;
use super::*;

/// A frame on the link: who sent it and when.
pub(super) type Sent = (u64, char, Vec<u8>);

/// Two nodes, and a link that treats the same segments as the captured one did.
struct Transcript<'a> {
    entry: &'a Value,
    millis: u64,
    one: Side,
    two: Side,
    sent: Vec<Sent>,
    late: Vec<Sent>,
    cut: bool,
    /// Why ours does something else from here on.
    reason: Option<&'static str>,
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
            optional(event, "dir").is_some_and(|dir| text(dir).starts_with(from))
                && flags_of(event) == segment.flags
                && bytes(&event["rdp"]["data"]) == data
        });
        let fate = same.clone().nth(*occurrence);
        *occurrence += 1;
        fate
    }

    fn is_exact(&self) -> bool {
        is_exact(self.entry) && self.reason.is_none()
    }

    /// Compares what was sent with what was captured before `place`.
    fn compare(&mut self, place: usize) {
        if self.is_exact() {
            self.reason = reason(self.entry, place, &self.sent);
        }
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
                    if self.cut || fate["lost"] == true {
                        continue;
                    }
                    let at = fate["delivered_at"].as_u64();
                    for _ in 0..if fate["duplicated"] == true { 2 } else { 1 } {
                        match at {
                            Some(at) => self.late.push((at, from, frame.clone())),
                            None => self.deliver(from, &frame),
                        }
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
            self.millis = (self.millis + STEP).min(millis);
            let due = self.late.extract_if(.., |late| late.0 <= self.millis);
            for (_, from, frame) in due.collect::<Vec<_>>() {
                self.deliver(from, &frame);
            }
            self.turn();
        }
    }

    /// Lets the captured timing be another: moves on until it `happens`, for a connection timeout at most.
    fn wait(&mut self, mut happens: impl FnMut(&mut Self) -> bool) -> bool {
        let limit = number(&self.entry["in"]["rdp_options"]["conn_timeout_ms"]);
        let until = self.millis + limit;
        while !happens(self) {
            if self.millis >= until {
                return false;
            }
            self.advance(self.millis + STEP);
        }
        true
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
        let sequence = |event: &Value| number(&event["rdp"]["seq"]).try_into().unwrap();
        let syn = frame("A>B", SegmentFlags::SYN).unwrap();
        self.one.pick(sequence(syn));
        if let Some(answer) = frame("B>A", SYN_ACK) {
            self.two.pick(sequence(answer));
        }
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
        for option in optional(call, "opts")
            .unwrap_or_else(|| &input["conn_options"])
            .as_array()
            .unwrap()
        {
            config = match text(option) {
                "rdp" => config.rdp(Switch::On),
                "crc" => config.crc32(Switch::On),
                "hmac" => config.hmac(Switch::On),
                "nocrc" => config.crc32(Switch::Off),
                "nohmac" => config.hmac(Switch::Off),
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
        let exact = self.is_exact();
        let app = text(&event["app"]);
        let name = app.chars().next().unwrap();
        match app {
            "A.connect" => self.connect(place),
            "A.connected" => {
                let connected = Event::Connected(self.one.connection.unwrap());
                let is_told = |replay: &mut Self| replay.one.told.contains(&connected);
                let is_connected = if exact { is_told(self) } else { self.wait(is_told) };
                assert!(is_connected, "{event}: {entry}");
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
            "B.accept" => {
                if self.reason.is_some() && event["result"] != true {
                    return;
                }
                let accepted = if exact || event["result"] != true {
                    self.two.accept()
                } else {
                    self.wait(|replay| replay.two.accept())
                };
                assert_eq!(Value::from(accepted), event["result"], "{event}: {entry}");
            }
            "A.send" | "B.send" => self.side(name).send(now, bytes(&event["data"])),
            "A.sfp_send" | "B.sfp_send" => {
                let (blob, mtu) = (bytes(&event["data"]), number(&event["mtu"]).try_into().unwrap());
                let side = self.side(name);
                let connection = side.connection.unwrap();
                let room = side.node.max_payload(connection).unwrap();
                for fragment in Fragments::try_new(&blob, mtu, room).unwrap() {
                    side.node.send_fragment(now, connection, &fragment).unwrap();
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
                    // What a captured sender's thread had sent by now.
                    self.wait(|replay| {
                        replay.read_all(if name == 'A' { 'B' } else { 'A' });
                        replay.side(name).waiting.is_empty()
                    });
                    self.read_all(name);
                }
                let now = self.now();
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
            "sender blocked" | "reader has not read" | "A.read after cut" | "B.read after cut" => {}
            _ => panic!("{event}: {entry}"),
        }
        self.turn();
    }

    fn check_state(&self, event: &Value, states: [(bool, &str); 2]) {
        for (name, (open, rdp)) in ["A", "B"].into_iter().zip(states) {
            if let Some(expected) = optional(event, name) {
                assert_eq!(Value::from(open), expected["open"], "{event}: {}", self.entry);
                assert_eq!(Value::from(rdp), expected["rdp"], "{event}: {}", self.entry);
            }
        }
    }
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
        reason: None,
        last: None,
        seen: BTreeMap::new(),
    };
    // Where nobody answers the SYN, nobody listened.
    let answered = |event: &Value| optional(event, "dir").is_some_and(|dir| dir == "B>A");
    if events(entry).iter().any(answered) {
        replay.two.listen(port(&input["server"]["port"]));
    }
    for (place, event) in events(entry).iter().enumerate() {
        replay.advance(number(&event["t"]));
        if optional(event, "app").is_some() {
            replay.compare(place);
            replay.act(place);
        }
    }
    replay.compare(events(entry).len());
    if let Some(reason) = replay.reason {
        return by_reason(replay, reason);
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
            .filter(|event| optional(event, "dir").is_some_and(|dir| text(dir).starts_with(from)));
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
pub(super) fn without_stale_flag(version: Version, event: &Value) -> (Vec<u8>, bool) {
    let frame = bytes(&event["frame"]);
    let (mut header, payload) = Header::decode(version, &frame).unwrap();
    if !header.flags.contains(Flags::FRAG) || event["rdp"]["data"] != "" {
        return (frame, false);
    }
    header.flags = header.flags.without(Flags::FRAG);
    ([&header.encode(version).unwrap()[..], payload].concat(), true)
}

/// Whatever differs, what was sent is read in order, and at least as much as the peers' users read.
fn by_reason(mut replay: Transcript<'_>, reason: &'static str) -> Outcome {
    let entry = replay.entry;
    replay.read_all('A');
    replay.read_all('B');
    for (ours, side, sender) in [
        (&replay.one.read, "A.read", "B.send"),
        (&replay.two.read, "B.read", "A.send"),
    ] {
        assert!(
            data_of(entry, sender).starts_with(ours),
            "{reason}: {ours:?}: {entry}"
        );
        assert!(
            ours.starts_with(&data_of(entry, side)),
            "{reason}: {ours:?}: {entry}"
        );
    }
    Outcome::Differs(reason)
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
        let event = &events(entry)[place];
        let lives = |name: &str| event[name]["rdp"] == "OPEN";
        if replay.cut && (lives("A") || lives("B")) {
            return Outcome::Differs(IDLE);
        }
        replay.check_state(event, states);
    }
    Outcome::Agrees
}
