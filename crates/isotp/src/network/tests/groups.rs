//! Requests to everybody.

use can_link::virtual_bus::{BitRate, BusConfig};
use futures::{FutureExt as _, StreamExt as _};

use super::*;
use crate::endpoints::GroupEvent;
use crate::error::{NResult, SendError};
use crate::responders::Responder;
use crate::stmin::{BlockSize, StMin};

const WINDOW: Duration = Duration::from_millis(100);

/// ECUs that answer on 7E8 and up, and listen to 7DF.
async fn ecus(network: &Network, count: u16) -> Vec<Endpoint> {
    let mut all = Vec::new();
    for n in 0..count {
        let address = normal(0x7E8 + n, 0x7E0 + n).accepting_functional(std_id(0x7DF));
        all.push(endpoint(network, address).await);
    }
    all
}

async fn group(network: &Network) -> Group {
    let everybody = TxAddress::normal(std_id(0x7DF));
    network
        .group(everybody, Responders::legislated(), Config::default())
        .await
        .unwrap()
}

/// What came, by who sent it: an identifier and a length, or how it failed.
async fn collect(mut answers: Answers<'_>) -> Vec<(can_link::Id, Result<usize, NResult>)> {
    let mut all = Vec::new();
    while let Some((responder, answer)) = answers.next().await {
        let answer = answer.map(|message| message.len());
        all.push((responder.id(), answer.map_err(|error| error.n_result().unwrap())));
    }
    assert!(answers.next().await.is_none(), "over is over");
    all
}

fn id(raw: u16) -> can_link::Id {
    std_id(raw).into()
}

