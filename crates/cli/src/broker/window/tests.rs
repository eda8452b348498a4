use std::collections::BTreeSet;
use std::time::SystemTime;

use bytes::Bytes;
use testkit::wire::Rng;

use super::*;

const CONFIG: Config = Config {
    max_bytes: 1000,
    max_in_flight: 8,
    ack_timeout: Duration::from_secs(10),
};

fn message(number: u64) -> Message {
    Message {
        number,
        first: number,
        frames: 1,
        payload: Bytes::from_static(&[0; 100]),
        key: None,
        content_type: None,
        taken: SystemTime::UNIX_EPOCH,
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A window with a connection, and messages 1 to `count`, each with its number as mark.
fn connected(count: u64) -> Window<u64> {
    let mut window = Window::new(CONFIG, 1, at(0));
    assert!(!window.handle_timeout(at(0)));
    assert_eq!(window.poll_event(), Some(Event::Connect));
    window.handle_connected();
    for number in 1..=count {
        window.offer(vec![message(number)], 0, number);
    }
    window
}

fn transmitted(window: &mut Window<u64>, now: Instant) -> Vec<u64> {
    core::iter::from_fn(|| window.poll_transmit(now).map(|message| message.number)).collect()
}

fn confirmed(window: &mut Window<u64>) -> Vec<u64> {
    core::iter::from_fn(|| window.poll_event())
        .filter_map(|event| match event {
            Event::Confirmed(mark) => Some(mark),
            _ => None,
        })
        .collect()
}

#[test]
fn who_offered_first_learns_first_however_acknowledgements_come() {
    let mut window = connected(3);
    assert_eq!(transmitted(&mut window, at(0)), [1, 2, 3]);
    window.handle_ack(at(1), 3, false);
    window.handle_ack(at(1), 2, false);
    assert_eq!(confirmed(&mut window), [0_u64; 0]);
    window.handle_ack(at(1), 1, false);
    assert_eq!(confirmed(&mut window), [1, 2, 3]);
    assert!(window.is_idle());
}

#[test]
fn what_was_in_flight_is_sent_again_before_anything_newer() {
    let mut window = connected(9);
    assert_eq!(
        transmitted(&mut window, at(0)),
        [1, 2, 3, 4, 5, 6, 7, 8],
        "as many as may be in flight"
    );
    window.handle_ack(at(1), 1, false);
    window.handle_ack(at(1), 3, false);
    window.handle_lost(at(2));
    window.handle_ack(at(2), 2, false);
    assert_eq!(window.stats().stored, 2, "an answer of a lost connection is none");
    assert_eq!(transmitted(&mut window, at(2)), [0_u64; 0]);
    window.handle_connected();
    assert_eq!(transmitted(&mut window, at(3)), [2, 4, 5, 6, 7, 8, 9]);
    assert_eq!(window.stats().resent, 6);
}

#[test]
fn a_full_window_takes_no_more_until_something_is_stored() {
    let mut window = connected(9);
    assert!(window.has_room());
    window.offer(vec![message(10)], 0, 10);
    assert!(!window.has_room());
    transmitted(&mut window, at(0));
    window.handle_ack(at(1), 2, false);
    assert!(!window.has_room(), "kept until all before it is stored");
    window.handle_ack(at(1), 1, false);
    assert!(window.has_room());
}

#[test]
fn a_broker_that_answers_is_not_given_up_and_a_silent_one_is() {
    let mut window = connected(3);
    assert_eq!(window.poll_timeout(), None, "nothing is in flight");
    transmitted(&mut window, at(0));
    window.handle_ack(at(9_000), 1, false);
    assert_eq!(window.poll_timeout(), Some(at(19_000)));
    assert!(!window.handle_timeout(at(18_999)));
    assert!(window.handle_timeout(at(19_000)));
    assert_eq!(window.stats().overdue, 1);
}

#[test]
fn waits_between_attempts_grow_to_five_seconds_and_shrink_when_a_message_is_stored() {
    let mut window = connected(1);
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..12 {
        window.handle_lost(now);
        let until = window.poll_timeout().unwrap();
        waits.push(until.saturating_since(now));
        now = until;
        window.handle_timeout(now);
        assert_eq!(window.poll_event(), Some(Event::Connect));
        window.handle_connected();
    }
    assert!(waits[0] <= Duration::from_millis(10));
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(5)));
    assert!(waits[11] >= Duration::from_millis(2500));
    transmitted(&mut window, now);
    window.handle_ack(now, 1, false);
    window.handle_lost(now);
    assert!(window.poll_timeout().unwrap().saturating_since(now) <= Duration::from_millis(10));
}

