//! Many endpoints behave as each of them would alone.
#![cfg(feature = "alloc")]
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use can_link::{CanFrame, ExtendedId, Id, StandardId};
use isotp::{
    Address, BlockSize, BytesChannel, Channel, Config, DataLink, Duplex, EndpointId, Endpoints, Event,
    Padding, Payload, RateLimit, Role, StMin, Target, TransferId,
};
use proptest::prelude::*;
use tinwire_time::Instant;

fn std_id(raw: u16) -> StandardId {
    StandardId::new(raw).unwrap()
}

fn ext_id(raw: u32) -> ExtendedId {
    ExtendedId::new(raw).unwrap()
}

/// Endpoints of all modes, several on one identifier.
fn addresses() -> Vec<Address> {
    let everybody = std_id(0x7DF);
    vec![
        Address::normal(std_id(0x7E0), std_id(0x7E8)).unwrap(),
        Address::normal(std_id(0x7E9), std_id(0x7E1))
            .unwrap()
            .accepting_functional(everybody),
        Address::normal(std_id(0x7EA), std_id(0x7E2))
            .unwrap()
            .accepting_functional(everybody),
        Address::normal(ext_id(0x7E0), ext_id(0x7E8)).unwrap(),
        Address::extended(std_id(0x6F1), std_id(0x612), 0x12, 0x02).unwrap(),
        Address::extended(std_id(0x6F2), std_id(0x612), 0x12, 0x30)
            .unwrap()
            .accepting_functional(everybody),
        Address::mixed(std_id(0x700), std_id(0x708), 0x10).unwrap(),
        Address::normal_fixed(0x10, 0xF1).unwrap(),
        Address::normal_fixed(0x11, 0xF1).unwrap(),
        Address::mixed_fixed(0x10, 0xF1, 0x22).unwrap(),
    ]
}

/// Identifiers that those receive, and some that nobody does.
fn identifiers() -> Vec<Id> {
    let mut all: Vec<Id> = [0x7E8, 0x7E1, 0x7E2, 0x612, 0x708, 0x7DF, 0x7EF, 0x000]
        .map(|raw| std_id(raw).into())
        .to_vec();
    let extended = [
        0x7E8,
        0x18DA_F110,
        0x1CDA_F111,
        0x00DA_F110,
        0x18DB_F110,
        0x18CE_F110,
        0x04CE_F110,
        0x18CD_F110,
        0x18DA_F112,
    ];
    all.extend(extended.map(|raw| Id::from(ext_id(raw))));
    all
}

fn config(choice: usize) -> Config {
    let config = Config::default().n_br(Duration::from_millis(300)).wft_max(2);
    match choice % 6 {
        0 => config,
        1 => config.data_link(DataLink::fd()).padding(Padding::none()),
        2 => config.duplex(Duplex::Half),
        3 => config.rate_limit(Some(RateLimit::new(1_000, Duration::from_millis(200)).unwrap())),
        4 => config.role(Role::Listener),
        _ => config
            .block_size(BlockSize::from_bits(2))
            .st_min(StMin::from_millis(10).unwrap()),
    }
}

#[derive(Clone, Debug)]
enum Op {
    Frame {
        id: usize,
        data: Vec<u8>,
    },
    Wait {
        ms: u64,
    },
    Send {
        who: usize,
        len: usize,
        target: Target,
    },
    /// Sends what is due; a lazy link confirms nothing.
    Transmit {
        confirm: bool,
    },
    Refuse {
        who: usize,
    },
    Take {
        who: usize,
    },
    Abort {
        who: usize,
    },
    LinkLost,
}

/// Data that is often a PDU, often of a transfer under way, and sometimes anything.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let prefix = prop_oneof![
        Just(vec![]),
        Just(vec![0x02]),
        Just(vec![0x30]),
        Just(vec![0x10]),
        Just(vec![0x22])
    ];
    let pdu = prop_oneof![
        Just(vec![0x02, 0x3E, 0x00]),
        Just(vec![0x10, 0x14, 1, 2, 3, 4, 5]),
        Just(vec![0x30, 0, 0]),
        Just(vec![0x30, 2, 5]),
        Just(vec![0x31, 0, 0]),
        Just(vec![0x32, 0, 0]),
        (0..4u8).prop_map(|sn| vec![0x20 | sn, 1, 2, 3, 4, 5, 6]),
        proptest::collection::vec(any::<u8>(), 0..7),
    ];
    (prefix, pdu).prop_map(|(prefix, pdu)| {
        let mut data = [prefix, pdu].concat();
        data.resize(8, 0xCC);
        data
    })
}

