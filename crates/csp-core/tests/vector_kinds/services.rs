//! What the services answer, and what their clients ask.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use csp_core::hmac::Key;
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
use testkit::vectors::{Value, hex};

use super::node::{from_own, subnet};
use super::{NOW, Outcome, address, byte, bytes, flags, is_16, number, one_interface, sent, text, version};

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
        // Of the peer's 15 one holds the request.
        Some(14)
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

/// What an entry says of the machine; texts that it does not say are told by the replies.
fn machine(entry: &Value, packets: &[Vec<u8>]) -> Machine {
    let input = &entry["in"];
    let told = || {
        let payloads = packets.iter().map(|frame| payload(version(input), frame));
        String::from_utf8(payloads.collect::<Vec<_>>().concat()).unwrap()
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
        None if packets
            .first()
            .is_some_and(|frame| reply_from(version(input), frame) == Port::PS) =>
        {
            told()
        }
        None => "something".to_owned(),
    };
    Machine {
        record: Arc::default(),
        text,
        memory_free: u32_of(&input["memfree"]),
        uptime: u32_of(&input["uptime_ms"]) / 1000,
        clock,
    }
}

fn reply_from(version: Version, frame: &[u8]) -> Port {
    Header::decode(version, frame).unwrap().0.source_port
}

/// The payload of a frame without its CRC32, if it has one.
fn payload(version: Version, frame: &[u8]) -> Vec<u8> {
    let (header, payload) = Header::decode(version, frame).unwrap();
    let crc = if header.flags.contains(Flags::CRC32) { 4 } else { 0 };
    payload[..payload.len() - crc].to_vec()
}

