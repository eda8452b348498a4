use std::format;
use std::thread;
use std::vec::Vec;

use can_link::StandardId;
use can_link::link::LinkChange;
use can_link::virtual_bus::VirtualBus;

use super::*;
use crate::error::NResult;
use crate::event::SendState;
use crate::stmin::StMin;

/// Far longer than anything here takes on any machine.
const LONG: Duration = Duration::from_secs(600);

fn std_id(raw: u16) -> StandardId {
    StandardId::new(raw).unwrap()
}

fn address(n: u16) -> Address {
    Address::normal(std_id(0x100 + n), std_id(0x300 + n)).unwrap()
}

fn payload(len: usize) -> Bytes {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

fn network(bus: &VirtualBus) -> Network {
    let bus = bus.clone();
    Network::open_with(async move || Ok::<_, OpenError>(bus.join())).unwrap()
}

/// Two endpoints on networks of their own, and the bus between them.
fn pair() -> (Endpoint, Endpoint, VirtualBus) {
    let bus = VirtualBus::new();
    let endpoint = |address| network(&bus).endpoint(address, Config::default()).unwrap();
    (endpoint(address(0)), endpoint(address(0).reversed()), bus)
}

#[test]
fn a_message_is_sent_from_a_source() {
    let (tester, ecu, _bus) = pair();
    let source = crate::payload::FromIter::new(500, payload(500));
    thread::scope(|scope| {
        let sending = scope.spawn(|| tester.send_from(source));
        assert_eq!(ecu.recv(LONG).unwrap(), Some(payload(500)));
        sending.join().unwrap().unwrap();
    });
    let short = crate::payload::FromIter::new(500, payload(0));
    let failed = tester.start_from(short).done().unwrap_err();
    assert_eq!(failed.n_result(), Some(NResult::Error), "{failed}");
}

#[test]
fn messages_go_both_ways_without_a_runtime() {
    let (tester, ecu, _bus) = pair();
    for len in [1, 8, 500] {
        let answering = thread::scope(|scope| {
            let answering = scope.spawn(|| {
                let request = ecu.recv(LONG).unwrap().unwrap();
                ecu.send(request).unwrap();
            });
            tester.send(payload(len)).unwrap();
            assert_eq!(tester.recv(None).unwrap(), Some(payload(len)));
            answering.join()
        });
        answering.unwrap();
    }
}

#[test]
fn a_timeout_is_not_an_error() {
    let (tester, ecu, _bus) = pair();
    assert_eq!(tester.recv(Duration::from_millis(1)).unwrap(), None);
    assert_eq!(tester.try_recv().unwrap(), None);
    ecu.send(payload(3)).unwrap();
    // So long that no clock can express it: for ever.
    assert_eq!(tester.recv(Duration::MAX).unwrap(), Some(payload(3)));
}

#[test]
fn any_number_of_threads_may_use_the_same_endpoint() {
    let (tester, ecu, _bus) = pair();
    let mut lengths = thread::scope(|scope| {
        let readers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    (0..5)
                        .map(|_| ecu.recv(LONG).unwrap().unwrap().len())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        for n in 0..4 {
            let tester = &tester;
            scope.spawn(move || (0..10).for_each(|i| tester.send(payload(1 + n * 10 + i)).unwrap()));
        }
        let read = readers.into_iter().flat_map(|reader| reader.join().unwrap());
        read.collect::<Vec<_>>()
    });
    lengths.sort_unstable();
    assert_eq!(lengths, (1..=40).collect::<Vec<_>>());
}

#[test]
fn the_last_handle_ends_the_thread() {
    let bus = VirtualBus::new();
    let network = network(&bus);
    let endpoint = network.endpoint(address(0), Config::default()).unwrap();
    let sending = endpoint.start(payload(100));
    drop((network, endpoint));
    // Only who wants to know how a message ended still waits for the thread.
    let error = sending.done().unwrap_err();
    assert_eq!(error.n_result(), Some(NResult::Error));
    assert_eq!(bus.len(), 0, "the thread has ended, and the link with it");
}

#[test]
fn a_started_message_can_be_watched_and_aborted() {
    let bus = VirtualBus::new();
    let tester = network(&bus).endpoint(address(0), Config::default()).unwrap();
    // It asks for longer gaps than it waits for.
    let impatient = Config::default()
        .st_min(StMin::from_millis(127).unwrap())
        .n_cr(Duration::from_millis(10));
    let ecu = network(&bus).endpoint(address(0).reversed(), impatient).unwrap();
    let mut sending = tester.start(payload(4000));
    assert_eq!(sending.next_state(LONG).unwrap(), Some(SendState::Queued));
    assert!(sending.next_state(LONG).unwrap().is_some());
    assert!(sending.id().is_some() && tester.sending().is_some());
    sending.abort();
    let error = loop {
        match sending.next_state(LONG) {
            Ok(state) => assert!(state.is_some(), "the end is told"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.n_result(), Some(NResult::Error));
    assert_eq!(sending.next_state(LONG).unwrap(), None);
    assert_eq!(sending.done().unwrap_err().n_result(), Some(NResult::Error));
    assert_eq!(ecu.recv(LONG).unwrap_err().n_result(), Some(NResult::TimeoutCr));
    tester.close().unwrap();
    assert!(tester.is_closing());
}

#[test]
fn messages_behind_the_one_under_way_are_counted() {
    let bus = VirtualBus::new();
    let tester = network(&bus).endpoint(address(0), Config::default()).unwrap();
    let slow = Config::default().st_min(StMin::from_millis(127).unwrap());
    let _ecu = network(&bus).endpoint(address(0).reversed(), slow).unwrap();
    let long = tester.start(payload(4000));
    let to_all = tester.start_functional(payload(3));
    assert_eq!(tester.queued(), 1);
    long.abort();
    to_all.done().unwrap();
    assert_eq!(tester.queued(), 0);
    let refused = tester.start_functional(payload(8)).done().unwrap_err();
    assert!(matches!(refused, StreamError::NotSent(_)), "{refused}");
}

#[test]
fn everybody_answers_a_group() {
    let bus = VirtualBus::new();
    let (tester, others) = (network(&bus), network(&bus));
    let everybody = std_id(0x7DF);
    let ecus: Vec<_> = (0..3)
        .map(|n| {
            let address = Address::normal(std_id(0x7E8 + n), std_id(0x7E0 + n)).unwrap();
            let address = address.accepting_functional(everybody);
            others.endpoint(address, Config::default()).unwrap()
        })
        .collect();
    let mut group = tester
        .group(
            TxAddress::normal(everybody),
            Responders::legislated(),
            Config::default(),
        )
        .unwrap();
    let mut answers = thread::scope(|scope| {
        for ecu in &ecus {
            scope.spawn(|| {
                ecu.recv(LONG).unwrap().unwrap();
                ecu.send(payload(60)).unwrap();
            });
        }
        // All have answered before anybody looks at the clock: the window is not what ends this.
        let mut answers = group.request(payload(2), LONG).unwrap();
        let three: Vec<_> = answers.by_ref().take(3).collect();
        three
            .into_iter()
            .map(|(who, answer)| (who.id(), answer.unwrap().len()))
            .collect::<Vec<_>>()
    });
    answers.sort_by_key(|(id, _)| *id);
    let expected: Vec<_> = (0..3).map(|n| (std_id(0x7E8 + n).into(), 60)).collect();
    assert_eq!(answers, expected);

    let silence = group.request(payload(2), Duration::from_millis(1)).unwrap();
    assert_eq!(silence.count(), 0);
    assert_eq!(group.recv(Duration::ZERO).unwrap().map(drop), None);
    assert_eq!(
        (group.members().len(), group.stats().joined, group.discarded()),
        (3, 3, 0)
    );
}

#[test]
fn what_cannot_be_opened_says_why() {
    let error = |link: &str| format!("{}", Network::open(link).unwrap_err());
    assert!(
        error("nonsense://x").contains("nonsense"),
        "{}",
        error("nonsense://x")
    );
    assert!(error("log:/nonexistent/x.log").contains("/nonexistent/x.log"));
    let made = Network::open_with(async || Err::<can_link::Link, _>(OpenError::from(LinkError::Closed)));
    assert!(matches!(made, Err(OpenError::Link(LinkError::Closed))));
}

#[test]
fn a_lost_link_is_told() {
    let (tester, _ecu, bus) = pair();
    let network = network(&bus);
    assert!(!network.is_closed() && network.closed(Duration::ZERO).is_none());
    bus.set_link(LinkChange::Gone);
    assert!(network.closed(LONG).is_some() && network.is_closed());
    for _ in 0..2 {
        assert!(matches!(tester.recv(LONG), Err(StreamError::Link(_))));
    }
    tester.send(payload(1)).unwrap_err();
}

#[tokio::test]
async fn a_task_that_is_held_up_gets_its_results_all_the_same() {
    // Far more waits than a task's budget allows for in one go.
    let network = network(&VirtualBus::new());
    for _ in 0..500 {
        drop(network.endpoint(address(0), Config::default()).unwrap());
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the network's thread has a task")]
fn the_last_handle_may_be_dropped_on_the_network_s_own_thread() {
    let bus = VirtualBus::new();
    let (give, given) = tokio::sync::oneshot::channel::<Network>();
    let (tell, told) = std::sync::mpsc::channel();
    let make = async move || {
        tokio::spawn(async move {
            drop(given.await);
            tell.send(()).unwrap();
        });
        Ok::<_, OpenError>(bus.join())
    };
    let network = Network::open_with(make).unwrap();
    assert!(give.send(network).is_ok());
    told.recv_timeout(LONG).expect("the task did not panic");
}
