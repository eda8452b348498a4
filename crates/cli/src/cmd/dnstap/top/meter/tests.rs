use dnstap_codec::{Dnstap, Message, MessageType};

use super::*;

const NOON: Timestamp = Timestamp {
    sec: 1_795_176_000,
    nsec: 0,
};

fn query(at: u64) -> Vec<u8> {
    let message = Message {
        query_time_sec: Some(at),
        query_message: Some(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x04test\0\0\x01\0\x01"),
        ..Message::new(MessageType::ClientQuery)
    };
    Dnstap::new(message).encode()
}

fn run(payloads: &[&[u8]]) -> OwnedRun {
    let mut wire = Vec::new();
    for payload in payloads {
        wire.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
        wire.extend_from_slice(payload);
    }
    fstrm_codec::frame::Run::decode(&wire, fstrm_codec::frame::FrameConfig::new())
        .unwrap()
        .into()
}

fn file(name: &str) -> Source {
    Source::File(name.into())
}

#[test]
fn live_rates_are_those_of_the_interval_and_counts_those_of_all() {
    let mut meter = Meter::new("tcp".into(), Clock::Ours, None, 10);
    let (one, other) = (query(5), query(900_000));
    meter.handle_run(&file("a"), &run(&[&one, &other, b"\xff\xff"]), NOON);
    let figures = meter.figures(Duration::from_secs(1), Some(NOON), None);
    assert_eq!((figures.rates.queries, figures.rates.frames), (2.0, 3.0));
    assert_eq!(figures.snapshot.unreadable, 1);
    meter.handle_run(&file("a"), &run(&[&one]), NOON);
    let figures = meter.figures(Duration::from_secs(3), Some(NOON), None);
    assert_eq!((figures.rates.queries, figures.snapshot.queries), (0.5, 3));
    assert_eq!(
        (figures.streams[0].frames, figures.streams[0].frames_per_second),
        (4, 0.5)
    );
}

#[test]
fn rates_of_files_are_by_the_time_that_messages_tell() {
    let mut meter = Meter::new("file".into(), Clock::Messages, None, 10);
    let payloads: Vec<_> = (100..=110).map(query).collect();
    let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
    meter.handle_run(&file("a"), &run(&payloads), NOON);
    for _ in 0..2 {
        let figures = meter.figures(Duration::from_secs(77), None, None);
        assert_eq!((figures.seconds, figures.rates.queries), (10.0, 1.1));
    }
}

#[test]
fn what_does_not_hold_is_passed_over_and_counted() {
    let filter = "qtype==AAAA".parse().unwrap();
    let mut meter = Meter::new("file".into(), Clock::Messages, Some(filter), 10);
    meter.handle_run(&file("a"), &run(&[&query(1)]), NOON);
    let figures = meter.figures(Duration::ZERO, None, None);
    assert_eq!((figures.passed_over, figures.snapshot.messages), (1, 0));
}

#[test]
fn streams_that_have_ended_are_forgotten_in_the_end() {
    let mut meter = Meter::new("files".into(), Clock::Messages, None, 10);
    for number in 0..1000 {
        let source = file(&format!("{number:04}"));
        meter.handle_run(&source, &run(&[b"x"]), NOON);
        let end = End::Truncated {
            offset: 0,
            missing: 1,
        };
        meter.handle_end(&source, Some(end));
    }
    let figures = meter.figures(Duration::ZERO, None, None);
    assert_eq!(figures.streams.len(), ENDED);
    let last = figures.streams.last().unwrap();
    assert_eq!((&*last.name, last.is_open, last.dropped), ("0999", false, 1));
}
