use core::time::Duration;
use std::io::Cursor;
use std::string::ToString;
use std::vec::Vec;

use super::*;
use crate::address::LinkAddress;
use crate::link::{CanRxExt, CanTxExt};

const LOG: &str = "(1700000000.000000) can0 123#11\n\
                   (1700000000.500000) can1 124#22 T\n\
                   DROPCOUNT: dropped 3 CAN frames on 'can0' socket (total drops 3)\n\
                   (1700000000.600000) can0 20000040#\n\
                   (1700000000.600000) can0 123#1\n\
                   (1700000002.000000) can0 125#33\n";

fn replay(log: &'static str, query: &str) -> LogRx {
    let LinkAddress::Log(address) = std::format!("log:test{query}").parse().unwrap() else {
        panic!("not a log");
    };
    LogRx::new(Box::new(Cursor::new(log)), &address).unwrap()
}

async fn all(rx: &mut LogRx) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = rx.recv().await.unwrap() {
        events.push(event);
    }
    events
}

#[tokio::test]
async fn everything_in_the_log_becomes_an_event() {
    let mut rx = replay(LOG, "?speed=0");
    let events = all(&mut rx).await;
    let [
        Event::Frame(first),
        Event::Frame(second),
        Event::Dropped {
            count: 3,
            reason: DropReason::Upstream,
        },
        Event::BusError(_),
        Event::State(BusState::BusOff),
        Event::BadInput(BadInput::LogLine(bad)),
        Event::Frame(last),
    ] = events.as_slice()
    else {
        panic!("{events:?}");
    };
    assert_eq!((first.channel, first.origin), (ChannelId(0), Origin::Bus));
    assert_eq!((second.channel, second.origin), (ChannelId(1), Origin::LocalHost));
    assert_eq!(
        LogTime::from(second.time.host),
        LogTime::new(1_700_000_000, 500_000_000).unwrap()
    );
    assert_eq!(bad.number, 5);
    assert_eq!(last.frame.payload(), [0x33]);
}

/// A paused clock moves only while the alarm is set, and it is set only for an entry that has been read.
#[tokio::test(start_paused = true)]
async fn frames_come_at_the_recorded_pace_scaled() {
    for (query, expected) in [("", 2000), ("?speed=2", 1000), ("?speed=0", 0)] {
        let mut rx = replay(LOG, query);
        let start = Instant::now();
        all(&mut rx).await;
        assert_eq!(start.elapsed().as_millis(), expected, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_is_dropped_while_it_waits_loses_nothing() {
    let mut rx = replay("(1.000000) can0 1FF#01\n(9.000000) can0 1FF#02\n", "");
    rx.recv().await.unwrap();
    tokio::time::timeout(Duration::from_secs(1), rx.recv())
        .await
        .unwrap_err();
    let Some(Event::Frame(second)) = rx.recv().await.unwrap() else {
        panic!()
    };
    assert_eq!(second.frame.payload(), [2]);
}

#[tokio::test]
async fn filters_choose_frames_and_error_reports() {
    let mut rx = replay(LOG, "?speed=0");
    rx.set_filters(&crate::candump::parse_filters("124:7FF").unwrap())
        .unwrap();
    let events = all(&mut rx).await;
    assert_eq!(
        events
            .iter()
            .filter(|event| matches!(event, Event::Frame(_)))
            .count(),
        1
    );
    assert!(!events.iter().any(|event| matches!(event, Event::BusError(_))));
}

#[tokio::test]
async fn a_batch_never_exceeds_what_was_asked_for() {
    let mut rx = replay(LOG, "?speed=0");
    let mut out = EventBuf::new();
    let mut total = 0;
    loop {
        let moved = rx.recv_many(&mut out, 2).await.unwrap();
        assert!(moved <= 2);
        if moved == 0 {
            break;
        }
        total += moved;
    }
    assert_eq!((total, out.len()), (7, 7));
}

#[tokio::test]
async fn a_log_refuses_to_be_written() {
    let error = LogTx
        .send(CanFrame::data(crate::StandardId::ZERO, &[]).unwrap())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the link does not carry frames to send; a log is receive-only"
    );
}
