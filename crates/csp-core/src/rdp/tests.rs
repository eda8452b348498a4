//! One machine against segments made by hand.

use core::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tinwire_time::Instant;

use super::*;
use crate::Flags;

const MESSAGE: Bytes = Bytes::from_static(b"message");

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

const fn number(bits: u16) -> Sequence {
    Sequence::new(bits)
}

fn drain(machine: &mut Machine) -> alloc::vec::Vec<Transmit> {
    let mut filler = Filler::ZERO;
    core::iter::from_fn(|| machine.poll_transmit(&mut filler)).collect()
}

/// Lets two machines talk over a perfect link until both are silent.
fn talk(now: Instant, one: &mut Machine, two: &mut Machine) {
    loop {
        let (forth, back) = (drain(one), drain(two));
        if forth.is_empty() && back.is_empty() {
            return;
        }
        for transmit in forth {
            let _ = two.handle_segment(now, transmit.segment, transmit.body, ());
        }
        for transmit in back {
            let _ = one.handle_segment(now, transmit.segment, transmit.body, ());
        }
    }
}

fn pair() -> (Machine, Machine) {
    let mut client = Machine::connect(at(0), Options::default(), [number(7), number(900)], 16);
    let syn = drain(&mut client).pop().unwrap();
    let options = Limits::default().clamp(Options::decode(&syn.body).unwrap());
    let mut server = Machine::accept(at(0), options, syn.segment.sequence, number(65_535), 16);
    talk(at(0), &mut client, &mut server);
    (client, server)
}

#[test]
fn a_message_arrives_and_its_acknowledgement_comes_back() {
    let (mut client, mut server) = pair();
    assert_eq!(client.poll_event(), Some(Event::Connected));
    assert_eq!(server.poll_event(), Some(Event::Connected));
    assert_eq!(client.send(at(1), MESSAGE, Flags::NONE), Ok(0));
    talk(at(1), &mut client, &mut server);
    assert_eq!(server.poll_event(), Some(Event::Readable));
    assert_eq!(server.recv(), Some((MESSAGE, ())));
    assert_eq!(client.progress(), (1, 0));
    let due = server.poll_timeout().unwrap();
    assert_eq!(due, at(250) + Duration::from_micros(1));
    server.handle_timeout(due);
    talk(due, &mut client, &mut server);
    assert_eq!(client.progress(), (1, 1));
    assert_eq!(client.poll_event(), Some(Event::Acknowledged));
}

/// Data that the other end of [`pair`]'s client, or of its server, might send next.
fn data(of: &Machine, sequence: Sequence) -> Segment {
    Segment {
        flags: SegmentFlags::ACK,
        filler: Filler::ZERO,
        sequence,
        acknowledgement: of.next_segment().sequence.previous(),
    }
}

fn receive(machine: &mut Machine, now: Instant, ahead: u16) -> Verdict {
    let sequence = machine.next_segment().acknowledgement.plus(ahead);
    let segment = data(machine, sequence);
    machine.handle_segment(now, segment, MESSAGE, ())
}

fn numbers(transmits: &[Transmit]) -> alloc::vec::Vec<(u16, u16)> {
    transmits
        .iter()
        .map(|transmit| {
            let Segment {
                sequence,
                acknowledgement,
                ..
            } = transmit.segment;
            (sequence.to_bits(), acknowledgement.to_bits())
        })
        .collect()
}

/// Moves on by half a second at a time, so that timers fire as they would.
fn wait(machine: &mut Machine, from: u64, until: u64) {
    for millis in (from..=until).step_by(500) {
        machine.handle_timeout(at(millis));
    }
}

#[test]
fn an_answer_to_somebody_elses_syn_opens_nothing() {
    let mut client = Machine::<()>::connect(at(0), Options::default(), [number(7), number(9)], 16);
    let answer = Segment {
        flags: SegmentFlags::SYN | SegmentFlags::ACK,
        acknowledgement: number(8),
        ..Segment::default()
    };
    let verdict = client.handle_segment(at(1), answer, Bytes::new(), ());
    assert_eq!(verdict, Verdict::Dropped(Discard::BadAcknowledgement));
    assert_eq!(client.state(), State::SynSent);
}

