//! Bytes and decisions of libcsp and csp-py. Folder: `TINWIRE_VECTORS`, or the copy beside this file.
//!
//! Where we differ from a peer on purpose, our own outcome is asserted and the rule printed. No rule looks at
//! an entry's name.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what is wrong by panicking"
)]

mod vector_kinds;

use testkit::vectors::{Tally, Value, entries, files, root};
use vector_kinds::{Outcome, node, peers, rdp, routing, rtable, services, sfp, watch, wire};

/// The files of this crate begin with one of these; others belong to the crates that carry CSP.
const OWN_FILES: [&str; 10] = [
    "header", "crypto", "packet", "sfp", "services", "rdp", "routing", "rtable", "node", "csppy",
];

#[test]
fn every_vector_that_has_a_feature_agrees() {
    let folder = root(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors")).join("csp");
    for (name, file) in files(folder) {
        if !OWN_FILES.iter().any(|own| name.starts_with(own)) {
            continue;
        }
        let own: Vec<&Value> = entries(&file)
            .iter()
            .filter(|entry| !kind(entry).starts_with("cfp_"))
            .collect();
        let mut tally = Tally::new(name.clone(), own.len());
        for entry in own {
            match run(entry) {
                Outcome::Agrees => tally.checked(),
                Outcome::Differs(rule) => {
                    tally.checked();
                    tally.remark(format!("differs by rule: {rule}"));
                }
                Outcome::NotBuilt(what) => tally.remark(format!("not built: {} ({what})", kind(entry))),
            }
        }
    }
}

fn kind(entry: &Value) -> &str {
    entry["kind"].as_str().unwrap()
}

fn run(entry: &Value) -> Outcome {
    match kind(entry) {
        "header_encode" => wire::header_encode(entry),
        "header_decode" => wire::header_decode(entry),
        "serialize" => wire::serialize(entry),
        "deserialize" => wire::deserialize(entry),
        "crc32" => wire::crc32(entry),
        "hmac" => wire::hmac(entry),
        "xtea_ctr" => wire::xtea_ctr(entry),
        "sfp_encode" => sfp::sfp_encode(entry),
        "sfp_decode" => sfp::sfp_decode(entry),
        "packet_encode" => wire::packet_encode(entry),
        "packet_accept" => node::packet_accept(entry),
        "service" => services::service(entry),
        "service_client" => services::service_client(entry),
        "bind" => node::bind(entry),
        "bind_any" => node::bind_any(entry),
        "server_demux" => node::server_demux(entry),
        "client_match" => node::client_match(entry),
        "connect_opts" => node::connect_opts(entry),
        "sendto_reply" => node::sendto_reply(entry),
        "loopback" => node::loopback(entry),
        "rdp_transcript" => rdp::rdp_transcript(entry),
        "rdp_script" => rdp::rdp_script(entry),
        "routing" => routing::routing(entry),
        "dedup" => watch::dedup(entry),
        "promisc" => watch::promisc(entry),
        "bridge" => watch::bridge(entry),
        "routing_v16" => routing::routing_v16(entry),
        "rtable_parse" => rtable::parse(entry),
        "rtable_lookup" => rtable::lookup(entry),
        "client_ports" => peers::client_ports(entry),
        "cspy_client" => peers::cspy_client(entry),
        "cspy_node" => peers::cspy_node(entry),
        _ => panic!("unknown kind of vector: {entry}"),
    }
}
