//! One thing going wrong at a time.

use core::num::NonZeroU64;
use core::time::Duration;
use std::io;
use std::vec;
use std::vec::Vec;

use futures_util::FutureExt as _;
use tokio::time::{sleep, timeout};

use super::wire::{Collector, Plan, now, payload, run};
use crate::conn::ConnError;
use crate::control::ControlType;
use crate::frame::EncodeError;
use crate::handshake::{Absence, HandshakeError};
use crate::queue::{Delivery, Policy};
use crate::sender::{Cause, Config, ConfigError, Event, SendError, Sender, TrySendError};
use crate::{ContentType, Mode, handshake, queue};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn spawn(plans: Vec<Plan>, config: Config) -> (Sender, Collector) {
    let collector = Collector::default();
    let sender = Sender::spawn(collector.connect(plans), config.seed(1)).unwrap();
    (sender, collector)
}

fn refusing() -> Plan {
    Plan {
        refuse: true,
        ..Plan::good()
    }
}

fn frames(max: u64) -> queue::Config {
    queue::Config::new().max_frames(NonZeroU64::new(max).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "a test has tasks of its own")]
fn spawn_task<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future)
}

async fn connected(sender: &Sender) {
    while !matches!(sender.next_event().await, Some(Event::Connected { .. })) {}
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_arrives_and_the_stream_is_ended_in_order() {
    let (sender, collector) = spawn(vec![Plan::good()], Config::new());
    sender.send(payload(0, 8)).await.unwrap();
    sender.send_run(run(1..4, 30)).await.unwrap();
    sender.send(payload(4, 5000)).await.unwrap();
    let report = sender.close().await;
    assert!(report.is_complete() && report.finished && report.left() == 0);
    assert_eq!(collector.frames(), [0, 1, 2, 3, 4]);
    assert!(collector.logs()[0].finished);
}

#[tokio::test(start_paused = true)]
async fn a_lone_frame_waits_no_longer_than_it_may() {
    for delay in [Duration::ZERO, 10 * MS, 100 * MS] {
        let (sender, collector) = spawn(vec![Plan::good()], Config::new().coalesce_delay(delay));
        connected(&sender).await;
        for number in 0..3 {
            sleep(SECOND).await;
            let offered = now();
            sender.send(payload(number, 8)).await.unwrap();
            sleep(SECOND).await;
            let waited = collector.logs()[0].at.last().unwrap().duration_since(offered);
            // The clock of the tests has ticks of a millisecond.
            assert!(waited >= delay && waited <= delay + MS, "{waited:?} of {delay:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn much_waits_for_nothing() {
    let (sender, collector) = spawn(vec![Plan::good()], Config::new().coalesce_delay(SECOND));
    connected(&sender).await;
    let offered = now();
    sender.send(payload(0, 8)).await.unwrap();
    sender.send_run(run(1..20, 1000)).await.unwrap();
    sleep(SECOND).await;
    let log = collector.logs().remove(0);
    assert_eq!(log.frames.len(), 20);
    assert_eq!(log.at.last(), Some(&offered));
}

#[tokio::test(start_paused = true)]
async fn an_idle_collector_that_goes_away_is_noticed_and_called_again() {
    let (sender, collector) = spawn(vec![Plan::good()], Config::new());
    connected(&sender).await;
    sleep(SECOND).await;
    collector.hang_up();
    let lost = sender.next_event().await;
    let Some(Event::Lost {
        error,
        resent: 0,
        retry,
    }) = lost
    else {
        panic!("{lost:?}");
    };
    assert!(matches!(error, ConnError::Handshake(HandshakeError::ReaderGone)));
    assert!(retry <= 10 * MS);
    connected(&sender).await;
    assert_eq!(sender.stats().lost, 1);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_the_collector_refuses_for_ever_does_not_keep_the_others() {
    for (delivery, len) in [(Delivery::Written, 100_000), (Delivery::Confirmed, 100_000)] {
        let refusing = Plan {
            cut_after: Some(70_000),
            ..Plan::good()
        };
        let config = Config::new().queue(queue::Config::new().delivery(delivery));
        let (sender, collector) = spawn(vec![refusing], config);
        for number in [0, 1] {
            sender.send(payload(number, 8)).await.unwrap();
        }
        sender.send(payload(2, len)).await.unwrap();
        sender.send(payload(3, 8)).await.unwrap();
        sender.flush().await.unwrap();
        let stats = sender.stats().frames;
        assert_eq!((stats.sent, stats.dropped.refused), (3, 1), "{delivery:?}");
        let mut arrived = collector.frames();
        arrived.dedup();
        assert!(arrived.ends_with(&[3]) && !arrived.contains(&2), "{arrived:?}");
        let mut told = 0;
        while let Some(event) = sender.poll_event() {
            if let Event::Dropped { cause, frames } = event {
                assert_eq!(cause, Cause::Refused);
                told += frames;
            }
        }
        assert_eq!(told, 1);
        assert_eq!(sender.close().await.left(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_confirms_nothing_for_long_loses_no_frame() {
    // As one does whose disk is full.
    let blocked = Plan {
        finish: false,
        ..Plan::good()
    };
    let mut plans = vec![blocked; 20];
    plans.push(Plan::good());
    let config = Config::new().queue(queue::Config::new().delivery(Delivery::Confirmed));
    let (sender, collector) = spawn(plans, config);
    sender.send(payload(0, 100_000)).await.unwrap();
    sender.flush().await.unwrap();
    let stats = sender.stats();
    assert_eq!((stats.frames.sent, stats.frames.dropped.refused), (1, 0));
    assert_eq!((stats.lost, collector.frames().len()), (20, 21));
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_takes_no_bytes_for_long_loses_no_frame() {
    let stalled = Plan {
        stall_after: Some(70_000),
        ..Plan::good()
    };
    let mut plans = vec![stalled; 20];
    plans.push(Plan::good());
    let (sender, collector) = spawn(plans, Config::new());
    sender.send(payload(0, 100_000)).await.unwrap();
    sender.flush().await.unwrap();
    assert_eq!(collector.frames(), [0]);
    assert_eq!(sender.stats().lost, 20);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_listens_frames_wait_and_attempts_get_rare() {
    let mut plans = vec![refusing(); 20];
    plans.push(Plan::good());
    let (sender, collector) = spawn(plans, Config::new());
    for number in 0..3 {
        sender.send(payload(number, 8)).await.unwrap();
    }
    connected(&sender).await;
    sender.flush().await.unwrap();
    assert_eq!(collector.frames(), [0, 1, 2]);
    let attempts = collector.attempts.lock().unwrap().clone();
    let mut full = 10 * MS;
    for pair in attempts.windows(2) {
        let waited = pair[1] - pair[0];
        assert!(
            waited >= full / 2 && waited <= full + 2 * MS,
            "{waited:?} of {full:?}"
        );
        full = (full * 2).min(5 * SECOND);
    }
    assert_eq!(sender.stats().not_connected, 20);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_accepts_and_closes_is_not_called_all_the_time() {
    let plan = Plan {
        close_on_accept: true,
        ..Plan::good()
    };
    let (sender, collector) = spawn(vec![plan], Config::new());
    sender.send(payload(0, 8)).await.unwrap();
    sleep(60 * SECOND).await;
    let attempts = collector.attempts.lock().unwrap().len();
    // Ten until the delay is at 5 s, and one or two each 5 s from there.
    assert!((12..=40).contains(&attempts), "{attempts} attempts in a minute");
    assert_eq!(sender.stats().frames.queued, 1);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_never_accepts_is_left_after_five_seconds() {
    let silent = Plan {
        accept: false,
        ..Plan::good()
    };
    let (sender, collector) = spawn(vec![silent, Plan::good()], Config::new());
    sender.send(payload(0, 8)).await.unwrap();
    let began = now();
    let event = sender.next_event().await;
    let Some(Event::NotConnected { error, .. }) = event else {
        panic!("{event:?}");
    };
    let missing = HandshakeError::NoAnswer {
        missing: ControlType::Accept,
        absence: Absence::Timeout,
    };
    assert!(matches!(error, ConnError::Handshake(error) if error == missing));
    assert!(began.elapsed() <= 5 * SECOND + MS);
    sender.flush().await.unwrap();
    assert_eq!(collector.frames(), [0]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_to_connect_takes_no_longer_than_it_may() {
    let slow = Plan {
        connect_after: 3600 * SECOND,
        ..Plan::good()
    };
    let (sender, _) = spawn(vec![slow], Config::new().connect_timeout(2 * SECOND));
    let began = now();
    let event = sender.next_event().await;
    let Some(Event::NotConnected {
        error: ConnError::Io(error),
        ..
    }) = event
    else {
        panic!("{event:?}");
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(began.elapsed() <= 2 * SECOND + MS);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_takes_no_bytes_is_left_and_the_torn_frame_sent_again() {
    let stalled = Plan {
        stall_after: Some(100),
        ..Plan::good()
    };
    let (sender, collector) = spawn(
        vec![stalled, Plan::good()],
        Config::new().write_timeout(3 * SECOND),
    );
    sender.send_run(run(0..10, 20)).await.unwrap();
    let began = now();
    sender.flush().await.unwrap();
    assert!(began.elapsed() >= 3 * SECOND && began.elapsed() <= 3 * SECOND + 20 * MS);
    assert_eq!(collector.frames(), (0..10).collect::<Vec<_>>());
    assert_eq!(sender.stats().frames.resent, 1);
    assert!(!collector.logs()[0].frames.is_empty(), "cut within the run");
}

#[tokio::test(start_paused = true)]
async fn without_finish_a_close_says_so_and_confirmed_frames_are_sent_again() {
    let mute = Plan {
        finish: false,
        ..Plan::good()
    };
    let (sender, _) = spawn(vec![mute.clone()], Config::new());
    sender.send(payload(0, 8)).await.unwrap();
    let began = now();
    let report = sender.close().await;
    assert!(report.is_complete() && !report.finished);
    assert!(began.elapsed() <= 5 * SECOND + MS);

    let config = Config::new().delivery(Delivery::Confirmed);
    let (sender, collector) = spawn(vec![mute, Plan::good()], config);
    sender.send(payload(0, 8)).await.unwrap();
    let report = sender.close().await;
    assert!(report.is_complete() && report.finished);
    assert_eq!(collector.frames(), [0, 0]);
    assert_eq!(report.stats.frames.resent, 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_content_type_is_told() {
    let (near, far) = tokio::io::duplex(4096);
    let ours = ContentType::from_static(b"ours").unwrap();
    let theirs = ContentType::from_static(b"theirs").unwrap();
    let mut near = Some(near);
    let connect = move || core::future::ready(near.take().ok_or_else(|| io::ErrorKind::NotFound.into()));
    let sender = Sender::spawn(connect, Config::new().content_type(ours.clone())).unwrap();
    // An honest reader would close; this one answers with what it takes, as the C library does.
    let (mut read, mut write) = tokio::io::split(far);
    tokio::io::AsyncReadExt::read(&mut read, &mut [0; 512])
        .await
        .unwrap();
    let types = core::iter::once(theirs.as_bytes());
    let accept = crate::ControlFrame::build(ControlType::Accept, types, crate::control::ControlLimit::Narrow);
    tokio::io::AsyncWriteExt::write_all(&mut write, accept.unwrap().as_bytes())
        .await
        .unwrap();
    let event = sender.next_event().await;
    let Some(Event::NotConnected {
        error: ConnError::Handshake(error),
        ..
    }) = event
    else {
        panic!("{event:?}");
    };
    assert_eq!(
        error,
        HandshakeError::NoCommonType {
            ours: vec![ours],
            theirs: vec![theirs]
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_makes_senders_wait_until_there_is_room() {
    let late = Plan {
        connect_after: SECOND,
        ..Plan::good()
    };
    let (sender, collector) = spawn(vec![late], Config::new().queue(frames(2)));
    sender.send(payload(0, 8)).await.unwrap();
    sender.send(payload(1, 8)).await.unwrap();
    assert_eq!(sender.try_send(&payload(9, 8)), Err(TrySendError::Full));
    let began = now();
    sender.send(payload(2, 8)).await.unwrap();
    assert!(began.elapsed() >= SECOND);
    sender.flush().await.unwrap();
    assert_eq!(collector.frames(), [0, 1, 2]);
    assert_eq!(sender.stats().frames.offered, 3);
}

#[tokio::test(start_paused = true)]
async fn what_the_policy_drops_is_told_by_cause() {
    let cases = [
        (Policy::DropNewest, Cause::Newest),
        (Policy::DropOldest, Cause::Oldest),
    ];
    for (policy, expected) in cases {
        let late = Plan {
            connect_after: SECOND,
            ..Plan::good()
        };
        let (sender, collector) = spawn(vec![late], Config::new().queue(frames(2)).policy(policy));
        for number in 0..5 {
            sender.send(payload(number, 8)).await.unwrap();
        }
        let event = sender.next_event().await;
        assert!(
            matches!(event, Some(Event::Dropped { cause, frames: 3 }) if cause == expected),
            "{event:?}"
        );
        sender.flush().await.unwrap();
        let newest = policy == Policy::DropNewest;
        assert_eq!(collector.frames(), if newest { [0, 1] } else { [3, 4] });
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_without_a_collector_ends_at_its_deadline_and_counts_what_is_left() {
    let (sender, _) = spawn(vec![refusing()], Config::new());
    sender.send_run(run(0..7, 8)).await.unwrap();
    let began = now();
    let report = sender.close().await;
    assert!(began.elapsed() >= 10 * SECOND && began.elapsed() <= 10 * SECOND + MS);
    assert_eq!((report.left(), report.finished), (7, false));
    let frames = report.stats.frames;
    assert_eq!((frames.queued, frames.kept, frames.offered), (0, 0, 7));
}

#[tokio::test(start_paused = true)]
async fn a_close_is_cut_short_by_one_with_less_patience() {
    let mute = Plan {
        stall_after: Some(50),
        ..Plan::good()
    };
    let (sender, _) = spawn(vec![mute], Config::new().shutdown_timeout(3600 * SECOND));
    sender.send_run(run(0..7, 8)).await.unwrap();
    let (other, began) = (sender.clone(), now());
    let patient = spawn_task(sender.close());
    sleep(SECOND).await;
    let report = other.close_within(SECOND).await;
    assert!(began.elapsed() <= 2 * SECOND + MS);
    assert_eq!(patient.await.unwrap(), report);
    assert_eq!(report.stats.frames.sent + report.left(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_close_with_nothing_to_send_does_not_wait_for_a_collector() {
    let (sender, _) = spawn(vec![refusing()], Config::new());
    let began = now();
    assert!(sender.close().await.is_complete());
    assert!(began.elapsed() <= MS);
}

#[tokio::test(start_paused = true)]
async fn a_closed_sender_takes_nothing_from_any_handle() {
    let (sender, _) = spawn(vec![Plan::good()], Config::new());
    let other = sender.clone();
    assert!(sender.close().await.finished);
    assert_eq!(other.send(payload(0, 8)).await, Err(SendError::Closed));
    assert_eq!(other.try_send(&payload(0, 8)), Err(TrySendError::Closed));
    assert_eq!(other.flush().await, Ok(()));
    while other.next_event().await.is_some() {}
    assert!(other.ended().await.finished);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_room_learns_that_the_sender_is_closed() {
    let (sender, _) = spawn(vec![refusing()], Config::new().queue(frames(1)));
    sender.send(payload(0, 8)).await.unwrap();
    let other = sender.clone();
    let waiting = spawn_task(async move { other.send(payload(1, 8)).await });
    assert_eq!(sender.close().await.left(), 1);
    assert_eq!(waiting.await.unwrap(), Err(SendError::Closed));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_sends_what_is_queued() {
    let (sender, collector) = spawn(vec![Plan::good()], Config::new().coalesce_delay(SECOND));
    let other = sender.clone();
    drop(sender);
    other.send(payload(0, 8)).await.unwrap();
    drop(other);
    sleep(MS).await;
    let log = collector.logs().remove(0);
    assert_eq!((log.frames, log.finished), (vec![0], true));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_task_is_told_to_every_handle() {
    let collector = Collector::default();
    let (sender, driver) = Sender::with_driver(collector.connect(vec![refusing()]), Config::new()).unwrap();
    sender.send(payload(0, 8)).await.unwrap();
    drop(driver);
    assert_eq!(sender.send(payload(1, 8)).await, Err(SendError::Closed));
    assert_eq!(sender.flush().await, Err(SendError::Closed));
    assert_eq!(sender.close().await.left(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_is_dropped_half_way_has_offered_nothing() {
    let late = Plan {
        connect_after: SECOND,
        ..Plan::good()
    };
    let (sender, collector) = spawn(vec![late], Config::new().queue(frames(1)));
    sender.send(payload(0, 8)).await.unwrap();
    timeout(MS, sender.send(payload(1, 8))).await.unwrap_err();
    timeout(MS, sender.send_run(run(2..4, 8))).await.unwrap_err();
    timeout(MS, sender.flush()).await.unwrap_err();
    sender.send(payload(4, 8)).await.unwrap();
    assert!(sender.close().await.is_complete());
    assert_eq!(collector.frames(), [0, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_dropped_half_way_goes_on_and_waits_lose_nothing() {
    let late = Plan {
        connect_after: SECOND,
        ..Plan::good()
    };
    let (sender, collector) = spawn(vec![late], Config::new());
    let other = sender.clone();
    sender.send(payload(0, 8)).await.unwrap();
    assert!(other.next_event().now_or_never().is_none());
    assert!(other.ended().now_or_never().is_none());
    timeout(MS, sender.close()).await.unwrap_err();
    let event = other.next_event().await;
    assert!(matches!(event, Some(Event::Connected { .. })), "{event:?}");
    assert!(other.ended().await.is_complete());
    assert_eq!(collector.frames(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_flush_of_confirmed_frames_waits_for_finish() {
    let slow = Plan {
        answer_after: SECOND,
        ..Plan::good()
    };
    let config = Config::new().delivery(Delivery::Confirmed);
    let (sender, collector) = spawn(vec![slow, Plan::good()], config);
    sender.send(payload(0, 8)).await.unwrap();
    let began = now();
    sender.flush().await.unwrap();
    // ACCEPT and FINISH take a second each.
    assert!(began.elapsed() >= 2 * SECOND);
    assert!(collector.logs()[0].finished);
    let stats = sender.stats();
    assert_eq!((stats.frames.sent, stats.frames.kept, stats.finished), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_wait_for_frames_that_were_dropped() {
    let config = Config::new().queue(frames(1)).policy(Policy::DropOldest);
    let (sender, _) = spawn(vec![refusing()], config);
    sender.send(payload(0, 8)).await.unwrap();
    // Tells of the first drop, so that the second one is no news.
    sender.send(payload(1, 8)).await.unwrap();
    let other = sender.clone();
    let flushing = spawn_task(async move { other.flush().await });
    sleep(MS).await;
    sender.send(payload(2, 8)).await.unwrap();
    let flushed = timeout(SECOND, flushing).await.unwrap();
    assert_eq!(flushed.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn written_frames_are_confirmed_after_a_while() {
    let config = Config::new()
        .delivery(Delivery::Confirmed)
        .confirm_interval(2 * SECOND);
    let (sender, collector) = spawn(vec![Plan::good()], config);
    sender.send(payload(0, 8)).await.unwrap();
    sleep(SECOND).await;
    assert_eq!((sender.stats().frames.kept, collector.frames()), (1, vec![0]));
    sleep(2 * SECOND).await;
    assert_eq!((sender.stats().frames.sent, sender.stats().finished), (1, 1));
    // With nothing to confirm the second connection stays.
    sleep(60 * SECOND).await;
    assert_eq!(collector.logs().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_half_full_window_is_confirmed_while_frames_go_on_being_offered() {
    let queue = queue::Config::new().window_bytes(2000);
    let config = Config::new().queue(queue).delivery(Delivery::Confirmed);
    let (sender, collector) = spawn(vec![Plan::good()], config);
    for number in 0..200 {
        sender.send(payload(number, 96)).await.unwrap();
        sleep(MS).await;
        assert!(sender.stats().frames.kept_bytes <= 3000);
    }
    assert!(sender.close().await.is_complete());
    assert_eq!(collector.frames(), (0..200).collect::<Vec<_>>());
    assert!(collector.logs().len() >= 10, "{} streams", collector.logs().len());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_framed_is_given_back_and_harms_nothing() {
    let (sender, collector) = spawn(vec![Plan::good()], Config::new());
    assert_eq!(
        sender.send(payload(0, 0).slice(..0)).await,
        Err(SendError::Encode(EncodeError::EmptyFrame))
    );
    let long = payload(0, (1 << 20) + 1);
    assert!(matches!(
        sender.try_send(&long),
        Err(TrySendError::Encode(EncodeError::TooLong { .. }))
    ));
    sender.send(payload(1, 1 << 20)).await.unwrap();
    assert!(sender.close().await.is_complete());
    assert_eq!(collector.frames(), [1]);
}

#[tokio::test]
async fn what_cannot_be_is_refused_before_it_starts() {
    let unidirectional = handshake::Config::new().mode(Mode::Unidirectional);
    let config = Config::new()
        .handshake(unidirectional)
        .delivery(Delivery::Confirmed);
    let collector = Collector::default();
    assert!(matches!(
        Sender::spawn(collector.connect(vec![Plan::good()]), config),
        Err(ConfigError::Unconfirmable)
    ));
    let long = ContentType::from_static(&[b'x'; 256]).unwrap();
    let config = Config::new().content_type(long.clone()).content_type(long);
    assert!(matches!(
        Sender::spawn(collector.connect(vec![Plan::good()]), config),
        Err(ConfigError::Build(_))
    ));
}