#[test]
fn a_half_open_connection_is_reset_with_a_number_it_takes_and_one_more_attempt_follows() {
    let (mut client, mut server) = pair();
    talk(at(1), &mut client, &mut server);
    let mut again = Machine::connect(at(2), Options::default(), [number(7), number(900)], 16);
    let _ = drain(&mut again);
    // The SYN was lost; what the server sends for the old connection comes.
    let idle = data(&client, server.next_segment().sequence);
    let acknowledgement = server.next_segment().acknowledgement;
    let segment = Segment {
        acknowledgement,
        ..idle
    };
    let _ = again.handle_segment(at(3), segment, Bytes::new(), ());
    let sent = drain(&mut again);
    let kinds: alloc::vec::Vec<_> = sent.iter().map(|transmit| transmit.segment.flags).collect();
    assert_eq!(kinds, [SegmentFlags::RST, SegmentFlags::SYN]);
    assert_eq!(sent[1].segment.sequence, number(900));
    let verdict = server.handle_segment(at(4), sent[0].segment, Bytes::new(), ());
    assert_eq!(verdict, Verdict::Taken);
    assert_eq!(server.state(), State::CloseWait);
    let _ = again.handle_segment(at(5), segment, Bytes::new(), ());
    assert_eq!(drain(&mut again).len(), 1, "a reset, and no third attempt");
}

#[test]
fn an_opening_that_is_reset_and_never_answered_was_refused() {
    let mut client = Machine::<()>::connect(at(0), Options::default(), [number(7), number(9)], 16);
    let reset = Segment {
        flags: SegmentFlags::RST,
        ..Segment::default()
    };
    let _ = drain(&mut client);
    let _ = client.handle_segment(at(1), reset, Bytes::new(), ());
    client.handle_timeout(at(10_000));
    assert_eq!(client.poll_event(), None, "strictly later");
    let _ = drain(&mut client);
    client.handle_timeout(client.poll_timeout().unwrap());
    assert_eq!(client.poll_event(), Some(Event::Closed(CloseReason::Refused)));
    assert!(
        client.is_over() && drain(&mut client).is_empty(),
        "nothing is sent (RDP-12)"
    );
    assert_eq!(client.poll_timeout(), None);
}

#[test]
fn a_window_of_messages_fills_it_and_an_acknowledgement_makes_room() {
    let (mut client, mut server) = pair();
    while client.poll_event().is_some() {}
    for message in 0..4 {
        assert_eq!(client.send(at(1), MESSAGE, Flags::NONE), Ok(message));
    }
    assert_eq!(client.send(at(1), MESSAGE, Flags::NONE), Err(SendError::Full));
    talk(at(1), &mut client, &mut server);
    assert_eq!(
        client.progress(),
        (4, 3),
        "the third segment brings an acknowledgement"
    );
    assert_eq!(client.poll_event(), Some(Event::Acknowledged));
    assert_eq!(client.poll_event(), Some(Event::Writable));
    assert_eq!(client.send(at(2), MESSAGE, Flags::NONE), Ok(4));
}

#[test]
fn a_syn_that_nothing_follows_is_not_answered_for_ever() {
    let asked = Options {
        packet_timeout: 0,
        connection_timeout: u32::MAX,
        ..Options::default()
    };
    for (limits, longest) in [(Limits::default(), 10_010), (Limits::WIDEST, 1_010)] {
        let mut server = Machine::<()>::accept(at(0), limits.clamp(asked), number(7), number(9), 16);
        let (mut answers, mut now) = (0, at(0));
        let last = loop {
            let sent = drain(&mut server);
            let Some(due) = server.poll_timeout() else {
                break sent;
            };
            answers += sent.len();
            now = due;
            server.handle_timeout(now);
        };
        assert!(answers <= 1000 && answers > 900, "{answers}");
        assert!(now <= at(longest), "{now:?}");
        assert_eq!(last[0].segment.flags, SegmentFlags::RST | SegmentFlags::ACK);
    }
}

#[test]
fn an_old_acknowledgement_takes_nothing_back() {
    let (mut client, mut server) = pair();
    for _ in 0..3 {
        client.send(at(1), MESSAGE, Flags::NONE).unwrap();
    }
    talk(at(1), &mut client, &mut server);
    assert_eq!(client.progress(), (3, 3));
    let old = Segment {
        flags: SegmentFlags::ACK,
        sequence: server.next_segment().sequence,
        acknowledgement: number(7),
        ..Segment::default()
    };
    assert_eq!(
        client.handle_segment(at(2), old, Bytes::new(), ()),
        Verdict::Taken
    );
    for _ in 0..4 {
        client.send(at(3), MESSAGE, Flags::NONE).unwrap();
    }
    assert_eq!(client.progress(), (7, 3), "a whole window still fits");
}