/// What was `payload`, under the same header and with its trailers made anew.
fn with_payload(version: Version, frame: &[u8], payload: Vec<u8>) -> Vec<u8> {
    let (header, _) = Header::decode(version, frame).unwrap();
    assert!(!header.flags.contains(Flags::HMAC), "the key would be needed");
    let key = Key::default();
    let sealed = Protection::new(version, &key).seal(header.flags, payload.into(), 0);
    Packet::new(header, sealed.unwrap())
        .encode(version)
        .unwrap()
        .to_vec()
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

/// The routes as the peers save them.
fn routes(node: &Node) -> String {
    let saved = node.routes().iter().map(|route| {
        let (_, name, subnet, _) = node.interfaces().find(|(id, ..)| *id == route.interface).unwrap();
        let netmask = route.subnet.netmask();
        let mask = match netmask {
            all if all == Netmask::host(subnet.version()) => String::new(),
            some => format!("/{some}"),
        };
        let via = route.via.map_or_else(String::new, |via| format!(" {via}"));
        format!("{}{mask} {name}{via}", route.subnet.address())
    });
    saved.collect::<Vec<_>>().join(",")
}

pub(crate) fn service(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    let version = version(input);
    let request = bytes(&input["request"]);
    let (header, body) = Header::decode(version, &request).unwrap();
    let (port, body) = (header.destination_port, body.to_vec());
    let mut expected: Vec<_> = out["replies"].as_array().unwrap().iter().map(bytes).collect();
    let machine = machine(entry, &expected);
    let record = Arc::clone(&machine.record);
    let (mut node, interface) = node(entry, machine);
    let subnet = subnet(&node, interface);
    node.handle_frame(NOW, interface, request.clone().into());
    let mut replies = sent(&mut node, version);
    let mut differs = None;

    if input.get("stats_preset").is_some() && port == Port::CMP && body.get(1) == Some(&3) {
        for reply in &mut replies {
            let counters = preset(Counters::decode(&payload(version, reply)).unwrap());
            let told = counters.reply(&body).unwrap();
            *reply = with_payload(version, reply, told.to_vec());
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
    let crc = if header.flags.contains(Flags::CRC32) { 4 } else { 0 };
    if port == Port::CMP && body.get(1) == Some(&7) && body.len() - crc == 19 {
        for frame in &mut expected {
            let mut padded = payload(version, frame);
            *padded.last_mut().unwrap() = 0;
            *frame = with_payload(version, frame, padded);
        }
        differs = Some("SVC-4: the padding of a reply is zero, not what lay there");
    }
    assert_eq!(replies, expected, "{entry}");

    let record = record.lock().unwrap();
    for (name, count) in [("reboots", record.reboots), ("shutdowns", record.shutdowns)] {
        if let Some(told) = out.get(name) {
            assert_eq!(number(told), count, "{name}: {entry}");
        }
    }
    if let Some(told) = out.get("routes_after") {
        assert_eq!(routes(&node), text(told), "{entry}");
    }
    if let Some(told) = out.get("memory_after") {
        let (at, written) = record.poked.as_ref().unwrap();
        let told = bytes(told);
        let kept = (*at..).map(memory).skip(written.len());
        let after: Vec<_> = written.iter().copied().chain(kept).take(told.len()).collect();
        assert_eq!(after, told, "{entry}");
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

    fn name(&self, at: usize) -> InterfaceName {
        let field = self.array::<11>(at);
        let name = field.split(|byte| *byte == 0).next().unwrap();
        InterfaceName::new(str::from_utf8(name).unwrap()).unwrap()
    }

    fn data(&self, at: usize) -> Bytes {
        Bytes::copy_from_slice(&self.0[at + 1..][..usize::from(self.0[at])])
    }
}

/// The request that our client makes for the peer's call.
fn request(call: &str, input: &Value) -> Option<(Port, Bytes)> {
    let body = Body(input.get("body").map_or_else(Vec::new, |body| hex(text(body))));
    let via = |value: u16, none| (value != none).then(|| Address::new(value).unwrap());
    let managed = |request| Some((Port::CMP, request));
    match call {
        "ping_noreply" => Some((Port::PING, Bytes::from_static(ping::NO_REPLY))),
        _ if call.starts_with("ping") => Some((
            Port::PING,
            ping::request(number(&input["size"]).try_into().unwrap()),
        )),
        "ps" => Some((Port::PS, Bytes::from_static(ps::REQUEST))),
        "memfree" => Some((Port::MEMFREE, Bytes::from_static(figure::REQUEST))),
        "buf_free" => Some((Port::BUF_FREE, Bytes::from_static(figure::REQUEST))),
        "uptime" => Some((Port::UPTIME, Bytes::from_static(figure::REQUEST))),
        "reboot" => Some((Port::REBOOT, PowerCommand::Reboot.request())),
        "shutdown" => Some((Port::REBOOT, PowerCommand::Shutdown.request())),
        "cmp_ident" => managed(ident::request()),
        "cmp_if_stats" => managed(stats::request(body.name(0))),
        "cmp_clock" => {
            let (seconds, nanoseconds) = (body.word(0), body.word(4));
            managed(clock::request(Some(Timestamp { seconds, nanoseconds })))
        }
        "cmp_peek" => managed(Peek::new(body.word(0), body.0[4].into()).unwrap().request()),
        "cmp_poke" => managed(Poke::new(body.word(0), body.data(4)).unwrap().request()),
        "cmp_peek_v2" => {
            let address = u64::from_be_bytes(body.array(0));
            managed(Peek::new_64(address, body.0[8].into()).unwrap().request())
        }
        "cmp_poke_v2" => {
            let address = u64::from_be_bytes(body.array(0));
            managed(Poke::new_64(address, body.data(8)).unwrap().request())
        }
        "cmp_route_set_v1" => {
            let route = SetRoute {
                destination: Address::new(body.0[0].into()).unwrap(),
                netmask: None,
                via: via(body.0[1].into(), 255),
                interface: body.name(2),
            };
            managed(route.request_v1().unwrap())
        }
        "cmp_route_set_v2" => {
            let route = SetRoute {
                destination: Address::new(body.short(0)).unwrap(),
                via: via(body.short(2), 0xFFFF),
                netmask: Netmask::new(byte(&Value::from(body.short(4)))),
                interface: body.name(6),
            };
            managed(route.request())
        }
        _ => None,
    }
}

pub(crate) fn service_client(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let call = text(&input["call"]);
    let [expected] = &entry["out"]["requests"].as_array().unwrap()[..] else {
        panic!("{entry}")
    };
    let expected = bytes(expected);
    let (theirs, _) = Header::decode(version(input), &expected).unwrap();
    let (port, payload) = request(call, input).unwrap_or_else(|| panic!("unknown call: {entry}"));
    let flags = match call {
        "ping_noreply" => None,
        _ if call.starts_with("ping") => Some(flags(text(&input["opts"])).unwrap()),
        _ => None,
    };
    // Every other client call of 2.x uses CRC32, none of 1.6 (SVC-1).
    let usual = if is_16(entry) { Flags::NONE } else { Flags::CRC32 };
    let flags = flags.unwrap_or(usual);
    let (mut node, _) = one_interface(input, Config::default());
    let config = ConnectConfig::default()
        .flags(flags)
        .local_port(theirs.source_port);
    let connection = node.connect(NOW, address(&input["dst"]), port, config).unwrap();
    node.send(NOW, connection, payload).unwrap();
    assert_eq!(sent(&mut node, version(input)), [expected], "{entry}");
    Outcome::Agrees
}
