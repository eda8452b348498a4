//! What each state answers to everything that may happen in it, as tables.

use core::fmt::Write as _;
use core::time::Duration;

use bytes::Bytes;
use flow_core::frct::{
    Config, Delivery, Discard, Flags, Header, Machine, Sequence, State, Transmit, Verdict,
};
use tinwire_time::Instant;

/// The machine's first number, and the peer's.
const OURS: u32 = 1000;
const THEIRS: u32 = 5000;

const SECOND: Duration = Duration::from_secs(1);

/// A machine, and the time.
struct Subject {
    machine: Machine,
    now: Instant,
}

impl Subject {
    fn new(delivery: Delivery) -> Self {
        let config = Config::default().delivery(delivery).packets(64);
        Self {
            machine: Machine::new(config, Sequence::new(OURS)),
            now: Instant::from_millis(60_000),
        }
    }

    /// Two packets of the peer's were read and acknowledged.
    fn with_run(delivery: Delivery) -> Self {
        let mut subject = Self::new(delivery);
        for (number, flags) in [(0, Flags::DATA | Flags::RUN), (1, Flags::DATA)] {
            subject.hear(packet(flags, number, "peer"));
            subject.machine.recv(subject.now);
        }
        subject.sent();
        subject
    }

    /// In that state, with a packet of ours under way as far as the state allows.
    fn in_state(state: &str) -> Self {
        let mut subject = Self::with_run(Delivery::Reliable);
        let now = subject.now;
        subject.machine.send(now, "ours".into()).unwrap();
        subject.sent();
        if state == "Down" {
            subject.pass(SECOND * 120);
            return subject;
        }
        if state != "Open" {
            subject.machine.close(now);
        }
        if state == "Quiet" || state == "Closed" {
            subject.hear(acknowledgement(1));
        }
        if state == "Closed" {
            subject.pass(SECOND * 10);
        }
        subject.sent();
        subject
    }

    fn hear(&mut self, packet: Transmit) -> Verdict {
        self.machine.handle_packet(self.now, packet.encode())
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.machine.handle_timeout(self.now);
    }

    /// The flags of what is sent now.
    fn sent(&mut self) -> String {
        let now = self.now;
        let sent = core::iter::from_fn(|| self.machine.poll_transmit(now));
        sent.fold(String::new(), |mut all, transmit| {
            write!(all, " {:?}", transmit.header.flags).unwrap();
            all
        })
    }
}

/// A packet of the peer's with the `number`th of its numbers.
fn packet(flags: Flags, number: u32, payload: &'static str) -> Transmit {
    Transmit {
        header: Header {
            flags,
            seqno: Sequence::new(THEIRS).plus(number),
            ..Header::default()
        },
        payload: payload.into(),
    }
}

/// One that acknowledges `count` of our packets and opens a window.
fn acknowledgement(count: u32) -> Transmit {
    Transmit {
        header: Header {
            flags: Flags::ACK_AND_WINDOW,
            window: OURS + 64,
            ackno: Sequence::new(OURS).plus(count),
            ..Header::default()
        },
        payload: Bytes::new(),
    }
}

fn name(state: State) -> String {
    let name = format!("{state:?}");
    name.split('(').next().unwrap().to_owned()
}

fn shown(verdict: Verdict) -> String {
    match verdict {
        Verdict::Discarded(reason) => format!("{reason:?}"),
        verdict => format!("{verdict:?}"),
    }
}

type Cause = fn(&mut Subject) -> String;

/// What happens, and what is said of it at once.
const CAUSES: [(&str, Cause); 12] = [
    ("send", |subject| {
        let sent = subject.machine.send(subject.now, "more".into());
        sent.map_or_else(|error| format!("{error:?}"), |()| "ok".to_owned())
    }),
    ("new data", |subject| {
        shown(subject.hear(packet(Flags::DATA, 2, "peer")))
    }),
    ("old data", |subject| {
        shown(subject.hear(packet(Flags::DATA, 1, "peer")))
    }),
    ("early data", |subject| {
        shown(subject.hear(packet(Flags::DATA, 4, "peer")))
    }),
    ("all acknowledged", |subject| {
        shown(subject.hear(acknowledgement(1)))
    }),
    ("too much acknowledged", |subject| {
        shown(subject.hear(acknowledgement(2)))
    }),
    ("rendez-vous", |subject| {
        shown(subject.hear(packet(Flags::RENDEZVOUS, 0, "")))
    }),
    ("keepalive", |subject| {
        shown(subject.machine.handle_packet(subject.now, Bytes::new()))
    }),
    ("malformed", |subject| {
        shown(subject.machine.handle_packet(subject.now, "short".into()))
    }),
    ("close", |subject| {
        subject.machine.close(subject.now);
        String::new()
    }),
    ("one second", |subject| {
        subject.pass(SECOND);
        String::new()
    }),
    ("r = 120 seconds", |subject| {
        subject.pass(SECOND * 120);
        String::new()
    }),
];

