//! What the services answer, and what their clients ask.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use csp_core::seal::Protection;
use csp_core::service::cmp::{clock, ident, stats};
use csp_core::service::{
    Counters, Identity, Origin, Peek, Platform, Poke, PowerCommand, Refusal, Service, Services, SetRoute,
    Timestamp, figure, ping, ps,
};
use csp_core::{
    Address, Config, ConnectConfig, Flags, Header, InterfaceId, InterfaceName, Need, Needs, Netmask, Node,
    Packet, Port, Version,
};
use testkit::vectors::{Value, hex, optional};

use super::node::{from_own, subnet};
use super::{
    NOW, Outcome, address, bytes, flags, is_16, key, number, one_interface, sent, text, version, xtea_flag,
};

/// What befell the machine under the node.
#[derive(Default)]
struct Record {
    reboots: u64,
    shutdowns: u64,
    poked: Option<(u64, Vec<u8>)>,
}

/// The machine of the captures.
struct Machine {
    record: Arc<Mutex<Record>>,
    text: String,
    memory_free: u32,
    buffers_free: Option<u32>,
    uptime: u32,
    clock: Timestamp,
}

/// Address 0x10000000 + i, and i of the 64-bit forms, holds (7 * i + 3) mod 256.
fn memory(address: u64) -> u8 {
    ((address & 0x0FFF_FFFF) * 7 + 3).to_le_bytes()[0]
}

impl Platform for Machine {
    fn processes(&mut self, _: &Origin) -> Option<String> {
        Some(self.text.clone())
    }

    fn memory_free(&mut self, _: &Origin) -> Option<u32> {
        Some(self.memory_free)
    }

    fn buffers_free(&mut self, _: &Origin) -> Option<u32> {
        self.buffers_free
    }

    fn uptime(&mut self, _: &Origin) -> Option<u32> {
        Some(self.uptime)
    }

    fn clock(&mut self, _: &Origin) -> Option<Timestamp> {
        Some(self.clock)
    }

    fn set_clock(&mut self, _: &Origin, time: Timestamp) -> Result<(), Refusal> {
        self.clock = time;
        Ok(())
    }

    fn reboot(&mut self, _: &Origin) -> Result<(), Refusal> {
        self.record.lock().unwrap().reboots += 1;
        Ok(())
    }

    fn shutdown(&mut self, _: &Origin) -> Result<(), Refusal> {
        self.record.lock().unwrap().shutdowns += 1;
        Ok(())
    }

    fn peek(&mut self, _: &Origin, address: u64, data: &mut [u8]) -> Result<(), Refusal> {
        for (at, byte) in (address..).zip(data) {
            *byte = memory(at);
        }
        Ok(())
    }

    fn poke(&mut self, _: &Origin, address: u64, data: &[u8]) -> Result<(), Refusal> {
        self.record.lock().unwrap().poked = Some((address, data.to_vec()));
        Ok(())
    }
}

fn u32_of(value: &Value) -> u32 {
    value.as_u64().map_or(0, |number| number.try_into().unwrap())
}

/// What an entry says of the machine; what it does not say is told by the replies.
fn machine(entry: &Value, packets: &[Vec<u8>]) -> Machine {
    let input = &entry["in"];
    let told = |port| {
        let first = packets.first()?;
        let payloads = packets.iter().map(|frame| payload(entry, frame));
        let is_it = header_of(version(input), first).source_port == port;
        is_it.then(|| payloads.collect::<Vec<_>>().concat())
    };
    let clock = &input["clock"];
    let clock = match clock.as_array() {
        Some(_) => Timestamp {
            seconds: u32_of(&clock[0]),
            nanoseconds: u32_of(&clock[1]),
        },
        // The captures of 1.6 were taken with the same clock.
        None => Timestamp {
            seconds: 1_700_000_000,
            nanoseconds: 123_456_789,
        },
    };
    let text = match input["ps_text"].as_str() {
        Some(text) => text.to_owned(),
        None => told(Port::PS).map_or_else(|| "something".into(), |told| String::from_utf8(told).unwrap()),
    };
    Machine {
        record: Arc::default(),
        text,
        memory_free: u32_of(&input["memfree"]),
        // How many the peer had is told nowhere else.
        buffers_free: told(Port::BUF_FREE).map(|told| figure::decode(&told).unwrap()),
        uptime: u32_of(&input["uptime_ms"]) / 1000,
        clock,
    }
}

