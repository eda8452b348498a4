//! What the limits do.

use core::num::NonZeroUsize;

use tokio::time::Instant;

use super::*;

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

#[tokio::test(start_paused = true)]
async fn a_handshake_that_drips_is_over_after_five_seconds_in_all() {
    let (collector, _batches) = Collector::spawn(typed());
    let begin = Instant::now();
    let mut client = Client::connect(&collector);
    let dripping = async {
        for byte in ready() {
            client.say(&[std::vec![byte]]).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        core::future::pending::<()>().await;
    };
    let Won::Second(outcome) = race(dripping, outcome(&collector)).await else {
        unreachable!("dripping never ends");
    };
    assert!(matches!(outcome, Err(SessionError::HandshakeTimeout)));
    let took = begin.elapsed();
    assert!((5..6).contains(&took.as_secs()), "{took:?}");
    assert_eq!(collector.stats().failed.handshake_timeout, 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_loses_its_place_whatever_it_may_begin_with() {
    for (handshake, seconds) in [
        (Handshake::Bidirectional, 5),
        (Handshake::Unidirectional, 60),
        (Handshake::Either, 60),
    ] {
        let (collector, _batches) = Collector::spawn(typed().handshake(handshake));
        let begin = Instant::now();
        let _silent = Client::connect(&collector);
        assert!(matches!(
            outcome(&collector).await,
            Err(SessionError::HandshakeTimeout)
        ));
        assert_eq!(begin.elapsed().as_secs(), seconds, "{handshake:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_byte_begins_the_time_for_the_handshake() {
    for (first_byte, silence) in [(Some(Duration::from_secs(60)), 59), (None, 3600)] {
        let config = typed()
            .handshake(Handshake::Either)
            .first_byte_timeout(first_byte);
        let (collector, _batches) = Collector::spawn(config);
        let mut client = Client::connect(&collector);
        tokio::time::sleep(Duration::from_secs(silence)).await;
        assert_eq!(collector.stats().open, 1);
        let begin = Instant::now();
        client.say(&[std::vec![0]]).await;
        assert!(matches!(
            outcome(&collector).await,
            Err(SessionError::HandshakeTimeout)
        ));
        assert_eq!(begin.elapsed().as_secs(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_session_only_where_an_idle_timeout_is_set() {
    for (idle, open) in [(None, 1), (Some(Duration::from_secs(60)), 0)] {
        let (collector, mut batches) = Collector::spawn(typed().idle_timeout(idle));
        let mut client = Client::connect(&collector);
        client.say(&[ready(), start()]).await;
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(50)).await;
            client.say(&[frame(b"x")]).await;
            payloads(&mut batches, 1).await;
        }
        assert_eq!(collector.stats().open, 1);
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(collector.stats().open, open);
        assert_eq!(collector.stats().failed.idle_timeout, 1 - open);
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_begun_has_to_come_to_its_end() {
    let (collector, _batches) = Collector::spawn(typed());
    let mut client = Client::connect(&collector);
    client
        .say(&[ready(), start(), frame(b"long")[..5].to_vec()])
        .await;
    let begin = Instant::now();
    assert!(matches!(
        outcome(&collector).await,
        Err(SessionError::FrameTimeout)
    ));
    assert_eq!(begin.elapsed().as_secs(), 60);
    assert_eq!(collector.stats().dropped.torn, 1);
}

#[tokio::test(start_paused = true)]
async fn time_in_which_nobody_takes_frames_is_not_the_peers() {
    let (collector, mut batches) = Collector::spawn(typed().queue(1024));
    let mut client = Client::connect(&collector);
    client
        .say(&[ready(), start(), frame(&[1; 900]), frame(&[2; 9000])])
        .await;
    // The second frame finds no room, for longer than a frame may take.
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(collector.stats().open, 1);
    client.say(&[stop()]).await;
    assert_eq!(payloads(&mut batches, 2).await.len(), 2);
    assert_eq!(outcome(&collector).await.unwrap(), crate::End::Stop);
}

#[tokio::test(start_paused = true)]
async fn connections_over_the_limit_wait_or_are_refused() {
    let (collector, mut batches) = Collector::spawn(typed().max_connections(TWO));
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(&collector)).collect();
    for client in &mut clients {
        client.say(&[ready(), start(), frame(b"x")]).await;
    }
    payloads(&mut batches, 2).await;
    let third = tokio::time::timeout(Duration::from_secs(4), batches.next()).await;
    assert!(third.is_err(), "the third one waits");
    clients.remove(0);
    payloads(&mut batches, 1).await;

    let config = typed().max_connections(TWO).overflow(Overflow::Refuse);
    let (collector, _batches) = Collector::spawn(config);
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(&collector)).collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(clients[2].hears().await.is_empty());
    assert_eq!((collector.stats().refused, collector.stats().open), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn sessions_take_turns_when_there_is_no_room() {
    let (collector, mut batches) = Collector::spawn(typed().queue(8 * 1024));
    let mut loud = Client::connect(&collector);
    let many: Vec<_> = (0..100).map(|_| frame(&[1; 6000])).collect();
    loud.say(&[ready(), start()]).await;
    loud.say(&many).await;
    let mut quiet = Client::connect(&collector);
    quiet.say(&[ready(), start(), frame(b"me too")]).await;
    tokio::time::sleep(SOON).await;
    let mut before = 0;
    loop {
        let batch = batches.next().await.unwrap();
        let is_quiet = batch.run.payloads().any(|payload| payload == b"me too"[..]);
        batch.confirm();
        if is_quiet {
            break;
        }
        before += 1;
    }
    assert!(before <= 4, "{before} batches of the loud one came first");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_fails_is_asked_again_without_haste() {
    struct Failing(u32);

    impl Accept for Failing {
        type Io = DuplexStream;

        async fn accept(&mut self) -> std::io::Result<(DuplexStream, Peer)> {
            self.0 += 1;
            if self.0 > 20 {
                return core::future::pending().await;
            }
            Err(std::io::Error::other("too many open files"))
        }
    }

    let (collector, _batches) = Collector::spawn(typed());
    collector.listen(Failing(0));
    let begin = Instant::now();
    for _ in 0..20 {
        let event = collector.next_event().await;
        assert!(matches!(event, Event::AcceptFailed { .. }), "{event:?}");
    }
    assert!(begin.elapsed() > Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(collector.stats().accept_errors, 20);
    collector.close().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_and_comes_back_at_once_comes_four_times_a_second() {
    let (collector, _batches) = Collector::spawn(typed());
    let begin = Instant::now();
    for _ in 0..8 {
        let mut client = Client::connect(&collector);
        client.say(&[start()]).await;
        assert!(client.hears().await.is_empty());
    }
    assert_eq!(begin.elapsed(), Duration::from_secs(2));
    assert_eq!(
        (collector.stats().failed.protocol, collector.stats().open),
        (8, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn refused_connections_take_nobodys_place_and_hold_up_no_close() {
    let (collector, mut batches) = Collector::spawn(typed().max_connections(TWO));
    let mut refused = Vec::new();
    for _ in 0..300 {
        let mut client = Client::connect(&collector);
        client.say(&[start()]).await;
        refused.push(client);
        assert!(outcome(&collector).await.is_err());
    }
    let begin = Instant::now();
    let mut honest = Client::connect(&collector);
    honest.say(&[ready(), start(), frame(b"x")]).await;
    assert_eq!(payloads(&mut batches, 1).await, ["x"]);
    // 256 are kept; for more there is no room.
    let mut closed = 0;
    for client in &mut refused {
        let hears = race(client.hears(), tokio::time::sleep(Duration::ZERO)).await;
        closed += usize::from(matches!(hears, Won::First(_)));
    }
    assert_eq!(closed, 300 - 256);
    drop(honest);
    collector.close().await;
    assert!(
        begin.elapsed() < Duration::from_millis(100),
        "{:?}",
        begin.elapsed()
    );
}
