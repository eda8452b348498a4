//! CAN frames of libcsp and csp-py. Folder: `TINWIRE_VECTORS`, or the copy beside this file.
//!
//! An entry marked `quirk` records a fault of its peer: there we assert that whatever we deliver is a whole
//! packet, and that we decide as for the same frames in an entry without a quirk, if there is one. No rule
//! looks at an entry's name.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what is wrong by panicking"
)]

use can_link::{CanFrame, ExtendedId, Id};
use csp_can::{
    Cfp1Id, Cfp2Id, DiscardReason, FragmentError, Fragmenter, IdOrder, Reassembler, ReassemblyConfig,
    Received,
};
use csp_core::{Address, Counter, Flags, Header, Packet, Port, Priority, Version};
use testkit::vectors::{Tally, Value, entries, files, hex, optional, root};
use tinwire_time::Instant;

/// How an entry went. What is plainly wrong panics.
enum Outcome {
    Agrees,
    /// As it should, by a rule that the peer does not follow.
    Differs(&'static str),
}

#[test]
fn every_vector_that_has_a_feature_agrees() {
    let folder = root(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors")).join("csp");
    for (name, file) in files(folder) {
        let is_own = |entry: &&Value| kind(entry).starts_with("cfp_");
        let own: Vec<&Value> = entries(&file)
            .iter()
            .filter(|entry| name.starts_with("cfp") || is_own(entry))
            .collect();
        if own.is_empty() {
            continue;
        }
        let mut tally = Tally::new(name, own.len());
        for entry in &own {
            match run(entry, &own) {
                Outcome::Agrees => tally.checked(),
                Outcome::Differs(rule) => {
                    tally.checked();
                    tally.remark(format!("differs by rule: {rule}"));
                }
            }
        }
    }
}

fn kind(entry: &Value) -> &str {
    entry["kind"].as_str().unwrap()
}

fn is_quirk(entry: &Value) -> bool {
    optional(entry, "quirk").is_some_and(|quirk| quirk == true)
}

fn run(entry: &Value, all: &[&Value]) -> Outcome {
    match kind(entry) {
        "cfp_encode" => encode(entry),
        "cfp_encode_sequence" => encode_sequence(entry),
        "cfp_decode" | "cfp_decode_timed" => decode(entry, all),
        other => panic!("unknown kind {other}: {entry}"),
    }
}

fn version(input: &Value) -> Version {
    match input["version"].as_u64() {
        Some(1) => Version::V1,
        Some(2) => Version::V2,
        _ => panic!("a version: {input}"),
    }
}

fn peer(entry: &Value) -> &str {
    entry["peer"].as_str().unwrap()
}

fn number<T: TryFrom<u64>>(value: &Value) -> T {
    let number = value.as_u64().and_then(|number| T::try_from(number).ok());
    number.unwrap_or_else(|| panic!("a number: {value}"))
}

fn bytes(value: &Value) -> Vec<u8> {
    hex(value.as_str().unwrap_or_else(|| panic!("bytes: {value}")))
}

fn address(value: &Value) -> Address {
    Address::new(number(value)).unwrap()
}

fn header(id: &Value) -> Header {
    let port = |value| Port::new(number(value)).unwrap();
    let source = (address(&id["src"]), port(&id["sport"]));
    let mut header = Header::new(source, (address(&id["dst"]), port(&id["dport"])));
    header.priority = Priority::new(number(&id["pri"])).unwrap();
    header.flags = Flags::from_bits(number(&id["flags"]));
    header
}

fn frame(value: &Value) -> CanFrame {
    let id = u32::from_str_radix(value["id"].as_str().unwrap(), 16).unwrap();
    CanFrame::data(ExtendedId::new(id).unwrap(), &bytes(&value["data"])).unwrap()
}

fn list<T>(value: &Value, item: impl Fn(&Value) -> T) -> Vec<T> {
    value
        .as_array()
        .unwrap_or_else(|| panic!("a list: {value}"))
        .iter()
        .map(item)
        .collect()
}

fn fragmenter(entry: &Value) -> Fragmenter {
    let order = if peer(entry).starts_with("csp-py") {
        IdOrder::DestinationFirst
    } else {
        IdOrder::SourceFirst
    };
    let input = &entry["in"];
    let counter = optional(input, "packet_counter").map_or(0, number);
    Fragmenter::new(version(input), address(&input["iface_addr"]))
        .with_packet_counter(counter)
        .with_id_order(order)
}

fn encode(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let mut fragmenter = fragmenter(entry);
    let (header, payload) = (header(&input["id"]), bytes(&input["payload"]));
    let fragments = fragmenter.fragments(&header, optional(input, "via").map(address), &payload);
    let negative = optional(entry, "negative").is_some_and(|negative| negative == true);
    let refused = optional(&entry["out"], "error").is_some();
    if negative || refused {
        let too_long = FragmentError::TooLong {
            len: payload.len(),
            max: 2042,
        };
        assert_eq!(fragments.err(), Some(too_long), "{entry}");
        let rule = "CFP1-1: what 256 frames cannot carry is refused";
        return if refused {
            Outcome::Agrees
        } else {
            Outcome::Differs(rule)
        };
    }
    let frames: Vec<_> = fragments.unwrap().collect();
    assert_eq!(frames, list(&entry["out"]["frames"], frame), "{entry}");
    Outcome::Agrees
}

fn encode_sequence(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let mut fragmenter = fragmenter(entry);
    let trains = entry["out"]["trains"].as_array().unwrap();
    let payloads = input["payloads"].as_array().unwrap();
    assert_eq!(payloads.len(), trains.len(), "{entry}");
    for (payload, train) in payloads.iter().zip(trains) {
        let payload = bytes(payload);
        let frames: Vec<_> = fragmenter
            .fragments(&header(&input["id"]), None, &payload)
            .unwrap()
            .collect();
        assert_eq!(frames, list(train, frame), "{entry}");
    }
    Outcome::Agrees
}

fn decode(entry: &Value, all: &[&Value]) -> Outcome {
    let frames = timed_frames(&entry["in"]);
    // The peers have no timer: they look at ages when a packet begins. Ours runs where their outcome is a
    // fault.
    let timer = if is_quirk(entry) { Timer::Runs } else { Timer::Off };
    let (packets, reasons) = reassemble(&entry["in"], &frames, timer);
    if !is_quirk(entry) {
        return assert_as(entry, &packets, &reasons);
    }
    for packet in &packets {
        assert!(is_whole(packet, &entry["in"], &frames), "{packet:?}: {entry}");
    }
    if let Some(twin) = all
        .iter()
        .find(|other| !is_quirk(other) && other["in"] == entry["in"])
    {
        assert_as(twin, &packets, &reasons);
    }
    if packets == list(&entry["out"]["packets"], packet) {
        Outcome::Agrees
    } else {
        Outcome::Differs("CFP1-4, CFP2-3, CAN-6: what we deliver are whole packets, and all of them")
    }
}

fn packet(value: &Value) -> Packet {
    Packet::new(header(&value["id"]), bytes(&value["payload"]).into())
}

#[track_caller]
fn assert_as(entry: &Value, packets: &[Packet], reasons: &[DiscardReason]) -> Outcome {
    assert_eq!(packets, list(&entry["out"]["packets"], packet), "{entry}");
    // csp-py has no counters. `drop` is left out: we count there what the peers drop in silence (BET-1).
    let Some(counters) = optional(&entry["out"], "counters") else {
        return Outcome::Agrees;
    };
    let count = |counter| {
        reasons
            .iter()
            .filter(|reason| reason.drop_reason().counter() == counter)
            .count()
    };
    let expected = |name| optional(counters, name).map_or(0, number);
    assert_eq!(
        count(Counter::RxError),
        expected("rx_error"),
        "{reasons:?}: {entry}"
    );
    let replaced = reasons
        .iter()
        .filter(|reason| **reason == DiscardReason::Replaced)
        .count();
    if peer(entry).starts_with("libcsp 1.") && replaced > 0 {
        assert_eq!(
            count(Counter::Frame) + replaced,
            expected("frame"),
            "{reasons:?}: {entry}"
        );
        return Outcome::Differs("CFP1-2: a packet replaced by another is no frame error");
    }
    assert_eq!(count(Counter::Frame), expected("frame"), "{reasons:?}: {entry}");
    Outcome::Agrees
}

/// Frames with their time in milliseconds.
fn timed_frames(input: &Value) -> Vec<(u64, CanFrame)> {
    match optional(input, "timed_frames") {
        Some(frames) => list(frames, |value| (number(&value["ms"]), frame(value))),
        None => list(&input["frames"], |value| (0, frame(value))),
    }
}

/// Whether the reassembler is told the time between frames.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Timer {
    Off,
    Runs,
}

fn reassemble(input: &Value, frames: &[(u64, CanFrame)], timer: Timer) -> (Vec<Packet>, Vec<DiscardReason>) {
    let mut config = ReassemblyConfig::default();
    if let Some(own) = optional(input, "iface_addr") {
        config = config.address(address(own));
    }
    if let Some(size) = optional(input, "buffer_size") {
        config = config.max_payload(number(size));
    }
    let mut reassembler = Reassembler::new(version(input), config);
    let (mut packets, mut reasons) = (vec![], vec![]);
    for (millis, frame) in frames {
        let now = Instant::from_millis(*millis);
        if timer == Timer::Runs {
            reassembler.handle_timeout(now);
        }
        reassembler.handle_frame(now, frame);
        while let Some(received) = reassembler.poll_received() {
            match received {
                Received::Packet(complete) => packets.push(complete.packet),
                Received::Discarded { reason, .. } => reasons.push(reason),
                _ => {}
            }
        }
    }
    (packets, reasons)
}

/// What a frame says of its place in a packet.
struct Place {
    /// The same in all frames of a packet.
    key: u32,
    begins: bool,
    /// Goes up by one from frame to frame, modulo 256.
    counter: u8,
    ends: bool,
}

fn place(version: Version, frame: &CanFrame) -> Place {
    let Id::Extended(id) = frame.id() else {
        panic!("{frame:?}")
    };
    match version {
        Version::V1 => {
            let fields = Cfp1Id::from_id(id);
            let key = Cfp1Id {
                more: false,
                remaining: 0,
                ..fields
            }
            .to_id()
            .as_raw();
            let counter = fields.remaining.wrapping_neg();
            Place {
                key,
                begins: !fields.more,
                counter,
                ends: fields.remaining == 0,
            }
        }
        Version::V2 => {
            let fields = Cfp2Id::from_id(id);
            let key = Cfp2Id {
                begin: false,
                end: false,
                fragment: 0,
                ..fields
            }
            .to_id()
            .as_raw();
            // The counter of a first frame is not looked at.
            let counter = if fields.begin { 0 } else { fields.fragment << 5 };
            Place {
                key,
                begins: fields.begin,
                counter,
                ends: fields.end,
            }
        }
    }
}

/// Whether some first frame, followed by frames of its identifier with consecutive counters and no pause of
/// more than a second up to a last frame, carries `packet`.
fn is_whole(packet: &Packet, input: &Value, frames: &[(u64, CanFrame)]) -> bool {
    let version = version(input);
    let (overhead, step) = match version {
        Version::V1 => (6, 1),
        Version::V2 => (4, 1 << 5),
    };
    (0..frames.len()).any(|at| {
        let &(mut last, ref first) = &frames[at];
        let Place {
            key,
            begins,
            mut counter,
            ends: mut ended,
        } = place(version, first);
        let Some(data) = first.payload().get(overhead..).filter(|_| begins) else {
            return false;
        };
        let mut payload = data.to_vec();
        for (millis, frame) in &frames[at + 1..] {
            let next = place(version, frame);
            if ended || next.key != key {
                continue;
            }
            if next.begins || next.counter != counter.wrapping_add(step) || millis - last > 1000 {
                return false;
            }
            payload.extend_from_slice(frame.payload());
            (last, counter, ended) = (*millis, next.counter, next.ends);
        }
        ended && packet.payload == payload
    })
}
