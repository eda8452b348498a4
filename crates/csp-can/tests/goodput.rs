//! RDP on a CAN bus of 1 Mbit/s, in virtual time: how much of what CFP framing leaves arrives.
//!
//! The bus carries one frame at a time, in both directions, for as long as its bits take: those of this very
//! frame, with the stuff bits it has and three bits of intermission. Of frames that wait, the lowest
//! identifier goes first. What CFP leaves is the payload per second, RDP's trailer included, if the full data
//! packets followed each other without a gap and nothing else was sent.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests, and print what they measured"
)]

use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;
use can_link::virtual_bus::{BitRate, BusConfig, frame_duration};
use can_link::{CanFrame, VirtualBus};
use csp_can::{CanConfig, CanInterface, Fragmenter, Reassembler, ReassemblyConfig, Received};
use csp_core::rdp::{Acks, CloseReason, Limits, Options, Window};
use csp_core::{
    Address, Config, ConnectConfig, ConnectionId, Event, Flags, Header, InterfaceConfig, InterfaceId,
    InterfaceName, ListenerId, Netmask, Node, Port, SendError, SocketConfig, Version, rt,
};
use testkit::Rng;
use tinwire_time::Instant;

/// Bytes of a transfer that is long enough for its beginning and end not to matter.
const TRANSFER: usize = 64 * 1024;
const PORT: u8 = 10;

/// What is transferred, and how.
#[derive(Clone, Copy, Debug)]
struct Setup {
    version: Version,
    bit_rate: u32,
    mtu: usize,
    flags: Flags,
    options: Options,
    bytes: usize,
    /// How long a node takes to see what arrived.
    reaction: Duration,
    both_ways: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            version: Version::V2,
            bit_rate: 1_000_000,
            mtu: csp_core::DEFAULT_MTU,
            flags: Flags::NONE,
            options: Options::default(),
            bytes: TRANSFER,
            reaction: Duration::ZERO,
            both_ways: false,
        }
    }
}

fn address(bits: u16) -> Address {
    Address::new(bits).unwrap()
}

fn port(bits: u8) -> Port {
    Port::new(bits).unwrap()
}

fn window(segments: u16) -> Options {
    Options::default().window(Window::new(segments).unwrap())
}

/// Bytes of no pattern, so that there are as many stuff bits as there mostly are.
fn data(len: usize) -> Bytes {
    let mut rng = Rng::new(1);
    (0..len / 8).flat_map(|_| rng.next_u64().to_be_bytes()).collect()
}

fn interface(setup: &Setup, own: u16) -> InterfaceConfig {
    let name = InterfaceName::new("CAN").unwrap();
    let netmask = Netmask::new(if setup.version == Version::V1 { 2 } else { 8 }).unwrap();
    InterfaceConfig::new(name, address(own), netmask)
        .version(setup.version)
        .mtu(setup.mtu)
}

/// A node with its end of the bus.
struct Station {
    node: Node,
    link: InterfaceId,
    fragmenter: Fragmenter,
    reassembler: Reassembler,
    /// Frames that the controller has.
    frames: VecDeque<CanFrame>,
    /// Frames received and not looked at yet.
    arrived: VecDeque<(Instant, CanFrame)>,
    listener: Option<ListenerId>,
    connection: Option<ConnectionId>,
    to_send: Bytes,
    received: Vec<u8>,
    /// When the last of it came.
    received_at: Instant,
    packets: usize,
    acknowledged: u64,
    closed: Option<CloseReason>,
    dropped: u64,
}

impl Station {
    fn new(setup: &Setup, own: u16, to_send: Bytes) -> Self {
        let mut node = Node::new(Config::default(), u64::from(own));
        let link = node.add_interface(interface(setup, own)).unwrap();
        let reassembly = ReassemblyConfig::default().max_payload(setup.mtu);
        Self {
            node,
            link,
            fragmenter: Fragmenter::new(setup.version, address(own)),
            reassembler: Reassembler::new(setup.version, reassembly),
            frames: VecDeque::new(),
            arrived: VecDeque::new(),
            listener: None,
            connection: None,
            to_send,
            received: Vec::new(),
            received_at: Instant::ZERO,
            packets: 0,
            acknowledged: 0,
            closed: None,
            dropped: 0,
        }
    }

