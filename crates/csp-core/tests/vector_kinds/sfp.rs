//! Blobs sent and received by a node.

use core::time::Duration;

use bytes::Bytes;
use csp_core::sfp::{Assembler, FragmentError, Fragments};
use csp_core::{
    Address, Config, ConnectConfig, ConnectionId, DEFAULT_MTU, Flags, Header, InterfaceConfig, InterfaceName,
    Netmask, Node, Port, SocketConfig, Switch,
};
use testkit::vectors::{Value, optional};

use super::{
    NOW, Outcome, bare, buffer_size, bytes, flags, header, is_quirk, key, number, one_interface, sent, text,
    version,
};

const TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) fn sfp_encode(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    let version = version(input);
    // Where the peer refuses, the entry has no addresses.
    let header = if optional(input, "src").is_some() {
        header(input)
    } else {
        let port = Port::new(10).unwrap();
        Header::new((Address::new(1).unwrap(), port), (Address::new(2).unwrap(), port))
    };
    let blob = bytes(&input["data"]);
    // All fragments wait at once, and there is none without a byte.
    let config = Config::default()
        .hmac_key(key(input))
        .checks(Switch::Off)
        .transmit_queue(blob.len() + 1);
    let mut node = Node::new(config, 1);
    let buffer = buffer_size(input).unwrap_or(DEFAULT_MTU);
    let name = InterfaceName::new("A").unwrap();
    let interface = InterfaceConfig::new(name, header.source, Netmask::NONE).version(version);
    node.add_interface(interface.mtu(buffer).default_route()).unwrap();
    let config = ConnectConfig::default()
        .flags(flags(text(&input["opts"])).unwrap())
        .priority(header.priority)
        .local_port(header.source_port);
    let connection = node
        .connect(NOW, header.destination, header.destination_port, config)
        .unwrap();

    let mtu = usize::try_from(number(&input["mtu"])).unwrap();
    let fragments = Fragments::try_new(&blob, mtu, node.max_payload(connection).unwrap());
    if let Some(error) = optional(out, "error") {
        assert_eq!(error, "bad_mtu", "{entry}");
        assert!(matches!(fragments, Err(FragmentError::Mtu { .. })), "{entry}");
        return Outcome::Agrees;
    }
    for fragment in fragments.unwrap() {
        node.send_fragment(NOW, connection, &fragment).unwrap();
    }
    if header.destination == header.source {
        assert!(sent(&mut node, version).is_empty(), "{entry}");
        return Outcome::Differs("ROUTE-12: an own address is local, whatever the link");
    }
    let expected: Vec<_> = out["frames"].as_array().unwrap().iter().map(bytes).collect();
    assert_eq!(sent(&mut node, version), expected, "{entry}");
    // SFP-7: what follows is no fragment.
    node.send(NOW, connection, Bytes::new()).unwrap();
    let header = node.poll_transmit().unwrap().packet.header;
    assert!(!header.flags.contains(Flags::FRAG), "{entry}");
    Outcome::Agrees
}

/// What became of a blob, in the words of the vectors.
#[derive(Debug, PartialEq, Eq)]
enum Blob {
    Data(Vec<u8>),
    Protocol,
    Timeout,
}

pub(crate) fn sfp_decode(entry: &Value) -> Outcome {
    let (input, results) = (&entry["in"], entry["out"]["results"].as_array().unwrap());
    let frames: Vec<_> = input["frames"].as_array().unwrap().iter().map(bytes).collect();
    let (first, _) = Header::decode(version(input), &frames[0]).unwrap();
    let (mut node, interface) = one_interface(input, bare());
    let listener = node
        .listen(
            first.destination_port.into(),
            SocketConfig::default().receive_queue(frames.len()),
        )
        .unwrap();
    for frame in frames {
        node.handle_frame(NOW, interface, frame.into());
    }
    let connection = node.accept(listener).unwrap();
    let blobs = received(&mut node, connection);
    if let Some((last, before)) = results.split_last()
        && is_quirk(entry)
    {
        let (ours, rule) = if optional(last, "error").is_some() {
            (Blob::Data(vec![]), "SFP-4: a blob of no bytes is taken")
        } else {
            (Blob::Timeout, "SFP-7: an incomplete blob is no success")
        };
        let expected: Vec<_> = before.iter().map(blob).chain([ours]).collect();
        assert_eq!(blobs, expected, "{entry}");
        return Outcome::Differs(rule);
    }
    let expected: Vec<_> = results.iter().map(blob).collect();
    assert_eq!(blobs, expected, "{entry}");
    Outcome::Agrees
}

/// What comes of a connection's packets, up to the first failure.
fn received(node: &mut Node, connection: ConnectionId) -> Vec<Blob> {
    // The peers have no limit.
    let mut assembler = Assembler::new(u32::MAX, TIMEOUT);
    let mut blobs = vec![];
    while let Some(message) = node.recv(connection) {
        match assembler.handle_fragment(NOW, message.header.flags, &message.payload) {
            Ok(Some(blob)) => blobs.push(Blob::Data(blob.to_vec())),
            Ok(None) => {}
            Err(_) => {
                blobs.push(Blob::Protocol);
                return blobs;
            }
        }
    }
    if assembler.handle_timeout(NOW + TIMEOUT).is_err() {
        blobs.push(Blob::Timeout);
    }
    blobs
}

fn blob(result: &Value) -> Blob {
    match optional(result, "error").and_then(Value::as_str) {
        None => Blob::Data(bytes(&result["data"])),
        Some("protocol") => Blob::Protocol,
        Some("timeout") => Blob::Timeout,
        Some(other) => panic!("error {other}"),
    }
}