fn header_of(version: Version, frame: &[u8]) -> Header {
    Header::decode(version, frame).unwrap().0
}

/// The payload of a frame, its trailers checked.
fn payload(entry: &Value, frame: &[u8]) -> Vec<u8> {
    let input = &entry["in"];
    let (header, sealed) = Header::decode(version(input), frame).unwrap();
    let key = key(input);
    let protection = Protection::new(version(input), &key).xtea_flag(xtea_flag(entry));
    let payload = protection.open(&header, Bytes::copy_from_slice(sealed));
    payload.unwrap().to_vec()
}

/// What was `payload`, under the same header and with its trailers made anew.
fn with_payload(entry: &Value, frame: &[u8], payload: Vec<u8>) -> Vec<u8> {
    let input = &entry["in"];
    let header = header_of(version(input), frame);
    let key = key(input);
    let protection = Protection::new(version(input), &key).xtea_flag(xtea_flag(entry));
    let packet = Packet::new(header, protection.seal(header.flags, payload.into(), 0).unwrap());
    packet.encode(version(input)).unwrap().to_vec()
}

fn node(entry: &Value, machine: Machine) -> (Node, InterfaceId) {
    let input = &entry["in"];
    // 1.6 serves on a normal socket (SVC-1).
    let needs = if is_16(entry) {
        Needs::default()
    } else {
        Needs::default().crc32(Need::Required)
    };
    let mut services = Service::ALL.into_iter().fold(Services::none(), Services::on);
    if is_16(entry) {
        services = services.text_len(ps::PACKET_LEN);
    }
    let identity = Identity::new(input["hostname"].as_str().unwrap_or_default())
        .model(input["model"].as_str().unwrap_or_default())
        .revision(input["revision"].as_str().unwrap_or_default())
        .built("Jan  1 2024", "12:34:56");
    let config = Config::default()
        .xtea_flag(xtea_flag(entry))
        .service_needs(needs)
        .services(services)
        .identity(identity)
        .platform(machine);
    one_interface(input, config)
}

/// Adds what the peer's counters were set to before the request: 1000, 1001, .. in the order of the wire.
fn preset(counters: Counters) -> Counters {
    Counters {
        tx: counters.tx + 1000,
        rx: counters.rx + 1001,
        tx_error: counters.tx_error + 1002,
        rx_error: counters.rx_error + 1003,
        drop: counters.drop + 1004,
        autherr: counters.autherr + 1005,
        frame: counters.frame + 1006,
        tx_bytes: counters.tx_bytes + 1007,
        rx_bytes: counters.rx_bytes + 1008,
        irq: counters.irq + 1009,
    }
}

/// Why a request to add a route is refused by us alone.
fn refused_route(version: Version, body: &[u8]) -> Option<&'static str> {
    let (destination, via) = match *body {
        [0, 2, destination, via, ..] => (destination.into(), via.into()),
        [0, 7, d0, d1, v0, v1, ..] => (u16::from_be_bytes([d0, d1]), u16::from_be_bytes([v0, v1])),
        _ => return None,
    };
    let is_address = |bits| bits <= Address::BROADCAST.to_bits();
    if destination > version.broadcast().to_bits() {
        return Some("BET-7: no route to an address that the header version cannot name");
    }
    let rule = "HDR-4: what is no address is no next hop";
    (via != u16::MAX && !is_address(via)).then_some(rule)
}

/// What `len` bytes of memory are that a request names, when `poked` was written there.
fn memory_after(body: &[u8], poked: Option<&(u64, Vec<u8>)>, len: usize) -> Vec<u8> {
    let (_, fields) = body.split_at(2);
    let width = if matches!(body[1], 8 | 9) { 8 } else { 4 };
    let named = fields[..width]
        .iter()
        .fold(0, |word, byte| word << 8 | u64::from(*byte));
    let at = poked.map_or(named, |(at, _)| *at);
    let mut after: Vec<_> = (at..).map(memory).take(len).collect();
    for (place, byte) in after.iter_mut().zip(poked.iter().flat_map(|(_, data)| data)) {
        *place = *byte;
    }
    after
}

