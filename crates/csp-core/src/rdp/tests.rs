//! One machine against segments made by hand.

use bytes::Bytes;
use core::time::Duration;

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
