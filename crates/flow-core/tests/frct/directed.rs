//! Stories that are told on purpose.

use core::time::Duration;

use bytes::Bytes;
use flow_core::frct::{
    Config, Delivery, Discard, DownReason, Flags, Header, Machine, Sequence, State, Transmit, Verdict,
};
use tinwire_time::Instant;

use crate::network::{Weather, Wire};

const SECOND: Duration = Duration::from_secs(1);

/// Two machines without protection, and a clock.
struct Pair {
    now: Instant,
    machines: [Machine; 2],
    wires: [Wire; 2],
}

impl Pair {
    fn new(config: Config, weather: &Weather) -> Self {
        Self {
            now: Instant::ZERO,
            machines: [7, u32::MAX - 100].map(|first| Machine::new(config, Sequence::new(first))),
            wires: [1, 2].map(|seed| Wire::new(seed, weather.clone())),
        }
    }

    /// Sends what is to be sent, lets everything arrive that is due, and says when something happens next.
    fn settle(&mut self) -> Option<Instant> {
        for place in [0, 1, 0] {
            self.machines[place].handle_timeout(self.now);
            self.flush(place);
            while let Some(packet) = self.wires[1 - place].pop(self.now) {
                self.machines[place].handle_packet(self.now, packet);
                self.flush(place);
            }
        }
        let timers = self.machines.iter().filter_map(Machine::poll_timeout);
        timers.chain(self.wires.iter().filter_map(Wire::next_due)).min()
    }

    fn flush(&mut self, place: usize) {
        while let Some(transmit) = self.machines[place].poll_transmit(self.now) {
            self.wires[place].push(self.now, transmit.encode());
        }
    }

    /// Goes on for `time`.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.settle().filter(|next| *next <= end) {
            self.now = self.now.max(next);
        }
        self.now = end;
    }

    fn send(&mut self, place: usize) {
        let now = self.now;
        self.machines[place]
            .send(now, Bytes::from_static(b"packet"))
            .unwrap();
        self.settle();
    }

    fn read(&mut self, place: usize) -> usize {
        let now = self.now;
        let count = core::iter::from_fn(|| self.machines[place].recv(now)).count();
        self.flush(place);
        count
    }
}

fn calm(millis: u64) -> Weather {
    Weather {
        delay: [Duration::from_millis(millis); 2],
        ..Weather::default()
    }
}

#[test]
fn lone_packets_are_sent_once_whatever_the_round_trip() {
    for millis in [0, 1, 5, 30, 200, 450] {
        let mut pair = Pair::new(Config::default(), &calm(millis));
        for _ in 0..50 {
            pair.send(0);
            pair.pass(SECOND);
            assert_eq!(pair.read(1), 1);
        }
        let stats = pair.machines[0].stats();
        assert_eq!((stats.sent, stats.resent), (50, 0), "one way {millis} ms");
    }
}

#[test]
fn a_round_trip_longer_than_the_timer_is_learned_from_a_few_repetitions() {
    let mut pair = Pair::new(Config::default(), &calm(1500));
    for _ in 0..50 {
        pair.send(0);
        pair.pass(SECOND * 5);
        assert_eq!(pair.read(1), 1);
    }
    let stats = pair.machines[0].stats();
    assert!(stats.resent <= 5, "{} of 50", stats.resent);
}

#[test]
fn a_reader_that_stalls_for_hours_ends_no_flow_and_makes_nobody_repeat() {
    for delivery in [Delivery::Reliable, Delivery::Ordered] {
        let mut pair = Pair::new(Config::default().delivery(delivery), &calm(20));
        for _ in 0..500 {
            let now = pair.now;
            let _full = pair.machines[0].send(now, Bytes::from_static(b"packet"));
            pair.pass(Duration::from_millis(10));
        }
        pair.pass(SECOND * 7200);
        let unsent = pair.machines[0].unsent();
        assert!(unsent > 0 && pair.machines[0].unacknowledged() == 0);
        assert_eq!(pair.read(1), 256);
        pair.pass(SECOND);
        assert_eq!((pair.read(1), pair.machines[0].unsent()), (unsent, 0));
        assert_eq!(pair.machines[0].stats().resent, 0);
    }
}