pub(crate) fn service(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    let version = version(input);
    let request = bytes(&input["request"]);
    let header = header_of(version, &request);
    let port = header.destination_port;
    let mut expected: Vec<_> = out["replies"].as_array().unwrap().iter().map(bytes).collect();
    let body = match &expected[..] {
        [] => Header::decode(version, &request).unwrap().1.to_vec(),
        // What is answered has its trailers right.
        _ => payload(entry, &request),
    };
    let manages = |code| port == Port::CMP && body.get(1) == Some(&code);
    let machine = machine(entry, &expected);
    let record = Arc::clone(&machine.record);
    let (mut node, interface) = node(entry, machine);
    let subnet = subnet(&node, interface);
    node.handle_frame(NOW, interface, request.into());
    let mut replies = sent(&mut node, version);
    if !expected.is_empty() && header.source_port <= Port::UPTIME {
        assert!(replies.is_empty(), "{entry}");
        return Outcome::Differs("services that answer each other would never stop");
    }
    if !expected.is_empty()
        && port == Port::CMP
        && let Some(rule) = refused_route(version, &body)
    {
        assert!(replies.is_empty() && node.save_routes().is_empty(), "{entry}");
        return Outcome::Differs(rule);
    }

    let mut differs = None;
    let is_preset = optional(input, "stats_preset").is_some() && manages(3);
    if is_preset && stats::decode_request(&body).is_ok_and(|name| name.as_str() == text(&input["iface"])) {
        for reply in &mut replies {
            let counters = preset(Counters::decode(&payload(entry, reply)).unwrap());
            let told = counters.reply(&body).unwrap();
            *reply = with_payload(entry, reply, told.to_vec());
        }
    }
    if subnet.is_broadcast(header.destination) && header.destination != version.broadcast() {
        for frame in &mut expected {
            *frame = from_own(version, core::mem::take(frame), subnet.address());
        }
        differs = Some("CONN-7: a subnet broadcast is answered from the interface's address");
    }
    if port == Port::PS && is_16(entry) && body.first() != Some(&ps::REQUEST[0]) {
        assert_eq!(replies.len(), 1, "{entry}");
        expected.clone_from(&replies);
        differs = Some("section 11: the byte in a request for the processes is ignored, as in 2.x");
    }
    if manages(7) && body.len() == 19 {
        for frame in &mut expected {
            let mut padded = payload(entry, frame);
            *padded.last_mut().unwrap() = 0;
            *frame = with_payload(entry, frame, padded);
        }
        differs = Some("SVC-4: the padding of a reply is zero, not what lay there");
    }
    assert_eq!(replies, expected, "{entry}");

    let record = record.lock().unwrap();
    for (name, count) in [("reboots", record.reboots), ("shutdowns", record.shutdowns)] {
        if let Some(told) = optional(out, name) {
            assert_eq!(number(told), count, "{name}: {entry}");
        }
    }
    if let Some(told) = optional(out, "routes_after") {
        assert_eq!(node.save_routes(), text(told), "{entry}");
    }
    if let Some(told) = optional(out, "memory_after") {
        let told = bytes(told);
        assert_eq!(
            memory_after(&body, record.poked.as_ref(), told.len()),
            told,
            "{entry}"
        );
    }
    differs.map_or(Outcome::Agrees, Outcome::Differs)
}

/// The fields of a client call of the management protocol, as the peer was given them.
struct Body(Vec<u8>);

impl Body {
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0[at..at + N].try_into().unwrap()
    }

    fn short(&self, at: usize) -> u16 {
        u16::from_be_bytes(self.array(at))
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.array(at))
    }

    fn name(&self, at: usize) -> Result<InterfaceName, &'static str> {
        let field = self.array::<11>(at);
        let name = field.split(|byte| *byte == 0).next().unwrap();
        let name = str::from_utf8(name).ok().and_then(InterfaceName::new);
        name.ok_or("SVC-6: what no interface can be called is not asked for")
    }

    fn data(&self, at: usize) -> Bytes {
        Bytes::copy_from_slice(&self.0[at + 1..][..usize::from(self.0[at])])
    }
}

