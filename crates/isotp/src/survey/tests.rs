use std::vec::Vec;

use can_link::{CanFrame, ExtendedId, StandardId};
use proptest::prelude::*;

use super::*;
use crate::address::Address;
use crate::channel::BytesChannel;
use crate::config::Config;
use crate::stmin::BlockSize;

fn standard(raw: u16) -> Id {
    StandardId::new(raw).unwrap().into()
}

fn extended(raw: u32) -> Id {
    ExtendedId::new(raw).unwrap().into()
}

/// A bus on which frames take a millisecond each, and a survey hears them all.
#[derive(Default)]
struct Bus {
    survey: Survey,
    millis: u64,
}

impl Bus {
    fn hear(&mut self, frame: &CanFrame) -> Instant {
        self.millis += 1;
        let now = Instant::from_millis(self.millis);
        self.survey.handle_frame(now, frame);
        now
    }

    fn say(&mut self, id: Id, data: &[u8]) {
        self.hear(&CanFrame::data(id, data).unwrap());
    }

    /// Two nodes talk until nothing is left to say. Frames of several conversations take turns.
    fn converse(&mut self, talks: &mut [Talk]) {
        loop {
            let mut is_quiet = true;
            for talk in &mut *talks {
                is_quiet &= !talk.step(self);
            }
            if is_quiet {
                return;
            }
        }
    }
}

struct Talk {
    nodes: [BytesChannel; 2],
}

impl Talk {
    fn new(tester: Address, ecu: Address, config: Config) -> Self {
        Self {
            nodes: [tester, ecu].map(|address| BytesChannel::new(address, config)),
        }
    }

    fn between(tester: Id, ecu: Id) -> Self {
        let address = Address::normal(tester, ecu).unwrap();
        Self::new(address, address.reversed(), Config::default())
    }

    fn send(&mut self, bus: &Bus, node: usize, message: &[u8]) {
        let now = Instant::from_millis(bus.millis);
        self.nodes[node].send(now, message.to_vec().into()).unwrap();
    }

    /// Sends one frame, if there is one to send.
    fn step(&mut self, bus: &mut Bus) -> bool {
        for sender in 0..2 {
            let now = Instant::from_millis(bus.millis);
            if let Some(frame) = self.nodes[sender].poll_transmit(now) {
                let now = bus.hear(&frame);
                self.nodes[sender].handle_transmitted(now, &frame);
                self.nodes[1 - sender].handle_frame(now, &frame);
                let _ = self.nodes[1 - sender].take_received(now);
                return true;
            }
        }
        false
    }
}

fn only(findings: &[Finding]) -> &Finding {
    assert_eq!(findings.len(), 1, "{findings:#?}");
    &findings[0]
}

fn ids(findings: &[Finding]) -> Vec<(Id, Id)> {
    findings
        .iter()
        .map(|finding| (finding.source.id, finding.destination.id))
        .collect()
}

#[test]
fn one_message_of_several_frames_gives_a_pair_away() {
    let (mut bus, mut talk) = (Bus::default(), Talk::between(standard(0x601), standard(0x123)));
    talk.send(&bus, 0, &[0x55; 40]);
    bus.converse(&mut [talk]);
    let findings = bus.survey.findings();
    let finding = only(&findings);
    assert_eq!(finding.confidence, Confidence::Certain);
    assert_eq!(finding.mode, Mode::Normal11);
    let Evidence {
        messages,
        bytes,
        handshakes,
        contradictions,
        ..
    } = finding.evidence;
    assert_eq!((messages, bytes, handshakes, contradictions), (1, 40, 1, 0));
}

#[test]
fn who_asks_is_the_source() {
    let (mut bus, mut talk) = (Bus::default(), Talk::between(standard(0x6F1), standard(0x101)));
    talk.send(&bus, 0, &[0x22, 0xF1, 0x90]);
    let mut talks = [talk];
    bus.converse(&mut talks);
    talks[0].send(&bus, 1, &[0x62; 20]);
    bus.converse(&mut talks);
    let findings = bus.survey.findings();
    let finding = only(&findings);
    assert_eq!(
        (finding.source.id, finding.destination.id),
        (standard(0x6F1), standard(0x101))
    );
    assert_eq!(finding.evidence.answers, 1);
    assert_eq!(
        finding.address(),
        Address::normal(standard(0x6F1), standard(0x101))
    );
}

