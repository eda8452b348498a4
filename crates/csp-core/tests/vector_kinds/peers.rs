//! What documents other implementations: the ports that their clients pick, and csp-py's router.

use bytes::Bytes;
use csp_core::service::{Service, Services};
use csp_core::{
    Address, Config, ConnectConfig, ConnectError, Flags, Header, InterfaceConfig, InterfaceName, Needs,
    Netmask, Node, Packet, Port, SocketConfig, Switch, Version, crc,
};
use testkit::vectors::{Value, optional};

use super::{NOW, Outcome, address, byte, bytes, header, number, one_interface, port, sent, text};

/// The numbers in a text, up to the first bracket.
fn numbers(script: &str) -> Vec<usize> {
    let script = script.split('(').next().unwrap();
    let words = script.split(|letter: char| !letter.is_ascii_digit());
    words.filter_map(|word| word.parse().ok()).collect()
}

pub(crate) fn client_ports(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let script = numbers(text(&input["script"]));
    let (connects, closed) = script.split_first().unwrap();
    let theirs = entry["out"]["local_ports"].as_array().unwrap();
    assert_eq!(theirs.len(), *connects, "{entry}");
    let max_bind = port(&input["port_max_bind"]);
    let room = usize::from(byte(&input["conn_max"]));
    let config = Config::default().port_max_bind(max_bind).max_connections(room);
    let (mut node, _) = one_interface(input, config);
    let (remote, remote_port) = (Address::new(12).unwrap(), Port::new(10).unwrap());
    let mut open = vec![];
    for connect in 1..=*connects {
        let client = node.connect(NOW, remote, remote_port, ConnectConfig::default());
        let client = match client {
            Err(_) if open.len() == room => continue,
            client => client.unwrap_or_else(|error| panic!("{error}: {entry}")),
        };
        let own = node.peers(client).unwrap().local_port;
        assert!(
            own > max_bind && !open.contains(&own),
            "port {own} of {open:?}: {entry}"
        );
        if closed.contains(&connect) {
            node.close(NOW, client);
        } else {
            open.push(own);
        }
    }
    let full = node.connect(NOW, remote, remote_port, ConnectConfig::default());
    let refused = ConnectError::TooManyConnections { max: room };
    assert_eq!(full.err(), (open.len() == room).then_some(refused), "{entry}");
    Outcome::Differs("BET-3, CONN-4: ephemeral ports are random ones above the highest that can be bound")
}

pub(crate) fn cspy_client(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    // csp-py's ephemeral ports are 32 to 63.
    let config = Config::default().port_max_bind(Port::new(31).unwrap());
    let (remote, remote_port) = (Address::new(12).unwrap(), Port::new(10).unwrap());
    if let Some(open) = optional(out, "total_open") {
        let mut node = Node::new(config, 1);
        let connects =
            core::iter::from_fn(|| Some(node.connect(NOW, remote, remote_port, ConnectConfig::default())));
        let opened = connects.take_while(Result::is_ok).count();
        assert_eq!(u64::try_from(opened).unwrap(), number(open), "{entry}");
        let refused = node.connect(NOW, remote, remote_port, ConnectConfig::default());
        assert_eq!(refused, Err(ConnectError::NoFreePort), "{entry}");
        return Outcome::Agrees;
    }
    let flags = match input["default_flags"].as_str() {
        Some("crc32") => Flags::CRC32,
        Some("zero") | None => Flags::NONE,
        Some(other) => panic!("flags {other}: {entry}"),
    };
    let name = InterfaceName::new("A").unwrap();
    let netmask = Netmask::new(byte(&input["netmask"])).unwrap();
    let interface = InterfaceConfig::new(name, address(&input["addr"]), netmask);
    let mut node = Node::new(config.flags(flags), 1);
    node.add_interface(interface.default_route()).unwrap();
    let mut clients = vec![];
    for frame in out["frames"].as_array().unwrap().iter().map(bytes) {
        let (theirs, sealed) = Header::decode(Version::V2, &frame).unwrap();
        let config = ConnectConfig::default().local_port(theirs.source_port);
        let client = node
            .connect(NOW, theirs.destination, theirs.destination_port, config)
            .unwrap();
        let payload = match flags {
            Flags::CRC32 => crc::verify(&[], sealed).unwrap(),
            _ => sealed,
        };
        node.send(NOW, client, Bytes::copy_from_slice(payload)).unwrap();
        assert_eq!(sent(&mut node, Version::V2), [frame], "{entry}");
        clients.push((theirs.source_port, client));
    }
    // The port of the one that is closed is free for the one that comes last.
    let again = port(out["ports"].as_array().unwrap().last().unwrap());
    let config = ConnectConfig::default().local_port(again);
    if let Some((_, client)) = clients.iter().find(|(port, _)| *port == again) {
        let taken = node.connect(NOW, remote, remote_port, config.clone());
        assert_eq!(taken, Err(ConnectError::PortInUse { port: again }), "{entry}");
        node.close(NOW, *client);
    }
    assert!(node.connect(NOW, remote, remote_port, config).is_ok(), "{entry}");
    Outcome::Differs("CONN-4: an ephemeral port is random unless asked for, not the lowest free one")
}

/// What a node did with one frame: what left where, and what the bound port got.
type Done = (Vec<(String, Vec<u8>)>, Vec<(Header, Vec<u8>)>);

/// Takes what was done from the front of what the peer did, if that begins so.
fn take(theirs: &mut Done, done: &Done) -> bool {
    let begins = theirs.0.starts_with(&done.0) && theirs.1.starts_with(&done.1);
    if begins {
        theirs.0.drain(..done.0.len());
        theirs.1.drain(..done.1.len());
    }
    begins
}

