//! The users of connections: what they give, take and are told.

use bytes::Bytes;
use csp_core::rdp::CloseReason;
use csp_core::{ConnectionId, Node, SendError};
use testkit::Rng;
use tinwire_time::Instant;

use crate::plan::{Ending, Reading, Script, ms};

/// How a connection ended for its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The user closed it.
    Closed,
    /// The node told of its end.
    Told(CloseReason),
    /// The node started anew.
    Lost,
}

/// One user of one connection.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) session: usize,
    /// 0 for the client's.
    pub(crate) side: usize,
    pub(crate) host: usize,
    pub(crate) connection: ConnectionId,
    pub(crate) script: Script,
    rng: Rng,
    pub(crate) born: Instant,
    pub(crate) opened: Option<Instant>,
    pub(crate) sent: Vec<Bytes>,
    pub(crate) received: Vec<Bytes>,
    /// A send was refused; nothing more is tried before the node says so.
    blocked: bool,
    /// The node said that there is something to read, and not all of it was read.
    readable: bool,
    next_send: Instant,
    next_read: Instant,
    finishing: bool,
    /// When and how it ended.
    pub(crate) ended: Option<(Instant, End)>,
    /// When what is over is let go.
    let_go: Option<Instant>,
    pub(crate) is_gone: bool,
}

/// Where and when a user begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) session: usize,
    pub(crate) side: usize,
    pub(crate) host: usize,
}

impl User {
    pub(crate) fn new(
        now: Instant,
        place: Place,
        connection: ConnectionId,
        script: Script,
        seed: u64,
    ) -> Self {
        let Place { session, side, host } = place;
        Self {
            session,
            side,
            host,
            connection,
            script,
            rng: Rng::new(seed),
            born: now,
            opened: None,
            sent: vec![],
            received: vec![],
            blocked: false,
            readable: false,
            next_send: now,
            next_read: now,
            finishing: false,
            ended: None,
            let_go: None,
            is_gone: false,
        }
    }

    pub(crate) fn open(&mut self, now: Instant) {
        assert_eq!(self.opened, None, "opened twice");
        self.opened = Some(now);
        if let Reading::After(pause) = self.script.reading {
            self.next_read = now + pause;
        }
    }

    pub(crate) const fn readable(&mut self) {
        self.readable = true;
    }

    pub(crate) fn writable(&mut self) {
        assert!(self.blocked, "told to go on who was not refused");
        self.blocked = false;
    }

    /// The node has called, if there is anything to do.
    pub(crate) fn check_calls(&self, has_room: bool, received: usize) {
        assert!(!has_room || !self.blocked, "waits for room that there is");
        let is_behind = self.opened.is_some() && received > self.received.len();
        assert!(
            !is_behind || self.readable,
            "has not been told that there is something to read"
        );
    }

    pub(crate) fn told(&mut self, now: Instant, reason: CloseReason) {
        assert_eq!(self.ended, None, "an end after the end");
        self.ended = Some((now, End::Told(reason)));
        self.let_go = Some(now + self.script.hold);
        // A user who reads slowly may still read what is there.
        self.next_read = now;
    }

    pub(crate) fn lose(&mut self, now: Instant) {
        self.ended.get_or_insert((now, End::Lost));
        self.is_gone = true;
    }

    fn patience(&self) -> Instant {
        self.born + self.script.patience
    }

    const fn is_done(&self) -> bool {
        self.sent.len() >= self.script.messages
    }

    /// Whether the connection has served its purpose.
    const fn is_content(&self) -> bool {
        self.is_done() && self.received.len() >= self.script.expects
    }

    fn wants_to_send(&self) -> bool {
        !self.blocked && !self.is_done() && !self.finishing && self.ended.is_none()
    }

    fn wants_to_read(&self) -> bool {
        self.readable && !matches!(self.script.reading, Reading::Never)
    }

    /// When it does something by itself.
    pub(crate) fn wake(&self) -> Option<Instant> {
        if self.is_gone {
            return None;
        }
        let send = self.wants_to_send().then_some(self.next_send);
        let read = self.wants_to_read().then_some(self.next_read);
        let end = self.let_go.unwrap_or_else(|| self.patience());
        [send, read, Some(end)].into_iter().flatten().min()
    }

    /// Does what its script says for now.
    pub(crate) fn act(&mut self, now: Instant, node: &mut Node) {
        if self.wants_to_read() && self.next_read <= now {
            self.read(now, node);
        }
        if self.wants_to_send() && self.next_send <= now {
            self.send(now, node);
        }
        match self.ended {
            Some(_) if self.let_go.is_some_and(|at| at <= now) => self.leave(now, node),
            Some(_) => {}
            None if self.patience() <= now => self.close(now, node),
            None if self.is_content() && !self.finishing && self.opened.is_some() => match self.script.ending
            {
                Ending::Finish(limit) => {
                    self.finishing = true;
                    node.finish(now, self.connection, limit);
                }
                Ending::Close => self.close(now, node),
                Ending::Wait => {}
            },
            None => {}
        }
    }

    fn close(&mut self, now: Instant, node: &mut Node) {
        self.ended = Some((now, End::Closed));
        self.leave(now, node);
    }

    fn leave(&mut self, now: Instant, node: &mut Node) {
        if !matches!(self.script.reading, Reading::Never) && self.ended != Some((now, End::Closed)) {
            // What came before the end can be read after it.
            self.take(node, usize::MAX);
        }
        node.close(now, self.connection);
        self.is_gone = true;
    }

    fn read(&mut self, now: Instant, node: &mut Node) {
        let (most, every) = match self.script.reading {
            Reading::Slowly { every, most } if self.ended.is_none() => (most, every),
            _ => (usize::MAX, ms(0)),
        };
        self.take(node, most);
        self.next_read = now + every;
    }

    fn take(&mut self, node: &mut Node, most: usize) {
        for _ in 0..most {
            let Some(message) = node.recv(self.connection) else {
                self.readable = false;
                return;
            };
            self.received.push(message.payload);
        }
    }

    fn send(&mut self, now: Instant, node: &mut Node) {
        let (burst, pause) = self.script.rhythm;
        for _ in 0..burst {
            if self.is_done() {
                return;
            }
            let message = self.message();
            match node.send(now, self.connection, message.clone()) {
                Ok(number) => {
                    assert_eq!(number, self.sent.len() as u64, "numbered out of turn");
                    self.sent.push(message);
                }
                // While a link is known to be down.
                Err(SendError::LinkDown) => {
                    self.next_send = now + ms(200);
                    return;
                }
                Err(SendError::Full) => {
                    self.blocked = true;
                    return;
                }
                // The node is about to tell.
                Err(SendError::Closed) => {
                    self.script.messages = self.sent.len();
                    return;
                }
                Err(error) => panic!("{error}"),
            }
        }
        self.next_send = now + pause;
    }

    fn message(&self) -> Bytes {
        let mut rng = Rng::new(self.rng.clone().next_u64() ^ self.sent.len() as u64);
        let len = 1 + rng.below(self.script.longest);
        (0..len).map(|_| rng.next_u64().to_be_bytes()[0]).collect()
    }
}
