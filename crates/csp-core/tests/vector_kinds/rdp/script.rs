//! One node as the captured server was, and segments made by hand.

use super::*;

struct Script<'a> {
    entry: &'a Value,
    server: Side,
    millis: u64,
    sent: Vec<(u64, Vec<u8>)>,
    /// What the captured server's user read.
    captured: Vec<Vec<u8>>,
    /// When the last segment came.
    heard: u64,
    outcome: Outcome,
}

pub(crate) fn rdp_script(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let mut server = Side::new(input, &input["server_addr"]);
    server.listen(port(&input["server_port"]));
    let mut script = Script {
        entry,
        server,
        millis: 0,
        sent: Vec::new(),
        captured: Vec::new(),
        heard: 0,
        outcome: Outcome::Agrees,
    };
    for (place, event) in events(entry).iter().enumerate() {
        while script.millis < number(&event["t"]) {
            script.millis = (script.millis + STEP).min(number(&event["t"]));
            script.turn();
        }
        script.step(place);
        script.turn();
    }
    let captured = events(entry)
        .iter()
        .filter(|event| optional(event, "tx").is_some());
    let expected: Vec<_> = captured
        .map(|event| (number(&event["t"]), bytes(&event["tx"])))
        .collect();
    if is_exact(entry) {
        assert_eq!(script.sent, expected, "{entry}");
        return Outcome::Agrees;
    }
    script.by_meaning(&expected)
}

impl Script<'_> {
    fn turn(&mut self) {
        self.server.handle_timeout(Instant::from_millis(self.millis));
        let frames = super::super::sent(&mut self.server.node, version(&self.entry["in"]));
        self.sent
            .extend(frames.into_iter().map(|frame| (self.millis, frame)));
    }

    fn step(&mut self, place: usize) {
        let entry = self.entry;
        let event = &events(entry)[place];
        let (now, exact) = (Instant::from_millis(self.millis), is_exact(entry));
        let server = &mut self.server;
        if let Some(frame) = optional(event, "rx") {
            server.pick(next_number(entry, place));
            self.heard = self.millis;
            server.node.handle_frame(now, server.link, bytes(frame).into());
        } else if let Some(expected) = event.get("accept") {
            if *expected != server.accept() {
                assert!(!exact && self.opened_by_answer(), "{event}: {entry}");
            }
        } else if let Some(expected) = event.get("read") {
            let read = server.read();
            let expected = expected.as_str().map(|_| bytes(expected));
            if exact {
                assert_eq!(read, expected, "{event}: {entry}");
            }
            self.captured.extend(expected);
        } else if let Some(data) = optional(event, "send") {
            server.send(now, bytes(data));
        } else if event.get("close").is_some() {
            if !exact {
                while server.read().is_some() {}
            }
            server.close(now);
        } else if let Some(expected) = event.get("state") {
            self.check_state(expected);
        } else {
            assert!(optional(event, "tx").is_some(), "{event}: {entry}");
        }
    }

    /// Whether the captured server took a SYN|ACK for a SYN, as those before 2.2 do.
    fn opened_by_answer(&self) -> bool {
        let version = version(&self.entry["in"]);
        let mut received = events(self.entry)
            .iter()
            .filter_map(|event| optional(event, "rx"));
        received
            .next()
            .is_some_and(|frame| segment(version, &bytes(frame)).0.flags == SYN_ACK)
    }

    fn check_state(&mut self, expected: &Value) {
        let (entry, server) = (self.entry, &self.server);
        let (open, rdp) = server.state();
        if !is_exact(entry) {
            if self.opened_by_answer() {
                return;
            }
            let limit = expected["conn_timeout"].as_u64();
            let is_idle = limit.is_some_and(|limit| self.millis - self.heard > limit);
            if is_idle && expected["rdp"] == "OPEN" && rdp != "OPEN" {
                self.outcome = Outcome::Differs(IDLE);
                return;
            }
        }
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
            let expected = Limits::WIDEST.clamp(options(expected, names)).options();
            assert_eq!(status.options.options(), expected, "{entry}");
        }
    }

    /// What opens a connection, what is read, and whether one ends is the same in all versions.
    fn by_meaning(mut self, expected: &[(u64, Vec<u8>)]) -> Outcome {
        let entry = self.entry;
        let kinds = |frames: &[(u64, Vec<u8>)], kind: SegmentFlags| {
            let segments = frames
                .iter()
                .map(|(_, frame)| segment(version(&entry["in"]), frame).0);
            segments.filter(|segment| segment.flags == kind).count()
        };
        if self.opened_by_answer() {
            assert_eq!(kinds(&self.sent, SYN_ACK), 0, "{entry}");
            assert!(kinds(&self.sent, SegmentFlags::RST) > 0, "{entry}");
            return Outcome::Differs("RDP-11: a SYN|ACK opens nothing");
        }
        assert_eq!(
            kinds(&self.sent, SYN_ACK) > 0,
            kinds(expected, SYN_ACK) > 0,
            "{entry}"
        );
        if self.server.read == self.captured {
            return self.outcome;
        }
        // What the peer never gave to its user.
        while self.server.read().is_some() {}
        let mut ours = self.server.read.iter();
        assert!(
            self.captured.iter().all(|theirs| ours.any(|read| read == theirs)),
            "{entry}"
        );
        Outcome::Differs("9.9: what comes out of order is delivered")
    }
}

/// The number with which the captured server opens its next connection.
fn next_number(entry: &Value, place: usize) -> u16 {
    let input = &entry["in"];
    let answers = events(entry).iter().skip(place);
    let mut answers =
        answers.filter_map(|event| Some(segment(version(input), &bytes(optional(event, "tx")?)).0));
    let opening = answers.find(|segment| segment.flags == SYN_ACK);
    let given = || u16::try_from(input["server_iss"].as_u64().unwrap_or_default()).unwrap();
    opening.map_or_else(given, |segment| segment.sequence.to_bits())
}