#[test]
fn what_is_held_out_of_order_is_not_sent_again_and_what_is_missing_at_once() {
    let (mut client, _) = pair();
    for _ in 0..3 {
        client.send(at(1), MESSAGE, Flags::NONE).unwrap();
    }
    assert_eq!(
        numbers(&drain(&mut client)),
        [(8, 65_535), (9, 65_535), (10, 65_535)]
    );
    let told = Segment {
        flags: SegmentFlags::ACK | SegmentFlags::EAK,
        sequence: number(0),
        acknowledgement: number(8),
        ..Segment::default()
    };
    let list = Bytes::from_static(&[0, 10, 0xFF]);
    let _ = client.handle_segment(at(2), told, list.clone(), ());
    assert_eq!(
        numbers(&drain(&mut client)),
        [(9, 65_535)],
        "the missing one alone"
    );
    let _ = client.handle_segment(at(3), told, list.clone(), ());
    assert!(
        drain(&mut client).is_empty(),
        "not again within half the packet timeout"
    );
    let _ = client.handle_segment(at(503), told, list, ());
    assert_eq!(numbers(&drain(&mut client))[0], (9, 65_535));
    assert_eq!(client.progress(), (3, 1), "held is not acknowledged");
    wait(&mut client, 1000, 2000);
    let resent = numbers(&drain(&mut client));
    assert!(!resent.iter().any(|(sequence, _)| *sequence == 10), "{resent:?}");
}

#[test]
fn without_delayed_acknowledgements_a_repeated_message_is_acknowledged_again() {
    let options = Options::default().acks(Acks::Immediate);
    let clamped = Limits::default().clamp(options);
    let mut server = Machine::accept(at(0), clamped, number(7), number(50), 16);
    let _ = drain(&mut server);
    assert_eq!(receive(&mut server, at(1), 1), Verdict::Taken);
    assert_eq!(numbers(&drain(&mut server)), [(51, 8)]);
    assert_eq!(receive(&mut server, at(2), 0), Verdict::Duplicate);
    assert_eq!(numbers(&drain(&mut server)), [], "a copy made on the way");
    assert_eq!(receive(&mut server, at(1002), 0), Verdict::Duplicate);
    assert_eq!(
        numbers(&drain(&mut server)),
        [(51, 8)],
        "or it is repeated until the end"
    );
    assert_eq!(server.stats().duplicates, 2);
    wait(&mut server, 1500, 10_000);
    assert_eq!(server.poll_timeout(), Some(at(10_001) + Duration::from_micros(1)));
}

#[test]
fn a_reader_that_stalls_keeps_its_connection_and_reading_opens_the_window() {
    let (_, mut server) = pair();
    let _ = drain(&mut server);
    for _ in 0..13 {
        assert_eq!(receive(&mut server, at(1), 1), Verdict::Taken);
    }
    let last = numbers(&drain(&mut server)).pop().unwrap();
    wait(&mut server, 500, 3000);
    let still = numbers(&drain(&mut server));
    assert_eq!(still, [last], "heard, but nothing more is acknowledged");
    for _ in 0..3 {
        assert_eq!(receive(&mut server, at(3000), 1), Verdict::Taken);
    }
    assert_eq!(
        receive(&mut server, at(3000), 1),
        Verdict::Dropped(Discard::ReadQueueFull)
    );
    while server.recv().is_some() {}
    assert_eq!(server.poll_timeout(), Some(at(3000)), "at once");
    server.handle_timeout(at(3000));
    assert_eq!(numbers(&drain(&mut server)), [(0, 23)]);
}

#[test]
fn finishing_waits_for_the_acknowledgement_and_gives_up_at_its_limit() {
    let (mut client, mut server) = pair();
    while client.poll_event().is_some() {}
    client.send(at(1), MESSAGE, Flags::NONE).unwrap();
    let lost = drain(&mut client);
    client.finish(at(1), Duration::from_secs(3));
    assert_eq!(client.state(), State::Finishing);
    assert_eq!(client.send(at(1), MESSAGE, Flags::NONE), Err(SendError::Closed));
    // Nothing is heard any more.
    wait(&mut client, 500, 3500);
    assert_eq!(client.poll_event(), Some(Event::Closed(CloseReason::Unfinished)));
    // Another client's acknowledgement comes back, and with it the end.
    let (mut client, _) = pair();
    while client.poll_event().is_some() {}
    client.send(at(1), MESSAGE, Flags::NONE).unwrap();
    client.finish(at(1), Duration::from_secs(3));
    for transmit in lost {
        let _ = server.handle_segment(at(2), transmit.segment, transmit.body, ());
    }
    server.handle_timeout(at(300));
    talk(at(300), &mut client, &mut server);
    assert_eq!(client.poll_event(), Some(Event::Acknowledged));
    assert_eq!(client.poll_event(), Some(Event::Closed(CloseReason::Finished)));
    assert_eq!(
        server.recv(),
        Some((MESSAGE, ())),
        "what came before the end can be read"
    );
}