pub(crate) fn cspy_node(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    // csp-py serves ping alone and asks for no CRC32 (SVC-7), and binds any port.
    let config = Config::default()
        .services(Services::none().on(Service::Ping))
        .service_needs(Needs::default())
        .port_max_bind(Port::MAX)
        .checks(Switch::Off);
    let mut node = Node::new(config, 1);
    let mut names = vec![];
    for interface in input["interfaces"].as_array().unwrap() {
        let name = text(&interface["name"]);
        let netmask = Netmask::new(byte(&interface["netmask"])).unwrap();
        let label = InterfaceName::new(name).unwrap();
        let config = InterfaceConfig::new(label, address(&interface["addr"]), netmask);
        names.push((name.to_owned(), node.add_interface(config).unwrap()));
    }
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    for route in list(optional(input, "routes")) {
        node.load_routes(text(&route)).unwrap();
    }
    // Port 1 is the ping's, whatever is bound there.
    let bound = optional(input, "bound_port");
    let socket = bound.and_then(|bound| node.bind(port(bound).into(), SocketConfig::default()).ok());
    let sent = list(optional(out, "sent")).into_iter();
    let sent = sent.map(|one| (text(&one["iface"]).to_owned(), bytes(&one["frame"])));
    let delivered = list(optional(out, "delivered")).into_iter();
    let delivered = delivered.map(|one| (header(&one["id"]), bytes(&one["payload"])));
    let mut theirs: Done = (sent.collect(), delivered.collect());
    let mut errors = list(optional(out, "errors")).len();
    let mut outcome = Outcome::Agrees;
    let frames = list(optional(input, "rx"));
    for (received, left) in frames.iter().zip((0..frames.len()).rev()) {
        let on = text(&received["iface"]);
        let (_, interface) = names.iter().find(|(name, _)| name == on).unwrap();
        let frame = bytes(&received["frame"]);
        node.handle_frame(NOW, *interface, frame.clone().into());
        let mut ours: Done = (vec![], vec![]);
        while let Some(transmit) = node.poll_transmit() {
            let (name, _) = names.iter().find(|(_, id)| *id == transmit.interface).unwrap();
            let frame = transmit.packet.encode(Version::V2).unwrap();
            ours.0.push((name.clone(), frame.to_vec()));
        }
        while let Some(message) = socket.and_then(|socket| node.recv_from(socket)) {
            ours.1.push((message.header, message.payload.to_vec()));
        }
        let Ok(packet) = Packet::decode(Version::V2, frame.into()) else {
            assert_eq!(ours, (vec![], vec![]), "{entry}");
            outcome = Outcome::Differs("HDR-3: what is no packet is counted, and ends nothing");
            errors = errors.saturating_sub(1);
            continue;
        };
        let taken = take(&mut theirs, &ours);
        let is_short = left == 0 && theirs != (vec![], vec![]);
        // Whether one error was about this frame cannot be told where there are several frames.
        let is_error = errors > 0 && frames.len() == 1;
        if is_error || !taken || is_short {
            outcome = differs(entry, &node, packet, ours);
        }
    }
    outcome
}

/// By which rule our outcome is another.
fn differs(entry: &Value, node: &Node, packet: Packet, ours: Done) -> Outcome {
    let Packet { header, payload } = packet;
    let local: Done = (vec![], vec![(header, payload.to_vec())]);
    let real = || node.interfaces().skip(1);
    let is_own = real().any(|(.., subnet, _)| subnet.address() == header.destination);
    if header.destination == Address::LOOPBACK {
        assert_eq!(ours, local, "{entry}");
        return Outcome::Differs(
            "6.7, BET-5: address 0 from outside is local, and no packet ends the router",
        );
    }
    if header.flags.contains(Flags::RDP) {
        assert_eq!(ours, (vec![], vec![]), "{entry}");
        return Outcome::Differs("section 9: a segment of RDP is no datagram");
    }
    if header.flags.contains(Flags::HMAC) {
        assert_eq!(ours, (vec![], vec![]), "{entry}");
        return Outcome::Differs("SEC-5: a packet that says it is authenticated must be");
    }
    let encoded = header.encode(Version::V2).unwrap();
    if header.flags.contains(Flags::CRC32) && crc::verify(&encoded, &payload).is_ok() {
        let [(_, answer)] = &ours.0[..] else {
            panic!("{entry}")
        };
        let (_, sealed) = Header::decode(Version::V2, answer).unwrap();
        let inner = payload.len() - crc::CRC_LEN;
        assert_eq!(crc::verify(&[], sealed).unwrap(), &payload[..inner], "{entry}");
        return Outcome::Differs("SEC-3: a CRC32 over header and payload passes");
    }
    if is_own {
        assert_eq!(ours, local, "{entry}");
        return Outcome::Differs("ROUTE-1: the address of any interface is local");
    }
    let directed = real().find(|(.., subnet, _)| subnet.is_broadcast(header.destination));
    let (_, name, ..) = directed.unwrap_or_else(|| panic!("{ours:?}: {entry}"));
    let mut leaving = Packet::new(header, payload);
    leaving.header.destination = Address::BROADCAST;
    let frame = leaving.encode(Version::V2).unwrap().to_vec();
    assert_eq!(ours, (vec![(name.to_string(), frame)], vec![]), "{entry}");
    Outcome::Differs("ROUTE-3: the subnet broadcast of another interface leaves as the global one")
}
