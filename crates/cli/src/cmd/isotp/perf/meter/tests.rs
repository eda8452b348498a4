use can_link::candump::{Message, Reading, parse_frame};

use super::*;
use crate::units;

fn pair() -> Pair {
    Pair {
        source: (units::can_id("7E0").unwrap(), None),
        destination: (units::can_id("7E8").unwrap(), None),
    }
}

fn frame(text: &str) -> CanFrame {
    match parse_frame(text, Reading::Strict) {
        Ok(Message::Frame(frame)) => frame,
        other => panic!("{text}: {other:?}"),
    }
}

/// What each frame, that ends at this microsecond, shows.
fn heard(meter: &mut Meter, frames: &[(u64, &str)]) -> Vec<Shown> {
    let hear = |&(micros, text): &(u64, &str)| meter.handle_frame(Instant::from_micros(micros), &frame(text));
    frames.iter().map(hear).collect()
}

const TALK: [(u64, &str); 6] = [
    (1_000, "7E0#1016010203040506"),
    (1_500, "7E8#300205"),
    (2_000, "7E0#210708090A0B0C0D"),
    (7_500, "7E0#220E0F1011121314"),
    (8_000, "7E8#300205"),
    (9_000, "7E0#231516"),
];

#[test]
fn a_message_is_measured_from_its_first_frame_to_its_last() {
    let shown = heard(&mut Meter::new(pair(), None), &TALK);
    let measured = shown[5].measured.as_ref().unwrap();
    assert_eq!((measured.len, measured.frames), (22, 6));
    assert_eq!(measured.took, Duration::from_millis(8));
    assert_eq!((measured.block_size, measured.st_min_bits), (2, 5));
    assert_eq!(measured.frames_take, None, "no bit rate");
    let progress: Vec<_> = shown.iter().filter_map(|shown| shown.progress).collect();
    assert_eq!(
        progress,
        [(6, 22), (6, 22), (13, 22), (20, 22), (20, 22), (22, 22)]
    );
}

#[test]
fn gaps_are_those_within_a_block() {
    let shown = heard(&mut Meter::new(pair(), None), &TALK);
    let gaps: Vec<_> = shown.iter().filter_map(|shown| shown.gap).collect();
    let asked = StMin::from_millis(5).unwrap();
    let kept = Duration::from_micros(5_500);
    assert_eq!(gaps, [Gap { asked, kept }], "none across the flow control");
}

/// 8 bytes of an 11-bit frame are 111 bits and stuff bits: at 500 kbit/s 222 µs and more.
#[test]
fn with_a_bit_rate_a_frames_own_time_is_no_gap() {
    let rate = BitRate::new(500_000).unwrap();
    let shown = heard(&mut Meter::new(pair(), Some(rate)), &TALK);
    let own = frame_duration(&frame("7E0#220E0F1011121314"), rate);
    assert!(own > Duration::from_micros(220), "{own:?}");
    assert_eq!(shown[3].gap.unwrap().kept, Duration::from_micros(5_500) - own);
    let measured = shown[5].measured.as_ref().unwrap();
    let all: Duration = TALK
        .iter()
        .map(|(_, text)| frame_duration(&frame(text), rate))
        .sum();
    assert_eq!(measured.frames_take, Some(all));
    assert_eq!(measured.must_take, Some(all + Duration::from_millis(5)));
    let first = frame_duration(&frame(TALK[0].1), rate);
    assert_eq!(
        measured.took.as_micros(),
        (Duration::from_millis(8) + first).as_micros()
    );
    assert_eq!(measured.between, Duration::from_millis(8));
}

#[test]
fn what_breaks_off_is_a_failure_once() {
    let mut meter = Meter::new(pair(), None);
    let shown = heard(
        &mut meter,
        &[
            (0, "7E0#1016010203040506"),
            (1, "7E0#1016010203040506"),
            (2, "7E0#2207080910111213"),
            (3, "7E0#2307080910111213"),
        ],
    );
    let failed: Vec<_> = shown.iter().map(|shown| shown.failed).collect();
    assert_eq!(
        failed,
        [false, true, true, false],
        "interrupted; out of order; nothing to break off"
    );
    heard(&mut meter, &[(4, "7E0#1016010203040506")]);
    assert!(!meter.expire(Instant::from_millis(900)));
    assert!(meter.expire(Instant::from_millis(1_100)) && !meter.is_measuring());
}

#[test]
fn frames_of_others_and_of_another_address_byte_are_passed_over() {
    let pair = Pair {
        source: (units::can_id("7E0").unwrap(), Some(0x11)),
        destination: (units::can_id("7E8").unwrap(), Some(0x22)),
    };
    let shown = heard(
        &mut Meter::new(pair, None),
        &[
            (0, "7E0#12023E00"),
            (1, "123#023E00"),
            (2, "7E0#11023E00"),
            (3, "7E8#2203300000"),
        ],
    );
    let seen: Vec<_> = shown.iter().map(|shown| shown.measured.is_some()).collect();
    assert_eq!(seen, [false, false, true, false]);
}