/// The request that our client makes for the peer's call, or why ours cannot ask for that.
fn request(call: &str, input: &Value) -> Result<(Port, Bytes), &'static str> {
    let body = Body(optional(input, "body").map_or_else(Vec::new, |body| hex(text(body))));
    let managed = |request| Ok((Port::CMP, request));
    let too_much = |_| "SVC-4: a packet has room for less memory";
    match call {
        "ping_noreply" => Ok((Port::PING, Bytes::from_static(ping::NO_REPLY))),
        _ if call.starts_with("ping") => {
            let size = number(&input["size"]).try_into().unwrap();
            Ok((Port::PING, ping::request(size)))
        }
        "ps" => Ok((Port::PS, Bytes::from_static(ps::REQUEST))),
        "memfree" => Ok((Port::MEMFREE, Bytes::from_static(figure::REQUEST))),
        "buf_free" => Ok((Port::BUF_FREE, Bytes::from_static(figure::REQUEST))),
        "uptime" => Ok((Port::UPTIME, Bytes::from_static(figure::REQUEST))),
        "reboot" => Ok((Port::REBOOT, PowerCommand::Reboot.request())),
        "shutdown" => Ok((Port::REBOOT, PowerCommand::Shutdown.request())),
        "cmp_ident" => managed(ident::request()),
        "cmp_if_stats" => managed(stats::request(body.name(0)?)),
        "cmp_clock" => {
            let (seconds, nanoseconds) = (body.word(0), body.word(4));
            managed(clock::request(Some(Timestamp { seconds, nanoseconds })))
        }
        "cmp_peek" => {
            let peek = Peek::new(body.word(0), body.0[4].into()).map_err(too_much)?;
            managed(peek.request())
        }
        "cmp_poke" => {
            let poke = Poke::new(body.word(0), body.data(4)).map_err(too_much)?;
            managed(poke.request())
        }
        "cmp_peek_v2" => {
            let address = u64::from_be_bytes(body.array(0));
            let peek = Peek::new_64(address, body.0[8].into()).map_err(too_much)?;
            managed(peek.request())
        }
        "cmp_poke_v2" => {
            let address = u64::from_be_bytes(body.array(0));
            let poke = Poke::new_64(address, body.data(8)).map_err(too_much)?;
            managed(poke.request())
        }
        "cmp_route_set_v1" => {
            let route = SetRoute {
                destination: named(body.0[0].into())?,
                netmask: None,
                via: via(body.0[1].into(), 255)?,
                interface: body.name(2)?,
            };
            managed(route.request_v1().unwrap())
        }
        "cmp_route_set_v2" => {
            let netmask = u8::try_from(body.short(4)).ok().and_then(Netmask::new);
            let route = SetRoute {
                destination: named(body.short(0))?,
                via: via(body.short(2), 0xFFFF)?,
                netmask: Some(netmask.ok_or("NET-1: a netmask has no more bits than an address")?),
                interface: body.name(6)?,
            };
            managed(route.request())
        }
        _ => panic!("unknown call: {input}"),
    }
}

fn named(bits: u16) -> Result<Address, &'static str> {
    Address::new(bits).ok_or("HDR-4: what is no address is not asked for")
}

fn via(bits: u16, none: u16) -> Result<Option<Address>, &'static str> {
    (bits != none).then(|| named(bits)).transpose()
}

pub(crate) fn service_client(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let call = text(&input["call"]);
    let expected: Vec<_> = entry["out"]["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(bytes)
        .collect();
    let (port, payload) = match request(call, input) {
        Ok(request) => request,
        Err(rule) => return Outcome::Differs(rule),
    };
    // Every client call of 2.x but a ping with an answer uses CRC32, none of 1.6 (SVC-1).
    let usual = if is_16(entry) { Flags::NONE } else { Flags::CRC32 };
    let is_ping = call.starts_with("ping") && call != "ping_noreply";
    let opts = optional(input, "opts").filter(|_| is_ping);
    let flags = opts.map_or(usual, |opts| {
        flags(text(opts)).unwrap_or_else(|| panic!("opts: {entry}"))
    });
    for expected in expected {
        let theirs = header_of(version(input), &expected);
        let (mut node, _) = one_interface(input, Config::default());
        let config = ConnectConfig::default()
            .flags(flags)
            .local_port(theirs.source_port);
        let connection = node.connect(NOW, address(&input["dst"]), port, config).unwrap();
        node.send(NOW, connection, payload.clone()).unwrap();
        assert_eq!(sent(&mut node, version(input)), [expected], "{entry}");
    }
    Outcome::Agrees
}