fn op() -> impl Strategy<Value = Op> {
    let who = 0..addresses().len();
    prop_oneof![
        8 => (0..identifiers().len(), data()).prop_map(|(id, data)| Op::Frame { id, data }),
        2 => (0..1200u64).prop_map(|ms| Op::Wait { ms }),
        3 => (who.clone(), 0..60usize, prop_oneof![Just(Target::Physical), Just(Target::Functional)])
            .prop_map(|(who, len, target)| Op::Send { who, len, target }),
        4 => any::<bool>().prop_map(|confirm| Op::Transmit { confirm }),
        1 => who.clone().prop_map(|who| Op::Refuse { who }),
        2 => who.clone().prop_map(|who| Op::Take { who }),
        1 => who.prop_map(|who| Op::Abort { who }),
        1 => Just(Op::LinkLost),
    ]
}

/// All that an endpoint lets its user see, in order.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Event(Event),
    Frame(CanFrame),
    Sent(Option<TransferId>),
    Taken(Option<(Target, Bytes)>),
}

/// One of the two sides that are compared: each endpoint by its number, and what was seen of it.
#[derive(Default)]
struct Record(BTreeMap<usize, Vec<Seen>>);

impl Record {
    fn see(&mut self, who: usize, seen: Seen) {
        self.0.entry(who).or_default().push(seen);
    }
}

struct Shared {
    endpoints: Endpoints,
    ids: Vec<EndpointId>,
    record: Record,
}

impl Shared {
    fn who(&self, id: EndpointId) -> usize {
        self.ids.iter().position(|other| *other == id).unwrap()
    }

    fn drain(&mut self) {
        while let Some((id, event)) = self.endpoints.poll_event() {
            self.record.see(self.who(id), Seen::Event(event));
        }
    }

    fn transmit(&mut self, now: Instant, confirm: bool) {
        while let Some((id, frame)) = self.endpoints.poll_transmit(now) {
            if confirm {
                self.endpoints.handle_transmitted(now, id, &frame);
            }
            self.record.see(self.who(id), Seen::Frame(frame));
            self.drain();
        }
    }
}

struct Alone {
    channels: Vec<BytesChannel>,
    record: Record,
}

impl Alone {
    fn drain(&mut self) {
        for (who, channel) in self.channels.iter_mut().enumerate() {
            while let Some(event) = channel.poll_event() {
                self.record.see(who, Seen::Event(event));
            }
        }
    }

    fn transmit(&mut self, now: Instant, confirm: bool) {
        for (who, channel) in self.channels.iter_mut().enumerate() {
            while let Some(frame) = channel.poll_transmit(now) {
                if confirm {
                    channel.handle_transmitted(now, &frame);
                }
                self.record.see(who, Seen::Frame(frame));
                while let Some(event) = channel.poll_event() {
                    self.record.see(who, Seen::Event(event));
                }
            }
        }
    }

    fn earliest(&self) -> Option<Instant> {
        self.channels.iter().filter_map(BytesChannel::poll_timeout).min()
    }
}

