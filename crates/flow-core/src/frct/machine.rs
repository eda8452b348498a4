//! One end of a flow.

use core::fmt;
use core::time::Duration;

use bytes::{Buf, Bytes};
use tinwire_time::{Instant, Timer};

use super::config::{Config, Linger};
use super::receive::Receiver;
use super::send::{Alone, Outgoing, Sender};
use super::state::{Discard, Discards, DownReason, Event, SendError, State, Stats, Transmit, Verdict};
use super::{Flags, HEADER_LEN, Header, Sequence};

/// An end that has closed answers repetitions for three retransmission times, within these bounds.
const QUIET: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

/// One end of a flow: numbers, acknowledgements, windows, timers. It knows packets and time, and nothing of
/// names, transports and protection.
///
/// ```text
/// on a packet of the user:    send(now, packet)
/// on every packet arrived:    handle_packet(now, packet)
/// as far as the user reads:   recv(now), or take() and, once it was read, read(now, 1)
/// at poll_timeout():          handle_timeout(now)
/// at the end:                 close(now)
/// then until None:            poll_transmit(now), poll_event()
/// ```
///
/// What `poll_transmit`, `poll_event` and `poll_timeout` answer may change after each of the others. Time
/// never goes back: a `now` before the latest that was told counts as that.
///
/// Memory is bounded by [`Config::packets`] and [`Config::bytes`] in each direction, and one packet more.
pub struct Machine {
    config: Config,
    state: State,
    sender: Sender,
    receiver: Receiver,
    /// The last acknowledgement is to be sent, alone.
    is_farewell_due: bool,
    quiet: Timer,
    /// When [`State::Quiet`] ends at the latest.
    quiet_until: Instant,
    /// The latest time told.
    latest: Instant,
    stats: Stats,
    told: Told,
}

#[derive(Debug, Default)]
struct Told {
    discarded: Discards,
    skipped: u64,
    end: Option<Event>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("state", &self.state)
            .field("sender", &self.sender)
            .field("receiver", &self.receiver)
            .field("quiet", &self.quiet)
            .finish_non_exhaustive()
    }
}

impl Machine {
    /// A machine that numbers its packets from `first` on, which should be random. After a pause the numbers
    /// go on, with a new run.
    #[must_use]
    pub fn new(config: Config, first: Sequence) -> Self {
        Self {
            config,
            state: State::Open,
            sender: Sender::new(config, first),
            receiver: Receiver::new(config),
            is_farewell_due: false,
            quiet: Timer::stopped(),
            quiet_until: Instant::ZERO,
            latest: Instant::ZERO,
            stats: Stats::default(),
            told: Told::default(),
        }
    }

