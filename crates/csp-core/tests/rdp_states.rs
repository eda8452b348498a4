//! What a machine makes of each input in each of its states (spec 9.3 to 9.7).
//!
//! The table is kept as `states/rdp.txt`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests, and print what they did"
)]

use core::fmt::Write as _;
use core::time::Duration;

use bytes::Bytes;
use csp_core::Flags;
use csp_core::rdp::{Filler, Limits, Machine, Options, Segment, SegmentFlags, Sequence};
use testkit::snapshot::assert_snapshot;
use tinwire_time::Instant;

/// The first numbers of the machine and of whom it talks to.
const OWN: u16 = 100;
const OTHER: u16 = 5000;
const NOW: Instant = Instant::from_millis(20);

const SYN: SegmentFlags = SegmentFlags::SYN;
const ACK: SegmentFlags = SegmentFlags::ACK;
const RST: SegmentFlags = SegmentFlags::RST;

fn segment(flags: SegmentFlags, sequence: u16, acknowledgement: u16) -> Segment {
    Segment {
        flags,
        sequence: Sequence::new(sequence),
        acknowledgement: Sequence::new(acknowledgement),
        ..Segment::default()
    }
}

fn feed(machine: &mut Machine, segment: Segment, body: &'static [u8]) {
    let _ = machine.handle_segment(NOW, segment, Bytes::from_static(body), ());
}

/// Takes what waits to be sent and told, so that the next input alone has an effect.
fn settle(machine: &mut Machine) {
    let mut filler = Filler::ZERO;
    while machine.poll_transmit(&mut filler).is_some() {}
    while machine.poll_event().is_some() {}
}

fn connecting() -> Machine {
    let initial = [OWN, 300].map(Sequence::new);
    Machine::connect(NOW, Options::default(), initial, 16)
}

fn accepting() -> Machine {
    let clamped = Limits::default().clamp(Options::default());
    Machine::accept(NOW, clamped, Sequence::new(OTHER), Sequence::new(OWN), 16)
}

/// Open, with one message sent and not acknowledged.
fn open() -> Machine {
    let mut machine = accepting();
    feed(&mut machine, segment(ACK, OTHER + 1, OWN), b"");
    machine
        .send(NOW, Bytes::from_static(b"sent"), Flags::NONE)
        .unwrap();
    machine
}

fn finishing() -> Machine {
    let mut machine = open();
    machine.finish(NOW, Duration::from_secs(5));
    machine
}

fn closed_by_us() -> Machine {
    let mut machine = open();
    machine.close(NOW);
    machine
}

fn closed_by_peer() -> Machine {
    let mut machine = open();
    feed(&mut machine, segment(RST | ACK, OTHER + 1, OWN), b"");
    machine
}

fn gone() -> Machine {
    let mut machine = closed_by_peer();
    machine.close(NOW);
    machine
}

type Start = (&'static str, fn() -> Machine);

type Input = (&'static str, fn(&mut Machine) -> String);

fn receive(machine: &mut Machine, segment: Segment, body: &'static [u8]) -> String {
    format!(
        "{:?}",
        machine.handle_segment(NOW, segment, Bytes::from_static(body), ())
    )
}

fn wait(machine: &mut Machine, millis: u64) -> String {
    machine.handle_timeout(NOW + Duration::from_millis(millis));
    String::from("-")
}

const INPUTS: [Input; 22] = [
    ("the same SYN again", |machine| {
        receive(machine, segment(SYN, OTHER, 0), b"")
    }),
    ("another SYN", |machine| receive(machine, segment(SYN, 7, 0), b"")),
    ("SYN|ACK of ours", |machine| {
        receive(machine, segment(SYN | ACK, OTHER, OWN), b"")
    }),
    ("SYN|ACK of another", |machine| {
        receive(machine, segment(SYN | ACK, OTHER, OWN + 1), b"")
    }),
    ("ACK of the SYN", |machine| {
        receive(machine, segment(ACK, OTHER + 1, OWN), b"")
    }),
    ("ACK one below", |machine| {
        receive(machine, segment(ACK, OTHER + 1, OWN - 1), b"")
    }),
    ("ACK of everything", |machine| {
        receive(machine, segment(ACK, OTHER + 1, OWN + 1), b"")
    }),
    ("ACK of what was never sent", |machine| {
        receive(machine, segment(ACK, OTHER + 1, OWN + 9), b"")
    }),
    ("ACK with an old number", |machine| {
        receive(machine, segment(ACK, OTHER, OWN), b"")
    }),
    ("EAK", |machine| {
        receive(
            machine,
            segment(ACK | SegmentFlags::EAK, OTHER + 1, OWN),
            &[0, 101],
        )
    }),
    ("no flags", |machine| {
        receive(machine, segment(SegmentFlags::NONE, OTHER + 1, OWN), b"x")
    }),
    ("the next data", |machine| {
        receive(machine, segment(ACK, OTHER + 1, OWN), b"x")
    }),
    ("data too early", |machine| {
        receive(machine, segment(ACK, OTHER + 2, OWN), b"x")
    }),
    ("data beyond the window", |machine| {
        receive(machine, segment(ACK, OTHER + 9, OWN), b"x")
    }),
    ("RST in sequence", |machine| {
        receive(machine, segment(RST, OTHER + 1, OWN), b"")
    }),
    ("RST|ACK in sequence", |machine| {
        receive(machine, segment(RST | ACK, OTHER + 1, OWN), b"")
    }),
    ("RST|ACK too early", |machine| {
        receive(machine, segment(RST | ACK, OTHER + 2, OWN), b"")
    }),
    ("send", |machine| {
        format!(
            "{:?}",
            machine.send(NOW, Bytes::from_static(b"more"), Flags::NONE)
        )
    }),
    ("finish", |machine| {
        machine.finish(NOW, Duration::from_secs(5));
        String::from("-")
    }),
    ("close", |machine| {
        machine.close(NOW);
        String::from("-")
    }),
    ("packet timeout", |machine| wait(machine, 1001)),
    ("connection timeout", |machine| wait(machine, 10_001)),
];

#[test]
fn every_state_has_an_answer_to_every_input() {
    let states: [Start; 7] = [
        ("SynSent", connecting),
        ("SynReceived", accepting),
        ("Open", open),
        ("Finishing", finishing),
        ("CloseWait, closed here", closed_by_us),
        ("CloseWait, closed there", closed_by_peer),
        ("Closed", gone),
    ];
    let mut table = String::new();
    for (name, make) in states {
        writeln!(table, "{name}").unwrap();
        for (input, act) in INPUTS {
            let mut machine = make();
            settle(&mut machine);
            let answer = act(&mut machine);
            let mut filler = Filler::ZERO;
            let sent: Vec<_> = core::iter::from_fn(|| machine.poll_transmit(&mut filler))
                .map(|transmit| {
                    let Segment {
                        flags,
                        sequence,
                        acknowledgement,
                        ..
                    } = transmit.segment;
                    format!("{flags:?} {sequence:?} {acknowledgement:?}")
                })
                .collect();
            let told: Vec<_> = core::iter::from_fn(|| machine.poll_event())
                .map(|event| format!("{event:?}"))
                .collect();
            let row = format!(
                "    {input:<28} {answer:<32} {:<12} sends [{}] tells [{}]",
                format!("{:?}", machine.state()),
                sent.join(", "),
                told.join(", "),
            );
            writeln!(table, "{}", row.trim_end()).unwrap();
        }
    }
    println!("{table}");
    assert_snapshot(
        format!("{}/tests/states/rdp.txt", env!("CARGO_MANIFEST_DIR")),
        &table,
    );
}
