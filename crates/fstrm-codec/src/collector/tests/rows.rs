//! The reader's table, row by row: what a peer says and what the collector makes of it.

use super::*;
use crate::frame::{End, FrameErrorKind};
use crate::handshake::{Got, HandshakeError};

#[tokio::test(start_paused = true)]
async fn a_stream_is_answered_and_finished() {
    let (collector, mut batches) = Collector::spawn(typed());
    let mut client = Client::connect(&collector);
    client.say(&[ready()]).await;
    client.expect(&accept()).await;
    client.say(&[start(), frame(b"one"), frame(b"two"), stop()]).await;
    assert_eq!(payloads(&mut batches, 2).await, [&b"one"[..], b"two"]);
    client.expect(&finish()).await;
    assert!(client.hears().await.is_empty());
    drop(client);
    assert_eq!(outcome(&collector).await.unwrap(), End::Stop);
    let stats = collector.close().await;
    assert_eq!((stats.sessions, stats.open, stats.ended.stop), (1, 0, 1));
    assert_eq!((stats.frames, stats.bytes, stats.confirmed_frames), (2, 6, 2));
    assert_eq!(stats.dropped.total(), 0);
    assert!(batches.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn everything_in_one_piece_is_answered_in_order() {
    let (collector, mut batches) = Collector::spawn(typed());
    let mut client = Client::connect(&collector);
    client
        .say(&[ready(), start(), frame(b"x"), stop(), b"surplus".to_vec()])
        .await;
    payloads(&mut batches, 1).await;
    client.expect(&[accept(), finish()].concat()).await;
    drop(client);
    assert_eq!(outcome(&collector).await.unwrap(), End::Stop);
    assert_eq!(collector.stats().trailing_bytes, 7);
}

#[tokio::test(start_paused = true)]
async fn finish_waits_for_the_last_confirmation() {
    let (collector, mut batches) = Collector::spawn(typed());
    let mut client = Client::connect(&collector);
    client.say(&[ready(), start(), frame(b"x"), stop()]).await;
    client.expect(&accept()).await;
    let batch = batches.next().await.unwrap();
    let early = tokio::time::timeout(SOON, client.0.read_u8()).await;
    assert!(early.is_err(), "nothing is said before the frame is safe");
    batch.confirm();
    client.expect(&finish()).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_dropped_closes_its_connection_without_finish() {
    let (collector, mut batches) = Collector::spawn(typed());
    let (mut one, mut other) = (Client::connect(&collector), Client::connect(&collector));
    one.say(&[ready(), start(), frame(b"x"), stop()]).await;
    drop(batches.next().await.unwrap());
    assert_eq!(one.hears().await, accept());
    assert!(matches!(
        outcome(&collector).await,
        Err(SessionError::Unconfirmed)
    ));
    other.say(&[ready(), start(), frame(b"y"), stop()]).await;
    payloads(&mut batches, 1).await;
    other.expect(&[accept(), finish()].concat()).await;
    let stats = collector.stats();
    assert_eq!((stats.dropped.unconfirmed, stats.confirmed_frames), (1, 1));
}

/// What a peer says, and whether the error that ends it is the right one.
type Row = (Vec<Vec<u8>>, fn(&SessionError) -> bool);

/// What a peer says first, and the error that ends it, without an answer.
#[tokio::test(start_paused = true)]
async fn what_may_not_come_closes_the_connection() {
    let other = control(ControlType::Ready, b"other");
    let other_start = control(ControlType::Start, b"other");
    let rows: [Row; 9] = [
        (std::vec![other], |error| {
            matches!(
                error,
                SessionError::Handshake(HandshakeError::NoCommonType { .. })
            )
        }),
        (std::vec![start()], |error| {
            unexpected(error, "READY", Got::Control(ControlType::Start))
        }),
        (std::vec![stop()], |error| {
            unexpected(error, "READY", Got::Control(ControlType::Stop))
        }),
        (std::vec![frame(b"x")], |error| {
            matches!(error, SessionError::Frame(error)
                if matches!(error.kind, FrameErrorKind::NotFrameStream { .. }))
        }),
        (std::vec![ready(), frame(b"x")], |error| {
            unexpected(error, "START", Got::Data)
        }),
        (std::vec![ready(), ready()], |error| {
            unexpected(error, "START", Got::Control(ControlType::Ready))
        }),
        (std::vec![ready(), stop()], |error| {
            unexpected(error, "START", Got::Control(ControlType::Stop))
        }),
        (std::vec![ready(), other_start], |error| {
            matches!(error, SessionError::Handshake(HandshakeError::WrongType { .. }))
        }),
        (std::vec![ready(), start(), ready()], |error| {
            unexpected(error, "data or STOP", Got::Control(ControlType::Ready))
        }),
    ];
    for (said, is_expected) in rows {
        let (collector, _batches) = Collector::spawn(typed());
        let mut client = Client::connect(&collector);
        client.say(&said).await;
        let error = outcome(&collector).await.unwrap_err();
        assert!(is_expected(&error), "{error} after {said:x?}");
        client.hears().await;
        let stats = collector.stats();
        assert_eq!(stats.failed.total(), 1, "{stats:?}");
    }
}

fn unexpected(error: &SessionError, wanted: &str, found: Got) -> bool {
    matches!(error, SessionError::Handshake(HandshakeError::Unexpected { expected, got })
        if *expected == wanted && *got == found)
}

#[tokio::test(start_paused = true)]
async fn an_unknown_control_is_passed_over() {
    let (collector, mut batches) = Collector::spawn(typed());
    let mut client = Client::connect(&collector);
    let unknown = std::vec![0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 99];
    client
        .say(&[ready(), start(), unknown, frame(b"x"), stop()])
        .await;
    assert_eq!(payloads(&mut batches, 1).await, [&b"x"[..]]);
    drop(client);
    assert_eq!(outcome(&collector).await.unwrap(), End::Stop);
    assert_eq!(collector.stats().ignored_controls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_leaves_between_or_within_frames_keeps_what_came() {
    for (cut, end, torn) in [
        (0, End::Eof, 0),
        (
            6,
            End::Truncated {
                offset: 59,
                missing: 1,
            },
            1,
        ),
    ] {
        let (collector, mut batches) = Collector::spawn(typed());
        let mut client = Client::connect(&collector);
        let part = frame(b"two")[..cut].to_vec();
        client.say(&[ready(), start(), frame(b"one"), part]).await;
        drop(client);
        assert_eq!(payloads(&mut batches, 1).await, [&b"one"[..]]);
        let got = outcome(&collector).await.unwrap();
        match (got, end) {
            (End::Truncated { missing, .. }, End::Truncated { missing: same, .. }) => {
                assert_eq!(missing, same);
            }
            _ => assert_eq!(got, end),
        }
        assert_eq!(collector.stats().dropped.torn, torn);
    }
}

#[tokio::test(start_paused = true)]
async fn with_either_handshake_the_first_control_frame_decides() {
    let (collector, mut batches) = Collector::spawn(typed().handshake(Handshake::Either));
    let (mut two_way, mut one_way) = (Client::connect(&collector), Client::connect(&collector));
    one_way.say(&[start(), frame(b"x"), stop()]).await;
    payloads(&mut batches, 1).await;
    assert!(one_way.hears().await.is_empty());
    two_way.say(&[ready(), start(), frame(b"y"), stop()]).await;
    payloads(&mut batches, 1).await;
    two_way.expect(&[accept(), finish()].concat()).await;
}

#[tokio::test(start_paused = true)]
async fn a_collector_of_one_way_streams_refuses_ready() {
    let (collector, mut batches) = Collector::spawn(typed().handshake(Handshake::Unidirectional));
    let (mut one_way, mut two_way) = (Client::connect(&collector), Client::connect(&collector));
    one_way.say(&[start(), frame(b"x"), stop()]).await;
    payloads(&mut batches, 1).await;
    assert_eq!(outcome(&collector).await.unwrap(), End::Stop);
    two_way.say(&[ready()]).await;
    assert!(unexpected(
        &outcome(&collector).await.unwrap_err(),
        "START",
        Got::Control(ControlType::Ready)
    ));
}

#[tokio::test(start_paused = true)]
async fn any_content_type_is_taken_and_told_where_none_is_named() {
    let (collector, mut batches) = Collector::spawn(Config::new());
    let mut client = Client::connect(&collector);
    client.say(&[ready(), start(), frame(b"x")]).await;
    client.expect(&accept()).await;
    let batch = batches.next().await.unwrap();
    assert_eq!(batch.content_type.as_deref(), Some(&b"t"[..]));
    assert_eq!(batch.session.number(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_frame_over_the_limit_ends_the_stream_or_is_passed_over() {
    let long = frame(&[7; 40]);
    let stream = handshake::Config::new().max_data(core::num::NonZeroU32::new(39).unwrap());
    let (collector, _batches) = Collector::spawn(Config::new().stream(stream.clone()));
    let mut client = Client::connect(&collector);
    client.say(&[ready(), start(), long.clone()]).await;
    assert!(matches!(outcome(&collector).await, Err(SessionError::Frame(_))));

    let stream = stream.oversize(crate::frame::Oversize::Skip);
    let (collector, mut batches) = Collector::spawn(Config::new().stream(stream));
    let mut client = Client::connect(&collector);
    client
        .say(&[ready(), start(), long, frame(b"short"), stop()])
        .await;
    assert_eq!(payloads(&mut batches, 1).await, [&b"short"[..]]);
    assert_eq!(collector.stats().dropped.oversize, 1);
}
