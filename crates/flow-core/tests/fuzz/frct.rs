//! Any order of packets, times and calls against two machines that talk.

use core::time::Duration;

use bytes::Bytes;
use flow_core::frct::{Config, Delivery, Flags, Header, Linger, Machine, Sequence, State, Transmit};
use testkit::fuzz::Input;
use tinwire_time::Instant;

/// Packets on the link; with more the oldest is lost.
const ON_THE_LINK: usize = 32;
/// How long one lives there: all that is promised rests on this (MPL).
const LIFETIME: Duration = Duration::from_secs(5);

/// One end, what its user sent and got, and what is on its way to it.
struct End {
    machine: Machine,
    sent: Vec<Bytes>,
    received: Vec<Bytes>,
    coming: Vec<(Instant, Transmit)>,
}

/// Machines that hear each other alone deliver in order and once; strangers may spoil what arrives, and
/// nothing makes a machine panic, grow, wake for nothing, or live on after its end.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let choice = input.byte();
    let strangers = choice & 3 == 0;
    let delivery = if choice & 4 == 0 {
        Delivery::Reliable
    } else {
        Delivery::Ordered
    };
    let linger = if choice & 8 == 0 { Linger::Yes } else { Linger::No };
    let bytes = 8 + usize::from(choice >> 4) * 40;
    let config = Config::default()
        .delivery(delivery)
        .linger(linger)
        .packets(64)
        .bytes(bytes);
    let mut now = Instant::ZERO;
    let mut ends = [(); 2].map(|()| {
        let first = u32::from(input.word()) << 16 | u32::from(input.word());
        End {
            machine: Machine::new(config, Sequence::new(first)),
            sent: Vec::new(),
            received: Vec::new(),
            coming: Vec::new(),
        }
    });
    while !input.is_empty() {
        let choice = input.byte();
        let place = usize::from(choice & 1);
        let end = &mut ends[place];
        end.coming
            .retain(|(sent, _)| now.saturating_since(*sent) <= LIFETIME);
        match choice >> 1 & 15 {
            0..=5 => deliver(&mut input, end, now),
            6 => drop((!end.coming.is_empty()).then(|| end.coming.remove(0))),
            7..=9 => {
                let number = u8::try_from(end.sent.len() % 256).unwrap();
                let packet = Bytes::from(vec![number; 1 + usize::from(choice >> 6)]);
                if end.machine.send(now, packet.clone()).is_ok() {
                    end.sent.push(packet);
                }
            }
            10 => end.received.extend(core::iter::from_fn(|| end.machine.recv(now))),
            11 => now += Duration::from_millis(u64::from(input.byte()) * 8),
            12 => now = end.machine.poll_timeout().map_or(now, |due| due.max(now)),
            13 => now += Duration::from_secs(u64::from(input.byte() >> 5) * 30),
            14 if input.byte().is_multiple_of(32) => end.machine.close(now),
            15 if strangers => forge(&mut input, end, now),
            15 => turn(&mut ends, now, u64::from(input.byte()) * 64_000),
            _ => {}
        }
        turn(&mut ends, now, 0);
        check(&ends, bytes, strangers, delivery);
    }
    for End { mut machine, .. } in ends {
        finish(&mut machine, now);
    }
}

/// Gives a packet on the link to the one it goes to, and perhaps leaves a copy.
fn deliver(input: &mut Input<'_>, end: &mut End, now: Instant) {
    let choice = usize::from(input.byte());
    if end.coming.is_empty() {
        return;
    }
    // Mostly in order.
    let place = (choice / 8).saturating_sub(24) % end.coming.len();
    let (_, transmit) = if choice.is_multiple_of(8) {
        end.coming[place].clone()
    } else {
        end.coming.remove(place)
    };
    let _ = end.machine.handle_packet(now, transmit.encode());
}

fn forge(input: &mut Input<'_>, end: &mut End, now: Instant) {
    let mut number = || Sequence::new(u32::from(input.word()) << 16 | u32::from(input.word()));
    let (seqno, ackno) = (number(), number());
    let header = Header {
        flags: Flags::from_bits(input.byte() & 0x1F).unwrap(),
        window: u32::from(input.word()) << 8,
        seqno,
        ackno,
    };
    let len = usize::from(input.byte() % 32);
    let payload = Bytes::copy_from_slice(input.take(len));
    let _ = end
        .machine
        .handle_packet(now, Transmit { header, payload }.encode());
}

/// Lets time have its effect, and puts what is sent on the link. The clock may be `late`, in
/// microseconds.
fn turn(ends: &mut [End; 2], now: Instant, late: u64) {
    let told = Instant::from_micros(now.as_micros().saturating_sub(late));
    for place in [0, 1] {
        let end = &mut ends[place];
        end.machine.handle_timeout(told);
        let sent: Vec<_> = core::iter::from_fn(|| end.machine.poll_transmit(told))
            .take(201)
            .collect();
        assert!(sent.len() <= 200, "a burst");
        while end.machine.poll_event().is_some() {}
        let due = end.machine.poll_timeout();
        assert!(due.is_none_or(|due| due > now), "it wakes for nothing");
        for transmit in sent {
            let coming = &mut ends[1 - place].coming;
            if coming.len() == ON_THE_LINK {
                coming.remove(0);
            }
            coming.push((now, transmit));
        }
    }
}

fn check(ends: &[End; 2], limit: usize, strangers: bool, delivery: Delivery) {
    let [one, two] = ends;
    for (from, to) in [(one, two), (two, one)] {
        let (out, kept) = to.machine.bytes();
        assert!(out <= limit && kept <= 4 * limit + 64, "{out} and {kept} bytes");
        let is_reliable = delivery == Delivery::Reliable;
        if !strangers && is_reliable {
            assert!(from.sent.starts_with(&to.received), "once and in order");
            let open = from.machine.unacknowledged() + from.machine.unsent();
            let acknowledged = from.sent.len().saturating_sub(open);
            let received = usize::try_from(to.machine.stats().received).unwrap();
            assert!(
                from.machine.is_over() || acknowledged <= received,
                "acknowledged means arrived"
            );
        }
        if !strangers && !is_reliable {
            let mut sent = from.sent.iter();
            let is_in_order = to.received.iter().all(|packet| sent.any(|sent| sent == packet));
            assert!(is_in_order, "in order");
        }
    }
}

/// A machine whose user closes it is over in time, whoever is silent.
fn finish(machine: &mut Machine, mut now: Instant) {
    machine.close(now);
    let end = now + Duration::from_secs(300);
    while now < end && !machine.is_over() {
        machine.handle_timeout(now);
        while machine.poll_transmit(now).is_some() {}
        now = machine.poll_timeout().unwrap_or(end).max(now);
    }
    assert!(machine.is_over(), "{machine:?}");
    assert!(matches!(machine.state(), State::Closed | State::Down(_)));
    assert_eq!(machine.poll_timeout(), None);
}
