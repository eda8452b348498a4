use core::time::Duration;
use std::format;
use std::vec;
use std::vec::Vec;

use tinwire_time::Instant;

use super::*;
use crate::control::{BuildError, Control, ControlFrame, ControlLimit, Strictness};

const T0: Instant = Instant::ZERO;

fn name(text: &'static str) -> ContentType {
    ContentType::from_static(text.as_bytes()).unwrap()
}

fn config(types: &[&'static str]) -> Config {
    types
        .iter()
        .fold(Config::new(), |config, text| config.content_type(name(text)))
}

fn frame(control: ControlType, types: &[&'static str]) -> ControlFrame {
    let types = types.iter().map(|text| text.as_bytes());
    ControlFrame::build(control, types, ControlLimit::Wide).unwrap()
}

/// An unknown control frame, which cannot be built.
const UNKNOWN: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x06";

fn control(bytes: &[u8]) -> Frame<'_> {
    Frame::Control(Control::decode_frame(bytes, Strictness::Lenient).unwrap())
}

fn reader(config: Config) -> ReaderMachine {
    ReaderMachine::new(config, T0).unwrap()
}

fn writer(config: Config) -> WriterMachine {
    WriterMachine::new(config, T0).unwrap()
}

#[track_caller]
fn give(reader: &mut ReaderMachine, kind: ControlType, types: &[&'static str]) {
    let verdict = reader.handle_frame(T0, &control(frame(kind, types).as_bytes()));
    assert_eq!(verdict, Verdict::Absorbed);
}

fn events(mut next: impl FnMut() -> Option<Event>) -> Vec<Event> {
    core::iter::from_fn(&mut next).collect()
}

fn reader_streaming(config: Config) -> ReaderMachine {
    let mode = config.mode;
    let mut reader = reader(config);
    if mode == Mode::Bidirectional {
        give(&mut reader, ControlType::Ready, &[]);
        assert!(reader.poll_transmit().is_some());
    }
    give(&mut reader, ControlType::Start, &[]);
    assert!(reader.poll_event().is_some());
    reader
}

fn writer_streaming(config: Config) -> WriterMachine {
    let mut writer = writer(config);
    writer.handle_frame(&control(frame(ControlType::Accept, &[]).as_bytes()));
    assert!(writer.is_streaming());
    while writer.poll_transmit().is_some() {}
    writer.poll_event();
    writer
}

#[test]
fn both_ends_shake_hands_and_part() {
    let mut writer = writer(config(&["x", "y"]));
    let mut reader = reader(config(&["y", "z"]));
    for _ in 0..3 {
        while let Some(sent) = writer.poll_transmit() {
            let _ = reader.handle_frame(T0, &control(sent.as_bytes()));
        }
        while let Some(sent) = reader.poll_transmit() {
            writer.handle_frame(&control(sent.as_bytes()));
        }
    }
    assert_eq!(writer.content_type(), Some(&name("y")));
    assert_eq!(reader.handle_frame(T0, &Frame::Data(b"hello")), Verdict::Deliver);
    writer.finish(T0).unwrap();
    let stop = writer.poll_transmit().unwrap();
    let _ = reader.handle_frame(T0, &control(stop.as_bytes()));
    let finish = reader.poll_transmit().unwrap();
    writer.handle_frame(&control(finish.as_bytes()));
    let started = Event::Started {
        content_type: Some(name("y")),
    };
    assert_eq!(
        events(|| writer.poll_event()),
        [started.clone(), Event::Ended(End::Stop)]
    );
    assert_eq!(events(|| reader.poll_event()), [started, Event::Ended(End::Stop)]);
    assert_eq!((reader.poll_timeout(), writer.poll_timeout()), (None, None));
    assert_eq!((reader.stats().data_frames, reader.stats().data_bytes), (1, 5));
}

#[test]
fn accept_names_the_common_types_in_the_readers_order() {
    let mut reader = reader(config(&["b", "c", "a"]));
    give(&mut reader, ControlType::Ready, &["a", "b"]);
    assert_eq!(
        reader.poll_transmit(),
        Some(frame(ControlType::Accept, &["b", "a"]))
    );
}

#[test]
fn a_reader_of_anything_accepts_what_ready_offers() {
    let mut reader = reader(config(&[]));
    give(&mut reader, ControlType::Ready, &["a", "b"]);
    assert_eq!(
        reader.poll_transmit(),
        Some(frame(ControlType::Accept, &["a", "b"]))
    );
}

#[test]
fn a_reader_answers_an_unnamed_offer_with_all_its_types() {
    let mut reader = reader(config(&["a", "b"]));
    give(&mut reader, ControlType::Ready, &[]);
    assert_eq!(
        reader.poll_transmit(),
        Some(frame(ControlType::Accept, &["a", "b"]))
    );
}

#[test]
fn a_reader_without_a_common_type_sends_nothing_and_fails() {
    let mut reader = reader(config(&["a"]));
    give(&mut reader, ControlType::Ready, &["b"]);
    assert_eq!(
        reader.poll_transmit(),
        None,
        "an empty ACCEPT would mean anything goes"
    );
    assert_eq!(
        events(|| reader.poll_event()),
        [Event::Failed(HandshakeError::NoCommonType {
            ours: vec![name("a")],
            theirs: vec![name("b")]
        })]
    );
}

#[test]
fn an_offer_too_long_to_repeat_is_accepted_as_far_as_it_fits() {
    let long: Vec<Vec<u8>> = (0..2).map(|_| vec![b'x'; 245]).collect();
    let ready = ControlFrame::build(
        ControlType::Ready,
        long.iter().map(Vec::as_slice),
        ControlLimit::Wide,
    )
    .unwrap();
    let mut reader = reader(config(&[]));
    let _ = reader.handle_frame(T0, &control(ready.as_bytes()));
    let accept = reader.poll_transmit().unwrap();
    assert_eq!(accept.as_bytes().len(), 8 + 4 + 8 + 245);
}

#[test]
fn a_start_of_another_type_fails_without_finish() {
    let mut reader = reader(config(&["a"]).mode(Mode::Unidirectional));
    give(&mut reader, ControlType::Start, &["b"]);
    assert_eq!(
        reader.failure(),
        Some(&HandshakeError::WrongType {
            ours: vec![name("a")],
            got: name("b")
        })
    );
    assert_eq!(reader.poll_transmit(), None);
}

#[test]
fn a_writer_takes_its_second_type_when_the_first_is_not_accepted() {
    let mut writer = writer(config(&["x", "y"]));
    writer.poll_transmit().unwrap();
    writer.handle_frame(&control(frame(ControlType::Accept, &["y"]).as_bytes()));
    assert_eq!(writer.poll_transmit(), Some(frame(ControlType::Start, &["y"])));
}

#[test]
fn a_writer_takes_its_first_type_when_accept_names_none() {
    let mut writer = writer(config(&["x", "y"]));
    writer.poll_transmit().unwrap();
    writer.handle_frame(&control(frame(ControlType::Accept, &[]).as_bytes()));
    assert_eq!(writer.poll_transmit(), Some(frame(ControlType::Start, &["x"])));
}

#[test]
fn a_writer_without_a_common_type_fails() {
    let mut writer = writer(config(&["x"]));
    writer.handle_frame(&control(frame(ControlType::Accept, &["y"]).as_bytes()));
    assert_eq!(writer.poll_transmit(), None, "READY is not sent any more");
    assert!(matches!(
        writer.failure(),
        Some(HandshakeError::NoCommonType { .. })
    ));
}

#[test]
fn a_silent_reader_times_the_writer_out_after_five_seconds() {
    let mut writer = writer(config(&[]));
    let deadline = writer.poll_timeout().unwrap();
    assert_eq!(deadline, T0 + Duration::from_secs(5));
    writer.handle_timeout(T0 + Duration::from_millis(4_999));
    assert_eq!(writer.failure(), None);
    writer.handle_timeout(deadline);
    assert_eq!(
        writer.failure(),
        Some(&HandshakeError::NoAnswer {
            missing: ControlType::Accept,
            absence: Absence::Timeout
        })
    );
}

#[test]
fn a_missing_finish_is_reported_with_its_cause() {
    let mut writer = writer_streaming(config(&[]).finish_timeout(Duration::from_millis(10)));
    writer.finish(T0).unwrap();
    let mut closed = writer_streaming(config(&[]));
    closed.finish(T0).unwrap();
    writer.handle_timeout(T0 + Duration::from_millis(10));
    closed.handle_end();
    let no_finish = |absence| HandshakeError::NoFinish { absence };
    assert_eq!(writer.failure(), Some(&no_finish(Absence::Timeout)));
    assert_eq!(closed.failure(), Some(&no_finish(Absence::Closed)));
}

#[test]
fn a_silent_writer_times_the_reader_out_but_not_a_unidirectional_one() {
    let mut talking = reader(config(&[]).handshake_timeout(Duration::from_millis(10)));
    talking.handle_timeout(T0 + Duration::from_millis(10));
    assert!(matches!(
        talking.failure(),
        Some(HandshakeError::NoAnswer {
            missing: ControlType::Ready,
            absence: Absence::Timeout
        })
    ));
    assert_eq!(
        reader(config(&[]).mode(Mode::Unidirectional)).poll_timeout(),
        None
    );
}

#[test]
fn an_endless_timeout_never_comes() {
    let writer = writer(config(&[]).handshake_timeout(Duration::MAX));
    assert_eq!(writer.poll_timeout(), None);
}

#[test]
fn data_before_start_counts_as_a_start_where_it_is_allowed() {
    let mut reader = reader(config(&["a"]).data_before_start(DataBeforeStart::Accept));
    assert_eq!(reader.handle_frame(T0, &Frame::Data(b"x")), Verdict::Deliver);
    assert_eq!(
        events(|| reader.poll_event()),
        [Event::Started { content_type: None }]
    );
}

#[test]
fn a_run_is_taken_as_its_frames_would_be() {
    let wire = b"\0\0\0\x01a\0\0\0\x02bc\0\0\0\x01d";
    let run = crate::Run::decode(wire, crate::FrameConfig::new()).unwrap();
    let lenient = || config(&[]).data_before_start(DataBeforeStart::Accept);
    for make in [
        || reader(config(&[])),
        || reader(config(&[]).mode(Mode::Unidirectional)),
        || reader_streaming(config(&[])),
        || {
            let mut ended = reader_streaming(config(&[]));
            ended.handle_end(End::Eof);
            ended
        },
    ] {
        let (mut by_run, mut by_frame) = (make(), make());
        let verdict = by_run.handle_run(T0, &run);
        for payload in run {
            assert_eq!(by_frame.handle_frame(T0, &Frame::Data(payload)), verdict);
        }
        assert_eq!(format!("{by_run:?}"), format!("{by_frame:?}"));
    }
    let (mut by_run, mut by_frame) = (reader(lenient()), reader(lenient()));
    assert_eq!(by_run.handle_run(T0, &run), Verdict::Deliver);
    for payload in run {
        assert_eq!(by_frame.handle_frame(T0, &Frame::Data(payload)), Verdict::Deliver);
    }
    assert_eq!(format!("{by_run:?}"), format!("{by_frame:?}"));
}

#[test]
fn finish_waits_for_its_release_where_it_is_asked_to() {
    let mut reader = reader_streaming(config(&[]).finish(Finish::OnRelease));
    reader.release_finish();
    assert_eq!(reader.poll_transmit(), None, "nothing to answer yet");
    give(&mut reader, ControlType::Stop, &[]);
    assert_eq!(reader.end_of_stream(), Some(End::Stop), "the stream ends at once");
    assert_eq!((reader.poll_transmit(), reader.owes_finish()), (None, true));
    reader.release_finish();
    assert_eq!(reader.poll_transmit(), Some(ControlFrame::finish()));
    reader.release_finish();
    assert_eq!((reader.poll_transmit(), reader.owes_finish()), (None, false));
}

#[test]
fn a_unidirectional_reader_owes_no_finish() {
    let mut reader = reader_streaming(config(&[]).mode(Mode::Unidirectional).finish(Finish::OnRelease));
    give(&mut reader, ControlType::Stop, &[]);
    assert!(!reader.owes_finish());
    reader.release_finish();
    assert_eq!(reader.poll_transmit(), None);
}

#[test]
fn one_side_of_a_recorded_session_is_read_where_it_is_asked_for() {
    let recorded = |mode| {
        let config = config(&["b"]).mode(mode);
        reader(config.ready_before_start(ReadyBeforeStart::Accept))
    };
    let mut one_sided = recorded(Mode::Unidirectional);
    give(&mut one_sided, ControlType::Ready, &["a", "b"]);
    assert_eq!(
        one_sided.poll_transmit(),
        None,
        "nobody is there to hear an answer"
    );
    assert_eq!(
        one_sided.poll_event(),
        Some(Event::Ignored {
            control: ControlType::Ready
        })
    );
    give(&mut one_sided, ControlType::Start, &["b"]);
    assert!(one_sided.is_streaming());
    let mut talking = recorded(Mode::Bidirectional);
    give(&mut talking, ControlType::Ready, &["b"]);
    give(&mut talking, ControlType::Ready, &["b"]);
    assert!(talking.failure().is_some(), "READY twice");
}

#[test]
fn a_full_event_queue_loses_the_oldest_and_counts_it() {
    let mut reader = reader_streaming(config(&[]));
    for _ in 0..100 {
        let _ = reader.handle_frame(T0, &control(UNKNOWN));
    }
    reader.handle_end(End::Eof);
    let events = events(|| reader.poll_event());
    assert_eq!(events.len(), 16);
    assert_eq!(events.last(), Some(&Event::Ended(End::Eof)));
    assert_eq!(reader.stats().ignored_controls, 100);
    // All but the last 15 of the ignored frames.
    assert_eq!(reader.stats().events_lost, 85);
}

#[test]
fn types_that_do_not_fit_are_refused_when_the_machine_is_made() {
    let long = || ContentType::new(vec![b'x'; 250]).unwrap();
    let config = Config::new().content_type(long()).content_type(long());
    assert!(matches!(
        WriterMachine::new(config.clone(), T0),
        Err(BuildError::TooLong { max: 503, .. })
    ));
    assert!(ReaderMachine::new(config, T0).is_err());
}

#[test]
fn errors_name_content_types_as_people_write_them() {
    let name = |text: &'static str| ContentType::from_static(text.as_bytes()).unwrap();
    let wrong = HandshakeError::WrongType {
        ours: vec![name("a"), name("b:c")],
        got: name("d"),
    };
    assert_eq!(
        format!("{wrong}"),
        "stream of content type \"d\", expected \"a\", \"b:c\""
    );
    let none = HandshakeError::NoCommonType {
        ours: vec![name("a")],
        theirs: vec![],
    };
    assert_eq!(
        format!("{none}"),
        "no common content type: this side takes \"a\", the peer offers none"
    );
}