#[test]
fn a_reset_that_is_faster_than_the_last_acknowledgement_is_asked_about_once() {
    for (counted, reason) in [(8, CloseReason::Finished), (7, CloseReason::ClosedByPeer)] {
        let (mut client, mut server) = pair();
        while client.poll_event().is_some() {}
        client.send(at(1), MESSAGE, Flags::NONE).unwrap();
        let _ = drain(&mut client);
        client.finish(at(1), Duration::from_secs(3));
        // As libcsp: its user has read the message and closes, and nobody has counted it yet.
        server.close(at(2));
        let reset = drain(&mut server).pop().unwrap().segment;
        assert_eq!(reset.acknowledgement, number(7));
        assert_eq!(
            client.handle_segment(at(2), reset, Bytes::new(), ()),
            Verdict::Taken
        );
        let question = drain(&mut client).pop().unwrap().segment;
        assert_eq!(question.flags, SegmentFlags::ACK);
        assert_eq!(client.state(), State::Finishing);
        let _ = server.handle_segment(at(3), question, Bytes::new(), ());
        let mut again = drain(&mut server).pop().unwrap().segment;
        assert_eq!(again.flags, SegmentFlags::RST | SegmentFlags::ACK, "RDP-10");
        again.acknowledgement = number(counted);
        assert_eq!(
            client.handle_segment(at(3), again, Bytes::new(), ()),
            Verdict::Taken
        );
        let last = drain(&mut client).pop().unwrap().segment;
        assert_eq!(last.flags, SegmentFlags::RST | SegmentFlags::ACK);
        let closed = core::iter::from_fn(|| client.poll_event()).last();
        assert_eq!(closed, Some(Event::Closed(reason)));
    }
}

#[test]
fn a_window_that_is_full_waits_for_the_acknowledgement_that_its_client_asked_for() {
    // As libcsp 2.2 does: what the SYN says holds, also where it is slow.
    let options = Options::default()
        .window(Window::new(2).unwrap())
        .ack_delay_count(2);
    let clamped = Limits::default().clamp(options);
    let mut server = Machine::accept(at(0), clamped, number(7), number(50), 16);
    let _ = drain(&mut server);
    for _ in 0..2 {
        assert_eq!(receive(&mut server, at(1), 1), Verdict::Taken);
    }
    assert_eq!(numbers(&drain(&mut server)), []);
    assert_eq!(server.poll_timeout(), Some(at(250) + Duration::from_micros(1)));
}

#[test]
fn without_delayed_acknowledgements_what_was_put_in_order_is_acknowledged_when_it_is_repeated() {
    let options = Options::default().acks(Acks::Immediate);
    let clamped = Limits::default().clamp(options);
    let mut server = Machine::accept(at(0), clamped, number(7), number(50), 16);
    let _ = drain(&mut server);
    assert_eq!(receive(&mut server, at(1), 2), Verdict::Taken);
    assert_eq!(receive(&mut server, at(1), 1), Verdict::Taken);
    assert_eq!(numbers(&drain(&mut server)), [(51, 8)], "as libcsp 2.2 does");
    assert_eq!(receive(&mut server, at(1001), 0), Verdict::Duplicate);
    assert_eq!(numbers(&drain(&mut server)), [(51, 9)]);
}

#[test]
fn a_copy_of_old_data_acknowledges_nothing_where_lone_acknowledgements_come_sooner() {
    for (packet_timeout, acknowledged) in [(251, 0), (250, 1)] {
        let options = Options::default().packet_timeout(Duration::from_millis(packet_timeout));
        let clamped = Limits::default().clamp(options);
        let mut server = Machine::accept(at(0), clamped, number(7), number(50), 16);
        assert_eq!(receive(&mut server, at(1), 1), Verdict::Taken);
        server.send(at(2), MESSAGE, Flags::NONE).unwrap();
        assert_eq!(receive(&mut server, at(3), 0), Verdict::Duplicate);
        assert_eq!(server.progress(), (1, acknowledged));
    }
}

