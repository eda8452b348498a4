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
use csp_can::{CfpId, DiscardReason, Fragmenter, Reassembler, ReassemblyConfig, Received};
use csp_core::{Address, Counter, Flags, Header, Packet, Port, Priority};
use testkit::vectors::{Tally, Value, entries, files, hex, root};
use tinwire_time::Instant;

/// How an entry went. What is plainly wrong panics.
enum Outcome {
    Agrees,
    Differs(&'static str),
    NotBuilt(&'static str),
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
                Outcome::NotBuilt(what) => tally.remark(format!("not built yet: {} ({what})", kind(entry))),
            }
        }
    }
}

fn kind(entry: &Value) -> &str {
    entry["kind"].as_str().unwrap()
}

fn is_quirk(entry: &Value) -> bool {
    entry.get("quirk").is_some_and(|quirk| quirk == true)
}

fn run(entry: &Value, all: &[&Value]) -> Outcome {
    let run = match kind(entry) {
        "cfp_encode" => encode,
        "cfp_encode_sequence" => encode_sequence,
        "cfp_decode" | "cfp_decode_timed" => return decode_unless_v1(entry, all),
        other => panic!("unknown kind {other}: {entry}"),
    };
    if entry["in"]["version"] == 1 {
        return Outcome::NotBuilt("CFP 1");
    }
    run(entry);
    Outcome::Agrees
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

fn fragments(fragmenter: &mut Fragmenter, id: &Value, payload: &Value) -> Vec<CanFrame> {
    fragmenter
        .fragments(&header(id), &bytes(payload))
        .unwrap()
        .collect()
}

fn encode(entry: &Value) {
    let input = &entry["in"];
    let mut fragmenter =
        Fragmenter::new(address(&input["iface_addr"])).with_packet_counter(number(&input["packet_counter"]));
    let frames = fragments(&mut fragmenter, &input["id"], &input["payload"]);
    assert_eq!(frames, list(&entry["out"]["frames"], frame), "{entry}");
}

fn encode_sequence(entry: &Value) {
    let input = &entry["in"];
    let mut fragmenter = Fragmenter::new(address(&input["iface_addr"]));
    let trains = entry["out"]["trains"].as_array().unwrap();
    let payloads = input["payloads"].as_array().unwrap();
    assert_eq!(payloads.len(), trains.len(), "{entry}");
    for (payload, train) in payloads.iter().zip(trains) {
        let frames = fragments(&mut fragmenter, &input["id"], payload);
        assert_eq!(frames, list(train, frame), "{entry}");
    }
}

fn decode_unless_v1(entry: &Value, all: &[&Value]) -> Outcome {
    if entry["in"]["version"] == 1 {
        return Outcome::NotBuilt("CFP 1");
    }
    let frames = timed_frames(&entry["in"]);
    // The peers have no timer: they look at ages when a packet begins. Ours runs where their outcome is a
    // fault.
    let timer = if is_quirk(entry) { Timer::Runs } else { Timer::Off };
    let (packets, reasons) = reassemble(&entry["in"], &frames, timer);
    if is_quirk(entry) {
        for packet in &packets {
            assert!(is_whole(packet, &entry["in"], &frames), "{packet:?}: {entry}");
        }
        let twin = all
            .iter()
            .find(|other| !is_quirk(other) && other["in"] == entry["in"]);
        if let Some(twin) = twin {
            assert_as(twin, &packets, &reasons);
        }
        return if packets == list(&entry["out"]["packets"], packet) {
            Outcome::Agrees
        } else {
            Outcome::Differs("CFP2-1, CFP2-3, CAN-6: frames that don't go on from each other make no packet")
        };
    }
    assert_as(entry, &packets, &reasons);
    Outcome::Agrees
}

fn packet(value: &Value) -> Packet {
    Packet::new(header(&value["id"]), bytes(&value["payload"]).into())
}

#[track_caller]
fn assert_as(entry: &Value, packets: &[Packet], reasons: &[DiscardReason]) {
    assert_eq!(packets, list(&entry["out"]["packets"], packet), "{entry}");
    // csp-py has no counters. `drop` is left out: we count there what the peers drop in silence (BET-1).
    let Some(counters) = entry["out"].get("counters") else {
        return;
    };
    for (name, counter) in [("frame", Counter::Frame), ("rx_error", Counter::RxError)] {
        let count = reasons
            .iter()
            .filter(|reason| reason.drop_reason().counter() == counter)
            .count();
        assert_eq!(
            count,
            counters.get(name).map_or(0, number),
            "{name}: {reasons:?}: {entry}"
        );
    }
}

/// Frames with their time in milliseconds.
fn timed_frames(input: &Value) -> Vec<(u64, CanFrame)> {
    match input.get("timed_frames") {
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
    if let Some(own) = input.get("iface_addr") {
        config = config.address(address(own));
    }
    if let Some(size) = input.get("buffer_size") {
        config = config.max_payload(number(size));
    }
    let mut reassembler = Reassembler::new(config);
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
            }
        }
    }
    (packets, reasons)
}

/// Whether some first frame, followed by frames of its identifier with consecutive counters and no pause of
/// more than a second up to a last frame, carries `packet`.
fn is_whole(packet: &Packet, input: &Value, frames: &[(u64, CanFrame)]) -> bool {
    let fields = |frame: &CanFrame| match frame.id() {
        Id::Extended(id) => CfpId::from_id(id),
        Id::Standard(id) => panic!("{id:?}"),
    };
    let key = |id: CfpId| (id.priority, id.destination, id.sender, id.packet);
    frames
        .iter()
        .enumerate()
        .filter(|(_, (_, frame))| fields(frame).begin)
        .any(|(at, (_, first))| {
            let id = fields(first);
            let Some((_, data)) = first.payload().split_first_chunk::<4>() else {
                return false;
            };
            let (mut payload, mut last, mut next, mut ended) = (data.to_vec(), frames[at].0, 1, id.end);
            for (millis, frame) in &frames[at + 1..] {
                let fields = fields(frame);
                if ended || key(fields) != key(id) {
                    continue;
                }
                if fields.begin || fields.fragment != next || millis - last > 1000 {
                    return false;
                }
                payload.extend_from_slice(frame.payload());
                (last, next, ended) = (*millis, (next + 1) % 8, fields.end);
            }
            let broadcast = id.destination == Address::BROADCAST;
            let destination = input
                .get("iface_addr")
                .filter(|_| broadcast)
                .map_or(id.destination, address);
            ended && packet.payload == payload && packet.header.destination == destination
        })
}
