//! RDP: two nodes as the captured peers were, or one node and segments made by hand.
//!
//! The clock moves in steps of 10 ms, as in the captures, and both nodes are told the time at every step.
//! What libcsp 2.2 sent is compared byte for byte and by time; of two nodes, up to the first frame of ours
//! that `reasons` knows to be another on purpose, and from there on by what is read. Of 1.6 and 2.1, and
//! where a capture has a note that its times are approximate or is a quirk, the data read and the last state
//! are; what the capture shows at a time may then come later.

mod reasons;
mod script;
mod transcript;

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use csp_core::rdp::{Limits, Options, Segment, SegmentFlags, State};
use csp_core::{
    ConnectionId, Event, Flags, Header, InterfaceConfig, InterfaceId, InterfaceName, ListenerId, Netmask,
    Node, Port, SendError, SocketConfig, Version,
};
use testkit::vectors::{Value, optional};
use tinwire_time::Instant;

pub(crate) use self::script::rdp_script;
pub(crate) use self::transcript::rdp_transcript;
use super::{Outcome, address, bare, byte, bytes, is_quirk, key, number, port, text, version};

const STEP: u64 = 10;
const SYN_ACK: SegmentFlags = SegmentFlags::from_low_bits(0x0C);
const IDLE: &str = "RDP-6: an idle connection on which nothing is heard ends";

/// Whether everything of an entry was captured of 2.2, with exact times.
fn is_exact(entry: &Value) -> bool {
    let input = &entry["in"];
    let peers = [&entry["peer"], &input["client"]["peer"], &input["server"]["peer"]];
    let mut names = peers.iter().filter_map(|peer| peer.as_str());
    names.all(|peer| peer.starts_with("libcsp 2.2")) && optional(entry, "note").is_none() && !is_quirk(entry)
}

fn events(entry: &Value) -> &[Value] {
    entry["out"]["events"].as_array().unwrap()
}

/// One end of the link.
struct Side {
    node: Node,
    link: InterfaceId,
    random: Arc<AtomicU64>,
    listener: Option<ListenerId>,
    connection: Option<ConnectionId>,
    /// What could not be sent yet.
    waiting: VecDeque<Vec<u8>>,
    read: Vec<Vec<u8>>,
    told: Vec<Event>,
}

impl Side {
    fn new(input: &Value, own: &Value) -> Self {
        let random = Arc::new(AtomicU64::new(0));
        let numbers = Arc::clone(&random);
        let config = bare().hmac_key(key(input));
        let mut node = Node::with_random(config, move || numbers.load(Ordering::Relaxed));
        let bits = match (optional(input, "netmask"), version(input)) {
            (Some(bits), _) => byte(bits),
            (None, Version::V1) => 1,
            (None, Version::V2) => 8,
        };
        let name = InterfaceName::new("A").unwrap();
        let interface = InterfaceConfig::new(name, address(own), Netmask::new(bits).unwrap());
        let link = node
            .add_interface(interface.version(version(input)).default_route())
            .unwrap();
        Self {
            node,
            link,
            random,
            listener: None,
            connection: None,
            waiting: VecDeque::new(),
            read: Vec::new(),
            told: Vec::new(),
        }
    }

    fn listen(&mut self, on: Port) {
        // The peers' connections wait to be accepted while they hear from the other end.
        let config = SocketConfig::default()
            .rdp_limits(Limits::WIDEST)
            .accept_timeout(Duration::MAX);
        self.listener = Some(self.node.listen(on.into(), config).unwrap());
    }

    fn accept(&mut self) -> bool {
        let accepted = self.listener.and_then(|listener| self.node.accept(listener));
        self.connection = accepted.or(self.connection);
        accepted.is_some()
    }

    fn send(&mut self, now: Instant, data: Vec<u8>) {
        self.waiting.push_back(data);
        self.send_waiting(now);
    }

    fn send_waiting(&mut self, now: Instant) {
        while let Some(data) = self.waiting.front()
            && let Some(connection) = self.connection
        {
            match self.node.send(now, connection, data.clone().into()) {
                Ok(_) => drop(self.waiting.pop_front()),
                Err(SendError::Full) => return,
                // Where ours went on and the peer did not, the other end may have closed by now.
                Err(SendError::Closed) => return self.waiting.clear(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn read(&mut self) -> Option<Vec<u8>> {
        let message = self.node.recv(self.connection?)?;
        self.read.push(message.payload.to_vec());
        Some(message.payload.to_vec())
    }

    /// Makes the next number that the node picks the one that the captured peer picked.
    fn pick(&self, number: u16) {
        self.random.store(number.into(), Ordering::Relaxed);
    }

    fn close(&mut self, now: Instant) {
        if let Some(connection) = self.connection.take() {
            self.node.close(now, connection);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.node.handle_timeout(now);
        self.send_waiting(now);
        self.told.extend(core::iter::from_fn(|| self.node.poll_event()));
    }

    /// The connection's that somebody has, or else of any, as the vectors write it.
    fn state(&self) -> (bool, &'static str) {
        let all = || self.node.rdp_connections();
        let held = all().find(|status| self.connection.is_some() && status.connection == self.connection);
        let Some(status) = held.or_else(|| all().next()) else {
            return (false, "CLOSED");
        };
        let name = match status.state {
            State::SynSent => "SYN_SENT",
            State::SynReceived => "SYN_RCVD",
            State::Open | State::Finishing => "OPEN",
            State::CloseWait => "CLOSE_WAIT",
            State::Closed => "CLOSED",
        };
        (true, name)
    }
}

/// The six numbers as a SYN has them.
fn options(of: &Value, names: [&str; 6]) -> Options {
    let words = names.map(|name| u32::try_from(number(&of[name])).unwrap().to_be_bytes());
    Options::decode(words.as_flattened()).unwrap()
}

fn segment(version: Version, frame: &[u8]) -> (Segment, Vec<u8>) {
    let (header, mut payload) = Header::decode(version, frame).unwrap();
    for flag in [Flags::CRC32, Flags::HMAC] {
        if header.flags.contains(flag) {
            payload = &payload[..payload.len() - 4];
        }
    }
    let (segment, data) = Segment::decode(payload).unwrap();
    (segment, data.to_vec())
}

fn flags_of(event: &Value) -> SegmentFlags {
    text(&event["rdp"]["flags"])
        .split('|')
        .fold(SegmentFlags::NONE, |flags, name| {
            let flag = match name {
                "SYN" => SegmentFlags::SYN,
                "ACK" => SegmentFlags::ACK,
                "EAK" => SegmentFlags::EAK,
                "RST" => SegmentFlags::RST,
                _ => panic!("{event}"),
            };
            flags | flag
        })
}
