//! Any sequence of frames, times and calls against many endpoints on one bus.
//!
//! Beside each endpoint lives a channel of the same address that is alone and is told the same. What the
//! endpoint says and sends must be what that one does: no neighbour, group or rule of dispatch may disturb
//! it.

use std::collections::BTreeMap;

use bytes::Bytes;
use can_link::{CanFrame, StandardId};
use isotp::endpoints::Endpoints;
use isotp::{Address, EndpointId, Event, GroupId, Responders, SourceChannel, Target, TxAddress};
use testkit::fuzz::Input;
use tinwire_time::Instant;

use crate::choice::{self, frame};

/// The most endpoints at a time.
const LIMIT: usize = 12;
/// Years away, and long before the clock overflows.
const END_OF_TIME: Instant = Instant::from_millis(1 << 40);

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut bus = Bus {
        endpoints: Endpoints::with_limit(LIMIT),
        alone: BTreeMap::new(),
        groups: Vec::new(),
        handed_out: Vec::new(),
        now: Instant::ZERO,
        next: 1,
    };
    while !input.is_empty() {
        bus.act(&mut input);
        bus.check();
    }
}

struct Bus {
    endpoints: Endpoints,
    /// The like of each endpoint that is in no group.
    alone: BTreeMap<EndpointId, SourceChannel>,
    groups: Vec<GroupId>,
    /// Frames that were neither confirmed nor refused.
    handed_out: Vec<(EndpointId, CanFrame)>,
    now: Instant,
    /// The consecutive frame that would be right.
    next: u8,
}

impl Bus {
    fn act(&mut self, input: &mut Input<'_>) {
        match input.byte() % 12 {
            0 => self.insert(input),
            1 => self.group(input),
            2 => {
                if let Some(id) = self.choose(input) {
                    assert!(self.endpoints.remove(id));
                    self.alone.remove(&id);
                }
            }
            3..=5 => self.hear(input),
            6 => self.send(input),
            7 => (0..=input.byte() % 32).for_each(|_| self.transmit(input)),
            8 => self.conclude(input),
            9 => self.wait(input),
            10 => self.take(input),
            _ => self.abort(input),
        }
    }

    fn choose(&self, input: &mut Input<'_>) -> Option<EndpointId> {
        let at = usize::from(input.byte()) % self.alone.len().max(1);
        self.alone.keys().nth(at).copied()
    }

    /// An address near to others: the same identifiers with other bytes, or the same once more.
    fn address(input: &mut Input<'_>) -> Address {
        let id = |raw| StandardId::new(0x7E0 + raw).unwrap();
        let (tx, rx) = (u16::from(input.byte() % 4), 8 + u16::from(input.byte() % 4));
        match input.byte() % 3 {
            0 => Address::normal(id(tx), id(rx)).unwrap(),
            1 => Address::extended(id(tx), id(rx), input.byte() % 4, input.byte() % 4).unwrap(),
            _ => choice::address(input),
        }
    }

    fn insert(&mut self, input: &mut Input<'_>) {
        let (address, (config, _)) = (Self::address(input), choice::config(input));
        match self.endpoints.insert(address, config) {
            Ok(id) => {
                let before = self.alone.insert(id, SourceChannel::new(address, config));
                assert!(before.is_none(), "an endpoint with the name of another");
            }
            Err(error) => assert_ne!(error.to_string(), ""),
        }
    }

    fn group(&mut self, input: &mut Input<'_>) {
        if input.flag()
            && let Some(group) = self.groups.pop()
        {
            assert!(self.endpoints.remove_group(group));
            return;
        }
        let (config, _) = choice::config(input);
        let responders = match input.byte() % 3 {
            0 => Responders::legislated(),
            1 => Responders::normal_fixed(0x22),
            _ => Responders::legislated().limit(1),
        };
        let sender = TxAddress::normal(StandardId::new(0x7DF).unwrap());
        if let Ok(group) = self.endpoints.insert_group(sender, responders, config) {
            self.groups.push(group);
        }
    }

    fn hear(&mut self, input: &mut Input<'_>) {
        let (address, link) = (Self::address(input), choice::data_link(input));
        let pdu = choice::pdu(input, self.next, &link);
        match pdu.first().map(|first| first >> 4) {
            Some(1) => self.next = 1,
            Some(2) => self.next = self.next.wrapping_add(1),
            _ => {}
        }
        let mut data: Vec<u8> = address.tx().address_byte().into_iter().collect();
        data.extend(pdu);
        data.truncate(64);
        let target = input.pick(&[Target::Physical, Target::Physical, Target::Functional]);
        let frame = frame(address.tx().id(target), &data, input.flag());
        self.endpoints.handle_frame(self.now, &frame);
        for channel in self.alone.values_mut() {
            channel.handle_frame(self.now, &frame);
        }
    }