#[tokio::test(start_paused = true)]
async fn everybody_answers_at_length_at_the_same_time() {
    let (testers, others, _bus) = networks();
    let ecus = ecus(&others, 8).await;
    let mut group = group(&testers).await;
    for (n, ecu) in (0..).zip(ecus) {
        ecu.set_flow_control(BlockSize::from_bits(2), StMin::from_millis(n).unwrap());
        tokio::spawn(async move {
            let request = ecu.recv().await.unwrap().unwrap();
            ecu.send(payload(100 + request.len() * usize::from(n)))
                .await
                .unwrap();
            // Nothing more: it waits for a second request.
            ecu.recv().await
        });
    }
    let start = tokio::time::Instant::now();
    let mut answers = collect(group.request(payload(2), WINDOW).await.unwrap()).await;
    answers.sort_by_key(|(id, _)| *id);
    let expected: Vec<_> = (0..8)
        .map(|n| (id(0x7E8 + n), Ok(100 + 2 * usize::from(n))))
        .collect();
    assert_eq!(answers, expected);
    assert_eq!(start.elapsed(), WINDOW, "from the last answer");
    assert_eq!(group.members().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn nobody_answers_within_the_window() {
    let (testers, _others, _bus) = networks();
    let mut group = group(&testers).await;
    let start = tokio::time::Instant::now();
    assert!(
        collect(group.request(payload(2), WINDOW).await.unwrap())
            .await
            .is_empty()
    );
    assert_eq!(start.elapsed(), WINDOW);
    let refused = group.request(payload(8), WINDOW).await.map(drop).unwrap_err();
    assert!(matches!(
        refused,
        StreamError::NotSent(SendError::FunctionalTooLong { len: 8, max: 7 })
    ));
}

#[tokio::test(start_paused = true)]
async fn the_window_opens_when_the_request_is_on_the_bus() {
    // A frame takes more than half of the window.
    let slow = BitRate::new(10_000).unwrap();
    let bus = VirtualBus::with_config(BusConfig::default().bit_rate(slow));
    let (testers, others) = (Network::new(bus.join()), Network::new(bus.join()));
    let ecu = ecus(&others, 1).await.remove(0);
    tokio::spawn(async move {
        let request = ecu.recv().await.unwrap().unwrap();
        ecu.send(request).await.unwrap();
        ecu.recv().await
    });
    let mut group = group(&testers).await;
    let answers = group.request(payload(2), MOMENT * 2).await.unwrap();
    assert_eq!(collect(answers).await, [(id(0x7E8), Ok(2))]);
}

#[tokio::test(start_paused = true)]
async fn a_pending_answer_keeps_the_window_open_for_the_real_one() {
    let (testers, others, _bus) = networks();
    let ecu = ecus(&others, 1).await.remove(0);
    let mut group = group(&testers).await;
    tokio::spawn(async move {
        ecu.recv().await.unwrap().unwrap();
        for _ in 0..3 {
            ecu.send(&[0x7F, 0x22, 0x78][..]).await.unwrap();
            tokio::time::sleep(WINDOW * 9 / 10).await;
        }
        // Longer than the window: a message that has begun is not cut.
        ecu.send(payload(200)).await.unwrap();
        ecu.recv().await
    });
    let answers = collect(group.request(payload(2), WINDOW).await.unwrap()).await;
    let one = id(0x7E8);
    assert_eq!(
        answers,
        [(one, Ok(3)), (one, Ok(3)), (one, Ok(3)), (one, Ok(200))]
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_is_not_cut_by_the_window() {
    let (testers, others, _bus) = networks();
    let ecu = ecus(&others, 1).await.remove(0);
    let everybody = TxAddress::normal(std_id(0x7DF));
    // Each frame takes longer than the window.
    let config = Config::default().st_min(StMin::from_millis(127).unwrap());
    let responders = Responders::legislated();
    let mut group = testers.group(everybody, responders, config).await.unwrap();
    tokio::spawn(async move {
        ecu.recv().await.unwrap().unwrap();
        ecu.send(payload(60)).await.unwrap();
        ecu.recv().await
    });
    let answers = collect(group.request(payload(2), WINDOW).await.unwrap()).await;
    assert_eq!(answers, [(id(0x7E8), Ok(60))]);
}

#[tokio::test(start_paused = true)]
async fn a_responder_that_falls_silent_is_an_error_with_its_name() {
    let (testers, others, bus) = networks();
    let _ecus = ecus(&others, 1).await;
    let mut group = group(&testers).await;
    let mut silent = bus.join();
    let mut answers = group.request(payload(2), WINDOW).await.unwrap();
    send_raw(&mut silent, std_id(0x7EF), &[0x10, 20, 1, 2, 3, 4, 5, 6]).await;
    send_raw(&mut silent, std_id(0x7E9), &[1, 0x50]).await;
    let (who, answer) = answers.recv().await.unwrap();
    assert_eq!((who.id(), answer.unwrap().len()), (id(0x7E9), 1));
    let (who, answer) = answers.recv().await.unwrap();
    assert_eq!(who.id(), id(0x7EF));
    assert_eq!(answer.unwrap_err().n_result(), Some(NResult::TimeoutCr));
    assert!(answers.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn late_answers_are_given_up_for_the_next_request() {
    let (testers, _others, bus) = networks();
    let mut group = group(&testers).await;
    let mut late = bus.join();
    drop(group.request(payload(2), WINDOW).await.unwrap());
    send_raw(&mut late, std_id(0x7E8), &[1, 0x50]).await;
    settle().await;
    let mut answers = group.request(payload(2), WINDOW).await.unwrap();
    send_raw(&mut late, std_id(0x7E8), &[2, 0x50, 0x51]).await;
    assert_eq!(answers.recv().await.unwrap().1.unwrap().len(), 2);
    // Half-way given up, nothing is lost.
    assert!(answers.recv().now_or_never().is_none());
    send_raw(&mut late, std_id(0x7E8), &[3, 1, 2, 3]).await;
    assert_eq!(answers.recv().await.unwrap().1.unwrap().len(), 3);
    assert_eq!(group.discarded(), 1);
}

#[tokio::test(start_paused = true)]
async fn as_a_stream_a_group_yields_whatever_comes() {
    let (testers, _others, bus) = networks();
    let mut group = group(&testers).await;
    let mut port = bus.join();
    send_raw(&mut port, std_id(0x7EA), &[1, 0x50]).await;
    let (who, answer): (Responder, _) = group.next().await.unwrap();
    assert_eq!((who.id(), answer.unwrap().len()), (id(0x7EA), 1));
    assert_eq!(*who.address(), normal(0x7E2, 0x7EA));
}

#[tokio::test(start_paused = true)]
async fn a_slow_collector_makes_responders_wait_and_no_endpoint() {
    let (testers, others, _bus) = networks();
    let ecu = ecus(&others, 1).await.remove(0);
    let (tester, peer) = endpoints(&testers, &others, 0).await;
    let mut group = group(&testers).await;
    let count = MAX_ANSWERS + 2;
    let flooding = tokio::spawn(async move {
        for _ in 0..count {
            ecu.send(payload(10)).await.unwrap();
        }
        ecu
    });
    settle().await;
    assert!(!flooding.is_finished());
    let (sent, received) = tokio::join!(tester.send(payload(100)), peer.recv());
    sent.unwrap();
    received.unwrap().unwrap();
    for _ in 0..count {
        assert_eq!(group.next().await.unwrap().1.unwrap(), payload(10));
    }
    flooding.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_group_frees_its_identifiers() {
    let (testers, others, _bus) = networks();
    let ecu = ecus(&others, 1).await.remove(0);
    let group = group(&testers).await;
    ecu.send(payload(3)).await.unwrap();
    let taken = testers.endpoint(normal(0x7E0, 0x7E8), Config::default()).await;
    assert!(matches!(taken, Err(JoinError::Insert(InsertError::Clash { .. }))));
    drop(group);
    assert_eq!(testers.stats().endpoints, 0);
    let tester = endpoint(&testers, normal(0x7E0, 0x7E8)).await;
    let (sent, received) = tokio::join!(ecu.send(payload(30)), tester.recv());
    sent.unwrap();
    received.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_shot_requests_need_neither_group_nor_endpoint() {
    let (testers, others, _bus) = networks();
    let ecus = ecus(&others, 3).await;
    let everybody = TxAddress::normal(std_id(0x7DF));
    let config = Config::default();
    testers
        .send_functional(everybody, payload(2), config)
        .await
        .unwrap();
    for ecu in &ecus {
        let (target, message) = ecu.recv_with_target().await.unwrap().unwrap();
        assert_eq!((target, message), (crate::Target::Functional, payload(2)));
    }
    let refused = testers.send_functional(everybody, payload(8), config).await;
    assert!(matches!(refused, Err(StreamError::NotSent(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn members_of_a_group_hear_their_echoes_from_the_first_frame_on() {
    use can_link::link::Echo;
    use can_link::virtual_bus::PortConfig;

    let bus = VirtualBus::new();
    let network = Network::new(bus.join_with(PortConfig::default().echo(Echo::On)));
    let mut group = group(&network).await;
    let mut silent = bus.join();
    send_raw(&mut silent, std_id(0x7EA), &[0x10, 20, 1, 2, 3, 4, 5, 6]).await;
    // Had the flow control not come back, this would be N_TIMEOUT_A.
    let (_, answer) = group.recv().await.unwrap();
    assert_eq!(answer.unwrap_err().n_result(), Some(NResult::TimeoutCr));
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_room_in_a_group_is_told() {
    let (testers, _others, bus) = networks();
    let everybody = TxAddress::normal(std_id(0x7DF));
    let rule = Responders::legislated().limit(1);
    let group = testers.group(everybody, rule, Config::default()).await.unwrap();
    let mut port = bus.join();
    for raw in [0x7E8, 0x7E9] {
        send_raw(&mut port, std_id(raw), &[1, 0x50]).await;
    }
    settle().await;
    assert!(matches!(group.next_event(), Some(GroupEvent::Joined { .. })));
    let Some(GroupEvent::TooMany { responder, limit: 1 }) = group.next_event() else {
        panic!("nothing told");
    };
    assert_eq!((responder.id(), group.next_event()), (id(0x7E9), None));
    assert_eq!((group.stats().refused, group.events_lost()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn nodes_of_29_bits_answer_by_exchanging_the_ends() {
    let (testers, others, _bus) = networks();
    let fd = Config::default().data_link(DataLink::fd());
    let everybody = can_link::ExtendedId::new(0x18DB_33F1).unwrap();
    for node in [0x10, 0x18, 0xEE] {
        let address = Address::normal_fixed(0xF1, node).unwrap();
        let address = address.accepting_functional(everybody);
        let ecu = others.endpoint(address, fd).await.unwrap();
        tokio::spawn(async move {
            let request = ecu.recv().await.unwrap().unwrap();
            ecu.send(payload(request.len() + usize::from(node)))
                .await
                .unwrap();
            ecu.recv().await
        });
    }
    let sender = TxAddress::normal_fixed(0x33, 0xF1);
    let mut group = testers
        .group(sender, Responders::normal_fixed(0xF1), fd)
        .await
        .unwrap();
    // What a single FD frame holds.
    let mut answers = collect(group.request(payload(62), WINDOW).await.unwrap()).await;
    answers.sort_by_key(|(id, _)| *id);
    let expected = [0x10, 0x18, 0xEE].map(|node| {
        let id = can_link::ExtendedId::new(0x18DA_F100 + node).unwrap();
        (id.into(), Ok(62 + usize::try_from(node).unwrap()))
    });
    assert_eq!(answers, expected);
}