    /// Takes the time, which never goes back: what was sent again a moment ago would never be old enough.
    fn tell(&mut self, now: Instant) -> Instant {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// Where it is.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Closed | State::Down(_))
    }

    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Packets that were sent and are not acknowledged.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.sender.unacknowledged()
    }

    /// Packets that wait to be sent.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.sender.unsent()
    }

    /// Packets that can be taken.
    #[must_use]
    pub fn readable(&self) -> usize {
        self.receiver.readable()
    }

    /// Bytes of payload kept to be sent, and kept to be read.
    #[must_use]
    pub const fn bytes(&self) -> (usize, usize) {
        (self.sender.bytes(), self.receiver.bytes())
    }

    /// Takes a packet of the user.
    ///
    /// # Errors
    ///
    /// [`SendError`]; then nothing has changed.
    pub fn send(&mut self, now: Instant, packet: Bytes) -> Result<(), SendError> {
        let now = self.tell(now);
        match self.state {
            State::Open => {}
            State::Down(reason) => return Err(reason.into()),
            State::Closing | State::Quiet | State::Closed => return Err(SendError::Closed),
        }
        self.sender.push(packet)?;
        self.sender.watch_window(now);
        Ok(())
    }

    /// The next packet for the user. The window moves, so the packet counts as read.
    pub fn recv(&mut self, now: Instant) -> Option<Bytes> {
        let packet = self.take()?;
        self.read(now, 1);
        Some(packet)
    }

    /// The next packet for the user, who does not read it yet: the window moves with [`read`](Self::read).
    pub fn take(&mut self) -> Option<Bytes> {
        let packet = self.receiver.take();
        self.stats.delivered += u64::from(packet.is_some());
        packet
    }

    /// The user has read `count` of the packets that were [taken](Self::take).
    pub fn read(&mut self, now: Instant, count: usize) {
        let now = self.tell(now);
        self.receiver.look_at_the_clock(now, &mut self.stats);
        self.receiver.read(count);
    }

    /// Takes a packet of the peer, without its protection. Never fails: what is wrong is dropped, counted and
    /// told.
    pub fn handle_packet(&mut self, now: Instant, packet: Bytes) -> Verdict {
        let now = self.tell(now);
        let verdict = self.take_packet(now, packet);
        if let Verdict::Discarded(reason) = verdict {
            self.stats.discarded.add(reason, 1);
        }
        self.proceed(now);
        verdict
    }

    fn take_packet(&mut self, now: Instant, mut packet: Bytes) -> Verdict {
        if packet.is_empty() {
            self.stats.keepalives += 1;
            self.sender.handle_heard(now);
            return Verdict::Keepalive;
        }
        if self.is_over() {
            return Verdict::Discarded(Discard::Closed);
        }
        let Ok((header, _)) = Header::decode(&packet) else {
            return Verdict::Discarded(Discard::Malformed);
        };
        packet.advance(HEADER_LEN);
        self.receiver.look_at_the_clock(now, &mut self.stats);
        self.sender.handle_heard(now);
        if header.flags.contains(Flags::RENDEZVOUS) {
            let asked = self.receiver.handle_rendezvous(now);
            return asked.map_or_else(Verdict::Discarded, |()| Verdict::Control);
        }
        self.take_control(now, &header);
        if !header.flags.contains(Flags::DATA) {
            return Verdict::Control;
        }
        if self.state != State::Open {
            return Verdict::Discarded(self.receiver.handle_data_closed(now, &header));
        }
        self.receiver
            .handle_data(now, &header, packet, &mut self.stats)
            .map_or_else(Verdict::Discarded, |()| Verdict::Taken)
    }

    fn take_control(&mut self, now: Instant, header: &Header) {
        let is_wider = header.flags.contains(Flags::WINDOW) && self.sender.handle_window(now, header.window);
        if header.flags == Flags::WINDOW {
            self.sender.handle_answer(now);
        }
        if header.flags.contains(Flags::WINDOW) && !is_wider {
            self.stats.windows_ignored += 1;
        }
        if header.flags.contains(Flags::ACK) {
            let alone = if header.flags.contains(Flags::DATA) || is_wider {
                Alone::No
            } else {
                Alone::Yes
            };
            if !self.sender.handle_acknowledgement(now, header.ackno, alone) {
                self.stats.acknowledgements_ignored += 1;
            }
        }
    }

    /// The next packet to be sent; call until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        let now = self.tell(now);
        self.receiver.look_at_the_clock(now, &mut self.stats);
        if core::mem::take(&mut self.is_farewell_due) {
            return Some(self.control(now, Flags::ACK));
        }
        if self.is_over() {
            return None;
        }
        if self.receiver.take_asked() {
            return Some(self.control(now, Flags::WINDOW));
        }
        if self.receiver.take_gap() {
            return Some(self.control(now, Flags::ACK_AND_WINDOW));
        }
        if let Some(outgoing) = self.sender.poll(now) {
            self.sender.watch_window(now);
            return Some(self.data(now, outgoing, Flags::ACK_AND_WINDOW));
        }
        if self.receiver.take_due() && self.receiver.has_run() {
            return Some(self.control(now, Flags::ACK_AND_WINDOW));
        }
        if self.sender.take_rendezvous(now) {
            self.stats.rendezvous_sent += 1;
            let flags = Flags::RENDEZVOUS;
            return Some(Transmit {
                header: Header {
                    flags,
                    ..Header::default()
                },
                payload: Bytes::new(),
            });
        }
        self.proceed(now);
        None
    }

    fn control(&mut self, now: Instant, wanted: Flags) -> Transmit {
        self.stats.controls_sent += 1;
        Transmit {
            header: self.receiver.stamp(now, wanted, Header::default()),
            payload: Bytes::new(),
        }
    }

    fn data(&mut self, now: Instant, outgoing: Outgoing, wanted: Flags) -> Transmit {
        let Outgoing {
            seqno,
            begins,
            is_repeated,
            payload,
        } = outgoing;
        if is_repeated {
            self.stats.resent += 1;
        } else {
            self.stats.sent += 1;
        }
        let header = Header {
            flags: Flags::DATA.with_if(Flags::RUN, begins),
            seqno,
            ..Header::default()
        };
        let header = self.receiver.stamp(now, wanted, header);
        Transmit { header, payload }
    }

    /// What happened; call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        for reason in Discard::ALL {
            let count = self.stats.discarded.count(reason) - self.told.discarded.count(reason);
            if count > 0 {
                self.told.discarded.add(reason, count);
                return Some(Event::Discarded { reason, count });
            }
        }
        let count = self.stats.skipped - self.told.skipped;
        if count > 0 {
            self.told.skipped = self.stats.skipped;
            return Some(Event::Skipped { count });
        }
        self.told.end.take()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_over() {
            return None;
        }
        let halves = [self.sender.poll_timeout(), self.receiver.poll_timeout()];
        halves.into_iter().chain([self.quiet.deadline()]).flatten().min()
    }

    /// Does what is due at `now`; early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.tell(now);
        if self.is_over() {
            return;
        }
        if let Err(reason) = self.sender.handle_timeout(now) {
            self.give_up(reason);
            return;
        }
        self.receiver.handle_timeout(now);
        if self.quiet.fire(now) {
            self.end(0, 0);
        }
        self.proceed(now);
    }

    /// The user reads and sends no more. What it has not read is thrown away; what it sent is served until it
    /// is acknowledged, if the machine lingers.
    pub fn close(&mut self, now: Instant) {
        let now = self.tell(now);
        if self.state != State::Open {
            return;
        }
        self.state = State::Closing;
        self.is_farewell_due = self.receiver.owes();
        self.receiver.close();
        if self.config.linger == Linger::No {
            let (unacknowledged, unsent) = self.sender.abandon();
            self.end(unacknowledged, unsent);
        }
        self.proceed(now);
    }

    /// Goes on to the next state if it is time to.
    fn proceed(&mut self, now: Instant) {
        if self.is_over() {
            return;
        }
        self.sender.watch_window(now);
        if self.state == State::Closing && self.sender.is_done() {
            if !self.config.is_reliable() || !self.receiver.has_run() {
                self.end(0, 0);
                return;
            }
            self.state = State::Quiet;
            self.quiet_until = now + self.config.a;
        }
        if self.state == State::Quiet {
            let [least, most] = QUIET;
            let quiet = self.sender.timeout().saturating_mul(3).clamp(least, most);
            let until = (self.receiver.active() + quiet).min(self.quiet_until);
            if until <= now {
                self.end(0, 0);
            } else {
                self.quiet.start(until);
            }
        }
    }

    fn end(&mut self, unacknowledged: usize, unsent: usize) {
        self.state = State::Closed;
        self.told.end = Some(Event::Closed {
            unacknowledged,
            unsent,
        });
    }

    fn give_up(&mut self, reason: DownReason) {
        let (unacknowledged, unsent) = self.sender.abandon();
        self.state = State::Down(reason);
        self.told.end = Some(Event::Down {
            reason,
            unacknowledged,
            unsent,
        });
    }
}