#[test]
fn an_acknowledgement_waits_ten_milliseconds_for_company_and_goes_with_every_second_packet() {
    let mut pair = Pair::new(Config::default(), &calm(0));
    pair.send(0);
    pair.pass(Duration::from_millis(9));
    assert_eq!(pair.machines[0].unacknowledged(), 1);
    pair.pass(Duration::from_millis(1));
    pair.settle();
    assert_eq!(pair.machines[0].unacknowledged(), 0);
    pair.send(0);
    pair.send(0);
    pair.settle();
    assert_eq!(pair.machines[0].unacknowledged(), 0, "two do not wait");
}

#[test]
fn after_a_pause_a_new_run_begins_and_nothing_is_lost_or_seen_twice() {
    let mut pair = Pair::new(Config::default(), &calm(5));
    for pause in [1, 130, 142, 143, 147, 1_000_000] {
        for _ in 0..20 {
            pair.send(0);
            pair.send(1);
        }
        pair.pass(SECOND);
        assert_eq!((pair.read(0), pair.read(1)), (20, 20), "before {pause} s");
        pair.pass(SECOND * pause);
    }
    assert_eq!(pair.machines[0].stats().resent, 0);
}

#[test]
fn a_peer_that_knows_no_run_of_ours_is_not_believed() {
    let mut machine = Machine::new(Config::default(), Sequence::new(0x8000_0000));
    let told = [0x0C, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let now = Instant::ZERO;
    assert_eq!(
        machine.handle_packet(now, Bytes::copy_from_slice(&told)),
        Verdict::Control
    );
    machine.send(now, Bytes::from_static(b"x")).unwrap();
    assert!(machine.poll_transmit(now).is_some());
    machine.handle_packet(now, Bytes::copy_from_slice(&told));
    let stats = machine.stats();
    assert_eq!((stats.windows_ignored, stats.acknowledgements_ignored), (2, 2));
    assert_eq!(machine.unacknowledged(), 1);
}

#[test]
fn a_dark_link_is_told_by_name_after_as_long_as_was_asked() {
    let dark = Weather {
        loss: 100,
        ..Weather::default()
    };
    let config = Config::default().retransmission_time(SECOND * 20);
    let mut pair = Pair::new(config, &dark);
    pair.send(0);
    pair.pass(SECOND * 19);
    assert!(!pair.machines[0].is_over());
    pair.pass(SECOND);
    pair.settle();
    assert!(pair.machines[0].is_over());
    assert!(pair.machines[0].send(pair.now, "x".into()).is_err());
    assert_eq!(pair.machines[0].poll_timeout(), None);
}

#[test]
fn a_closed_window_and_a_peer_that_vanished_is_a_reset() {
    let mut pair = Pair::new(Config::default(), &calm(1));
    for _ in 0..60 {
        for _ in 0..8 {
            let now = pair.now;
            let _full = pair.machines[0].send(now, "packet".into());
        }
        pair.pass(Duration::from_millis(20));
    }
    assert!(pair.machines[0].unsent() > 0, "the window is closed");
    pair.wires = [3, 4].map(|seed| {
        let loss = 100;
        Wire::new(seed, Weather { loss, ..calm(1) })
    });
    pair.pass(SECOND * 29);
    assert!(!pair.machines[0].is_over());
    pair.pass(SECOND * 2);
    let end = core::iter::from_fn(|| pair.machines[0].poll_event()).last();
    assert!(format!("{end:?}").contains("Reset"), "{end:?}");
}

#[test]
fn what_a_closed_end_gets_is_answered_if_it_is_old_and_dropped_if_it_is_new() {
    let mut pair = Pair::new(Config::default(), &calm(1));
    pair.send(0);
    pair.pass(SECOND);
    let now = pair.now;
    let [one, two] = &mut pair.machines;
    two.close(now);
    one.send(now, "new".into()).unwrap();
    let new = one.poll_transmit(now).unwrap();
    assert_eq!(
        two.handle_packet(now, new.encode()),
        Verdict::Discarded(Discard::Closed)
    );
    let old = Transmit {
        header: Header {
            seqno: Sequence::new(7),
            ..new.header
        },
        payload: new.payload,
    };
    assert_eq!(
        two.handle_packet(now, old.encode()),
        Verdict::Discarded(Discard::Duplicate)
    );
    let answer = two.poll_transmit(now).unwrap();
    assert_eq!(answer.header.ackno, Sequence::new(8));
}

/// What arrives in how long, and what it costs, printed as a table.
#[test]
fn goodput_falls_with_loss_and_repetitions_stay_within_bounds() {
    const PACKETS: u64 = 3000;
    println!("one way 20 ms, {PACKETS} packets of 1000 bytes, one direction");
    println!("loss %   packets/s   sent again per packet   of which were lost");
    for (loss, least, most) in [
        (0, 3000, 0),
        (1, 1000, 60),
        (5, 300, 150),
        (10, 150, 200),
        (20, 60, 200),
        (30, 30, 250),
    ] {
        let weather = Weather { loss, ..calm(20) };
        let mut pair = Pair::new(Config::default(), &weather);
        let packet = Bytes::from(vec![1; 1000]);
        let mut read = 0;
        while read < PACKETS {
            let now = pair.now;
            while pair.machines[0].stats().sent + (pair.machines[0].unsent() as u64) < PACKETS
                && pair.machines[0].send(now, packet.clone()).is_ok()
            {}
            let next = pair.settle();
            read += pair.read(1) as u64;
            pair.now = next.map_or(pair.now, |next| next.max(pair.now));
        }
        let stats = pair.machines[0].stats();
        let micros = u64::try_from(pair.now.saturating_since(Instant::ZERO).as_micros()).unwrap();
        let rate = PACKETS * 1_000_000 / micros;
        let percent = stats.resent * 100 / PACKETS;
        println!(
            "{loss:>6}   {rate:>9}   {percent:>20}%   {:>18}",
            pair.wires[0].lost
        );
        assert!(rate >= least, "{rate} packets a second at {loss} %");
        assert!(percent <= most, "{percent} % sent again at {loss} %");
    }
}

#[test]
fn a_clock_that_goes_back_makes_nobody_send_without_end() {
    let mut machine = Machine::new(Config::default(), Sequence::new(7));
    for millis in 0..9 {
        let now = Instant::from_millis(5000 + millis);
        machine.send(now, "packet".into()).unwrap();
        assert!(machine.poll_transmit(now).is_some());
    }
    for late in [1, 1000, 5000] {
        let due = machine.poll_timeout().unwrap();
        machine.handle_timeout(due);
        // The timer has run out, and who asks what to send has an older time.
        let now = Instant::from_micros(due.as_micros() - late * 1000);
        let sent = core::iter::from_fn(|| machine.poll_transmit(now));
        assert!(sent.take(100).count() < 10, "{late} ms late");
    }
    machine.handle_timeout(Instant::from_millis(1_000_000));
    machine.handle_packet(Instant::ZERO, Bytes::new());
    machine.close(Instant::ZERO);
    assert_eq!(machine.state(), State::Down(DownReason::Expired));
}

/// An ordered machine and packets that it hears, of which some have a damaged number.
fn heard(numbers: &[u32]) -> (Vec<Verdict>, usize) {
    let mut machine = Machine::new(Config::default().delivery(Delivery::Ordered), Sequence::new(1));
    let verdicts = numbers.iter().map(|number| {
        let header = Header {
            flags: Flags::DATA | Flags::RUN,
            seqno: Sequence::new(*number),
            ..Header::default()
        };
        let payload = "packet".into();
        machine.handle_packet(Instant::ZERO, Transmit { header, payload }.encode())
    });
    let verdicts = verdicts.collect();
    (verdicts, machine.readable())
}

#[test]
fn one_damaged_number_throws_no_ordered_flow_ahead() {
    const NO: Verdict = Verdict::Discarded(Discard::BeyondWindow);
    const YES: Verdict = Verdict::Taken;
    let far = 1 << 30;
    assert_eq!(
        heard(&[1, 2, far, 3, 4, far, 5]).0,
        [YES, YES, NO, YES, YES, NO, YES]
    );
    assert_eq!(
        heard(&[1, far, far, 2]).0,
        [YES, NO, NO, YES],
        "one that came twice"
    );
    assert_eq!(
        heard(&[1, far, far + 257, 2]).0,
        [YES, NO, NO, YES],
        "two by chance"
    );
    assert_eq!(
        heard(&[1, far, far + 1, 2 * far, far + 2]).0,
        [YES, NO, YES, NO, YES],
        "a sender far ahead"
    );
    assert_eq!(
        heard(&[1, far + 3, far, far + 1, far + 9]).0,
        [YES, NO, NO, YES, YES]
    );
    // The window is all that is known of what a peer may send.
    assert_eq!(
        heard(&[1, 256, 3]).0,
        [YES, YES, Verdict::Discarded(Discard::Late)]
    );
    assert_eq!(heard(&[1, 257, 3]).0, [YES, NO, YES]);
}
