//! Nodes, links and users under one virtual clock.

use std::collections::BTreeMap;

use bytes::Bytes;
use csp_core::rdp::State;
use csp_core::{ConnectConfig, ConnectError, ConnectionId, Event, LinkState, Port};
use testkit::Rng;
use tinwire_time::Instant;

use crate::host::Host;
use crate::network::Wire;
use crate::plan::{Plan, Script, Terms, Weather, address, host_at, ms};
use crate::tally::Tally;
use crate::user::{Place, User};
use crate::watch::Watch;

/// Where all servers listen, and where chatter goes.
pub(crate) const LISTENING: u8 = 10;
pub(crate) const CHATTER: u8 = 12;
/// No story comes near it.
const END_OF_TIME: Instant = Instant::from_millis(4 * 3_600_000);

/// Whether what happens is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    Silent,
    Printed,
}

/// What is known of one client's connection, at both ends.
pub(crate) struct Pair {
    /// The client's node and port.
    pub(crate) host: usize,
    pub(crate) port: u8,
    pub(crate) watch: Watch,
    /// The user at the server, if it was accepted.
    pub(crate) server: Option<usize>,
    /// Of the messages of each side: how many its node knows to be acknowledged.
    pub(crate) acknowledged: [u64; 2],
    /// And how many the other node has received in order.
    pub(crate) arrived: [u64; 2],
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) now: Instant,
    pub(crate) hosts: Vec<Host>,
    pub(crate) wires: Vec<[Wire; 2]>,
    /// Packets put on links so far.
    pub(crate) pushed: u64,
    pub(crate) users: Vec<User>,
    /// By the user at the client.
    pub(crate) pairs: BTreeMap<usize, Pair>,
    by_connection: BTreeMap<(usize, ConnectionId), usize>,
    /// The last user of each client port.
    pub(crate) owners: BTreeMap<(usize, u8), usize>,
    /// Whose connection the server has from a client's port.
    pub(crate) origins: BTreeMap<(usize, usize, u8), usize>,
    starts: Vec<(Instant, usize)>,
    repeats: Vec<usize>,
    next_chatter: Option<Instant>,
    pub(crate) rng: Rng,
    pub(crate) tally: Tally,
    pub(crate) trace: Trace,
    /// The first user of the connections after the story.
    pub(crate) again_from: usize,
}

impl World {
    /// Runs a story to its end and judges it.
    pub(crate) fn run(plan: Plan, trace: Trace) -> Tally {
        Self::told(plan, trace).0.tally
    }

    /// As [`run`](Self::run); gives the world, and when nothing more was to be done in it.
    pub(crate) fn told(plan: Plan, trace: Trace) -> (Self, Instant) {
        let mut world = Self::new(plan, trace);
        world.story();
        world.judge();
        let end = world.now;
        world.begin_again();
        world.story();
        world.judge_again();
        (world, end)
    }

    pub(crate) fn new(plan: Plan, trace: Trace) -> Self {
        let mut rng = Rng::new(plan.seed ^ 0x5EED);
        let wires = plan.weather.iter();
        let wires = wires.map(|ways| ways.map(|weather| Wire::new(rng.next_u64(), weather)));
        let mut world = Self {
            wires: wires.collect(),
            now: Instant::ZERO,
            pushed: 0,
            hosts: (0..plan.hosts()).map(|host| Host::new(&plan, host, 0)).collect(),
            users: vec![],
            pairs: BTreeMap::new(),
            by_connection: BTreeMap::new(),
            owners: BTreeMap::new(),
            origins: BTreeMap::new(),
            starts: vec![],
            repeats: plan.sessions.iter().map(|session| session.repeats).collect(),
            next_chatter: plan.chatter.map(|(every, _)| Instant::ZERO + every),
            rng,
            tally: Tally::default(),
            trace,
            again_from: 0,
            plan,
        };
        world.starts = world
            .plan
            .sessions
            .iter()
            .map(|session| session.start)
            .zip(0..)
            .collect();
        world
    }

    pub(crate) fn note(&self, text: impl FnOnce() -> String) {
        if self.trace == Trace::Printed {
            println!("{:>12.6} {}", self.now.as_micros() as f64 / 1e6, text());
        }
    }

    /// Runs until nothing is to be done any more.
    fn story(&mut self) {
        self.run_until(END_OF_TIME);
        assert!(self.next().is_none(), "it never ends");
    }

