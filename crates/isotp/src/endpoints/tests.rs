use core::time::Duration;

use bytes::Bytes;
use can_link::{ExtendedId, Id, StandardId};

use super::*;
use crate::address::{Target, TxAddress};
use crate::error::{NResult, SendError, TransferError};
use crate::rate::RateLimit;
use crate::responders::Responders;

const NOW: Instant = Instant::ZERO;

fn std_id(raw: u16) -> StandardId {
    StandardId::new(raw).unwrap()
}

fn normal(tx: u16, rx: u16) -> Address {
    Address::normal(std_id(tx), std_id(rx)).unwrap()
}

fn frame(id: impl Into<Id>, data: &[u8]) -> CanFrame {
    CanFrame::data(id, data).unwrap()
}

/// What `poll_event` tells until there is nothing more.
fn events(endpoints: &mut Endpoints) -> Vec<(EndpointId, Event)> {
    core::iter::from_fn(|| endpoints.poll_event()).collect()
}

/// Sends all that is due, confirmed at once, and tells whose frames those were.
fn transmit(endpoints: &mut Endpoints, now: Instant) -> Vec<(EndpointId, CanFrame)> {
    let mut sent = Vec::new();
    while let Some((id, frame)) = endpoints.poll_transmit(now) {
        endpoints.handle_transmitted(now, id, &frame);
        sent.push((id, frame));
    }
    sent
}