/// A line for each cause in each state: what is said of it, what is sent at once, and the state after it.
fn states() -> String {
    let mut table = String::from("\n");
    for state in ["Open", "Closing", "Quiet", "Closed", "Down"] {
        for (cause, happens) in CAUSES {
            let mut subject = Subject::in_state(state);
            assert_eq!(name(subject.machine.state()), state);
            let said = happens(&mut subject);
            let (sent, after) = (subject.sent(), name(subject.machine.state()));
            writeln!(
                table,
                "{state:<7} : {cause:<21} : {said:<13} :{sent:<21} : {after}"
            )
            .unwrap();
        }
    }
    table
}

/// What the peer may send of its run, without an acknowledgement or a window.
const PACKETS: [(&str, Flags, u32, &str); 9] = [
    ("next", Flags::DATA, 2, "peer"),
    ("next, begins", RUN, 2, "peer"),
    ("last", Flags::DATA, 1, "peer"),
    ("last, begins", RUN, 1, "peer"),
    ("one is missing", Flags::DATA, 3, "peer"),
    ("end of window", RUN, 65, "peer"),
    ("beyond window", RUN, 66, "peer"),
    ("empty", RUN, 2, ""),
    ("rendez-vous", Flags::RENDEZVOUS, 0, ""),
];
const RUN: Flags = Flags::DATA.with_if(Flags::RUN, true);

/// A line for each packet and each kind of run: what is said of it, what is sent within 10 ms, and how many
/// can be read.
fn runs() -> String {
    let mut table = String::from("\n");
    for delivery in [Delivery::Reliable, Delivery::Ordered] {
        for run in ["none", "open", "over"] {
            for (which, flags, number, payload) in PACKETS {
                let mut subject = match run {
                    "none" => Subject::new(delivery),
                    _ => Subject::with_run(delivery),
                };
                if run == "over" {
                    subject.pass(SECOND * 142);
                }
                let said = shown(subject.hear(packet(flags, number, payload)));
                subject.pass(SECOND / 100);
                let (sent, readable) = (subject.sent(), subject.machine.readable());
                writeln!(
                    table,
                    "{:<8} : {run} : {which:<14} : {said:<12} :{sent:<7} : {readable}",
                    format!("{delivery:?}"),
                )
                .unwrap();
            }
        }
    }
    table
}

/// A packet that says a window alone.
fn window(edge: u32) -> Transmit {
    let header = Header {
        flags: Flags::WINDOW,
        window: edge,
        ..Header::default()
    };
    let payload = Bytes::new();
    Transmit { header, payload }
}

#[test]
fn an_acknowledgement_is_said_for_ten_seconds_after_the_peer_was_heard() {
    for (seconds, flags) in [(10, " DATA|DRF|ACK|FC"), (11, " DATA|DRF|FC")] {
        let mut subject = Subject::with_run(Delivery::Reliable);
        subject.pass(SECOND * seconds);
        subject.machine.send(subject.now, "ours".into()).unwrap();
        assert_eq!(subject.sent(), flags, "after {seconds} s");
    }
}

#[test]
fn what_was_held_for_a_run_that_is_over_is_in_no_other() {
    let mut subject = Subject::with_run(Delivery::Reliable);
    subject.hear(packet(Flags::DATA, 3, "held"));
    subject.pass(SECOND * 142);
    subject.hear(packet(RUN, 2, "peer"));
    assert_eq!(subject.machine.readable(), 1);
    assert_eq!(subject.machine.stats().discarded.count(Discard::Orphaned), 1);
    assert_eq!(subject.machine.bytes(), (0, 4));
}

