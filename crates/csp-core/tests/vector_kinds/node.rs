//! What a node does with packets, ports and services.

use bytes::Bytes;
use csp_core::{
    Address, BindError, Binding, ConnectConfig, Flags, Header, InterfaceId, Need, Needs, Node, Packet, Port,
    Priority, ReplyMatch, SocketConfig, Subnet, Switch, Version, crc,
};
use testkit::vectors::{Value, optional};

use super::{
    NOW, Outcome, address, bare, byte, bytes, flags, header, is_16, number, one_interface, port, sent, text,
    version, xtea_flag,
};

pub(crate) fn subnet(node: &Node, interface: InterfaceId) -> Subnet {
    node.interfaces().find(|(id, ..)| *id == interface).unwrap().2
}

/// `none`, or any of `crcreq`, `hmacreq`, `rdpreq`, `xteareq` joined by underscores.
fn needs(opts: &str) -> Needs {
    opts.split('_').fold(Needs::default(), |needs, word| match word {
        "none" => needs,
        "crcreq" => needs.crc32(Need::Required),
        "hmacreq" => needs.hmac(Need::Required),
        "rdpreq" => needs.rdp(Need::Required),
        "xteareq" => needs.xtea(Need::Required),
        other => panic!("socket option {other}"),
    })
}

/// What 1.6 alone does, and what we do then: deliver (`true`) or not.
fn differs_from_16(
    input: &Value,
    header: &Header,
    frame: &[u8],
    subnet: Subnet,
) -> Option<(bool, &'static str)> {
    let (head, payload) = frame.split_at_checked(4)?;
    let crc = header.flags.contains(Flags::CRC32);
    if text(&input["socket_opts"]).contains("crcreq") && !crc {
        return Some((false, "SEC-7: a required CRC32 is required"));
    }
    if crc && crc::verify(&[], payload).is_err() && crc::verify(head, payload).is_ok() {
        return Some((true, "SEC-3: a CRC32 over header and payload passes"));
    }
    if header.destination == Address::LOOPBACK {
        return Some((true, "6.7: address 0 from outside is local"));
    }
    let broadcast = subnet.is_broadcast(header.destination) && header.destination != Version::V1.broadcast();
    broadcast.then_some((true, "NET-2: an interface has a subnet broadcast"))
}

pub(crate) fn packet_accept(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    let config = bare().xtea_flag(xtea_flag(entry));
    let (mut node, interface) = one_interface(input, config);
    let config = SocketConfig::default().needs(needs(text(&input["socket_opts"])));
    let socket = node.bind(port(&input["port"]).into(), config).unwrap();
    let frame = bytes(&input["frame"]);
    node.handle_frame(NOW, interface, frame.clone().into());
    let delivered = node.recv_from(socket).map(|message| message.payload.to_vec());
    let expected = out["delivered"].as_str().map(|_| bytes(&out["delivered"]));

    let decoded = Header::decode(version(input), &frame).ok();
    if let Some((header, _)) = decoded.filter(|_| is_16(entry))
        && let Some((ours, rule)) = differs_from_16(input, &header, &frame, subnet(&node, interface))
    {
        assert_eq!(delivered.is_some(), ours, "{rule}: {entry}");
        return if expected.is_some() == ours {
            Outcome::Agrees
        } else {
            Outcome::Differs(rule)
        };
    }
    assert_eq!(delivered, expected, "{entry}");
    let stats = *node.interface_stats(interface).unwrap();
    // `drop` is left out: we count there what the peers drop in silence (BET-1).
    for (name, count) in [
        ("frame", stats.frame),
        ("rx_error", stats.rx_error),
        ("autherr", stats.autherr),
    ] {
        let expected = optional(&out["counters"], name).map_or(0, number);
        assert_eq!(count, expected, "{name}: {entry}");
    }
    Outcome::Agrees
}

/// The same frame with another source.
pub(crate) fn from_own(version: Version, frame: Vec<u8>, source: Address) -> Vec<u8> {
    let mut packet = Packet::decode(version, frame.into()).unwrap();
    packet.header.source = source;
    packet.encode(version).unwrap().to_vec()
}

/// 255 is any port; `None`: no port at all.
fn binding(value: &Value) -> Option<Binding> {
    match value.as_u64() {
        Some(255) => Some(Binding::Any),
        None if value == "any" => Some(Binding::Any),
        Some(bits) => u8::try_from(bits).ok().and_then(Port::new).map(Binding::from),
        None => None,
    }
}