    /// Reads what came, and writes what there is room for.
    fn act(&mut self, now: Instant) {
        while let Some(event) = self.node.poll_event() {
            match event {
                Event::Incoming(listener) => self.connection = self.node.accept(listener),
                Event::Closed { reason, .. } => self.closed = Some(reason),
                Event::Dropped(dropped) => self.dropped += dropped.count,
                _ => {}
            }
        }
        let Some(connection) = self.connection else { return };
        while let Some(message) = self.node.recv(connection) {
            self.received.extend_from_slice(&message.payload);
            self.received_at = now;
            self.packets += 1;
        }
        let most = self.node.max_payload(connection).unwrap();
        while !self.to_send.is_empty() {
            let part = self.to_send.slice(..most.min(self.to_send.len()));
            match self.node.send(now, connection, part.clone()) {
                Ok(_) => drop(self.to_send.split_to(part.len())),
                Err(SendError::Full) => break,
                Err(error) => panic!("{error}: {:?}", self.closed),
            }
        }
        self.acknowledged = self.node.acknowledged(connection).unwrap();
    }

    /// Gives the controller the next packet when it has sent the one before.
    fn fill(&mut self) {
        if self.frames.is_empty()
            && let Some(transmit) = self.node.poll_transmit_on(self.link)
        {
            let packet = &transmit.packet;
            let frames = self
                .fragmenter
                .fragments(&packet.header, transmit.via, &packet.payload);
            self.frames.extend(frames.unwrap());
        }
    }

    fn take(&mut self, now: Instant) {
        while self.arrived.front().is_some_and(|(at, _)| *at <= now) {
            let (_, frame) = self.arrived.pop_front().unwrap();
            self.reassembler.handle_frame(now, &frame);
        }
        self.reassembler.handle_timeout(now);
        while let Some(received) = self.reassembler.poll_received() {
            match received {
                Received::Packet(done) => self.node.handle_packet(now, self.link, done.packet),
                other => panic!("{other:?}"),
            }
        }
        self.node.handle_timeout(now);
    }

    fn next(&self) -> Option<Instant> {
        let arrived = self.arrived.front().map(|(at, _)| *at);
        let all = [arrived, self.reassembler.poll_timeout(), self.node.poll_timeout()];
        all.into_iter().flatten().min()
    }
}

/// What a transfer came to.
#[derive(Debug)]
struct Outcome {
    /// Bytes per second, from the SYN to the last byte read; both directions together.
    goodput: f64,
    /// What CFP leaves of them.
    capacity: f64,
    retransmissions: u64,
    drops: u64,
}

impl Outcome {
    fn percent(&self) -> f64 {
        100.0 * self.goodput / self.capacity
    }

    /// No segment was lost or in vain, and the goodput is at least so many percent of what CFP leaves.
    fn assert_at_least(&self, percent: f64) {
        assert!(self.percent() >= percent, "{:.1} %", self.percent());
        assert_eq!((self.retransmissions, self.drops), (0, 0));
    }
}

/// Payload per second if only full data packets were on the bus.
fn capacity(setup: &Setup) -> f64 {
    let rate = BitRate::new(setup.bit_rate).unwrap();
    let mut header = Header::new((address(1), port(40)), (address(2), port(PORT)));
    header.flags = setup.flags.with(Flags::RDP);
    let mut fragmenter = Fragmenter::new(setup.version, header.source);
    let (mut bytes, mut time) = (0, Duration::ZERO);
    for payload in data(128 * setup.mtu).chunks_exact(setup.mtu) {
        let frames = fragmenter.fragments(&header, None, payload).unwrap();
        time += frames.map(|frame| frame_duration(&frame, rate)).sum::<Duration>();
        bytes += payload.len();
    }
    bytes as f64 / time.as_secs_f64()
}