#[test]
fn a_window_gets_no_narrower_and_no_wider_than_any_receiver_has() {
    for (edge, ignored) in [(10, 1), (64, 1), (65, 0), (257, 0), (258, 1)] {
        let mut subject = Subject::in_state("Open");
        subject.hear(window(OURS + edge));
        assert_eq!(subject.machine.stats().windows_ignored, ignored, "{edge}");
        let mut count = 0;
        while subject.machine.send(subject.now, "ours".into()).is_ok() {
            count += subject.sent().matches("DATA").count();
        }
        assert_eq!(
            count, 63,
            "{edge}: with one that was, as many as may be under way"
        );
    }
}

#[test]
fn three_acknowledgements_of_nothing_new_make_a_sender_repeat_at_once() {
    let mut subject = Subject::in_state("Open");
    for sent in ["", "", " DATA|DRF|ACK|FC", ""] {
        subject.pass(SECOND / 1000);
        subject.hear(acknowledgement(0));
        assert_eq!(subject.sent(), sent);
    }
}

#[test]
fn who_closes_acknowledges_at_once_what_was_not_yet() {
    let mut subject = Subject::with_run(Delivery::Reliable);
    subject.hear(packet(Flags::DATA, 2, "peer"));
    assert_eq!(subject.sent(), "");
    subject.machine.close(subject.now);
    assert_eq!(subject.sent(), " ACK");
}

#[test]
fn each_state_answers_each_cause_as_the_table_says() {
    assert_eq!(states(), STATES);
}

#[test]
fn each_run_takes_each_packet_as_the_table_says() {
    assert_eq!(runs(), RUNS);
}

const STATES: &str = "
Open    : send                  : ok            : DATA|ACK|FC          : Open
Open    : new data              : Taken         :                      : Open
Open    : old data              : Duplicate     : ACK|FC               : Open
Open    : early data            : Taken         : ACK|FC               : Open
Open    : all acknowledged      : Control       :                      : Open
Open    : too much acknowledged : Control       :                      : Open
Open    : rendez-vous           : Control       : FC                   : Open
Open    : keepalive             : Keepalive     :                      : Open
Open    : malformed             : Malformed     :                      : Open
Open    : close                 :               :                      : Closing
Open    : one second            :               : DATA|DRF|ACK|FC RDVS : Open
Open    : r = 120 seconds       :               :                      : Down
Closing : send                  : Closed        :                      : Closing
Closing : new data              : Closed        :                      : Closing
Closing : old data              : Duplicate     : ACK|FC               : Closing
Closing : early data            : Closed        :                      : Closing
Closing : all acknowledged      : Control       :                      : Quiet
Closing : too much acknowledged : Control       :                      : Closing
Closing : rendez-vous           : Control       : FC                   : Closing
Closing : keepalive             : Keepalive     :                      : Closing
Closing : malformed             : Malformed     :                      : Closing
Closing : close                 :               :                      : Closing
Closing : one second            :               : DATA|DRF|ACK|FC RDVS : Closing
Closing : r = 120 seconds       :               :                      : Down
Quiet   : send                  : Closed        :                      : Quiet
Quiet   : new data              : Closed        :                      : Quiet
Quiet   : old data              : Duplicate     : ACK|FC               : Quiet
Quiet   : early data            : Closed        :                      : Quiet
Quiet   : all acknowledged      : Control       :                      : Quiet
Quiet   : too much acknowledged : Control       :                      : Quiet
Quiet   : rendez-vous           : Control       : FC                   : Quiet
Quiet   : keepalive             : Keepalive     :                      : Quiet
Quiet   : malformed             : Malformed     :                      : Quiet
Quiet   : close                 :               :                      : Quiet
Quiet   : one second            :               :                      : Closed
Quiet   : r = 120 seconds       :               :                      : Closed
Closed  : send                  : Closed        :                      : Closed
Closed  : new data              : Closed        :                      : Closed
Closed  : old data              : Closed        :                      : Closed
Closed  : early data            : Closed        :                      : Closed
Closed  : all acknowledged      : Closed        :                      : Closed
Closed  : too much acknowledged : Closed        :                      : Closed
Closed  : rendez-vous           : Closed        :                      : Closed
Closed  : keepalive             : Keepalive     :                      : Closed
Closed  : malformed             : Closed        :                      : Closed
Closed  : close                 :               :                      : Closed
Closed  : one second            :               :                      : Closed
Closed  : r = 120 seconds       :               :                      : Closed
Down    : send                  : Down(Expired) :                      : Down
Down    : new data              : Closed        :                      : Down
Down    : old data              : Closed        :                      : Down
Down    : early data            : Closed        :                      : Down
Down    : all acknowledged      : Closed        :                      : Down
Down    : too much acknowledged : Closed        :                      : Down
Down    : rendez-vous           : Closed        :                      : Down
Down    : keepalive             : Keepalive     :                      : Down
Down    : malformed             : Closed        :                      : Down
Down    : close                 :               :                      : Down
Down    : one second            :               :                      : Down
Down    : r = 120 seconds       :               :                      : Down
";

