//! Whatever it is asked, the controller answers in the standard's form or not at all.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic like tests"
)]

use core::time::Duration;

use isotp::Target;
use proptest::prelude::*;
use tinwire_sim::ecu::{
    Ecu, EcuConfig, Level, MAX_RESPONSE_LEN, MAX_RESPONSES, MEMORY_LEN, ResponseCode, key,
};
use tinwire_time::Instant;

#[derive(Clone, Debug)]
enum Step {
    Ask(Vec<u8>, Target),
    /// Session, seed and key, which chance would never find.
    Unlock(Level),
    Wait(Duration),
    /// Nobody takes responses for a while.
    Flood(Vec<u8>),
}

/// Bytes that mean something in some place.
const LIKELY: [u8; 13] = [
    0x00, 0x01, 0x02, 0x03, 0x0A, 0x10, 0x11, 0x12, 0x44, 0x81, 0xF1, 0x90, 0xFF,
];

fn request() -> impl Strategy<Value = Vec<u8>> {
    let service = prop_oneof![
        Just(0x10),
        Just(0x11),
        Just(0x14),
        Just(0x19),
        Just(0x22),
        Just(0x27),
        Just(0x2E),
        Just(0x31),
        Just(0x34),
        Just(0x36),
        Just(0x37),
        Just(0x3E),
    ];
    let rest = prop::collection::vec(
        prop_oneof![4 => prop::sample::select(&LIKELY[..]), 1 => any::<u8>()],
        0..14,
    );
    let download = (0_u32..0x1_0100, 0_u32..0x1_0100).prop_map(|(at, len)| {
        let place = [(0x0010_0000 + at).to_be_bytes(), len.to_be_bytes()].concat();
        [&[0x34, 0x00, 0x44][..], &place].concat()
    });
    prop_oneof![
        6 => (service, rest).prop_map(|(service, rest)| [&[service], rest.as_slice()].concat()),
        2 => prop::collection::vec(any::<u8>(), 0..40),
        1 => download,
        1 => Just(vec![0x31, 0x01, 0xFF, 0x00]),
        1 => (any::<u8>(), 0_usize..1100).prop_map(|(n, len)| [&[0x36, n % 4][..], &vec![n; len]].concat()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let target = prop_oneof![3 => Just(Target::Physical), 1 => Just(Target::Functional)];
    let level = prop_oneof![Just(Level::Diagnostic), Just(Level::Programming)];
    prop_oneof![
        8 => (request(), target).prop_map(|(request, target)| Step::Ask(request, target)),
        1 => level.prop_map(Step::Unlock),
        1 => (0_u64..6_000_000).prop_map(|micros| Step::Wait(Duration::from_micros(micros))),
        1 => request().prop_map(Step::Flood),
    ]
}

/// The one service that takes its time, so its response may come after later requests.
const SLOW: u8 = 0x31;

struct Story {
    ecu: Ecu,
    now: Instant,
}

impl Story {
    fn ask(&mut self, request: &[u8], target: Target) -> Vec<Vec<u8>> {
        self.ecu.handle_request(self.now, request, target);
        self.take(request, target)
    }

    /// What is said about a request, or after all about the slow one before it.
    fn take(&mut self, request: &[u8], target: Target) -> Vec<Vec<u8>> {
        let mut answers: Vec<Vec<u8>> = Vec::new();
        while let Some(answer) = self.ecu.poll_transmit() {
            let service = request.first().copied();
            let is_mine = service.is_some_and(|service| is_response_to(service, &answer));
            let is_late = is_response_to(SLOW, &answer);
            assert!(is_mine || is_late, "{answer:02x?} to {request:02x?}");
            assert!(answer.len() <= MAX_RESPONSE_LEN);
            let code = negative(&answer);
            if let Some(code) = code.filter(|_| target == Target::Functional && !is_late) {
                assert!(!code.is_silent_when_functional(), "{answer:02x?} to all");
            }
            answers.push(answer);
        }
        self.ecu.handle_transmitted(self.now);
        answers
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.ecu.poll_timeout().filter(|&due| due <= end) {
            self.now = due.max(self.now);
            self.ecu.handle_timeout(self.now);
            let next = self.ecu.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a timeout that stays");
            self.take(&[], Target::Physical);
        }
        self.now = end;
    }
}

fn negative(answer: &[u8]) -> Option<ResponseCode> {
    match answer {
        [0x7F, _, code] => Some(ResponseCode::from_bits(*code).unwrap()),
        _ => None,
    }
}

fn is_response_to(service: u8, answer: &[u8]) -> bool {
    match answer {
        [0x7F, of, code] => *of == service && ResponseCode::from_bits(*code).is_some(),
        [first, ..] => *first == service | 0x40,
        [] => false,
    }
}

proptest! {
    #[test]
    fn any_requests_have_well_formed_responses_or_none(
        steps in prop::collection::vec(step(), 1..60), seed in any::<u64>()
    ) {
        let ecu = Ecu::new(EcuConfig::seeded(seed).boot_time(Duration::from_millis(100)));
        let mut story = Story { ecu, now: Instant::ZERO };
        for step in steps {
            match step {
                Step::Ask(request, target) => {
                    let answers = story.ask(&request, target);
                    prop_assert!(answers.len() <= 2, "a late one and its own: {answers:02x?}");
                }
                Step::Unlock(level) => {
                    story.ask(&[0x10, level.session().to_bits()], Target::Physical);
                    let answers = story.ask(&[0x27, level.to_bits()], Target::Physical);
                    if let Some([0x67, _, seed @ ..]) = answers.first().map(Vec::as_slice) {
                        let key = key(level, seed.try_into().unwrap());
                        let request = [&[0x27, level.to_bits() + 1], &key[..]].concat();
                        story.ask(&request, Target::Physical);
                        prop_assert_eq!(story.ecu.unlocked(), Some(level));
                    }
                }
                Step::Wait(time) => story.wait(time),
                Step::Flood(request) => {
                    for _ in 0..2 * MAX_RESPONSES {
                        story.ecu.handle_request(story.now, &request, Target::Physical);
                    }
                    let mut waiting = 0;
                    while story.ecu.poll_transmit().is_some() {
                        waiting += 1;
                    }
                    prop_assert!(waiting <= MAX_RESPONSES);
                }
            }
            prop_assert_eq!(story.ecu.memory().len(), MEMORY_LEN);
        }
    }

    #[test]
    fn the_same_requests_have_the_same_responses(steps in prop::collection::vec(request(), 1..40)) {
        let run = || {
            let mut story = Story { ecu: Ecu::default(), now: Instant::ZERO };
            let answers = steps.iter().map(|request| story.ask(request, Target::Physical));
            answers.collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }
}
