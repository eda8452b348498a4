use std::time::{Instant, SystemTime};

use can_link::candump::{Reading, parse_frame};
use can_link::link::{BusError, ChannelId, DropReason};
use clap::Parser as _;
use core::time::Duration;

use super::*;
use crate::args::can::CanVerb;
use crate::args::{Cli, Verb};

fn args(flags: &[&str]) -> Dump {
    let words = ["tinwire", "can", "dump", "can0"].iter().chain(flags);
    match Cli::try_parse_from(words).unwrap().verb {
        Verb::Can(CanVerb::Dump(args)) => args,
        other => panic!("{other:?}"),
    }
}

fn stamp() -> Timestamp {
    Timestamp {
        host: SystemTime::UNIX_EPOCH + Duration::new(1_795_152_592, 662_511_789),
        hardware: Some(Duration::from_millis(1_500)),
        monotonic: Instant::now(),
    }
}

fn event(text: &str, origin: Origin) -> Tagged {
    let event = match parse_frame(text, Reading::Strict).unwrap() {
        Message::Frame(frame) => Event::Frame(Received {
            frame,
            time: stamp(),
            origin,
            channel: ChannelId::default(),
        }),
        Message::Error(report) => Event::BusError(BusError {
            report,
            time: stamp(),
            channel: ChannelId::default(),
        }),
    };
    Tagged {
        link: "can0".into(),
        event,
    }
}

fn dropped(count: u64) -> Tagged {
    Tagged {
        link: "can0".into(),
        event: Event::Dropped {
            count,
            reason: DropReason::SocketQueueFull,
        },
    }
}

#[track_caller]
fn assert_log(flags: &[&str], event: &Tagged, expected: &str) {
    assert_eq!(LogLines::new(&args(flags)).line(event).as_deref(), Some(expected));
}

#[test]
fn log_lines_are_candumps() {
    let frame = event("123#DEAD", Origin::Bus);
    assert_log(&["-L"], &frame, "(1795152592.662511) can0 123#DEAD");
    assert_log(&["-L", "-N"], &frame, "(1795152592.662511789) can0 123#DEAD");
    assert_log(&["-L", "-x"], &frame, "(1795152592.662511) can0 123#DEAD R");
    assert_log(&["-L", "-t", "z"], &frame, "(000.000000) can0 123#DEAD");
    assert_log(&["-L", "-t", "d"], &frame, "(1795152592.662511) can0 123#DEAD");
    assert_log(&["-L", "-H"], &frame, "(0000000001.500000) can0 123#DEAD");
    let own = event("123#DEAD", Origin::LocalHost);
    assert_log(&["-L", "-x"], &own, "(1795152592.662511) can0 123#DEAD T");
    let report = event("20000204#0020000000008000", Origin::Bus);
    assert_log(
        &["-L"],
        &report,
        "(1795152592.662511) can0 20000204#0020000000008000",
    );
}

#[test]
fn losses_have_a_line_when_asked_for() {
    let mut lines = LogLines::new(&args(&["-L", "-d"]));
    lines.line(&dropped(293));
    assert_eq!(
        lines.line(&dropped(1)).unwrap(),
        "DROPCOUNT: dropped 1 CAN frame on 'can0' socket (total drops 294)"
    );
    assert_eq!(LogLines::new(&args(&["-L"])).line(&dropped(1)), None);
}

#[test]
fn json_has_a_line_for_everything_that_happens() {
    let line = |tagged: &Tagged| serde_json::to_string(&json(tagged, Clock::Host).unwrap()).unwrap();
    assert_eq!(
        line(&event("123#DEAD", Origin::Own)),
        concat!(
            r#"{"type":"frame","ts":"2026-11-20T05:29:52.662511789Z","link":"can0","origin":"own","#,
            r#""kind":"data","id":"123","ext":false,"len":2,"data":"dead"}"#
        )
    );
    assert_eq!(
        line(&dropped(7)),
        r#"{"type":"dropped","link":"can0","count":7,"reason":"socket queue full"}"#
    );
    let report = line(&event("20000040#", Origin::Bus));
    assert!(report.contains(r#""type":"error""#), "{report}");
    assert!(report.contains(r#""causes":["bus off"]"#), "{report}");
}