pub(crate) fn bind(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let (mut node, _) = one_interface(input, bare().port_max_bind(port(&input["port_max_bind"])));
    for result in entry["out"]["results"].as_array().unwrap() {
        let bound = binding(&result["port"]).map(|binding| node.bind(binding, SocketConfig::default()));
        let number = match bound {
            Some(Ok(_)) => 0,
            None | Some(Err(BindError::TooHigh { .. })) => -2,
            Some(Err(BindError::InUse { .. })) => -4,
            Some(Err(error)) => panic!("{error}: {entry}"),
        };
        assert_eq!(Some(number), result["result"].as_i64(), "{result}: {entry}");
    }
    Outcome::Agrees
}

pub(crate) fn bind_any(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let config = bare().port_max_bind(port(&input["port_max_bind"]));
    let (mut node, interface) = one_interface(input, config);
    let bound = input["bound"].as_array().unwrap().iter();
    let bound = bound.map(|port| binding(port).unwrap_or_else(|| panic!("port {port}: {entry}")));
    let sockets: Vec<_> = bound
        .map(|binding| (binding, node.bind(binding, SocketConfig::default()).unwrap()))
        .collect();
    for result in entry["out"]["results"].as_array().unwrap() {
        let source = (Address::new(12).unwrap(), Port::new(33).unwrap());
        let own = Address::new(9).unwrap();
        let header = Header::new(source, (own, port(&result["dport"])));
        node.handle_packet(NOW, interface, Packet::new(header, Bytes::new()));
        let taken = sockets
            .iter()
            .find(|(_, socket)| node.recv_from(*socket).is_some());
        let by = taken.map(|(binding, _)| {
            if *binding == Binding::Any {
                "any"
            } else {
                "explicit"
            }
        });
        assert_eq!(by, result["delivered_to"].as_str(), "{result}: {entry}");
    }
    Outcome::Agrees
}

pub(crate) fn server_demux(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let (mut node, interface) = one_interface(input, bare());
    let listener = node
        .listen(port(&input["port"]).into(), SocketConfig::default())
        .unwrap();
    let expected = entry["out"]["connections"].as_array().unwrap();
    // The packets' priorities are told by the replies alone, if at all: each reply has that of its
    // connection's first packet.
    let replies: Vec<_> = expected
        .iter()
        .map(|connection| bytes(&connection["reply_frame"]))
        .collect();
    for packet in input["packets"].as_array().unwrap() {
        let source = (address(&packet["src"]), port(&packet["sport"]));
        let mut header = Header::new(source, (address(&input["my_addr"]), port(&input["port"])));
        let reply = replies
            .iter()
            .map(|frame| Header::decode(version(input), frame).unwrap().0);
        let mut same = reply.filter(|reply| (reply.destination, reply.destination_port) == source);
        header.priority = same.next().map_or(Priority::Norm, |reply| reply.priority);
        let payload = Bytes::copy_from_slice(text(&packet["payload"]).as_bytes());
        node.handle_packet(NOW, interface, Packet::new(header, payload));
    }
    for (connection, reply) in expected.iter().zip(replies) {
        let accepted = node
            .accept(listener)
            .unwrap_or_else(|| panic!("{connection}: {entry}"));
        let peers = node.peers(accepted).unwrap();
        let remote = [peers.remote.to_bits(), peers.remote_port.to_bits().into()];
        assert_eq!(Value::from(&remote[..]), connection["remote"], "{entry}");
        assert_eq!(peers.local_port, port(&connection["local_port"]), "{entry}");
        for message in connection["messages"].as_array().unwrap() {
            assert_eq!(node.recv(accepted).unwrap().payload, text(message), "{entry}");
        }
        let (_, payload) = Header::decode(version(input), &reply).unwrap();
        node.send(NOW, accepted, Bytes::copy_from_slice(payload)).unwrap();
        assert_eq!(sent(&mut node, version(input)), [reply], "{entry}");
    }
    assert_eq!(node.accept(listener), None, "{entry}");
    Outcome::Agrees
}

pub(crate) fn client_match(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let remote = input["remote"].as_array().unwrap();
    let local = Port::new(40).unwrap();
    let accepts = |reply_match, result: &Value| {
        let (mut node, interface) = one_interface(input, bare().reply_match(reply_match));
        let config = ConnectConfig::default().local_port(local);
        let client = node
            .connect(NOW, address(&remote[0]), port(&remote[1]), config)
            .unwrap();
        let source = (address(&result["src"]), port(&result["sport"]));
        let header = Header::new(source, (Address::new(9).unwrap(), local));
        node.handle_packet(NOW, interface, Packet::new(header, Bytes::new()));
        node.recv(client).is_some()
    };
    for result in entry["out"]["results"].as_array().unwrap() {
        let expected = result["accepted"].as_bool().unwrap();
        assert_eq!(
            accepts(ReplyMatch::PortOnly, result),
            expected,
            "{result}: {entry}"
        );
        let from_anybody = address(&remote[0]) == version(input).broadcast();
        let from_remote = from_anybody || result["src"] == remote[0];
        assert_eq!(
            accepts(ReplyMatch::Strict, result),
            from_remote && result["sport"] == remote[1],
            "{result}: {entry}"
        );
    }
    Outcome::Differs("section 16: strict matching unless ports alone are asked for, which agrees")
}

