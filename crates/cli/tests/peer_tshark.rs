//! tshark on packets that `dnstap convert` made: what it dissects is what the messages say.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests"
)]

#[path = "cli/place.rs"]
mod place;
mod servers;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use place::{Place, finish};
use serde_json::Value;
use servers::debian_version;
use testkit::compat::{Direction, Outcome, Report};

const FIELDS: [&str; 16] = [
    "frame.time_epoch",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "udp.srcport",
    "udp.dstport",
    "ip.checksum.status",
    "udp.checksum.status",
    "dns.id",
    "dns.flags.response",
    "dns.flags.rcode",
    "dns.qry.name",
    "dns.qry.type",
    "_ws.malformed",
    "frame.protocols",
];
/// A checksum that tshark has found right.
const GOOD: &str = "1";

/// What tshark says of a packet, by field.
struct Packet(Vec<String>);

impl Packet {
    fn field(&self, name: &str) -> &str {
        let at = FIELDS.iter().position(|field| *field == name).unwrap();
        &self.0[at]
    }

    fn addresses(&self) -> [&str; 2] {
        [["ip.src", "ip.dst"], ["ipv6.src", "ipv6.dst"]]
            .map(|fields| fields.map(|field| self.field(field)))
            .into_iter()
            .find(|[source, _]| !source.is_empty())
            .unwrap()
    }
}

fn tshark(path: &Path) -> Vec<Packet> {
    let mut command = Command::new("tshark");
    command
        .args([
            "-n",
            "-o",
            "ip.check_checksum:TRUE",
            "-o",
            "udp.check_checksum:TRUE",
        ])
        .args(["-T", "fields", "-E", "separator=/t", "-E", "occurrence=f"])
        .args(FIELDS.iter().flat_map(|field| ["-e", field]))
        .arg("-r")
        .arg(path)
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ran = finish(command.spawn().unwrap()).status(0);
    let packets = ran.stdout.lines().map(|line| {
        let fields: Vec<_> = line.split('\t').map(str::to_owned).collect();
        assert_eq!(fields.len(), FIELDS.len(), "{line}");
        Packet(fields)
    });
    packets.collect()
}

/// The numbers of names in JSON, as tshark tells them.
fn record_number(name: &str) -> &str {
    match name {
        "A" => "1",
        "NS" => "2",
        "SOA" => "6",
        "PTR" => "12",
        "MX" => "15",
        "TXT" => "16",
        "AAAA" => "28",
        "SRV" => "33",
        "DS" => "43",
        "DNSKEY" => "48",
        "HTTPS" => "65",
        "ANY" => "255",
        other => panic!("a record {other}"),
    }
}

fn rcode_number(name: &str) -> &str {
    match name {
        "NOERROR" => "0",
        "FORMERR" => "1",
        "SERVFAIL" => "2",
        "NXDOMAIN" => "3",
        "NOTIMP" => "4",
        "REFUSED" => "5",
        other => panic!("an rcode {other}"),
    }
}

/// RFC 3339 in UTC as seconds of the epoch with nine decimals, of this century.
fn seconds(time: &str) -> String {
    let mut numbers = time.trim_end_matches('Z').split(['-', 'T', ':', '.']);
    let mut next = || numbers.next().map_or(0, |number| number.parse::<i64>().unwrap());
    let (year, month, day, hour, minute, second) = (next(), next(), next(), next(), next(), next());
    let fraction = time
        .trim_end_matches('Z')
        .split_once('.')
        .map_or("", |(_, fraction)| fraction);
    // The year begins in March, so that the leap day is its last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469;
    let all = ((days * 24 + hour) * 60 + minute) * 60 + second;
    format!("{all}.{fraction:0<9}")
}

/// One DNS message of a dnstap message, and the packet that came of it.
#[track_caller]
fn check(message: &Value, packet: &Packet) {
    let kind = message["kind"].as_str().unwrap();
    let is_response = kind.ends_with('R');
    let name = if is_response { "response" } else { "query" };
    let dns = &message[&*format!("{name}_dns")];
    assert_eq!(packet.field("udp.checksum.status"), GOOD, "{message}");
    let [source, destination] = packet.addresses();
    if !source.contains(':') {
        assert_eq!(packet.field("ip.checksum.status"), GOOD, "{message}");
    }
    let [asks, answers] = if is_response {
        [destination, source]
    } else {
        [source, destination]
    };
    for (told, address) in [("query_address", asks), ("response_address", answers)] {
        if let Some(told) = message[told].as_str() {
            assert_eq!(address, told, "{message}");
        }
    }
    let ports = ["udp.srcport", "udp.dstport"].map(|field| packet.field(field));
    let [client, server] = if is_response { [ports[1], ports[0]] } else { ports };
    assert_eq!(server, "53", "{message}");
    if let Some(port) = message["query_port"].as_u64() {
        assert_eq!(client, port.to_string(), "{message}");
    }
    let time = message[&*format!("{name}_time")].as_str().unwrap();
    assert_eq!(packet.field("frame.time_epoch"), seconds(time), "{message}");
    assert!(packet.field("frame.protocols").ends_with(":udp:dns"), "{message}");
    assert_eq!(packet.field("_ws.malformed"), "", "{message}");
    let id = dns["id"].as_u64().unwrap();
    assert_eq!(packet.field("dns.id"), format!("0x{id:04x}"));
    assert_eq!(
        packet.field("dns.flags.response"),
        if is_response { "1" } else { "0" }
    );
    if is_response {
        let rcode = rcode_number(dns["rcode"].as_str().unwrap());
        assert_eq!(packet.field("dns.flags.rcode"), rcode, "{message}");
    }
    let question = &dns["question"][0];
    if !question.is_null() {
        let name = question["name"].as_str().unwrap();
        let shown = if name == "." {
            "<Root>"
        } else {
            name.trim_end_matches('.')
        };
        assert_eq!(packet.field("dns.qry.name"), shown, "{message}");
        let number = record_number(question["type"].as_str().unwrap());
        assert_eq!(packet.field("dns.qry.type"), number, "{message}");
    }
}

