//! Many endpoints on one link.

use futures::{FutureExt as _, SinkExt as _, StreamExt as _, TryStreamExt as _};

use super::*;
use crate::error::{NResult, SendError, TransferError};
use crate::event::SendState;
use crate::stmin::{BlockSize, StMin};
use crate::stream::MAX_WAITING;

#[tokio::test(start_paused = true)]
async fn many_pairs_talk_at_the_same_time() {
    let (testers, ecus, _bus) = networks();
    let config = Config::default().block_size(BlockSize::from_bits(3));
    let mut talks = Vec::new();
    for n in 0..60 {
        let tester = testers.endpoint(pair(n), config).await.unwrap();
        let ecu = ecus.endpoint(pair(n).reversed(), config).await.unwrap();
        talks.push(tokio::spawn(async move {
            let request = payload(20 + usize::from(n) * 13);
            let answer = payload(500 - usize::from(n));
            let (sent, received) = tokio::join!(tester.send(request.clone()), ecu.recv());
            sent.unwrap();
            assert_eq!(received.unwrap().unwrap(), request);
            let (sent, received) = tokio::join!(ecu.send(answer.clone()), tester.recv());
            sent.unwrap();
            assert_eq!(received.unwrap().unwrap(), answer);
        }));
    }
    for talk in talks {
        talk.await.unwrap();
    }
    assert_eq!(testers.stats().frames_unclaimed, 0);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_a_stream_and_a_sink() {
    let (testers, ecus, _bus) = networks();
    let (tester, mut ecu) = endpoints(&testers, &ecus, 0).await;
    let (mut sink, _source) = tester.split();
    let writing = async {
        for len in [3, 70, 700] {
            sink.feed(payload(len)).await.unwrap();
        }
        sink.flush().await.unwrap();
        sink.close().await.unwrap();
        sink.send(payload(1)).await.unwrap_err();
    };
    let reading = async {
        for len in [3, 70, 700] {
            assert_eq!(ecu.next().await.unwrap().unwrap(), payload(len));
        }
    };
    tokio::join!(writing, reading);
}

#[tokio::test(start_paused = true)]
async fn the_sink_reports_a_failure_once_and_goes_on() {
    let (testers, ecus, _bus) = networks();
    let mut alone = endpoint(&testers, pair(0)).await;
    alone.feed(payload(20)).await.unwrap();
    let failure = alone.flush().await.unwrap_err();
    assert_eq!(failure.n_result(), Some(NResult::TimeoutBs));
    alone.flush().await.unwrap();
    let empty = alone.feed(Bytes::new()).await.unwrap_err();
    assert!(
        matches!(empty, StreamError::NotSent(SendError::Empty)),
        "{empty:?}"
    );
    let ecu = endpoint(&ecus, pair(0).reversed()).await;
    let (sent, received) = tokio::join!(SinkStep::send(&mut alone, payload(30)), ecu.recv());
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), payload(30));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_always_finds_messages_lets_others_run() {
    let (testers, _ecus, bus) = networks();
    let mut port = bus.join();
    let mut endpoints = Vec::new();
    for n in 0..20 {
        endpoints.push(endpoint(&testers, pair(n)).await);
        for _ in 0..MAX_WAITING {
            send_raw(&mut port, std_id(0x300 + n), &[1, 0x3E]).await;
        }
        settle().await;
    }
    let other = tokio::spawn(async {});
    for endpoint in &endpoints {
        assert_eq!(endpoint.available(), MAX_WAITING);
        for _ in 0..MAX_WAITING {
            endpoint.recv().await.unwrap().unwrap();
        }
    }
    assert!(other.is_finished());
}

#[tokio::test(start_paused = true)]
async fn an_abort_tells_whether_it_ended_a_message() {
    let (testers, _ecus, _bus) = networks();
    let mut alone = endpoint(&testers, pair(0)).await;
    assert!(!alone.abort_send(), "there is none");
    alone.feed(payload(20)).await.unwrap();
    assert!(alone.abort_send());
    assert!(!alone.abort_send());
    let failure = alone.flush().await.unwrap_err();
    assert_eq!(failure.n_result(), Some(NResult::Error));
}

