use std::vec;
use std::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;

const DNSTAP: &[u8] = b"protobuf:dnstap.Dnstap";

#[test]
fn ready_for_dnstap_is_these_42_bytes() {
    let ready = ControlFrame::build(ControlType::Ready, [DNSTAP], ControlLimit::Narrow).unwrap();
    assert_eq!(
        ready.as_bytes(),
        b"\0\0\0\0\0\0\0\x22\0\0\0\x04\0\0\0\x01\0\0\0\x16protobuf:dnstap.Dnstap"
    );
    assert_eq!(ready.as_bytes().len(), 42);
}

#[test]
fn stop_and_finish_are_twelve_bytes() {
    assert_eq!(ControlFrame::stop().as_bytes(), b"\0\0\0\0\0\0\0\x04\0\0\0\x03");
    assert_eq!(ControlFrame::finish().as_bytes(), b"\0\0\0\0\0\0\0\x04\0\0\0\x05");
}

#[test]
fn a_narrow_frame_holds_503_bytes_and_a_wide_one_512() {
    let build = |second: usize, limit| {
        let types = [vec![b'a'; 256], vec![b'b'; second]];
        ControlFrame::build(ControlType::Ready, types.iter().map(Vec::as_slice), limit)
    };
    // 4 (type) + 8 + 256 + 8 + second
    assert_eq!(
        build(227, ControlLimit::Narrow).unwrap().as_bytes().len(),
        8 + 503
    );
    assert_eq!(
        build(228, ControlLimit::Narrow),
        Err(BuildError::TooLong {
            control: ControlType::Ready,
            max: 503
        })
    );
    assert_eq!(build(236, ControlLimit::Wide).unwrap().as_bytes().len(), 8 + 512);
    assert!(build(237, ControlLimit::Wide).is_err());
}

#[test]
fn what_other_writers_drop_silently_is_refused() {
    let build = |control, types: &[&'static [u8]]| {
        ControlFrame::build(control, types.iter().copied(), ControlLimit::Narrow).unwrap_err()
    };
    assert_eq!(
        build(ControlType::Start, &[b"a", b"b"]),
        BuildError::TooManyContentTypes {
            control: ControlType::Start,
            max: 1
        }
    );
    assert_eq!(
        build(ControlType::Stop, &[b"a"]),
        BuildError::TooManyContentTypes {
            control: ControlType::Stop,
            max: 0
        }
    );
    assert_eq!(
        build(ControlType::Unknown(6), &[]),
        BuildError::UnknownType {
            control: ControlType::Unknown(6)
        }
    );
    assert_eq!(
        ControlFrame::start(Some(&[0; 257])),
        Err(BuildError::ContentTypeTooLong { len: 257 })
    );
}

#[test]
fn a_field_that_overruns_the_frame_is_short() {
    let payload = b"\0\0\0\x04\0\0\0\x01\0\0\0\x09 8 bytes";
    assert_eq!(
        Control::decode(payload, Strictness::Lenient),
        Err(DecodeError::Short {
            field: "content type",
            need: 9,
            got: 8
        })
    );
}

#[test]
fn a_lenient_decoder_takes_a_stop_with_a_type_and_says_what_is_wrong() {
    let payload = b"\0\0\0\x03\0\0\0\x01\0\0\0\x01a";
    let error = DecodeError::TooManyContentTypes {
        control: ControlType::Stop,
        max: 0,
        got: 1,
    };
    assert_eq!(Control::decode(payload, Strictness::Strict), Err(error));
    let stop = Control::decode(payload, Strictness::Lenient).unwrap();
    assert_eq!(stop.irregularity(), Some(error));
    assert_eq!(stop.control_type(), ControlType::Stop);
}

#[test]
fn the_fields_of_an_unknown_control_are_not_looked_at() {
    let control = Control::decode(b"\0\0\0\x06 whatever this means", Strictness::Strict).unwrap();
    assert_eq!(control.control_type(), ControlType::Unknown(6));
    assert_eq!(control.content_types().count(), 0);
}

#[test]
fn start_counts_as_naming_one_type() {
    let payload = b"\0\0\0\x02\0\0\0\x01\0\0\0\x01a\0\0\0\x01\0\0\0\x01b";
    let start = Control::decode(payload, Strictness::Lenient).unwrap();
    assert!(start.matches(Some(b"a")));
    assert!(!start.matches(Some(b"b")));
    assert!(!start.matches(None));
}

#[test]
fn a_frame_handed_over_whole_must_be_exactly_one() {
    let stop = ControlFrame::stop();
    let longer = [stop.as_bytes(), b"x"].concat();
    assert_eq!(
        Control::decode_frame(&longer, Strictness::Lenient),
        Err(DecodeError::Mismatch { need: 4, got: 5 })
    );
    assert_eq!(
        Control::decode_frame(b"\0\0\0\x01", Strictness::Lenient),
        Err(DecodeError::Escape { got: 1 })
    );
    assert_eq!(
        Control::decode_frame(b"\0\0\0", Strictness::Lenient),
        Err(DecodeError::Short {
            field: "escape",
            need: 4,
            got: 3
        })
    );
}

proptest! {
    #[test]
    fn what_is_built_is_decoded(kind in 1_u32..=5, types in vec_of(vec_of(any::<u8>(), 0..300), 0..4)) {
        let kind = ControlType::from_bits(kind);
        let built = ControlFrame::build(kind, types.iter().map(Vec::as_slice), ControlLimit::Wide);
        if let Ok(frame) = built {
            let control = Control::decode_frame(frame.as_bytes(), Strictness::Strict).unwrap();
            prop_assert_eq!(control.control_type(), kind);
            prop_assert_eq!(control.content_types().map(<[u8]>::to_vec).collect::<Vec<_>>(), types);
        }
    }

    #[test]
    fn no_payload_panics_and_strict_is_a_part_of_lenient(
        payload in vec_of(prop_oneof![0_u8..4, any::<u8>()], 0..40),
    ) {
        let strict = Control::decode(&payload, Strictness::Strict);
        let lenient = Control::decode(&payload, Strictness::Lenient);
        if strict.is_ok() {
            prop_assert_eq!(strict, lenient);
        }
    }
}
