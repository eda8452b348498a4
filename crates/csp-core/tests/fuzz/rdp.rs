//! Any order of segments, times and calls against two machines that talk.

use core::time::Duration;

use bytes::Bytes;
use csp_core::Flags;
use csp_core::rdp::{
    Acks, Filler, Limits, Machine, Options, Segment, SegmentFlags, Sequence, State, Transmit, Window,
};
use tinwire_time::Instant;

use testkit::fuzz::Input;

/// Segments on the link; with more the oldest is lost.
const ON_THE_LINK: usize = 32;

/// One end, what its user sent and got, and what is on its way to it.
struct End {
    machine: Machine,
    sent: Vec<Bytes>,
    received: Vec<Bytes>,
    coming: Vec<Transmit>,
}

impl End {
    fn new(machine: Machine) -> Self {
        Self {
            machine,
            sent: Vec::new(),
            received: Vec::new(),
            coming: Vec::new(),
        }
    }

    fn read(&mut self) {
        while let Some((message, ())) = self.machine.recv() {
            self.received.push(message);
        }
    }
}

/// Machines that hear each other alone deliver once and in order; strangers may end a connection, and nothing
/// makes a machine panic, wake for nothing, or live on after its end.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let strangers = input.byte().is_multiple_of(4);
    let options = Options::default()
        .window(Window::new(u16::from(input.byte() % 8) + 1).unwrap())
        .acks(if input.flag() {
            Acks::Immediate
        } else {
            Acks::Delayed
        });
    let first = input.word();
    let mut now = Instant::ZERO;
    let mut fillers = [Filler::ZERO; 2];
    let initial = [first, first.wrapping_add(999)].map(Sequence::new);
    let client = Machine::connect(now, options, initial, 16);
    let clamped = Limits::default().clamp(options);
    let server = Machine::accept(
        now,
        clamped,
        Sequence::new(first),
        Sequence::new(input.word()),
        16,
    );
    let mut ends = [End::new(client), End::new(server)];
    while !input.is_empty() {
        let choice = input.byte();
        let place = usize::from(choice & 1);
        let end = &mut ends[place];
        match choice >> 1 & 15 {
            0..=5 => deliver(&mut input, end, now),
            6 => drop((!end.coming.is_empty()).then(|| end.coming.remove(0))),
            7..=9 => {
                let message = Bytes::from(vec![place.try_into().unwrap(), input.byte()]);
                if end.machine.send(now, message.clone(), Flags::NONE).is_ok() {
                    end.sent.push(message);
                }
            }
            10 => end.read(),
            11 => now += Duration::from_millis(u64::from(input.byte()) * 8),
            12 => now = end.machine.poll_timeout().map_or(now, |due| due.max(now)),
            13 if input.byte().is_multiple_of(16) => end.machine.finish(now, Duration::from_secs(3)),
            14 if input.byte().is_multiple_of(32) => end.machine.close(now),
            15 if strangers => forge(&mut input, end, now),
            _ => {}
        }
        turn(&mut ends, &mut fillers, now);
        if !strangers {
            check(&ends);
        }
    }
    finish(ends, now);
}

/// Gives a segment on the link to the one it goes to, and perhaps leaves a copy.
fn deliver(input: &mut Input<'_>, end: &mut End, now: Instant) {
    let choice = usize::from(input.byte());
    if end.coming.is_empty() {
        return;
    }
    // Mostly in order.
    let place = (choice / 8).saturating_sub(24) % end.coming.len();
    let transmit = if choice.is_multiple_of(8) {
        end.coming[place].clone()
    } else {
        end.coming.remove(place)
    };
    let _ = end
        .machine
        .handle_segment(now, transmit.segment, transmit.body, ());
}

fn forge(input: &mut Input<'_>, end: &mut End, now: Instant) {
    let segment = Segment {
        flags: SegmentFlags::from_low_bits(input.byte()),
        filler: Filler::from_low_bits(input.byte()),
        sequence: Sequence::new(input.word()),
        acknowledgement: Sequence::new(input.word()),
    };
    let len = usize::from(input.byte() % 32);
    let body = Bytes::copy_from_slice(input.take(len));
    let _ = end.machine.handle_segment(now, segment, body, ());
}

/// Lets time have its effect, and puts what is sent on the link.
fn turn(ends: &mut [End; 2], fillers: &mut [Filler; 2], now: Instant) {
    for place in [0, 1] {
        let end = &mut ends[place];
        end.machine.handle_timeout(now);
        let sent: Vec<_> = core::iter::from_fn(|| end.machine.poll_transmit(&mut fillers[place])).collect();
        while end.machine.poll_event().is_some() {}
        let due = end.machine.poll_timeout();
        assert!(due.is_none_or(|due| due > now), "it wakes for nothing");
        for transmit in sent {
            let (segment, body) = (transmit.segment, transmit.encode());
            assert_eq!(Segment::decode(&body), Ok((segment, &transmit.body[..])));
            let coming = &mut ends[1 - place].coming;
            if coming.len() == ON_THE_LINK {
                coming.remove(0);
            }
            // The node makes a machine of a SYN; here it is there already.
            if !segment.is_opening() {
                coming.push(transmit);
            }
        }
    }
}

fn check(ends: &[End; 2]) {
    let [one, two] = ends;
    for (from, to) in [(one, two), (two, one)] {
        assert!(from.sent.starts_with(&to.received), "once and in order");
        let (sent, acknowledged) = from.machine.progress();
        assert_eq!(sent, u64::try_from(from.sent.len()).unwrap());
        assert!(
            acknowledged <= to.machine.stats().received,
            "acknowledged means arrived"
        );
    }
}

/// A machine whose user closes it is over in time.
fn finish(ends: [End; 2], now: Instant) {
    for End { mut machine, .. } in ends {
        machine.close(now);
        machine.handle_timeout(now + Duration::from_secs(10));
        machine.handle_timeout(now + Duration::from_secs(11));
        assert!(machine.is_over() && machine.state() == State::Closed);
        assert_eq!(machine.poll_timeout(), None);
    }
}
