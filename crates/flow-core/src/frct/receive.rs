//! The half of a machine that receives: what waits to be read, what is held for what is missing, and the
//! window.
//!
//! ```text
//!        read | waits to be read | missing, held ...       | not taken
//!                                next                      edge
//! ```

use alloc::collections::VecDeque;
use core::fmt;
use core::mem;

use bytes::Bytes;
use tinwire_time::{Instant, Timer};

use super::config::Config;
use super::state::{Discard, Stats, pop};
use super::{Flags, Header, Sequence};

/// How often a window that was opened again is told, unless the peer sends.
const REOPENINGS: u8 = 5;
/// Acknowledgements of the same number that are owed at most.
const MAX_GAPS: u8 = 3;
/// Packets of which one acknowledgement tells.
const PACKETS_PER_ACKNOWLEDGEMENT: u32 = 2;

/// The peer's run, once there is one.
#[derive(Debug)]
struct Run {
    next: Sequence,
    edge: Sequence,
    /// The edge that the peer was told last.
    told: Sequence,
    /// Packets in order that are not acknowledged.
    unacknowledged: u32,
    /// Packets since the window was told.
    since_told: u32,
    /// A number beyond the window, on an ordered flow, that was not believed.
    beyond: Option<Sequence>,
}

pub(super) struct Receiver {
    config: Config,
    run: Option<Run>,
    /// When the run was last active.
    active: Instant,
    ready: VecDeque<Bytes>,
    /// Lengths of packets that were handed out and are not read.
    taken: VecDeque<usize>,
    /// What is behind the first missing packet.
    held: VecDeque<Option<Bytes>>,
    /// Of all three.
    bytes: usize,
    /// The longest packet so far.
    longest: usize,
    /// The window is asked for.
    is_asked: bool,
    /// Something is to be told, with data or alone.
    is_due: bool,
    /// Packets arrived behind one that is missing: to be told alone.
    gaps: u8,
    delayed: Timer,
    reopened: Timer,
    reopenings: u8,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("run", &self.run)
            .field("active", &self.active)
            .field("unread", &self.unread())
            .field("held", &self.held.iter().flatten().count())
            .field("bytes", &self.bytes)
            .field("delayed", &self.delayed)
            .field("reopened", &self.reopened)
            .finish_non_exhaustive()
    }
}

impl Receiver {
    pub(super) const fn new(config: Config) -> Self {
        Self {
            config,
            run: None,
            active: Instant::ZERO,
            ready: VecDeque::new(),
            taken: VecDeque::new(),
            held: VecDeque::new(),
            bytes: 0,
            longest: 0,
            is_asked: false,
            is_due: false,
            gaps: 0,
            delayed: Timer::stopped(),
            reopened: Timer::stopped(),
            reopenings: 0,
        }
    }

    /// Packets that were received in order and not read.
    fn unread(&self) -> usize {
        self.ready.len() + self.taken.len()
    }