/// The sink's `send`, which the endpoint's own one would hide.
struct SinkStep;

impl SinkStep {
    async fn send(endpoint: &mut Endpoint, message: Bytes) -> Result<(), StreamError> {
        futures::SinkExt::send(endpoint, message).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_never_reads_delays_nobody_else() {
    let (testers, ecus, _bus) = networks();
    let (slow_tester, slow_ecu) = endpoints(&testers, &ecus, 0).await;
    let (busy_tester, busy_ecu) = endpoints(&testers, &ecus, 1).await;
    let flood = tokio::spawn(async move {
        let mut refused = 0;
        for _ in 0..MAX_WAITING + 3 {
            refused += usize::from(slow_tester.send(payload(50)).await.is_err());
        }
        (slow_tester, refused)
    });
    settle().await;
    assert!(!flood.is_finished(), "it is made to wait");

    let start = tokio::time::Instant::now();
    for _ in 0..100 {
        let (sent, received) = tokio::join!(busy_tester.send(payload(200)), busy_ecu.recv());
        sent.unwrap();
        received.unwrap().unwrap();
    }
    assert_eq!(start.elapsed(), Duration::ZERO);

    let (_slow_tester, refused) = flood.await.unwrap();
    let stats = slow_ecu.stats();
    // One more than the inbox holds is with the channel; the other two waited for, and got, OVFLW.
    assert_eq!(refused, 2);
    assert_eq!(stats.waits_sent, 20);
    assert_eq!(slow_ecu.available(), MAX_WAITING);
    for _ in 0..=MAX_WAITING {
        assert_eq!(slow_ecu.recv().await.unwrap().unwrap(), payload(50));
    }
    assert_eq!(busy_ecu.stats().waits_sent, 0);
}

#[tokio::test(start_paused = true)]
async fn taking_a_message_lets_the_waiting_sender_go_on_at_once() {
    let (testers, ecus, _bus) = networks();
    let (tester, ecu) = endpoints(&testers, &ecus, 0).await;
    for _ in 0..=MAX_WAITING {
        tester.send(payload(5)).await.unwrap();
    }
    let mut sending = tester.start(payload(50));
    settle().await;
    assert_eq!(ecu.receiving(), Some((6, 50)));
    let start = tokio::time::Instant::now();
    ecu.recv().await.unwrap().unwrap();
    while sending.try_next().await.unwrap() != Some(SendState::Done) {}
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_takes_nobody_with_it() {
    let (testers, ecus, bus) = networks();
    let (tester, ecu) = endpoints(&testers, &ecus, 0).await;
    let alone = endpoint(&testers, pair(1)).await;
    let failing = tokio::spawn(async move { (alone.send(payload(100)).await, alone) });
    // Malformed frames for one endpoint in the middle of another one's transfer.
    let mut noise = bus.join();
    let st_min = StMin::from_millis(20).unwrap();
    ecu.set_flow_control(BlockSize::UNLIMITED, st_min);
    let noisy = async {
        for data in [&[0x00][..], &[0x22, 1], &[0x35, 0, 0], &[0x10, 3, 1], &[]] {
            send_raw(&mut noise, std_id(0x301), data).await;
            settle().await;
        }
    };
    let (sent, received, ()) = tokio::join!(tester.send(payload(200)), ecu.recv(), noisy);
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), payload(200));
    let (failed, alone) = failing.await.unwrap();
    assert_eq!(failed.unwrap_err().n_result(), Some(NResult::InvalidFs));
    assert_eq!(alone.stats().ignored(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_started_message_shows_how_it_gets_on() {
    let (testers, ecus, _bus) = networks();
    let (tester, ecu) = endpoints(&testers, &ecus, 0).await;
    ecu.set_flow_control(BlockSize::from_bits(4), StMin::from_millis(1).unwrap());
    let first = tester.start(payload(100));
    let second = tester.start(payload(9));
    assert_eq!(
        (first.id().is_some(), second.id(), tester.queued()),
        (true, None, 1)
    );
    let states: Vec<_> = first.try_collect().await.unwrap();
    assert_eq!(states.first(), Some(&SendState::Queued));
    assert_eq!(states.last(), Some(&SendState::Done));
    assert!(states.contains(&SendState::Started), "{states:?}");
    let progress = |state: &SendState| matches!(state, SendState::Progress { len: 100, .. });
    assert!(states.iter().any(progress), "{states:?}");
    second.done().await.unwrap();
    assert_eq!(ecu.recv().await.unwrap().unwrap(), payload(100));
    assert_eq!(ecu.recv().await.unwrap().unwrap(), payload(9));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_sent_has_no_state_but_its_error() {
    let (testers, _ecus, bus) = networks();
    let tester = endpoint(&testers, pair(0)).await;
    let refused: Vec<_> = tester.start(Bytes::new()).collect().await;
    assert!(matches!(
        refused[..],
        [Err(StreamError::NotSent(SendError::Empty))]
    ));
    let refused = tester.send_functional(payload(8)).await.unwrap_err();
    assert!(matches!(
        refused,
        StreamError::NotSent(SendError::FunctionalTooLong { len: 8, max: 7 })
    ));
    assert_eq!(bus.stats().frames, 0);
}

#[tokio::test(start_paused = true)]
async fn messages_wait_up_to_a_limit_and_are_then_refused() {
    let (testers, _ecus, _bus) = networks();
    let tester = endpoint(&testers, pair(0)).await;
    let sendings: Vec<_> = (0..=MAX_QUEUED).map(|_| tester.start(payload(20))).collect();
    let refused = tester.send(payload(20)).await.unwrap_err();
    assert!(
        matches!(refused, StreamError::NotSent(SendError::Busy)),
        "{refused:?}"
    );
    assert_eq!(testers.stats().sends_refused, 1);
    // Also where nobody looks.
    drop(tester.start(payload(20)));
    assert_eq!(testers.stats().sends_refused, 2);
    for sending in sendings {
        // Each has its own failure, one after the other.
        let error = sending.done().await.unwrap_err();
        assert_eq!(error.n_result(), Some(NResult::TimeoutBs));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_aborted_wherever_it_is() {
    let (testers, ecus, _bus) = networks();
    let (tester, ecu) = endpoints(&testers, &ecus, 0).await;
    ecu.set_flow_control(BlockSize::UNLIMITED, StMin::from_millis(50).unwrap());
    let [current, waiting, last] = [500, 20, 3].map(|len| tester.start(payload(len)));
    tokio::time::sleep(Duration::from_millis(220)).await;
    let (_, sent, _) = tester.sending().unwrap();
    waiting.abort();
    current.abort();
    current.abort();
    let aborted = |error: StreamError| match error {
        StreamError::SendFailed {
            error: TransferError::Aborted,
            sent,
            len,
            ..
        } => (sent, len),
        other => panic!("{other:?}"),
    };
    assert_eq!(aborted(current.done().await.unwrap_err()), (Some(sent), 500));
    assert_eq!(aborted(waiting.done().await.unwrap_err()), (Some(0), 20));
    last.done().await.unwrap();
    // The receiver finds another message where the next part was due.
    let unfinished = ecu.recv().await.unwrap().unwrap_err();
    assert_eq!(unfinished.n_result(), Some(NResult::UnexpPdu));
    assert_eq!(ecu.recv().await.unwrap().unwrap(), payload(3));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_lets_the_message_go_on() {
    let (testers, ecus, _bus) = networks();
    let (tester, ecu) = endpoints(&testers, &ecus, 0).await;
    drop(tester.start(payload(300)));
    // Half-way, and not polled at all.
    assert!(tester.send(payload(20)).now_or_never().is_none());
    drop(tester.send(payload(5)));
    assert!(ecu.recv().now_or_never().is_none());
    assert_eq!(ecu.recv().await.unwrap().unwrap(), payload(300));
    assert_eq!(ecu.recv().await.unwrap().unwrap(), payload(20));
    settle().await;
    assert!(ecu.try_recv().is_none());
    assert_eq!(tester.user.lock().letters.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_endpoint_ends_its_transfers_and_frees_its_identifiers() {
    let (testers, ecus, bus) = networks();
    let (tester, ecu) = endpoints(&testers, &ecus, 0).await;
    ecu.set_flow_control(BlockSize::UNLIMITED, StMin::from_millis(10).unwrap());
    let sending = tester.start(payload(500));
    let waiting = tester.start(payload(5));
    tokio::time::sleep(MOMENT * 5).await;
    drop(tester);
    let frames = bus.stats().frames;
    for sending in [sending, waiting] {
        let error = sending.done().await.unwrap_err();
        assert!(matches!(
            error,
            StreamError::SendFailed {
                error: TransferError::Aborted,
                ..
            }
        ));
    }
    tokio::time::sleep(MOMENT * 5).await;
    assert_eq!(bus.stats().frames, frames);
    assert_eq!(testers.stats().endpoints, 0);
    let tester = endpoint(&testers, pair(0)).await;
    let (sent, received) = tokio::join!(tester.send(payload(3)), async {
        assert_eq!(
            ecu.recv().await.unwrap().unwrap_err().n_result(),
            Some(NResult::UnexpPdu)
        );
        ecu.recv().await.unwrap()
    });
    sent.unwrap();
    assert_eq!(received.unwrap(), payload(3));
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_what_was_given_and_sends_no_more() {
    let (testers, ecus, _bus) = networks();
    let (tester, ecu) = endpoints(&testers, &ecus, 0).await;
    let sending = tester.start(payload(300));
    assert!(tester.close().now_or_never().is_none() && !tester.is_closing());
    tester.close().await.unwrap();
    assert!(tester.is_closing());
    sending.done().await.unwrap();
    tester.send(payload(1)).await.unwrap_err();
    assert_eq!(ecu.recv().await.unwrap().unwrap(), payload(300));
    // It still listens.
    let (sent, received) = tokio::join!(ecu.send(payload(30)), tester.recv());
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), payload(30));
}

#[tokio::test(start_paused = true)]
async fn several_tasks_may_wait_for_the_same_endpoint() {
    let (testers, ecus, _bus) = networks();
    let (tester, ecu) = endpoints(&testers, &ecus, 0).await;
    let ecu = Arc::new(ecu);
    let readers: Vec<_> = (0..40)
        .map(|_| {
            let ecu = Arc::clone(&ecu);
            tokio::spawn(async move { ecu.recv().await.unwrap().unwrap().len() })
        })
        .collect();
    settle().await;
    for len in 1..=40 {
        tester.send(payload(len)).await.unwrap();
        settle().await;
    }
    let mut lengths = Vec::new();
    for reader in readers {
        lengths.push(reader.await.unwrap());
    }
    lengths.sort_unstable();
    assert_eq!(lengths, (1..=40).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn events_of_an_endpoint_are_its_own() {
    use crate::event::Event;

    let (testers, ecus, _bus) = networks();
    let (tester, ecu) = endpoints(&testers, &ecus, 0).await;
    let (_other, quiet) = endpoints(&testers, &ecus, 1).await;
    tester.send(payload(20)).await.unwrap();
    ecu.recv().await.unwrap().unwrap();
    let events: Vec<_> = core::iter::from_fn(|| ecu.next_event()).collect();
    assert!(matches!(
        events[..],
        [Event::ReceiveStarted { len: 20 }, Event::Received { len: 20, .. }]
    ));
    assert_eq!(quiet.next_event(), None);
}