fn message(len: usize) -> Bytes {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

fn insert(endpoints: &mut Endpoints, address: Address) -> EndpointId {
    endpoints.insert(address, Config::default()).unwrap()
}

#[test]
fn two_that_would_acknowledge_the_same_frames_are_refused_by_name() {
    let mut endpoints = Endpoints::new();
    let first = insert(&mut endpoints, normal(0x7E0, 0x7E8));
    let error = endpoints
        .insert(normal(0x700, 0x7E8), Config::default())
        .unwrap_err();
    assert_eq!(
        error,
        InsertError::Clash {
            id: std_id(0x7E8).into(),
            byte: None,
            holder: Holder::Endpoint(first),
        }
    );
    assert_eq!(
        std::format!("{error}"),
        "CAN identifier 7E8 is received by endpoint 0.0 already"
    );
    // An endpoint without an address byte takes frames with any first byte.
    let byte = |own| Address::extended(std_id(0x700), std_id(0x7E8), 1, own).unwrap();
    endpoints.insert(byte(5), Config::default()).unwrap_err();
    assert!(endpoints.remove(first));
    insert(&mut endpoints, byte(5));
    insert(&mut endpoints, byte(6));
    endpoints.insert(byte(5), Config::default()).unwrap_err();
    endpoints
        .insert(normal(0x7E0, 0x7E8), Config::default())
        .unwrap_err();
}

#[test]
fn an_identifier_of_any_priority_clashes_with_each_of_them() {
    let fixed = Address::normal_fixed(0x10, 0xF1).unwrap();
    let other = |raw| {
        let id = |raw| ExtendedId::new(raw).unwrap();
        Address::normal(id(0x123), id(raw)).unwrap()
    };
    for (first, second) in [
        (fixed, other(0x0CDA_F110)),
        (other(0x0CDA_F110), fixed),
        (fixed, fixed),
    ] {
        let mut endpoints = Endpoints::new();
        insert(&mut endpoints, first);
        endpoints.insert(second, Config::default()).unwrap_err();
        insert(&mut endpoints, other(0x0CDA_F111));
    }
}

#[test]
fn there_are_never_more_than_the_limit() {
    let mut endpoints = Endpoints::with_limit(1);
    let first = insert(&mut endpoints, normal(0x7E0, 0x7E8));
    let full = endpoints.insert(normal(0x7E1, 0x7E9), Config::default());
    assert_eq!(full, Err(InsertError::Full { limit: 1 }));
    assert!(endpoints.remove(first));
    assert!(!endpoints.remove(first));
    insert(&mut endpoints, normal(0x7E1, 0x7E9));
}

#[test]
fn all_who_listen_to_a_functional_identifier_get_the_message() {
    let mut endpoints = Endpoints::new();
    let ids: Vec<_> = (0..3)
        .map(|n| {
            let address = normal(0x7E8 + n, 0x7E0 + n).accepting_functional(std_id(0x7DF));
            insert(&mut endpoints, address)
        })
        .collect();
    endpoints.handle_frame(NOW, &frame(std_id(0x7DF), &[2, 0x3E, 0x80]));
    let heard: Vec<_> = events(&mut endpoints)
        .into_iter()
        .filter(|(_, event)| {
            matches!(
                event,
                Event::Received {
                    target: Target::Functional,
                    ..
                }
            )
        })
        .map(|(id, _)| id)
        .collect();
    assert_eq!(heard, ids);
    assert_eq!(endpoints.stats().frames_taken, 1);
    // With the last of them goes the identifier.
    for id in ids {
        assert!(endpoints.remove(id));
    }
    endpoints.handle_frame(NOW, &frame(std_id(0x7DF), &[2, 0x3E, 0x80]));
    assert_eq!(endpoints.stats().frames_unclaimed, 1);
}

#[test]
fn a_removed_endpoint_says_nothing_more() {
    let mut endpoints = Endpoints::new();
    let id = insert(&mut endpoints, normal(0x7E0, 0x7E8));
    endpoints.get_mut(id).unwrap().send(NOW, message(100)).unwrap();
    assert_eq!(transmit(&mut endpoints, NOW).len(), 1);
    assert!(endpoints.poll_timeout().is_some());
    assert!(endpoints.remove(id));
    assert_eq!(endpoints.poll_timeout(), None);
    assert_eq!(endpoints.poll_event(), None);
    assert_eq!(endpoints.poll_transmit(NOW), None);
    assert!(endpoints.get_mut(id).is_none());
    // Its successor in the same place begins clean.
    let next = insert(&mut endpoints, normal(0x7E0, 0x7E8));
    assert_eq!((next.0.place(), next != id), (id.0.place(), true));
    endpoints.handle_frame(NOW, &frame(std_id(0x7E8), &[0x30, 0, 0]));
    assert!(matches!(events(&mut endpoints)[..], [(whose, Event::Ignored(_))] if whose == next));
}

#[test]
fn endpoints_that_come_and_go_leave_nothing_behind_while_nobody_polls() {
    let mut endpoints = Endpoints::new();
    let stays = insert(&mut endpoints, normal(0x100, 0x108));
    let message = message(3);
    endpoints
        .get_mut(stays)
        .unwrap()
        .send(Instant::ZERO, message)
        .unwrap();
    for _ in 0..1000 {
        let goes = insert(&mut endpoints, normal(0x7E0, 0x7E8));
        let frame = frame(std_id(0x7E8), &[0x10, 20, 1, 2, 3, 4, 5, 6]);
        endpoints.handle_frame(Instant::ZERO, &frame);
        endpoints.remove(goes);
    }
    assert!(endpoints.turns.len() < 100 && endpoints.news.len() < 100);
    let sent = transmit(&mut endpoints, Instant::ZERO);
    assert_eq!(sent.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [stays]);
}

#[test]
fn long_transfers_take_turns_frame_by_frame() {
    let mut endpoints = Endpoints::new();
    let ids: Vec<_> = (0..3)
        .map(|n| insert(&mut endpoints, normal(0x700 + n, 0x708 + n)))
        .collect();
    for id in &ids {
        endpoints.get_mut(*id).unwrap().send(NOW, message(200)).unwrap();
    }
    transmit(&mut endpoints, NOW);
    for n in 0..3 {
        endpoints.handle_frame(NOW, &frame(std_id(0x708 + n), &[0x30, 0, 0]));
    }
    let order: Vec<_> = transmit(&mut endpoints, NOW)
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    assert_eq!(order.len(), 3 * 28);
    for turn in order.chunks(3) {
        assert!(ids.iter().all(|id| turn.contains(id)), "{order:?}");
    }
}

#[test]
fn an_idle_endpoint_takes_less_than_a_kibibyte() {
    const COUNT: u32 = 10_000;

    let everybody = ExtendedId::new(0x18DB_33F1).unwrap();
    let mut endpoints = Endpoints::new();
    for n in 0..COUNT {
        let id = |base| ExtendedId::new(base + n).unwrap();
        let address = Address::normal(id(0x0100_0000), id(0x0200_0000)).unwrap();
        insert(&mut endpoints, address.accepting_functional(everybody));
    }
    // As many as there are, and what tables have to spare.
    let slots = endpoints.len() * size_of::<Slot>() + endpoints.slots.memory();
    let around = endpoints.index.memory() + endpoints.alarms.memory();
    let each = (slots + around) / endpoints.len();
    assert!(
        each < 1024,
        "{each} bytes, {} of them the channel",
        size_of::<SourceChannel>()
    );
}

/// A tester that asks everybody, on 11 bits.
fn tester(responders: Responders) -> (Endpoints, GroupId) {
    let mut endpoints = Endpoints::new();
    let everybody = TxAddress::normal(std_id(0x7DF));
    let group = endpoints
        .insert_group(everybody, responders, Config::default())
        .unwrap();
    (endpoints, group)
}

fn members(endpoints: &Endpoints, group: GroupId) -> Vec<Id> {
    let members = endpoints.group(group).unwrap().members();
    members
        .iter()
        .map(|member| endpoints.member(*member).unwrap().1.id())
        .collect()
}

#[test]
fn each_responder_is_acknowledged_on_its_own_identifier() {
    let (mut endpoints, group) = tester(Responders::legislated());
    let sender = endpoints.group(group).unwrap().sender();
    endpoints
        .get_mut(sender)
        .unwrap()
        .send_functional(NOW, message(2))
        .unwrap();
    let request = transmit(&mut endpoints, NOW);
    assert_eq!(request[0].1.id(), std_id(0x7DF).into());
    assert!(matches!(events(&mut endpoints)[..], [(id, Event::Sent { .. })] if id == sender));

    // Two long answers at once, and a short one.
    for id in [0x7E8, 0x7E9] {
        endpoints.handle_frame(NOW, &frame(std_id(id), &[0x10, 10, 1, 2, 3, 4, 5, 6]));
    }
    endpoints.handle_frame(NOW, &frame(std_id(0x7EF), &[1, 0x7F]));
    let acknowledged: Vec<_> = transmit(&mut endpoints, NOW)
        .iter()
        .map(|(_, frame)| frame.id())
        .collect();
    assert_eq!(acknowledged, [std_id(0x7E0).into(), std_id(0x7E1).into()]);
    for id in [0x7E9, 0x7E8] {
        endpoints.handle_frame(NOW, &frame(std_id(id), &[0x21, 7, 8, 9, 10]));
    }
    let ids = members(&endpoints, group);
    assert_eq!(ids, [0x7E8, 0x7E9, 0x7EF].map(|raw| std_id(raw).into()));
    for member in endpoints.group(group).unwrap().members().to_vec() {
        assert!(endpoints.get_mut(member).unwrap().take_received(NOW).is_some());
    }
    let joined = core::iter::from_fn(|| endpoints.poll_group_event()).count();
    assert_eq!((joined, endpoints.group(group).unwrap().stats().joined), (3, 3));
}

#[test]
fn only_who_begins_a_message_becomes_a_member() {
    let (mut endpoints, group) = tester(Responders::legislated());
    let strays: [&[u8]; 5] = [&[0x21, 1, 2], &[0x30, 0, 0], &[0x00], &[], &[0x40, 1]];
    for stray in strays {
        endpoints.handle_frame(NOW, &frame(std_id(0x7E8), stray));
    }
    let remote = can_link::frame::RemoteFrame::new(std_id(0x7E8), 8).unwrap();
    endpoints.handle_frame(NOW, &CanFrame::Remote(remote));
    assert!(members(&endpoints, group).is_empty());
    assert_eq!(endpoints.stats().frames_unclaimed, 6);
}

#[test]
fn responders_above_the_limit_are_counted_and_told() {
    let (mut endpoints, group) = tester(Responders::legislated().limit(1));
    for raw in [0x7E8, 0x7E9, 0x7E8, 0x7E9] {
        endpoints.handle_frame(NOW, &frame(std_id(raw), &[1, 0x50]));
        for member in endpoints.group(group).unwrap().members().to_vec() {
            endpoints.get_mut(member).unwrap().take_received(NOW);
        }
    }
    assert_eq!(members(&endpoints, group), [std_id(0x7E8).into()]);
    assert_eq!(endpoints.group(group).unwrap().stats().refused, 2);
    let told: Vec<_> = core::iter::from_fn(|| endpoints.poll_group_event()).collect();
    let [
        (_, GroupEvent::Joined { .. }),
        (_, GroupEvent::TooMany { responder, limit: 1 }),
        (_, GroupEvent::TooMany { .. }),
    ] = told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(responder.id(), std_id(0x7E9).into());
}

#[test]
fn one_responder_that_falls_silent_is_one_failure() {
    let (mut endpoints, group) = tester(Responders::normal_fixed(0xF1));
    let from = |node: u32| ExtendedId::new(0x18DA_F100 | node).unwrap();
    let begun = [0x10, 10, 1, 2, 3, 4, 5, 6];
    endpoints.handle_frame(NOW, &frame(from(0x10), &begun));
    endpoints.handle_frame(NOW, &frame(from(0x11), &begun));
    transmit(&mut endpoints, NOW);
    endpoints.handle_frame(NOW, &frame(from(0x11), &[0x21, 7, 8, 9, 10]));
    events(&mut endpoints);
    let due = endpoints.poll_timeout().unwrap();
    endpoints.handle_timeout(due);
    let silent = endpoints.group(group).unwrap().members()[0];
    let [(whose, Event::ReceiveFailed { error, .. })] = events(&mut endpoints)[..] else {
        panic!("one failure");
    };
    assert_eq!((whose, error.n_result()), (silent, NResult::TimeoutCr));
    assert_eq!(endpoints.poll_timeout(), None);
}

#[test]
fn groups_and_endpoints_do_not_share_responders() {
    let (mut endpoints, group) = tester(Responders::legislated());
    endpoints.handle_frame(NOW, &frame(std_id(0x7E8), &[1, 0x50]));
    for raw in [0x7E8, 0x7EF] {
        let error = endpoints
            .insert(normal(0x700, raw), Config::default())
            .unwrap_err();
        let holder = Holder::Group(group);
        assert!(matches!(error, InsertError::Clash { holder: by, .. } if by == holder));
    }
    let another = TxAddress::normal(std_id(0x7DE));
    let ids = std_id(0x7EF)..=std_id(0x7FF);
    let overlapping = Responders::offset(ids, -8).unwrap();
    let error = endpoints.insert_group(another, overlapping.clone(), Config::default());
    assert!(matches!(error, Err(InsertError::Clash { .. })), "{error:?}");

    assert!(endpoints.remove_group(group) && !endpoints.remove_group(group));
    assert!(endpoints.is_empty());
    let single = insert(&mut endpoints, normal(0x700, 0x7EF));
    let error = endpoints.insert_group(another, overlapping.clone(), Config::default());
    assert!(matches!(
        error,
        Err(InsertError::Clash { holder: Holder::Endpoint(by), .. }) if by == single
    ));
    assert!(endpoints.remove(single));
    endpoints
        .insert_group(another, overlapping, Config::default())
        .unwrap();
}

#[test]
fn a_group_sends_single_frames_only_and_its_parts_go_with_it() {
    let (mut endpoints, group) = tester(Responders::legislated());
    let sender = endpoints.group(group).unwrap().sender();
    let error = endpoints
        .get_mut(sender)
        .unwrap()
        .send_functional(NOW, message(8));
    assert_eq!(error, Err(SendError::FunctionalTooLong { len: 8, max: 7 }));
    assert_eq!(endpoints.sends_for(sender), Some(group));
    assert!(!endpoints.remove(sender));
    // The sender receives nothing, not even what its unused half would.
    endpoints.handle_frame(NOW, &frame(StandardId::ZERO, &[1, 1]));
    assert_eq!(endpoints.stats().frames_unclaimed, 1);
}

#[test]
fn a_lost_link_fails_every_transfer() {
    let mut endpoints = Endpoints::new();
    let ids: Vec<_> = (0..3)
        .map(|n| insert(&mut endpoints, normal(0x700 + n, 0x708 + n)))
        .collect();
    for id in &ids {
        endpoints.get_mut(*id).unwrap().send(NOW, message(20)).unwrap();
    }
    endpoints.handle_link_lost();
    let failed: Vec<_> = events(&mut endpoints)
        .into_iter()
        .map(|(id, event)| {
            assert!(matches!(
                event,
                Event::SendFailed {
                    error: TransferError::Link,
                    ..
                }
            ));
            id
        })
        .collect();
    assert_eq!(failed, ids);
    assert_eq!(endpoints.poll_timeout(), None);
}

#[test]
fn a_frame_held_back_by_a_rate_limit_is_called_for_when_it_may_go() {
    let mut endpoints = Endpoints::new();
    let limit = RateLimit::new(64_000, Duration::from_millis(10)).unwrap();
    let config = Config::default().rate_limit(Some(limit));
    let id = endpoints.insert(normal(0x7E0, 0x7E8), config).unwrap();
    let mut now = NOW;
    for _ in 0..20 {
        endpoints.get_mut(id).unwrap().send(now, message(3)).unwrap();
        while transmit(&mut endpoints, now).is_empty() {
            now = endpoints.poll_timeout().expect("when the limit lets it go");
            endpoints.handle_timeout(now);
        }
    }
    assert!(now > NOW, "the limit was never reached");
}