#[test]
fn conversations_at_the_same_time_are_told_apart() {
    let mut bus = Bus::default();
    let pairs = [(0x7E0, 0x7E8), (0x7E1, 0x7E9), (0x100, 0x500), (0x101, 0x400)];
    let mut talks = pairs.map(|(tester, ecu)| Talk::between(standard(tester), standard(ecu)));
    for round in 0..4 {
        for (at, talk) in talks.iter_mut().enumerate() {
            talk.send(&bus, (at + round) % 2, &[0x40; 100]);
        }
        bus.converse(&mut talks);
    }
    let findings = bus.survey.findings();
    let mut found = ids(&findings);
    found
        .iter_mut()
        .for_each(|pair| *pair = (pair.0.min(pair.1), pair.0.max(pair.1)));
    found.sort();
    let mut expected = pairs.map(|(one, other)| (standard(one.min(other)), standard(one.max(other))));
    expected.sort();
    assert_eq!(found, expected, "{findings:#?}");
    assert!(findings.iter().all(|finding| finding.evidence.messages >= 1));
}

#[test]
fn blocks_are_followed() {
    let address = Address::normal(standard(0x7E0), standard(0x7E8)).unwrap();
    let config = Config::default().block_size(BlockSize::from_bits(3));
    let (mut bus, mut talk) = (Bus::default(), Talk::new(address, address.reversed(), config));
    talk.send(&bus, 0, &[1; 300]);
    bus.converse(&mut [talk]);
    let findings = bus.survey.findings();
    let finding = only(&findings);
    assert_eq!(
        (finding.evidence.handshakes, finding.evidence.contradictions),
        (14, 0)
    );
    assert_eq!(finding.evidence.messages, 1);
}

#[test]
fn each_mode_of_addressing_is_recognised() {
    let eleven = |tester, ecu| (standard(tester), standard(ecu));
    let cases = [
        {
            let (tester, ecu) = eleven(0x6F1, 0x612);
            let address = Address::extended(tester, ecu, 0x12, 0xF1).unwrap();
            (address, address.reversed(), Mode::Extended)
        },
        {
            let ecu = StandardId::new(0x612).unwrap();
            let address = Address::mixed(StandardId::new(0x6F1).unwrap(), ecu, 0x55).unwrap();
            (address, address.reversed(), Mode::Mixed11)
        },
        {
            let (tester, ecu) = (extended(0x0123_4567), extended(0x0765_4321));
            let address = Address::normal(tester, ecu).unwrap();
            (address, address.reversed(), Mode::Normal29)
        },
        (
            Address::normal_fixed(0x10, 0xF1).unwrap(),
            Address::normal_fixed(0xF1, 0x10).unwrap(),
            Mode::NormalFixed,
        ),
        (
            Address::mixed_fixed(0x10, 0xF1, 0x20).unwrap(),
            Address::mixed_fixed(0xF1, 0x10, 0x20).unwrap(),
            Mode::Mixed29,
        ),
    ];
    for (tester, ecu, mode) in cases {
        let (mut bus, mut talks) = (Bus::default(), [Talk::new(tester, ecu, Config::default())]);
        for _ in 0..3 {
            talks[0].send(&bus, 0, &[0x22; 9]);
            talks[0].send(&bus, 1, &[0x62; 30]);
            bus.converse(&mut talks);
        }
        let findings = bus.survey.findings();
        let finding = only(&findings);
        assert_eq!(
            (finding.mode, finding.confidence),
            (mode, Confidence::Certain),
            "{finding:#?}"
        );
        assert_eq!(finding.source.address_byte, tester.tx().address_byte());
        assert_eq!(finding.source.id, tester.tx().id(crate::Target::Physical));
        assert!(!finding.is_functional);
    }
}