    fn send(&mut self, input: &mut Input<'_>) {
        let Some(id) = self.choose(input) else { return };
        let payload = Bytes::from(vec![7; usize::from(input.word()) % 300]);
        let is_functional = input.byte().is_multiple_of(4);
        let mut endpoint = self.endpoints.get_mut(id).unwrap();
        let alone = self.alone.get_mut(&id).unwrap();
        if is_functional {
            let expected = alone.send_functional(self.now, payload.clone().into());
            assert_eq!(endpoint.send_functional(self.now, payload), expected);
        } else {
            let expected = alone.send(self.now, payload.clone().into());
            assert_eq!(endpoint.send(self.now, payload), expected);
        }
    }

    fn transmit(&mut self, input: &mut Input<'_>) {
        let turn = self.endpoints.poll_transmit(self.now);
        for (id, alone) in &mut self.alone {
            let timeout = self.endpoints.get(*id).unwrap().poll_timeout();
            match &turn {
                Some((whose, frame)) if whose == id => {
                    assert_eq!(alone.poll_transmit(self.now).as_ref(), Some(frame));
                }
                // It was asked too, and its rate limit told when to ask again.
                Some(_) if alone.poll_timeout() == timeout => {}
                _ => assert_eq!(alone.poll_transmit(self.now), None, "{id:?} was passed over"),
            }
        }
        let Some((id, frame)) = turn else { return };
        match input.byte() % 4 {
            0 => self.handed_out.push((id, frame)),
            1 => self.refuse(id, &frame),
            _ => self.confirm(id, &frame),
        }
        self.handed_out.truncate(100);
    }

    fn confirm(&mut self, id: EndpointId, frame: &CanFrame) {
        self.endpoints.handle_transmitted(self.now, id, frame);
        if let Some(alone) = self.alone.get_mut(&id) {
            alone.handle_transmitted(self.now, frame);
        }
    }

    fn refuse(&mut self, id: EndpointId, frame: &CanFrame) {
        self.endpoints.handle_not_transmitted(self.now, id, frame);
        if let Some(alone) = self.alone.get_mut(&id) {
            alone.handle_not_transmitted(self.now, frame);
        }
    }

    fn conclude(&mut self, input: &mut Input<'_>) {
        if let Some((id, frame)) = self.handed_out.pop() {
            if input.flag() {
                self.confirm(id, &frame);
            } else {
                self.refuse(id, &frame);
            }
        }
    }

    fn wait(&mut self, input: &mut Input<'_>) {
        let time = match self.endpoints.poll_timeout() {
            Some(due) if input.flag() => due.saturating_since(self.now),
            _ => choice::duration(input),
        };
        if self.now + time > END_OF_TIME {
            return;
        }
        self.now += time;
        self.endpoints.handle_timeout(self.now);
        for channel in self.alone.values_mut() {
            channel.handle_timeout(self.now);
        }
        let late = self.endpoints.poll_timeout().filter(|&due| due <= self.now);
        assert_eq!(late, None, "a timer that is due still runs");
    }

    fn take(&mut self, input: &mut Input<'_>) {
        let Some(id) = self.choose(input) else { return };
        let taken = self.endpoints.get_mut(id).unwrap().take_received(self.now);
        assert_eq!(taken, self.alone.get_mut(&id).unwrap().take_received(self.now));
    }

    fn abort(&mut self, input: &mut Input<'_>) {
        let kind = input.byte();
        if kind == 0 {
            self.endpoints.handle_link_lost();
            self.alone.values_mut().for_each(SourceChannel::handle_link_lost);
        }
        let Some(id) = self.choose(input) else { return };
        let mut endpoint = self.endpoints.get_mut(id).unwrap();
        for channel in [&mut *endpoint, self.alone.get_mut(&id).unwrap()] {
            match kind % 3 {
                1 => _ = channel.abort_send(),
                2 => channel.abort_receive(),
                _ => {}
            }
        }
    }

    /// Each endpoint is in the state of its like, and has said the same.
    fn check(&mut self) {
        let mut said: BTreeMap<EndpointId, Vec<Event>> = BTreeMap::new();
        while let Some((id, event)) = self.endpoints.poll_event() {
            said.entry(id).or_default().push(event);
        }
        while self.endpoints.poll_group_event().is_some() {}
        for (id, alone) in &mut self.alone {
            let expected: Vec<_> = core::iter::from_fn(|| alone.poll_event()).collect();
            assert_eq!(said.remove(id).unwrap_or_default(), expected, "{id:?}");
            assert_eq!(
                format!("{:?}", self.endpoints.get(*id)),
                format!("{:?}", Some(&*alone))
            );
        }
        let due = self
            .endpoints
            .iter()
            .filter_map(|(_, channel)| channel.poll_timeout())
            .min();
        assert_eq!(self.endpoints.poll_timeout(), due);
        assert!(self.endpoints.len() <= LIMIT);
        assert!(self.endpoints.len() >= self.alone.len() + self.groups.len());
        for group in &self.groups {
            let group = self.endpoints.group(*group).expect("nobody removed it");
            assert!(group.members().len() <= group.responders().max());
        }
    }
}