pub(crate) fn connect_opts(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let opts = number(&input["opts"]);
    // As options over a node that has none, and off over a node that has all: the same packets.
    for node_flags in [Flags::NONE, Flags::HMAC | Flags::CRC32] {
        connect_opts_over(entry, opts, node_flags);
    }
    Outcome::Agrees
}

fn connect_opts_over(entry: &Value, opts: u64, node_flags: Flags) {
    let input = &entry["in"];
    // The numbers of section 8; "no CRC" wins over "CRC", and no other prohibition over its use.
    let used = |on: u64, off: u64| match opts & on != 0 && opts & off == 0 {
        true => Switch::On,
        false => Switch::Off,
    };
    let (mut node, _) = one_interface(input, bare().flags(node_flags));
    let expected = bytes(&entry["out"]["frame"]);
    let (theirs, _) = Header::decode(version(input), &expected).unwrap();
    let config = ConnectConfig::default()
        .hmac(used(0x04, 0))
        .crc32(used(0x40, 0x80))
        .priority(theirs.priority)
        .local_port(theirs.source_port);
    let connection = node
        .connect(NOW, address(&input["dst"]), port(&input["dport"]), config)
        .unwrap();
    node.send(NOW, connection, bytes(&input["payload"]).into())
        .unwrap();
    assert_eq!(sent(&mut node, version(input)), [expected], "{entry}");
}

pub(crate) fn sendto_reply(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let version = version(input);
    let request = bytes(&input["request"]);
    let (header, _) = Header::decode(version, &request).unwrap();
    let (mut node, interface) = one_interface(input, bare());
    let socket = node
        .bind(header.destination_port.into(), SocketConfig::default())
        .unwrap();
    node.handle_frame(NOW, interface, request.into());
    let message = node.recv_from(socket).unwrap();
    let flags = match text(&input["opts"]) {
        "same" => None,
        opts => Some(flags(opts).unwrap_or_else(|| panic!("opts: {entry}"))),
    };
    node.reply(NOW, &message, flags, bytes(&input["payload"]).into())
        .unwrap();
    let (replies, expected) = (sent(&mut node, version), bytes(&entry["out"]["frame"]));
    let subnet = subnet(&node, interface);
    if subnet.is_broadcast(header.destination) && header.destination != version.broadcast() {
        assert_eq!(
            replies,
            [from_own(version, expected, subnet.address())],
            "{entry}"
        );
        return Outcome::Differs("CONN-7: a subnet broadcast is answered from the interface's address");
    }
    assert_eq!(replies, [expected], "{entry}");
    Outcome::Agrees
}

pub(crate) fn loopback(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    let version = version(input);
    let frame = optional(out, "sent_frames").map(|frames| bytes(&frames[0]));
    let (theirs, payload) = match &frame {
        Some(frame) => Header::decode(version, frame)
            .map(|(header, payload)| (header, payload.to_vec()))
            .unwrap(),
        None => (header(&out["id"]), bytes(&out["delivered"])),
    };
    // An own address of which the entry does not tell is the source of what was sent there.
    let mut input = input.clone();
    if frame.is_some() && optional(&input, "my_addr").is_none() {
        input["my_addr"] = theirs.source.to_bits().into();
    }
    let (mut node, _) = one_interface(&input, bare());
    let socket = node
        .bind(theirs.destination_port.into(), SocketConfig::default())
        .unwrap();
    let config = ConnectConfig::default()
        .flags(flags(text(&input["opts"])).unwrap())
        .priority(Priority::new(theirs.priority.to_bits()).unwrap())
        .local_port(Port::new(byte(&Value::from(theirs.source_port.to_bits()))).unwrap());
    let client = node
        .connect(NOW, address(&input["dst"]), theirs.destination_port, config)
        .unwrap();
    node.send(NOW, client, payload.clone().into()).unwrap();
    let message = node.recv_from(socket).unwrap();
    assert_eq!(
        (message.header, message.payload),
        (theirs, payload.into()),
        "{entry}"
    );
    assert!(sent(&mut node, version).is_empty(), "{entry}");
    match frame {
        Some(_) => Outcome::Differs("ROUTE-12: an own address is local, whatever the link"),
        None => Outcome::Agrees,
    }
}