#[test]
fn single_frames_alone_are_a_guess_that_grows_with_what_they_answer() {
    let mut bus = Bus::default();
    bus.say(standard(0x700), &[0x02, 0x3E, 0x00]);
    bus.say(standard(0x701), &[0x02, 0x7E, 0x00]);
    assert_eq!(bus.survey.findings(), [], "once may be chance");
    bus.say(standard(0x700), &[0x02, 0x10, 0x03]);
    bus.say(standard(0x701), &[0x03, 0x7F, 0x10, 0x78]);
    assert_eq!(only(&bus.survey.findings()).confidence, Confidence::Possible);
    bus.say(standard(0x701), &[0x02, 0x50, 0x03]);
    assert_eq!(only(&bus.survey.findings()).confidence, Confidence::Likely);
}

#[test]
fn requests_to_all_are_functional() {
    let mut bus = Bus::default();
    for _ in 0..2 {
        bus.say(standard(0x7DF), &[0x02, 0x01, 0x00]);
        bus.say(standard(0x7E8), &[0x03, 0x41, 0x00, 0xFF]);
        bus.say(standard(0x7EA), &[0x03, 0x41, 0x00, 0x0F]);
    }
    let findings = bus.survey.findings();
    assert_eq!(
        ids(&findings),
        [
            (standard(0x7DF), standard(0x7E8)),
            (standard(0x7DF), standard(0x7EA))
        ]
    );
    assert!(findings.iter().all(|finding| finding.is_functional));
}

#[test]
fn a_survey_that_begins_in_the_middle_of_a_transfer_holds_nothing_against_it() {
    let (mut bus, mut talk) = (Bus::default(), Talk::between(standard(0x7E0), standard(0x7E8)));
    for sequence in [5, 6, 7] {
        bus.say(standard(0x7E0), &[0x20 | sequence, 1, 2, 3, 4, 5, 6, 7]);
    }
    talk.send(&bus, 0, &[1; 20]);
    bus.converse(&mut [talk]);
    assert_eq!(only(&bus.survey.findings()).evidence.contradictions, 0);
}

/// Signals as cars send them: counters, constants that look like requests and answers, slow values.
#[test]
fn signals_of_a_car_are_no_conversation() {
    let mut bus = Bus::default();
    for round in 0..3000u32 {
        let [_, _, high, low] = round.to_be_bytes();
        bus.say(standard(0x0C0), &[low, high, 0, 0, 0, 0, 0, 0]);
        bus.say(standard(0x0C1), &[0x10 | low & 0x0F, low, 1, 2, 3, 4, 5, 6]);
        bus.say(standard(0x0C2), &[0x30, 0, 0, 0, 0, 0, 0, low]);
        bus.say(standard(0x0C3), &[0x20 | low & 0x0F, 1, 2, 3, 4, 5, 6, 7]);
        bus.say(standard(0x0C4), &[0x02, low, high, 0, 0, 0, 0, 0]);
        bus.say(standard(0x0C5), &[0x02, low | 0x40, high, 0, 0, 0, 0, 0]);
        bus.say(extended(0x18FE_F100), &[0xFF, low, 0xFF, 0x21, 0x30, 0x10, 0, 0]);
    }
    assert_eq!(bus.survey.findings(), []);
}

#[test]
fn a_pair_is_found_among_other_traffic() {
    let (mut bus, mut talks) = (Bus::default(), [Talk::between(standard(0x7E0), standard(0x7E8))]);
    for round in 0..50u8 {
        talks[0].send(&bus, 0, &[0x22, 0xF1, round]);
        talks[0].send(&bus, 1, &[0x62; 60]);
        while talks[0].step(&mut bus) {
            bus.say(standard(0x100), &[round.wrapping_mul(37), round, 0x30, 0x21]);
            bus.say(standard(0x200), &[0x30, 0, 0]);
        }
    }
    assert_eq!(ids(&bus.survey.findings()), [(standard(0x7E0), standard(0x7E8))]);
}