fn transfer(setup: Setup) -> Outcome {
    let rate = BitRate::new(setup.bit_rate).unwrap();
    let whole = data(setup.bytes);
    let whole = [whole.clone(), if setup.both_ways { whole } else { Bytes::new() }];
    let mut stations = [1, 2].map(|own| Station::new(&setup, own, whole[usize::from(own) - 1].clone()));
    let limits = Limits::default().max_window(Window::MAX);
    let socket = SocketConfig::default().rdp_limits(limits);
    let listener = stations[1].node.listen(port(PORT).into(), socket);
    stations[1].listener = Some(listener.unwrap());
    let config = ConnectConfig::default()
        .flags(setup.flags)
        .rdp_options(setup.options);
    let client = &mut stations[0];
    let connection = client.node.connect(Instant::ZERO, address(2), port(PORT), config);
    client.connection = Some(connection.unwrap());
    let mut now = Instant::ZERO;
    let mut on_bus: Option<(Instant, usize, CanFrame)> = None;
    loop {
        for station in &mut stations {
            station.act(now);
            station.fill();
        }
        let sent = |station: &Station| {
            let sent = station.connection.and_then(|id| station.node.sent(id));
            station.to_send.is_empty() && sent == Some(station.acknowledged)
        };
        if stations.iter().all(sent) {
            break;
        }
        if on_bus.is_none() {
            let heads = stations.iter().enumerate();
            let heads =
                heads.filter_map(|(at, station)| Some((station.frames.front()?.arbitration_key(), at)));
            if let Some((_, at)) = heads.min() {
                let frame = stations[at].frames.pop_front().unwrap();
                on_bus = Some((now + frame_duration(&frame, rate), at, frame));
                continue;
            }
        }
        let ends = on_bus.as_ref().map(|(end, ..)| *end);
        let next = stations.iter().filter_map(Station::next).chain(ends).min();
        now = next.expect("a transfer goes on to its end").max(now);
        assert!(now < Instant::from_millis(1_000_000), "it never ends");
        if let Some((end, from, frame)) = on_bus.take_if(|(end, ..)| *end <= now) {
            stations[1 - from]
                .arrived
                .push_back((end + setup.reaction, frame));
        }
        stations.iter_mut().for_each(|station| station.take(now));
    }
    let [client, server] = &stations;
    assert!(
        server.received == whole[0] && client.received == whole[1],
        "what arrived is what was sent"
    );
    assert_eq!((client.closed, server.closed), (None, None));
    let bytes = server.received.len() + client.received.len();
    let time = server
        .received_at
        .max(client.received_at)
        .saturating_since(Instant::ZERO);
    let sum = |of: fn(&Station) -> u64| stations.iter().map(of).sum();
    let outcome = Outcome {
        goodput: bytes as f64 / time.as_secs_f64(),
        capacity: capacity(&setup),
        retransmissions: sum(|station| station.node.stats().rdp.retransmissions),
        drops: sum(|station| station.dropped),
    };
    println!(
        "{:.1} %: {:.0} of {:.0} byte/s; all acknowledged after {:?}; {setup:?}",
        outcome.percent(),
        outcome.goodput,
        outcome.capacity,
        now.saturating_since(Instant::ZERO),
    );
    outcome
}

#[test]
fn with_default_options_rdp_reaches_96_percent_of_what_cfp_leaves() {
    let setup = Setup {
        bytes: 256 * 1024,
        ..Setup::default()
    };
    transfer(setup).assert_at_least(96.0);
}

#[test]
fn a_larger_window_is_no_better_and_no_worse_on_an_idle_bus() {
    for segments in [3, 5, 32, Window::MAX.segments()] {
        let options = window(segments);
        let setup = Setup {
            options,
            ..Setup::default()
        };
        transfer(setup).assert_at_least(96.0);
    }
}

#[test]
fn a_window_smaller_than_the_acknowledgements_wait_for_is_acknowledged_when_it_is_full() {
    for segments in [1, 2] {
        let options = window(segments);
        let setup = Setup {
            options,
            ..Setup::default()
        };
        transfer(setup).assert_at_least(93.0);
    }
}

#[test]
fn an_acknowledgement_for_each_segment_costs_three_percent() {
    let options = Options::default().acks(Acks::Immediate);
    let setup = Setup {
        options,
        ..Setup::default()
    };
    transfer(setup).assert_at_least(93.0);
}

#[test]
fn both_directions_at_once_share_what_there_is() {
    for segments in [4, 32] {
        let setup = Setup {
            options: window(segments),
            both_ways: true,
            ..Setup::default()
        };
        transfer(setup).assert_at_least(96.0);
    }
}

#[test]
fn cfp_1_is_as_good() {
    let setup = Setup {
        version: Version::V1,
        ..Setup::default()
    };
    transfer(setup).assert_at_least(96.0);
}