    pub(super) fn readable(&self) -> usize {
        self.ready.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// When data or a rendez-vous of the peer's run was last heard.
    pub(super) const fn active(&self) -> Instant {
        self.active
    }

    pub(super) const fn has_run(&self) -> bool {
        self.run.is_some()
    }

    /// Whether something in order was not acknowledged.
    pub(super) fn owes(&self) -> bool {
        let unacknowledged = self.run.as_ref().map_or(0, |run| run.unacknowledged);
        self.config.is_reliable() && unacknowledged > 0
    }

    /// Ends the peer's run if it was not active for so long that the peer ended it too, by delta-t.
    pub(super) fn look_at_the_clock(&mut self, now: Instant, stats: &mut Stats) {
        if self.run.is_some() && now.saturating_since(self.active) > self.config.receiver_inactivity() {
            self.run = None;
            self.forget_held(stats);
            self.is_due = false;
            self.gaps = 0;
            self.delayed.stop();
            self.reopened.stop();
        }
    }

    fn forget_held(&mut self, stats: &mut Stats) {
        for packet in self.held.drain(..).flatten() {
            self.bytes -= packet.len();
            stats.discarded.add(Discard::Orphaned, 1);
        }
    }

    /// Asked where the window ends. Who knows nothing of a run says nothing; the peer says 0.
    pub(super) fn handle_rendezvous(&mut self, now: Instant) -> Result<(), Discard> {
        if self.run.is_none() {
            return Err(Discard::NoRun);
        }
        self.active = now;
        self.is_asked = true;
        Ok(())
    }

    /// What a packet of the user's says once the user has closed: repetitions are answered, the rest is
    /// dropped.
    pub(super) fn handle_data_closed(&mut self, now: Instant, header: &Header) -> Discard {
        let is_old = self
            .run
            .as_ref()
            .is_some_and(|run| header.seqno.is_before(run.next));
        if !is_old {
            return Discard::Closed;
        }
        self.active = now;
        self.is_due = self.config.is_reliable();
        Discard::Duplicate
    }

    pub(super) fn handle_data(
        &mut self,
        now: Instant,
        header: &Header,
        payload: Bytes,
        stats: &mut Stats,
    ) -> Result<(), Discard> {
        if self.run.is_none() {
            if !header.flags.contains(Flags::RUN) {
                return Err(Discard::NoRun);
            }
            self.begin(header.seqno);
        }
        self.longest = self.longest.max(payload.len());
        let is_reliable = self.config.is_reliable();
        let run = self.run.as_mut().ok_or(Discard::NoRun)?;
        let ahead = header.seqno.since(run.next);
        if header.seqno.is_before(run.next) {
            self.active = now;
            self.is_due |= is_reliable;
            return Err(if is_reliable {
                Discard::Duplicate
            } else {
                Discard::Late
            });
        }
        if !is_reliable {
            self.handle_ordered(now, header.seqno, payload, stats)
        } else if ahead >= run.edge.since(run.next) {
            Err(Discard::BeyondWindow)
        } else if ahead == 0 {
            self.handle_next(now, payload, stats)
        } else {
            self.hold(now, ahead, payload)
        }
    }

    fn begin(&mut self, seqno: Sequence) {
        let room = self.room();
        self.run = Some(Run {
            next: seqno,
            edge: seqno.plus(room),
            told: seqno.plus(room),
            unacknowledged: 0,
            since_told: 0,
            beyond: None,
        });
    }

    /// Packets that may still come.
    fn room(&self) -> u32 {
        let room = usize::from(self.config.packets).saturating_sub(self.unread());
        u32::try_from(room).unwrap_or(u32::MAX)
    }

    /// Whether there is room for a packet of that length.
    const fn fits(&self, len: usize) -> bool {
        len <= self.config.max_kept().saturating_sub(self.bytes)
    }

    fn handle_next(&mut self, now: Instant, payload: Bytes, stats: &mut Stats) -> Result<(), Discard> {
        if !self.fits(payload.len()) && self.unread() > 0 {
            return Err(Discard::NoRoom);
        }
        let mut came = 0;
        self.bytes += payload.len();
        let mut packet = Some(payload);
        while let Some(payload) = packet {
            came += 1;
            if payload.is_empty() {
                stats.discarded.add(Discard::Empty, 1);
            } else {
                self.ready.push_back(payload);
            }
            packet = self.held.pop_front().flatten();
        }
        stats.received += u64::from(came);
        let was_missing = came > 1 || !self.held.is_empty();
        if let Some(run) = &mut self.run {
            run.next = run.next.plus(came);
            run.unacknowledged += came;
            run.since_told += came;
            if was_missing || run.unacknowledged >= PACKETS_PER_ACKNOWLEDGEMENT {
                self.is_due = true;
            } else if !self.delayed.is_running() {
                self.delayed
                    .start(now + self.config.wire.delayed_acknowledgement());
            }
        }
        self.heard(now);
        Ok(())
    }

    /// Keeps what came before its turn, and says that something is missing.
    fn hold(&mut self, now: Instant, ahead: u32, payload: Bytes) -> Result<(), Discard> {
        let place = usize::try_from(ahead).unwrap_or(usize::MAX) - 1;
        if self.held.get(place).is_some_and(Option::is_some) {
            return Err(Discard::Duplicate);
        }
        if !self.fits(payload.len()) {
            return Err(Discard::NoRoom);
        }
        if self.held.len() <= place {
            self.held.resize(place + 1, None);
        }
        self.bytes += payload.len();
        if let Some(slot) = self.held.get_mut(place) {
            *slot = Some(payload);
        }
        self.gaps = (self.gaps + 1).min(MAX_GAPS);
        self.heard(now);
        Ok(())
    }

    fn handle_ordered(
        &mut self,
        now: Instant,
        seqno: Sequence,
        payload: Bytes,
        stats: &mut Stats,
    ) -> Result<(), Discard> {
        if self.room() == 0 || (!self.fits(payload.len()) && self.unread() > 0) {
            self.active = now;
            return Err(Discard::NoRoom);
        }
        if !self.is_believed(seqno) {
            return Err(Discard::BeyondWindow);
        }
        if let Some(run) = &mut self.run {
            stats.skipped += u64::from(seqno.since(run.next));
            run.next = seqno.next();
            run.since_told += 1;
            self.is_due |= run.since_told >= self.config.update_after();
        }
        stats.received += 1;
        if payload.is_empty() {
            stats.discarded.add(Discard::Empty, 1);
        } else {
            self.bytes += payload.len();
            self.ready.push_back(payload);
        }
        self.heard(now);
        Ok(())
    }

    /// Whether a packet of an ordered flow has the number that it seems to have. Beyond the window are
    /// senders that were not heard for long, and packets without a CRC whose number was damaged on the way:
    /// the second such number that goes on where the first was is believed, for one that was thrown ahead
    /// alone would have all that follow dropped as late.
    fn is_believed(&mut self, seqno: Sequence) -> bool {
        let most = u32::from(self.config.wire.max_window());
        let Some(run) = &mut self.run else { return false };
        let is_within = seqno.since(run.next) < run.edge.since(run.next);
        let goes_on = run
            .beyond
            .is_some_and(|beyond| seqno.is_after(beyond) && seqno.since(beyond) <= most);
        run.beyond = (!is_within && !goes_on).then_some(seqno);
        is_within || goes_on
    }

    fn heard(&mut self, now: Instant) {
        self.active = now;
        self.reopened.stop();
        self.widen();
    }

    /// Moves the edge, never back, as far as there is room for packets of the longest length seen.
    fn widen(&mut self) {
        let bytes = self.config.max_kept().saturating_sub(self.bytes) / self.longest.max(1);
        let room = self.room().min(u32::try_from(bytes).unwrap_or(u32::MAX));
        if let Some(run) = &mut self.run {
            run.edge = run.edge.later(run.next.plus(room));
        }
    }

    /// Hands out the next packet, which counts until it is [read](Self::read).
    pub(super) fn take(&mut self) -> Option<Bytes> {
        let packet = self.ready.pop_front()?;
        self.taken.push_back(packet.len());
        Some(packet)
    }

    /// The user has read so many of the packets that it was handed.
    pub(super) fn read(&mut self, count: usize) {
        let count = count.min(self.taken.len());
        self.bytes -= self.taken.drain(..count).sum::<usize>();
        self.widen();
        let update_after = self.config.update_after();
        if let Some(run) = &self.run {
            let wider = run.edge.since(run.told);
            let was_closed = run.told == run.next;
            if wider >= update_after || (wider > 0 && was_closed) {
                self.is_due = true;
            }
        }
    }

    pub(super) fn close(&mut self) {
        while pop(&mut self.ready, &mut self.bytes).is_some() {}
        self.bytes -= self.taken.drain(..).sum::<usize>();
        self.bytes -= self
            .held
            .drain(..)
            .flatten()
            .map(|packet| packet.len())
            .sum::<usize>();
        (self.is_due, self.gaps) = (false, 0);
        self.delayed.stop();
        self.reopened.stop();
    }

    /// Whether the window alone is to be told.
    pub(super) const fn take_asked(&mut self) -> bool {
        mem::replace(&mut self.is_asked, false)
    }

    /// Whether an acknowledgement is to be told alone, for something is missing.
    pub(super) const fn take_gap(&mut self) -> bool {
        let is_gap = self.gaps > 0;
        self.gaps = self.gaps.saturating_sub(1);
        is_gap
    }

    /// Whether something is to be told, with no data to go with it.
    pub(super) const fn take_due(&mut self) -> bool {
        mem::replace(&mut self.is_due, false)
    }

    /// Puts on a packet that leaves now what the peer may know, of what `wanted` says.
    pub(super) fn stamp(&mut self, now: Instant, wanted: Flags, header: Header) -> Header {
        let Some(run) = &mut self.run else { return header };
        let mut header = header;
        if wanted.contains(Flags::WINDOW) {
            header.flags = header.flags | Flags::WINDOW;
            header.window = run.edge.low_bits();
            if run.told == run.next && run.edge != run.told {
                self.reopenings = REOPENINGS;
                self.reopened.start(now + self.config.wire.rendezvous_interval());
            }
            run.told = run.edge;
            run.since_told = 0;
            self.is_due &= self.config.is_reliable();
        }
        let is_fresh = now.saturating_since(self.active) <= self.config.a;
        if wanted.contains(Flags::ACK) && self.config.is_reliable() && is_fresh {
            header.flags = header.flags | Flags::ACK;
            header.ackno = run.next;
            run.unacknowledged = 0;
            self.is_due = false;
            self.delayed.stop();
        }
        header
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let timers = [&self.delayed, &self.reopened];
        timers.into_iter().filter_map(Timer::deadline).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.is_due |= self.delayed.fire(now);
        if self.reopened.fire(now) && self.reopenings > 0 {
            self.reopenings -= 1;
            self.is_due = true;
            self.reopened.start(now + self.config.wire.rendezvous_interval());
        }
    }
}