fn message(len: usize) -> Bytes {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

fn send<T: Payload + From<Bytes>>(
    channel: &mut Channel<T, BytesMut>,
    now: Instant,
    len: usize,
    target: Target,
) -> Seen {
    let sent = match target {
        Target::Physical => channel.send(now, message(len).into()),
        Target::Functional => channel.send_functional(now, message(len).into()),
    };
    Seen::Sent(sent.ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever arrives for one endpoint, malformed or not, is as if the others were not there.
    #[test]
    fn every_endpoint_behaves_as_it_would_alone(ops in proptest::collection::vec(op(), 1..120)) {
        let mut endpoints = Endpoints::new();
        let configured = addresses().into_iter().enumerate();
        let ids = configured.map(|(n, address)| endpoints.insert(address, config(n)).unwrap()).collect();
        let mut shared = Shared { endpoints, ids, record: Record::default() };
        let configured = addresses().into_iter().enumerate();
        let channels = configured.map(|(n, address)| BytesChannel::new(address, config(n))).collect();
        let mut alone = Alone { channels, record: Record::default() };
        let identifiers = identifiers();
        let mut now = Instant::ZERO;
        for op in ops {
            match op {
                Op::Frame { id, data } => {
                    let frame = CanFrame::data(identifiers[id], &data).unwrap();
                    shared.endpoints.handle_frame(now, &frame);
                    alone.channels.iter_mut().for_each(|channel| channel.handle_frame(now, &frame));
                }
                Op::Wait { ms } => {
                    // From one deadline to the next, as a caller with a clock does.
                    let until = now + Duration::from_millis(ms);
                    while let Some(due) = alone.earliest().filter(|due| *due <= until) {
                        prop_assert_eq!(shared.endpoints.poll_timeout(), Some(due));
                        now = now.max(due);
                        shared.endpoints.handle_timeout(now);
                        alone.channels.iter_mut().for_each(|channel| channel.handle_timeout(now));
                        shared.drain();
                        alone.drain();
                        shared.transmit(now, true);
                        alone.transmit(now, true);
                    }
                    now = until;
                }
                Op::Send { who, len, target } => {
                    let mut channel = shared.endpoints.get_mut(shared.ids[who]).unwrap();
                    let seen = send(&mut *channel, now, len, target);
                    drop(channel);
                    shared.record.see(who, seen);
                    let seen = send(&mut alone.channels[who], now, len, target);
                    alone.record.see(who, seen);
                }
                Op::Transmit { confirm } => {
                    shared.transmit(now, confirm);
                    alone.transmit(now, confirm);
                }
                Op::Refuse { who } => {
                    let channel = &mut alone.channels[who];
                    if let Some(frame) = channel.poll_transmit(now) {
                        channel.handle_not_transmitted(now, &frame);
                        // Turns up to this endpoint's, and that one is refused.
                        while let Some((id, theirs)) = shared.endpoints.poll_transmit(now) {
                            let other = shared.who(id);
                            if other == who {
                                prop_assert_eq!(&theirs, &frame);
                                shared.endpoints.handle_not_transmitted(now, id, &theirs);
                                break;
                            }
                            shared.endpoints.handle_transmitted(now, id, &theirs);
                            shared.record.see(other, Seen::Frame(theirs.clone()));
                            let channel = &mut alone.channels[other];
                            prop_assert_eq!(channel.poll_transmit(now), Some(theirs.clone()));
                            channel.handle_transmitted(now, &theirs);
                            alone.record.see(other, Seen::Frame(theirs));
                            shared.drain();
                            alone.drain();
                        }
                    }
                }
                Op::Take { who } => {
                    let taken = shared.endpoints.get_mut(shared.ids[who]).unwrap().take_received(now);
                    shared.record.see(who, Seen::Taken(taken));
                    let taken = alone.channels[who].take_received(now);
                    alone.record.see(who, Seen::Taken(taken));
                }
                Op::Abort { who } => {
                    let mut channel = shared.endpoints.get_mut(shared.ids[who]).unwrap();
                    channel.abort_send();
                    channel.abort_receive();
                    drop(channel);
                    alone.channels[who].abort_send();
                    alone.channels[who].abort_receive();
                }
                Op::LinkLost => {
                    shared.endpoints.handle_link_lost();
                    alone.channels.iter_mut().for_each(BytesChannel::handle_link_lost);
                }
            }
            shared.drain();
            alone.drain();
            prop_assert_eq!(&shared.record.0, &alone.record.0);
            prop_assert_eq!(shared.endpoints.poll_timeout(), alone.earliest());
        }
        for (id, channel) in shared.ids.iter().zip(&alone.channels) {
            let mut stats = *channel.stats();
            // Alone, a channel sees the frames of all others go by.
            stats.frames_foreign = 0;
            prop_assert_eq!(shared.endpoints.get(*id).unwrap().stats(), &stats);
        }
    }

    /// Endpoints come and go; whoever is there receives its frames, and nobody else's.
    #[test]
    fn only_those_that_are_there_receive(
        steps in proptest::collection::vec((0..10usize, any::<bool>()), 1..30),
    ) {
        let mut endpoints = Endpoints::new();
        let mut there: BTreeMap<usize, EndpointId> = BTreeMap::new();
        let addresses = addresses();
        for (who, insert) in steps {
            if insert {
                let result = endpoints.insert(addresses[who], Config::default());
                prop_assert_eq!(result.is_err(), there.contains_key(&who));
                if let Ok(id) = result {
                    there.insert(who, id);
                }
            } else if let Some(id) = there.remove(&who) {
                prop_assert!(endpoints.remove(id));
            }
            for id in identifiers() {
                for first in [0x02, 0x30, 0x10, 0x22] {
                    let frame = CanFrame::data(id, &[first, 1, 0xCC, 0xCC]).unwrap();
                    let count = |endpoints: &Endpoints, id: &EndpointId| {
                        endpoints.get(*id).unwrap().stats().frames_received
                    };
                    let before: Vec<_> = there.values().map(|id| count(&endpoints, id)).collect();
                    endpoints.handle_frame(Instant::ZERO, &frame);
                    for ((who, id), before) in there.iter().zip(before) {
                        let receives = addresses[*who].rx().matches(&frame).is_some();
                        prop_assert_eq!(count(&endpoints, id), before + u64::from(receives));
                    }
                }
            }
            while let Some((id, _)) = endpoints.poll_event() {
                let _ = endpoints.get_mut(id).unwrap().take_received(Instant::ZERO);
            }
        }
    }
}