const RUNS: &str = "
Reliable : none : next           : NoRun        :        : 0
Reliable : none : next, begins   : Taken        : ACK|FC : 1
Reliable : none : last           : NoRun        :        : 0
Reliable : none : last, begins   : Taken        : ACK|FC : 1
Reliable : none : one is missing : NoRun        :        : 0
Reliable : none : end of window  : Taken        : ACK|FC : 1
Reliable : none : beyond window  : Taken        : ACK|FC : 1
Reliable : none : empty          : Taken        : ACK|FC : 0
Reliable : none : rendez-vous    : NoRun        :        : 0
Reliable : open : next           : Taken        : ACK|FC : 1
Reliable : open : next, begins   : Taken        : ACK|FC : 1
Reliable : open : last           : Duplicate    : ACK|FC : 0
Reliable : open : last, begins   : Duplicate    : ACK|FC : 0
Reliable : open : one is missing : Taken        : ACK|FC : 0
Reliable : open : end of window  : Taken        : ACK|FC : 0
Reliable : open : beyond window  : BeyondWindow :        : 0
Reliable : open : empty          : Taken        : ACK|FC : 0
Reliable : open : rendez-vous    : Control      : FC     : 0
Reliable : over : next           : NoRun        :        : 0
Reliable : over : next, begins   : Taken        : ACK|FC : 1
Reliable : over : last           : NoRun        :        : 0
Reliable : over : last, begins   : Taken        : ACK|FC : 1
Reliable : over : one is missing : NoRun        :        : 0
Reliable : over : end of window  : Taken        : ACK|FC : 1
Reliable : over : beyond window  : Taken        : ACK|FC : 1
Reliable : over : empty          : Taken        : ACK|FC : 0
Reliable : over : rendez-vous    : NoRun        :        : 0
Ordered  : none : next           : NoRun        :        : 0
Ordered  : none : next, begins   : Taken        :        : 1
Ordered  : none : last           : NoRun        :        : 0
Ordered  : none : last, begins   : Taken        :        : 1
Ordered  : none : one is missing : NoRun        :        : 0
Ordered  : none : end of window  : Taken        :        : 1
Ordered  : none : beyond window  : Taken        :        : 1
Ordered  : none : empty          : Taken        :        : 0
Ordered  : none : rendez-vous    : NoRun        :        : 0
Ordered  : open : next           : Taken        :        : 1
Ordered  : open : next, begins   : Taken        :        : 1
Ordered  : open : last           : Late         :        : 0
Ordered  : open : last, begins   : Late         :        : 0
Ordered  : open : one is missing : Taken        :        : 1
Ordered  : open : end of window  : Taken        :        : 1
Ordered  : open : beyond window  : BeyondWindow :        : 0
Ordered  : open : empty          : Taken        :        : 0
Ordered  : open : rendez-vous    : Control      : FC     : 0
Ordered  : over : next           : NoRun        :        : 0
Ordered  : over : next, begins   : Taken        :        : 1
Ordered  : over : last           : NoRun        :        : 0
Ordered  : over : last, begins   : Taken        :        : 1
Ordered  : over : one is missing : NoRun        :        : 0
Ordered  : over : end of window  : Taken        :        : 1
Ordered  : over : beyond window  : Taken        :        : 1
Ordered  : over : empty          : Taken        :        : 0
Ordered  : over : rendez-vous    : NoRun        :        : 0
";