#[test]
fn a_reset_that_comes_too_early_acknowledges_and_ends_nothing() {
    let (mut client, _) = pair();
    client.send(at(1), MESSAGE, Flags::NONE).unwrap();
    let _ = drain(&mut client);
    let early = data(&client, client.next_segment().acknowledgement.plus(2));
    let reset = Segment {
        flags: SegmentFlags::RST | SegmentFlags::ACK,
        ..early
    };
    let verdict = client.handle_segment(at(2), reset, Bytes::new(), ());
    assert_eq!(verdict, Verdict::Dropped(Discard::OutOfWindow));
    assert_eq!((client.state(), client.progress()), (State::Open, (1, 1)));
}

/// What may happen to a machine.
#[derive(Clone, Debug)]
enum Op {
    Segment {
        flags: u8,
        /// Distances from the numbers that would fit.
        sequence: i16,
        acknowledgement: i16,
        body: u8,
    },
    Wait(u16),
    Send,
    Recv,
    Drain,
    Finish,
    Close,
}

fn op() -> impl Strategy<Value = Op> {
    let near = || prop_oneof![4 => -12i16..12, 1 => any::<i16>()];
    prop_oneof![
        8 => (prop_oneof![4 => Just(4u8), 1 => 0u8..16], near(), near(), 0u8..5).prop_map(
            |(flags, sequence, acknowledgement, body)| Op::Segment {
                flags,
                sequence,
                acknowledgement,
                body,
            }
        ),
        3 => (0u16..3000).prop_map(Op::Wait),
        3 => Just(Op::Send),
        3 => Just(Op::Recv),
        3 => Just(Op::Drain),
        1 => Just(Op::Finish),
        1 => Just(Op::Close),
    ]
}

fn apply(machine: &mut Machine, now: &mut Instant, op: Op) {
    match op {
        Op::Segment {
            flags,
            sequence,
            acknowledgement,
            body,
        } => {
            let expected = data(machine, machine.next_segment().acknowledgement.next());
            let segment = Segment {
                flags: SegmentFlags::from_low_bits(flags),
                filler: Filler::ZERO,
                sequence: expected.sequence.plus(sequence.cast_unsigned()),
                acknowledgement: expected.acknowledgement.plus(acknowledgement.cast_unsigned()),
            };
            let body = MESSAGE.slice(..usize::from(body));
            let _ = machine.handle_segment(*now, segment, body, ());
        }
        Op::Wait(millis) => {
            *now += Duration::from_millis(millis.into());
            machine.handle_timeout(*now);
            let _ = drain(machine);
            assert!(machine.poll_timeout().is_none_or(|due| due > *now), "{machine:?}");
        }
        Op::Send => drop(machine.send(*now, MESSAGE, Flags::NONE)),
        Op::Recv => drop(machine.recv()),
        Op::Drain => {
            let _ = drain(machine);
            let _ = machine.poll_event();
        }
        Op::Finish => machine.finish(*now, Duration::from_secs(2)),
        Op::Close => machine.close(*now),
    }
}

proptest! {
    #[test]
    fn whatever_happens_memory_is_bounded_and_a_closed_machine_ends(
        is_client: bool,
        window in 1u16..9,
        is_delayed: bool,
        ops in prop::collection::vec(op(), 0..200),
    ) {
        let acks = if is_delayed { Acks::Delayed } else { Acks::Immediate };
        let options = Options::default().window(Window::new(window).unwrap()).acks(acks);
        let mut now = at(0);
        let mut machine = if is_client {
            Machine::connect(now, options, [number(65_530), number(3)], 16)
        } else {
            Machine::accept(now, Limits::default().clamp(options), number(9), number(65_530), 16)
        };
        for op in ops {
            apply(&mut machine, &mut now, op);
            let (sent, acknowledged) = machine.progress();
            prop_assert!(acknowledged <= sent && sent - acknowledged <= u64::from(window));
            let (kept, waiting) = machine.sizes();
            prop_assert!(kept <= usize::from(window) + 1, "{} kept", kept);
            prop_assert!(waiting <= 16 + 2 * usize::from(window), "{} wait", waiting);
        }
        machine.close(now);
        for _ in 0..8 {
            now += Duration::from_secs(10);
            machine.handle_timeout(now);
        }
        prop_assert!(machine.is_over(), "{:?}", machine);
        prop_assert_eq!(machine.poll_timeout(), None);
    }
}