/// Converts a file, and compares each packet with its message; how many there are.
#[track_caller]
fn check_file(place: &Place, file: &str) -> usize {
    let packets = format!("{file}.pcapng");
    place.run(&["dnstap", "convert", file, &packets]).status(0);
    let packets = tshark(&place.path().join(packets));
    let ran = place.run(&["dnstap", "cat", "--json", file]).status(0);
    let messages = ran.json();
    assert_eq!(packets.len(), messages.len(), "{file}");
    for (message, packet) in messages.iter().zip(&packets) {
        check(&message["message"], packet);
    }
    packets.len()
}

fn report() -> Report {
    Report {
        peer: "tshark".into(),
        version: debian_version("tshark"),
        over: "file".into(),
    }
}

#[test]
#[ignore = "needs tshark: cargo xtask setup"]
fn tshark_shows_the_captures_of_servers_as_dns() {
    let place = Place::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dnstap-codec/tests/vectors/fstrm/dnstap");
    let mut packets = 0;
    for name in [
        "dnsdist",
        "named",
        "named_file",
        "unbound",
        "unbound_tls",
        "unbound_uni",
    ] {
        let file = format!("{name}.fstrm");
        place.write(&file, fs::read(folder.join(&file)).unwrap());
        packets += check_file(&place, &file);
    }
    let remark = format!("{packets} packets: times, addresses, ports, checksums, questions, rcodes");
    report().row(
        Direction::ToPeer,
        "pcapng: captures of servers",
        Outcome::Works,
        &remark,
    );
}

#[test]
#[ignore = "needs tshark: cargo xtask setup"]
fn tshark_shows_made_up_traffic_as_dns() {
    let place = Place::new();
    let words = ["dnstap", "gen", "-n", "5000", "--seed", "5", "made.fstrm"];
    place.run(&words).status(0);
    assert_eq!(check_file(&place, "made.fstrm"), 5_000);
    report().row(
        Direction::ToPeer,
        "pcapng: traffic that we made up",
        Outcome::Works,
        "5,000 packets: times, addresses, ports, checksums, questions, rcodes",
    );
}

#[test]
#[ignore = "needs tshark: cargo xtask setup"]
fn tshark_calls_malformed_what_is_malformed_and_goes_on() {
    let place = Place::new();
    let whole = "000a0100000100000000000003777777076578616d706c650000010001";
    let cut = &whole[..40];
    let line = |dns: &str| {
        format!(
            "{{\"v\":1,\"type\":\"MESSAGE\",\"message\":{{\"type\":\"CLIENT_QUERY\",\
             \"socket_family\":\"INET\",\"socket_protocol\":\"UDP\",\
             \"query_address\":\"192.0.2.9\",\"query_port\":4000,\
             \"query_time\":\"2026-01-01T00:00:00Z\",\"query_message_hex\":\"{dns}\"}}}}\n"
        )
    };
    place.write("x.jsonl", [line(whole), line(cut), line(whole)].concat());
    place.run(&["dnstap", "convert", "x.jsonl", "x.fstrm"]).status(0);
    place.run(&["dnstap", "convert", "x.fstrm", "x.pcapng"]).status(0);
    let packets = tshark(&place.path().join("x.pcapng"));
    let malformed: Vec<_> = packets
        .iter()
        .map(|packet| !packet.field("_ws.malformed").is_empty())
        .collect();
    assert_eq!(malformed, [false, true, false]);
    for packet in &packets {
        assert_eq!(packet.addresses(), ["192.0.2.9", "192.0.2.53"]);
        assert_eq!(packet.field("udp.checksum.status"), GOOD);
    }
    report().row(
        Direction::ToPeer,
        "pcapng: a malformed DNS message",
        Outcome::Works,
        "told as such; the packets before and after it are well",
    );
}
