//! What must be true when a story is over.

use core::time::Duration;

use csp_core::rdp::{Acks, CloseReason};
use csp_core::{Address, ConnectConfig, ConnectError, Port};

use crate::plan::{Terms, ms};
use crate::user::{End, User};
use crate::world::World;

/// More than any node or link adds to the times that are agreed on.
const SLACK: Duration = ms(1000);

impl World {
    /// Judges all connections of the story, and what they left behind.
    pub(crate) fn judge(&mut self) {
        self.judge_users(0);
        self.judge_remains();
        self.judge_amount();
    }

    /// The connections after it must have gone well.
    pub(crate) fn judge_again(&mut self) {
        let from = self.again_from;
        self.judge_users(from);
        for (client, pair) in self.pairs.range(from..) {
            let told = End::Told(CloseReason::Finished);
            let ended = self.users[*client].ended.map(|(_, end)| end);
            assert_eq!(ended, Some(told), "a connection after the story");
            let server = pair
                .server
                .expect("nobody accepted the connection after the story");
            assert_eq!(self.users[server].received, self.users[*client].sent);
        }
        self.judge_remains();
        self.judge_ports();
    }

    fn judge_users(&mut self, from: usize) {
        for (index, user) in self.users.iter().enumerate().skip(from) {
            assert!(user.is_gone, "user {index} is still there");
            let (_, end) = user.ended.expect("who is gone has ended");
            self.tally.count_end(end);
            self.tally.messages += user.sent.len() as u64;
            self.tally.delivered += user.received.len() as u64;
        }
        for (&client, pair) in self.pairs.range(from..) {
            self.tally.connections += 1;
            let client_user = &self.users[client];
            let terms = self.plan.sessions[client_user.session].terms;
            let Some(server) = pair.server else {
                assert!(client_user.received.is_empty());
                self.judge_alone(client, terms);
                continue;
            };
            let server_user = &self.users[server];
            for (side, sender, receiver) in [(0, client_user, server_user), (1, server_user, client_user)] {
                assert!(
                    sender.sent.starts_with(&receiver.received),
                    "users {client} and {server}, side {side}: {} read are not the first of {} sent",
                    receiver.received.len(),
                    sender.sent.len()
                );
                assert!(pair.arrived[side] <= sender.sent.len() as u64);
                assert!(receiver.received.len() as u64 <= pair.arrived[side]);
                self.judge_delivery(sender, receiver, pair.arrived[side], pair.acknowledged[side]);
            }
            self.judge_report(client, server, terms);
        }
    }

    /// What its sender knows to be acknowledged is read, unless the reader did not want it.
    fn judge_delivery(&self, sender: &User, receiver: &User, arrived: u64, acknowledged: u64) {
        if matches!(sender.ended, Some((_, End::Told(CloseReason::Finished)))) {
            assert_eq!(
                acknowledged,
                sender.sent.len() as u64,
                "finished, and not all acknowledged"
            );
        }
        // Who was told of the end reads what there is before it lets go.
        let is_willing = !matches!(receiver.script.reading, crate::plan::Reading::Never);
        if is_willing && matches!(receiver.ended, Some((_, End::Told(_)))) {
            assert_eq!(
                receiver.received.len() as u64,
                arrived,
                "received in order, and not readable"
            );
        }
    }

    /// A client that nobody accepted learns of it in time.
    fn judge_alone(&self, client: usize, terms: Terms) {
        let user = &self.users[client];
        let (ended, end) = user.ended.unwrap();
        if end == End::Lost {
            return;
        }
        let timeout = terms.connection_timeout;
        // An attempt, one more where the other end had an old connection, or an open connection that waits to
        // be accepted and is given up.
        let waiting = user.opened.map_or(Duration::ZERO, |_| ms(10_000) + timeout * 2);
        let bound = user.born + timeout * 2 + waiting + self.plan.longest_delay() + SLACK;
        assert!(
            ended <= bound,
            "user {client} was told at {ended:?}, not by {bound:?}"
        );
        if user.opened.is_none() && end != End::Closed {
            let reasons = [CloseReason::NoAnswer, CloseReason::Refused].map(End::Told);
            assert!(reasons.contains(&end), "{end:?} before the opening");
        }
    }

    /// When one user's connection has ended, the other's does in time.
    fn judge_report(&self, client: usize, server: usize, terms: Terms) {
        let [one, other] = [client, server].map(|user| self.users[user].ended.unwrap());
        let (first, last) = (one.0.min(other.0), one.0.max(other.0));
        // The end that is over goes on for one timeout to send what is not acknowledged, and so to be heard;
        // then the other one notices the silence.
        let accepted = self.users[server].born;
        let queues = self
            .plan
            .weather
            .iter()
            .flatten()
            .map(|weather| weather.pace * 64)
            .sum::<Duration>();
        let bound =
            first.max(accepted) + terms.connection_timeout * 2 + self.plan.longest_delay() + queues + SLACK;
        assert!(
            last <= bound,
            "users {client} and {server}: one ended at {one:?}, the other at {other:?}, not by {bound:?}"
        );
    }

    /// Nothing of the story is left in the nodes.
    fn judge_remains(&self) {
        for host in 0..self.hosts.len() {
            self.hosts[host].check_counts();
            let node = &self.hosts[host].node;
            assert_eq!(
                node.rdp_connections().count(),
                0,
                "connections leak at node {host}"
            );
            assert_eq!(node.poll_timeout(), None, "a timer leaks at node {host}");
            assert_eq!(node.stats().events_lost, 0);
        }
    }

    /// All ports of clients can be used, which is the last that is done with the nodes.
    fn judge_ports(&mut self) {
        let (free, now) = (usize::from(Port::MAX.to_bits()) - 16, self.now);
        for host in &mut self.hosts {
            let mut connect = || {
                let config = ConnectConfig::default();
                host.node
                    .connect(now, Address::new(10).unwrap(), Port::new(10).unwrap(), config)
            };
            for _ in 0..free {
                connect().expect("a port leaks");
            }
            assert_eq!(connect(), Err(ConnectError::NoFreePort));
        }
    }

    /// The number of segments is bounded by what there was to send, and by time.
    fn judge_amount(&self) {
        let mut budget = self.tally.arrivals * 2;
        for user in &self.users {
            let terms = self.plan.sessions[user.session].terms;
            let (ended, _) = user.ended.unwrap();
            let life = ended.saturating_since(user.born) + terms.connection_timeout * 2;
            let times = |period: Duration| u64::try_from(life.as_micros() / period.as_micros()).unwrap() + 1;
            let acknowledgements = match terms.acks {
                Acks::Delayed => times(terms.ack_timeout),
                Acks::Immediate => 0,
            };
            let outstanding = u64::from(terms.window).min(user.sent.len() as u64) + 1;
            let repetitions = outstanding * times(terms.packet_timeout);
            budget +=
                16 + user.received.len() as u64 + user.sent.len() as u64 + acknowledgements * 2 + repetitions;
        }
        let sent = self.tally.segments;
        assert!(sent <= budget, "{sent} segments where {budget} are plenty");
    }
}
