//! A recorded conversation, had again with our machine in the place of one peer.

use core::time::Duration;

use flow_core::frct::{Config, Delivery, Flags, Machine, Sequence, Transmit};
use testkit::vectors::Tally;
use tinwire_time::Instant;

use super::session::{Packet, Session};

/// How far our timers may be from the peer's, which it rounds up to its ticks.
const TOLERANCE: Duration = Duration::from_millis(50);
/// What the peer sends again sooner than that it sends without need.
const TOO_SOON: Duration = Duration::from_millis(100);

pub(crate) fn check(session: &Session<'_>, tally: &mut Tally) {
    let packets = session.packets();
    for by_client in [true, false] {
        if !(by_client && session.is_client_made_up) {
            Replay::run(session, &packets, by_client, tally);
        }
    }
}

struct Replay<'a> {
    session: &'a Session<'a>,
    machine: Machine,
    now: Instant,
    sent: Vec<(Instant, Transmit)>,
}

impl Replay<'_> {
    fn run(session: &Session<'_>, packets: &[Packet], by_client: bool, tally: &mut Tally) {
        let own: Vec<&Packet> = packets
            .iter()
            .filter(|packet| packet.by_client == by_client)
            .collect();
        if own.is_empty() {
            return;
        }
        let data = own
            .iter()
            .find(|packet| packet.header.flags.contains(Flags::DATA));
        let first = data.map_or(Sequence::new(0), |packet| packet.header.seqno);
        let config = Config::default().delivery(if session.is_reliable {
            Delivery::Reliable
        } else {
            Delivery::Ordered
        });
        let mut replay = Replay {
            session,
            machine: Machine::new(config, first),
            now: Instant::ZERO,
            sent: Vec::new(),
        };
        let mut next = first;
        for packet in packets {
            replay.pass(packet.at);
            if packet.by_client != by_client {
                let encoded = Transmit {
                    header: packet.header,
                    payload: packet.payload.clone(),
                };
                replay.machine.handle_packet(replay.now, encoded.encode());
                while replay.machine.recv(replay.now).is_some() {}
                replay.flush();
            } else if packet.header.flags.contains(Flags::DATA) && packet.header.seqno == next {
                next = next.next();
                replay.write(packet, tally);
            } else if packet.header.flags == Flags::ACK {
                replay.close(packet, tally);
            } else if packet.header.flags == Flags::WINDOW {
                let is_same = |(at, sent): &(Instant, Transmit)| {
                    sent.header == packet.header && packet.at.saturating_since(*at) < TOLERANCE
                };
                assert!(replay.sent.iter().any(is_same), "no answer as {packet:?}");
                tally.remark("replayed: an answer to a rendez-vous, byte for byte");
            }
        }
        replay.judge(&own, tally);
        if !by_client {
            let (refused, again) = (session.refused(), replay.machine.stats().resent);
            assert!(again >= u64::try_from(refused).unwrap(), "{again} sent again");
            (0..refused).for_each(|_| tally.remark("differs by rule: what is sent again is protected anew"));
        }
    }

    /// Lets the machine's timers run until `until`.
    fn pass(&mut self, until: Instant) {
        while let Some(due) = self.machine.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.machine.handle_timeout(self.now);
            self.flush();
        }
        self.now = self.now.max(until);
    }

    fn flush(&mut self) {
        while let Some(transmit) = self.machine.poll_transmit(self.now) {
            // Whatever is sent, again or alone, goes protected and comes out as it was.
            let [mut here, mut there] = [(); 2].map(|()| self.session.protection().unwrap());
            let header = transmit.header.encode();
            let packet = here.protect(&[&header, &transmit.payload], || [7; 12]);
            assert_eq!(there.unprotect(packet).unwrap(), transmit.encode());
            self.sent.push((self.now, transmit));
        }
    }

    /// The application writes what the peer's has written.
    fn write(&mut self, theirs: &Packet, tally: &mut Tally) {
        self.machine.send(self.now, theirs.payload.clone()).unwrap();
        let before = self.sent.len();
        self.flush();
        let (_, ours) = self
            .sent
            .get(before)
            .expect("the window is open as it was for the peer");
        let (header, theirs) = (ours.header, theirs.header);
        if header == theirs {
            tally.remark("replayed: a packet, byte for byte");
            return;
        }
        // A peer that knows no run says 0, and ours says nothing.
        let zero = theirs.window == 0 && theirs.ackno == Sequence::new(0);
        assert_eq!(header.seqno, theirs.seqno);
        assert!(!ours.payload.is_empty() && header.flags.contains(Flags::DATA));
        if zero {
            assert!(!header.flags.contains(Flags::WINDOW), "{header:?} for {theirs:?}");
            tally.remark("differs by rule: who knows no run of the peer's says nothing of it");
            return;
        }
        let later = |ours: Sequence, theirs: Sequence| ours == theirs || ours.is_after(theirs);
        if header.flags.contains(Flags::ACK) {
            assert!(later(header.ackno, theirs.ackno), "{header:?} for {theirs:?}");
        }
        assert!(
            later(
                theirs.seqno.nearest(header.window),
                theirs.seqno.nearest(theirs.window)
            ),
            "{header:?} for {theirs:?}"
        );
        tally.remark("differs by rule: what has arrived is acknowledged, and what was read is told, at once");
    }

    /// The application lets go, as the peer's has.
    fn close(&mut self, theirs: &Packet, tally: &mut Tally) {
        self.machine.close(self.now);
        let before = self.sent.len();
        self.flush();
        let farewell = self.sent.get(before).map(|(_, sent)| sent.header);
        if !self.session.is_reliable {
            assert_eq!(farewell, None);
            tally.remark("differs by rule: an ordered flow acknowledges nothing");
        } else if farewell == Some(theirs.header) {
            tally.remark("replayed: a last acknowledgement, byte for byte");
        } else {
            let told = |(_, sent): &(Instant, Transmit)| sent.header.ackno == theirs.header.ackno;
            assert!(self.sent.iter().any(told), "it was acknowledged before");
            tally.remark("differs by rule: a last acknowledgement that says nothing new is not sent");
        }
    }

    /// What was sent again, and what was acknowledged in the end.
    fn judge(&self, own: &[&Packet], tally: &mut Tally) {
        let theirs = repetitions(
            own.iter()
                .map(|packet| (packet.at, packet.header.seqno, &packet.header.flags)),
        );
        let sent = self.sent.iter();
        let ours = repetitions(sent.map(|(at, sent)| (*at, sent.header.seqno, &sent.header.flags)));
        let in_time = theirs.iter().filter(|(after, _)| *after > TOO_SOON);
        for (after, seqno) in in_time {
            let is_same =
                |(ours, number): &(Duration, Sequence)| number == seqno && ours.abs_diff(*after) < TOLERANCE;
            assert!(
                ours.iter().any(is_same),
                "{seqno:?} after {after:?} again: {ours:?}"
            );
            tally.remark("replayed: a repetition, at the same time");
        }
        let soon = theirs.iter().filter(|(after, _)| *after <= TOO_SOON).count();
        if soon > 0 {
            assert!(ours.iter().all(|(after, _)| *after > TOO_SOON), "{ours:?}");
            (0..soon).for_each(|_| {
                tally.remark("differs by rule: no repetition before an acknowledgement can come")
            });
        }
        let last = |flags: &Flags| flags.contains(Flags::ACK);
        let mut told = own
            .iter()
            .filter(|packet| last(&packet.header.flags))
            .map(|packet| packet.header.ackno);
        let Some(told) = told.rfind(|ackno| *ackno != Sequence::new(0)) else {
            return;
        };
        if self.session.is_reliable {
            let mut ours = self
                .sent
                .iter()
                .filter(|(_, sent)| last(&sent.header.flags))
                .map(|(_, sent)| sent.header.ackno);
            assert_eq!(
                ours.next_back(),
                Some(told),
                "in the end the same is acknowledged"
            );
            tally.remark("replayed: the last number acknowledged");
        }
    }
}

/// How long after the first copy each number was sent again.
fn repetitions<'a>(
    packets: impl Iterator<Item = (Instant, Sequence, &'a Flags)>,
) -> Vec<(Duration, Sequence)> {
    let mut first: Vec<(Sequence, Instant)> = Vec::new();
    let mut again = Vec::new();
    for (at, seqno, _) in packets.filter(|(.., flags)| flags.contains(Flags::DATA)) {
        match first.iter().find(|(number, _)| *number == seqno) {
            Some((_, sent)) => again.push((at.saturating_since(*sent), seqno)),
            None => first.push((seqno, at)),
        }
    }
    again
}