    pub(crate) fn run_until(&mut self, end: Instant) {
        loop {
            self.begin();
            self.settle();
            self.observe();
            self.check_calls();
            let Some(next) = self.next().filter(|next| *next < end) else {
                return;
            };
            self.now = self.now.max(next);
            self.deliver();
            for host in 0..self.hosts.len() {
                let node = &mut self.hosts[host].node;
                if node.poll_timeout().is_some_and(|due| due <= self.now) {
                    node.handle_timeout(self.now);
                    let due = node.poll_timeout();
                    assert!(
                        due.is_none_or(|due| due > self.now),
                        "due at once again, at node {host}"
                    );
                }
            }
            // Before users let go of what there is to see.
            self.observe();
        }
    }

    /// When something happens next.
    fn next(&self) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut take = |time: Option<Instant>| {
            if let Some(time) = time {
                next = Some(next.map_or(time, |next| next.min(time)));
            }
        };
        for host in &self.hosts {
            take(host.node.poll_timeout());
            take(host.accept_at);
            for (interface, link, way) in &host.links {
                if host.node.waiting_on(*interface) > 0 {
                    take(self.wires[*link][*way].room_at(self.now));
                }
            }
        }
        self.wires.iter().flatten().for_each(|wire| take(wire.next_due()));
        self.users.iter().for_each(|user| take(user.wake()));
        self.starts.iter().for_each(|(time, _)| take(Some(*time)));
        self.plan.restarts.iter().for_each(|(time, _)| take(Some(*time)));
        self.plan
            .forgeries
            .iter()
            .for_each(|(time, ..)| take(Some(*time)));
        for dark in self.plan.dark.iter().filter(|dark| dark.told) {
            take(Some(dark.from).filter(|from| *from > self.now));
            take(Some(dark.to).filter(|to| *to > self.now));
        }
        take(self.next_chatter);
        next
    }

    /// Begins what the plan has for now.
    fn begin(&mut self) {
        let now = self.now;
        for index in 0..self.plan.dark.len() {
            let dark = self.plan.dark[index];
            if dark.told && (dark.from == now || dark.to == now) {
                let state = if dark.from == now {
                    LinkState::Down
                } else {
                    LinkState::Up
                };
                self.note(|| format!("link {} {state:?}", dark.link));
                for host in &mut self.hosts {
                    for (interface, link, _) in &host.links {
                        if *link == dark.link {
                            host.node.handle_link(*interface, state);
                        }
                    }
                }
            }
        }
        while let Some(at) = self.plan.restarts.iter().position(|(time, _)| *time <= now) {
            let (_, host) = self.plan.restarts.swap_remove(at);
            self.restart(host);
        }
        while let Some(at) = self.plan.forgeries.iter().position(|(time, ..)| *time <= now) {
            let (_, session, forgery) = self.plan.forgeries.swap_remove(at);
            self.forge(session, forgery);
        }
        while let Some(at) = self.starts.iter().position(|(time, _)| *time <= now) {
            let (_, session) = self.starts.swap_remove(at);
            self.connect(session);
        }
        if let Some((every, until)) = self
            .plan
            .chatter
            .filter(|_| self.next_chatter.is_some_and(|at| at <= now))
        {
            self.next_chatter = Some(now + every).filter(|next| *next < until);
            let last = self.hosts.len() - 1;
            let to = (address(last, 0), Port::new(CHATTER).unwrap());
            let host = &mut self.hosts[0];
            // It need not arrive, nor leave.
            let _ = host.node.send_to(
                now,
                host.chatter,
                to,
                ConnectConfig::default(),
                Bytes::from_static(b"chatter"),
            );
        }
    }

    fn connect(&mut self, index: usize) {
        let session = self.plan.sessions[index];
        let mut config = ConnectConfig::default()
            .flags(session.flags)
            .rdp_options(session.terms.options())
            .receive_queue(session.receive_queue);
        if let Some(port) = session.local_port {
            config = config.local_port(Port::new(port).unwrap());
        }
        let (host, remote) = (session.client, address(session.server, session.client));
        let node = &mut self.hosts[host].node;
        let connection = match node.connect(self.now, remote, Port::new(LISTENING).unwrap(), config) {
            Ok(connection) => connection,
            // Its last connection lingers.
            Err(ConnectError::PortInUse { .. }) => {
                self.starts.push((self.now + ms(500), index));
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let port = node.peers(connection).unwrap().local_port.to_bits();
        self.repeats[index] -= 1;
        let place = Place {
            session: index,
            side: 0,
            host,
        };
        let user = self.users.len();
        self.note(|| format!("user {user} connects from port {port} of node {host}"));
        self.add(place, connection);
        self.owners.insert((host, port), user);
        let is_paced = self
            .plan
            .weather
            .iter()
            .flatten()
            .any(|weather| !weather.pace.is_zero());
        self.pairs.insert(
            user,
            Pair {
                host,
                port,
                watch: Watch::new(session.terms, is_paced),
                server: None,
                acknowledged: [0; 2],
                arrived: [0; 2],
            },
        );
    }

    fn add(&mut self, place: Place, connection: ConnectionId) {
        let script = self.plan.sessions[place.session].users[place.side];
        let user = User::new(self.now, place, connection, script, self.rng.next_u64());
        let index = self.users.len();
        let before = self.by_connection.insert((place.host, connection), index);
        assert_eq!(before, None, "the name of a connection given twice");
        self.users.push(user);
    }

    /// Lets nodes and users act on what has happened, until they have nothing more to do now.
    fn settle(&mut self) {
        loop {
            let mut is_quiet = true;
            for host in 0..self.hosts.len() {
                while let Some(event) = self.hosts[host].node.poll_event() {
                    is_quiet = false;
                    self.tell(host, event);
                }
                if self.hosts[host].accept_at.is_some_and(|at| at <= self.now) {
                    self.accept(host);
                    is_quiet = false;
                }
            }
            for index in 0..self.users.len() {
                let user = &mut self.users[index];
                if user.wake().is_some_and(|wake| wake <= self.now) || (!user.is_gone && !is_quiet) {
                    let before = user.sent.len();
                    user.act(self.now, &mut self.hosts[user.host].node);
                    self.hosts[user.host].sent += (user.sent.len() - before) as u64;
                    let is_gone = user.is_gone;
                    self.observe_read(index);
                    if is_gone {
                        is_quiet = false;
                        self.gone(index);
                    }
                }
            }
            for host in 0..self.hosts.len() {
                is_quiet &= !self.transmit(host);
            }
            if is_quiet {
                return;
            }
        }
    }

    fn gone(&mut self, index: usize) {
        let user = &self.users[index];
        let (host, session) = (user.host, user.session);
        self.note(|| format!("user {index} is gone: {:?}", user.ended));
        self.by_connection.remove(&(host, user.connection));
        if user.side == 0 && self.repeats[session] > 0 {
            let pause = ms(self.rng.below(3000));
            self.starts.push((self.now + pause, session));
        }
    }

    fn tell(&mut self, host: usize, event: Event) {
        let user = |id| self.by_connection.get(&(host, id)).copied();
        match event {
            Event::Incoming(_) => {
                let due = self.now + self.plan.accept_delay;
                self.hosts[host].accept_at.get_or_insert(due);
            }
            Event::Readable(id) => {
                if let Some(user) = user(id) {
                    self.users[user].readable();
                }
            }
            Event::Writable(id) => {
                let user = user(id).expect("room for nobody");
                self.users[user].writable();
            }
            Event::Connected(id) => {
                let user = user(id).expect("an opening for nobody");
                self.users[user].open(self.now);
                self.note(|| format!("user {user} is connected"));
            }
            Event::Closed {
                connection, reason, ..
            } => {
                let user = user(connection).expect("an end for nobody");
                self.note(|| format!("user {user} is told: {reason}"));
                self.users[user].told(self.now, reason);
            }
            Event::Dropped(dropped) => self.note(|| format!("node {host} drops: {:?}", dropped.reason)),
            _ => {}
        }
    }

    fn accept(&mut self, host: usize) {
        self.hosts[host].accept_at = None;
        let listener = self.hosts[host].listener;
        while let Some(connection) = self.hosts[host].node.accept(listener) {
            let peers = self.hosts[host].node.peers(connection).unwrap();
            let client = host_at(peers.remote).unwrap();
            let origin = self.origins.get(&(host, client, peers.remote_port.to_bits()));
            let origin = *origin.expect("an opening that nobody asked for");
            let user = self.users.len();
            let place = Place {
                session: self.users[origin].session,
                side: 1,
                host,
            };
            self.note(|| format!("user {user} accepts the connection of user {origin}"));
            self.add(place, connection);
            let pair = self.pairs.get_mut(&origin).unwrap();
            assert_eq!(pair.server, None, "one connection accepted twice");
            pair.server = Some(user);
            self.users[user].open(self.now);
            // What came before may be there.
            self.users[user].readable();
        }
    }

    fn restart(&mut self, host: usize) {
        self.note(|| format!("node {host} starts anew"));
        self.tally.restarts += 1;
        self.hosts[host].check_counts();
        let lives = self.hosts[host].lives + 1;
        self.hosts[host] = Host::new(&self.plan, host, lives);
        for dark in self.plan.dark.iter().filter(|dark| dark.told) {
            if (dark.from..dark.to).contains(&self.now) {
                let Host { node, links, .. } = &mut self.hosts[host];
                for (interface, ..) in links.iter().filter(|(_, link, _)| *link == dark.link) {
                    node.handle_link(*interface, LinkState::Down);
                }
            }
        }
        for index in 0..self.users.len() {
            let user = &mut self.users[index];
            if user.host == host && !user.is_gone {
                user.lose(self.now);
                self.gone(index);
            }
        }
    }

    /// Compares the two ends of all connections: nothing is acknowledged that has not arrived.
    fn observe(&mut self) {
        for host in 0..self.hosts.len() {
            for status in self.hosts[host].node.rdp_connections() {
                let peers = status.peers;
                let is_server = peers.local_port.to_bits() == LISTENING;
                let user = if is_server {
                    let client = host_at(peers.remote).unwrap();
                    self.origins.get(&(host, client, peers.remote_port.to_bits()))
                } else {
                    self.owners.get(&(host, peers.local_port.to_bits()))
                };
                let Some(pair) = user.and_then(|user| self.pairs.get_mut(user)) else {
                    continue;
                };
                let side = usize::from(is_server);
                let (sent, acknowledged) = status.progress;
                assert!(acknowledged <= sent);
                pair.acknowledged[side] = pair.acknowledged[side].max(acknowledged);
                pair.arrived[1 - side] = pair.arrived[1 - side].max(status.stats.received);
            }
        }
        for (user, pair) in &self.pairs {
            for side in 0..2 {
                let (acknowledged, arrived) = (pair.acknowledged[side], pair.arrived[side]);
                assert!(
                    acknowledged <= arrived,
                    "user {user}, side {side}: {acknowledged} acknowledged, {arrived} arrived"
                );
            }
        }
    }

    /// Nobody waits to be told what has happened already.
    fn check_calls(&self) {
        for (place, host) in self.hosts.iter().enumerate() {
            let is_idle = host
                .links
                .iter()
                .all(|(link, ..)| host.node.waiting_on(*link) == 0);
            for status in host.node.rdp_connections() {
                let user = status
                    .connection
                    .and_then(|id| self.by_connection.get(&(place, id)));
                let Some(user) = user.map(|user| &self.users[*user]) else {
                    continue;
                };
                let (sent, acknowledged) = status.progress;
                let has_room = is_idle && sent == acknowledged && status.state == State::Open;
                let received = usize::try_from(status.stats.received).unwrap();
                user.check_calls(has_room, received);
            }
        }
    }

    /// What a user has read has arrived, also where reading it let more arrive and the user closed at once.
    fn observe_read(&mut self, index: usize) {
        let user = &self.users[index];
        let pair = self
            .pairs
            .iter_mut()
            .find(|(client, pair)| **client == index || pair.server == Some(index));
        if let Some((_, pair)) = pair {
            let arrived = &mut pair.arrived[1 - user.side];
            *arrived = (*arrived).max(user.received.len() as u64);
        }
    }

    /// Opens each connection once more on good links, from the port that it had before.
    fn begin_again(&mut self) {
        let weather = Weather {
            delay: [ms(1); 2],
            ..Weather::default()
        };
        self.wires
            .iter_mut()
            .flatten()
            .for_each(|wire| wire.set_weather(weather));
        self.plan.accept_delay = ms(0);
        self.plan.dark.clear();
        for index in 0..self.plan.sessions.len() {
            let mut owners = self.owners.iter().rev();
            let last = owners.find(|(_, user)| self.users[**user].session == index);
            let port = last.map(|((_, port), _)| *port);
            let session = &mut self.plan.sessions[index];
            // Where the numbers are always the same, a port used again would have the old ones.
            session.local_port = port.map(|port| port + u8::from(self.plan.initial.is_some()));
            session.terms = Terms::DEFAULT;
            session.users = [
                Script::sender(3),
                Script {
                    messages: 2,
                    ..Script::reader()
                },
            ];
            session.repeats = 1;
            self.repeats[index] = 1;
            self.starts.push((self.now + ms(2000 * index as u64), index));
        }
        self.again_from = self.users.len();
    }
}