#[test]
fn signals_that_count_in_their_first_byte_leave_room_for_a_conversation() {
    let mut bus = Bus::default();
    for count in 0..=255 {
        for id in 0x100..0x200 {
            bus.say(standard(id), &[count, 0xA5, 0x5A, 0, 0, 0, 0, 0]);
        }
    }
    let (tester, ecu) = (standard(0x7E0), standard(0x7E8));
    let mut talk = Talk::between(tester, ecu);
    talk.send(&bus, 1, &[0x62; 30]);
    bus.converse(&mut [talk]);
    assert_eq!(bus.survey.frames_unfollowed(), 0);
    assert_eq!(ids(&bus.survey.findings()), [(tester, ecu)]);
    // An address byte is still recognised.
    let address = Address::extended(
        StandardId::new(0x6F1).unwrap(),
        StandardId::new(0x612).unwrap(),
        0x12,
        0xF1,
    );
    let address = address.unwrap();
    let mut talk = Talk::new(address, address.reversed(), Config::default());
    talk.send(&bus, 1, &[0x62; 30]);
    bus.converse(&mut [talk]);
    assert_eq!(bus.survey.findings().len(), 2);
}

#[test]
fn a_sweep_over_address_bytes_does_not_hide_who_was_found() {
    let mut bus = Bus::default();
    let id = |raw| StandardId::new(raw).unwrap();
    let address = Address::extended(id(0x6F1), id(0x612), 0x12, 0xF1).unwrap();
    let mut talk = [Talk::new(address, address.reversed(), Config::default())];
    talk[0].send(&bus, 0, &[0x22, 0xF1, 0x90]);
    bus.converse(&mut talk);
    talk[0].send(&bus, 1, &[0x62; 30]);
    bus.converse(&mut talk);
    for byte in 0..=u8::MAX {
        bus.say(standard(0x6F1), &[byte, 0x02, 0x3E, 0x00]);
    }
    let findings = bus.survey.findings();
    assert_eq!(ids(&findings), [(standard(0x6F1), standard(0x612))]);
    assert_eq!(findings[0].mode, Mode::Extended);
}

#[test]
fn memory_is_bounded_and_what_finds_no_room_is_counted() {
    let mut bus = Bus::default();
    for raw in 0..20_000 {
        bus.say(extended(raw), &[0x02, 0x3E, 0x00]);
    }
    assert_eq!(bus.survey.talkers.len(), MAX_TALKERS);
    assert!(bus.survey.frames_unfollowed() > 0);
    assert_eq!(bus.survey.frames(), 20_000);
    for byte in 0..=u8::MAX {
        bus.say(extended(0), &[byte, 0x02, 0x3E, 0x00]);
    }
    assert_eq!(bus.survey.talkers.len(), MAX_TALKERS);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Few identifiers, many frames: the worst case, in which every coincidence gets its chance.
    #[test]
    fn chance_is_no_conversation(
        frames in proptest::collection::vec((0u16..12, any::<[u8; 8]>(), 0usize..=8), 3000)
    ) {
        let mut bus = Bus::default();
        for (raw, data, len) in frames {
            bus.say(standard(raw), &data[..len]);
        }
        prop_assert_eq!(bus.survey.findings(), []);
    }

    /// Bytes that look like ISO-TP, said by nobody in particular.
    #[test]
    fn anything_may_be_heard(
        frames in proptest::collection::vec(
            (
                0u16..4,
                prop_oneof![0u8..8, 0x10u8..0x12, 0x20u8..0x30, 0x30u8..0x34],
                any::<[u8; 7]>(),
                0u64..400,
            ),
            0..300,
        )
    ) {
        let mut bus = Bus::default();
        for (raw, pci, data, pause) in frames {
            bus.millis += pause;
            let mut bytes = [pci; 8];
            bytes[1..].copy_from_slice(&data);
            bus.say(standard(raw), &bytes);
        }
        for finding in bus.survey.findings() {
            prop_assert!(finding.address().is_ok());
        }
    }
}