#[test]
fn trailers_cost_their_bytes() {
    let setup = Setup {
        flags: Flags::CRC32.with(Flags::HMAC),
        ..Setup::default()
    };
    transfer(setup).assert_at_least(92.0);
}

#[test]
fn a_slow_bus_is_as_good() {
    for bit_rate in [125_000, 500_000] {
        let setup = Setup {
            bit_rate,
            ..Setup::default()
        };
        transfer(setup).assert_at_least(96.0);
    }
}

/// A packet takes 4.7 ms, so that is how late an acknowledgement may be with one more packet in the window.
#[test]
fn slow_nodes_want_a_larger_window() {
    for (milliseconds, segments) in [(2, 4), (5, 5), (10, 8)] {
        let setup = Setup {
            reaction: Duration::from_millis(milliseconds),
            options: window(segments),
            ..Setup::default()
        };
        transfer(setup).assert_at_least(85.0);
    }
}

/// A window takes 1.2 s: with a timeout of 1 s everything would be sent twice, and with traffic both ways the
/// bus would belong to the end with the lower identifiers until the other one is taken for dead.
#[test]
fn a_large_window_on_a_slow_bus_wants_a_longer_packet_timeout() {
    for both_ways in [false, true] {
        let options = window(32).packet_timeout(Duration::from_secs(5));
        let setup = Setup {
            bit_rate: 125_000,
            options,
            both_ways,
            ..Setup::default()
        };
        transfer(setup).assert_at_least(96.0);
    }
}

/// The same by handles, tasks and links; what one of them cannot do at once it does a millisecond later, for
/// so coarse are the timers.
async fn transfer_by_handles(setup: Setup) -> Outcome {
    let bus = BusConfig::default().bit_rate(BitRate::new(setup.bit_rate).unwrap());
    let bus = VirtualBus::with_config(bus);
    let nodes = [1, 2].map(|own| {
        let node = rt::Node::spawn(Config::default());
        let config = interface(&setup, own);
        let link = CanInterface::new(bus.join(), &config, CanConfig::default()).unwrap();
        node.attach(config, link).unwrap();
        node
    });
    let limits = Limits::default().max_window(Window::MAX);
    let socket = SocketConfig::default().rdp_limits(limits);
    let mut listener = nodes[1].listen(port(PORT), socket).unwrap();
    let whole = data(setup.bytes);
    let begin = bus.time();
    let len = whole.len();
    let read = async {
        let mut connection = listener.accept().await.unwrap();
        let mut received = Vec::new();
        while received.len() < len {
            received.extend_from_slice(&connection.recv().await.unwrap().payload);
        }
        (received, bus.time().duration_since(begin).unwrap(), connection)
    };
    let config = ConnectConfig::default()
        .flags(setup.flags)
        .rdp_options(setup.options);
    let write = async {
        let connection = nodes[0].connect(address(2), port(PORT), config).await.unwrap();
        let most = connection.max_payload().unwrap();
        for at in (0..len).step_by(most) {
            connection
                .send(whole.slice(at..len.min(at + most)))
                .await
                .unwrap();
        }
        connection
    };
    let ((received, time, _server), _client) = tokio::join!(read, write);
    assert!(received == whole, "what arrived is what was sent");
    let stats = nodes.iter().map(|node| node.status().stats);
    let (retransmissions, drops) = stats.fold((0, 0), |(retransmissions, drops), stats| {
        (retransmissions + stats.rdp.retransmissions, drops + stats.dropped)
    });
    let outcome = Outcome {
        goodput: len as f64 / time.as_secs_f64(),
        capacity: capacity(&setup),
        retransmissions,
        drops,
    };
    println!(
        "by handles {:.1} %: {:.0} byte/s; {setup:?}",
        outcome.percent(),
        outcome.goodput
    );
    outcome
}

#[tokio::test(start_paused = true)]
async fn the_handles_lose_nothing_of_what_the_machines_reach() {
    for segments in [4, 32] {
        let setup = Setup {
            options: window(segments),
            bytes: 256 * 1024,
            ..Setup::default()
        };
        let (handles, machines) = (transfer_by_handles(setup).await, transfer(setup));
        handles.assert_at_least(95.0);
        assert!(handles.goodput > 0.98 * machines.goodput);
    }
}