#[test]
fn what_is_dropped_is_counted_told_and_does_not_hold_up_the_rest() {
    let mut window = connected(1);
    window.offer(Vec::new(), 2, 2);
    window.offer(vec![message(2)], 0, 3);
    let dropped = Event::Dropped {
        reason: DropReason::TooLarge,
        frames: 2,
    };
    assert_eq!(window.poll_event(), Some(dropped));
    transmitted(&mut window, at(0));
    window.handle_refused(at(1), 2, DropReason::TooLarge);
    assert_eq!(
        confirmed(&mut window),
        [0_u64; 0],
        "nothing before the first message is stored"
    );
    window.handle_ack(at(1), 1, true);
    assert_eq!(confirmed(&mut window), [1, 2, 3]);
    let stats = window.stats();
    assert_eq!((stats.offered, stats.stored, stats.duplicates), (4, 1, 1));
    assert_eq!(stats.dropped.too_large, 3);
}

/// A broker that stores what reaches it in order, whose answers come in any order or never.
#[derive(Default)]
struct Broker {
    stored: Vec<u64>,
    known: BTreeSet<u64>,
    answers: Vec<(u64, bool)>,
}

impl Broker {
    fn receive(&mut self, number: u64) {
        let is_new = self.known.insert(number);
        if is_new {
            self.stored.push(number);
        }
        self.answers.push((number, !is_new));
    }
}

#[test]
fn whatever_fails_all_is_stored_in_order_and_nobody_is_told_too_early() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let mut window = Window::new(CONFIG, seed, at(0));
        let mut broker = Broker::default();
        let (mut now, mut offered, mut told) = (at(0), 0, 0);
        let total = 200;
        // Between us and the broker; lost with the connection.
        let mut wire = VecDeque::new();
        while told < total {
            while offered < total && window.has_room() && rng.percent(60) {
                offered += 1;
                window.offer(vec![message(offered)], 0, offered);
            }
            while rng.percent(70)
                && let Some(message) = window.poll_transmit(now)
            {
                wire.push_back(message.number);
            }
            while rng.percent(70)
                && let Some(number) = wire.pop_front()
            {
                broker.receive(number);
            }
            while rng.percent(60) && !broker.answers.is_empty() {
                let which = usize::try_from(rng.below(broker.answers.len() as u64)).unwrap();
                let (number, duplicate) = broker.answers.swap_remove(which);
                // An answer can be lost, and then only time helps.
                if !rng.percent(2) {
                    window.handle_ack(now, number, duplicate);
                }
            }
            let mut is_lost = rng.percent(4);
            if wire.is_empty()
                && broker.answers.is_empty()
                && let Some(at) = window.poll_timeout()
            {
                now = now.max(at);
            }
            is_lost |= window.handle_timeout(now);
            while let Some(event) = window.poll_event() {
                match event {
                    Event::Connect if rng.percent(30) => is_lost = true,
                    Event::Connect => window.handle_connected(),
                    Event::Confirmed(mark) => {
                        assert_eq!(mark, told + 1, "seed {seed}");
                        assert!(broker.known.contains(&mark), "seed {seed}: {mark} is not stored");
                        told = mark;
                    }
                    Event::Dropped { .. } => panic!("nothing is dropped"),
                }
            }
            if is_lost {
                window.handle_lost(now);
                wire.clear();
                broker.answers.clear();
            }
            let stats = window.stats();
            assert_eq!(stats.offered, stats.stored + stats.held_frames, "seed {seed}");
        }
        assert!(broker.stored.is_sorted(), "seed {seed}: {:?}", broker.stored);
        assert_eq!(broker.stored.len(), usize::try_from(total).unwrap());
        assert!(window.is_idle());
    }
}
