use embedded_can::{ExtendedId, StandardId};
use proptest::prelude::*;

use super::*;

fn any_id() -> impl Strategy<Value = Id> {
    prop_oneof![
        (0..=0x7FFu16).prop_map(|raw| StandardId::new(raw).unwrap().into()),
        (0..=0x1FFF_FFFFu32).prop_map(|raw| ExtendedId::new(raw).unwrap().into()),
    ]
}

fn any_frame() -> impl Strategy<Value = CanFrame> {
    let bytes = |max| proptest::collection::vec(any::<u8>(), 0..=max);
    prop_oneof![
        (any_id(), bytes(8), 9..=15u8).prop_map(|(id, data, raw)| {
            let frame = DataFrame::new(id, &data).unwrap();
            frame.with_raw_dlc(Dlc::new(raw).unwrap()).unwrap_or(frame).into()
        }),
        (any_id(), 0..=8usize).prop_map(|(id, len)| CanFrame::remote(id, len).unwrap()),
        (any_id(), bytes(64), 0..=3u8).prop_map(|(id, data, flags)| CanFrame::fd(
            id,
            &data,
            FdFlags::from_bits(flags)
        )
        .unwrap()),
    ]
}

#[cfg(feature = "alloc")]
fn any_xl() -> impl Strategy<Value = CanFrame> {
    (
        0..=0x7FFu16,
        any::<u8>(),
        0..=3u8,
        any::<u8>(),
        any::<u32>(),
        proptest::collection::vec(any::<u8>(), 1..300),
    )
        .prop_map(|(prio, vcid, flags, sdt, af, data)| {
            XlFrame::new(StandardId::new(prio).unwrap(), data)
                .unwrap()
                .with_vcid(vcid)
                .with_flags(flags)
                .with_sdu_type(sdt)
                .with_acceptance(af)
                .into()
        })
}

#[cfg(feature = "alloc")]
fn any_kind() -> impl Strategy<Value = CanFrame> {
    prop_oneof![any_frame(), any_xl()]
}

#[cfg(not(feature = "alloc"))]
fn any_kind() -> impl Strategy<Value = CanFrame> {
    any_frame()
}

fn datagram(frame: &CanFrame) -> std::vec::Vec<u8> {
    let mut out = [0xEE; MAX_DATAGRAM_LEN];
    let len = encode(frame, &mut out);
    out[..len].to_vec()
}

proptest! {
    #[test]
    fn a_frame_survives_the_record(frame in any_frame()) {
        prop_assert_eq!(decode_record(&encode_record(&frame).unwrap()), Ok(frame));
    }

    #[test]
    fn a_frame_survives_the_datagram(frame in any_kind()) {
        prop_assert_eq!(decode(&datagram(&frame)), Ok(Datagram::Frame(frame)));
    }

    #[test]
    fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(Datagram::Frame(frame)) = decode(&bytes) {
            prop_assert_eq!(datagram(&frame).len(), bytes.len());
        }
    }
}

#[test]
#[cfg(feature = "alloc")]
fn an_xl_frame_has_no_record() {
    assert_eq!(
        encode_record(&XlFrame::new(StandardId::ZERO, [1]).unwrap().into()),
        None
    );
}

#[test]
fn wrong_lengths_are_refused_with_the_length() {
    for len in [0, 8, 15, 17, 71, 73] {
        assert_eq!(
            decode(&[0; 80][..len]),
            Err(DecodeError::Length { got: len }),
            "{len}"
        );
    }
}

#[test]
fn a_length_field_beyond_the_data_is_refused() {
    let mut classic = [0; CLASSIC_LEN];
    classic[4] = 9;
    assert_eq!(decode(&classic), Err(DecodeError::DataLength { got: 9, max: 8 }));
    let mut record = [0; RECORD_LEN];
    record[4] = 65;
    record[5] = FDF;
    assert_eq!(
        decode_record(&record),
        Err(DecodeError::DataLength { got: 65, max: 64 })
    );
    record[5] = 0;
    assert_eq!(
        decode_record(&record),
        Err(DecodeError::DataLength { got: 65, max: 8 })
    );
}

#[test]
fn an_error_report_is_told_from_traffic() {
    let report = ErrorFrame::new(ErrorClasses::from_bits(0x204), &[0, 0, 0, 0, 0, 0, 0x80, 0]);
    let bytes = encode_error(&report);
    assert_eq!(decode(&bytes), Ok(Datagram::Error(report)));
    let mut record = [0; RECORD_LEN];
    record[..CLASSIC_LEN].copy_from_slice(&bytes);
    assert_eq!(decode_record(&record), Err(DecodeError::ErrorFrame));
}

#[test]
fn a_standard_identifier_that_is_too_large_is_cut_and_told() {
    let mut bytes = [0; CLASSIC_LEN];
    bytes[..4].copy_from_slice(&0x1234u32.to_ne_bytes());
    let cut = CanFrame::data(StandardId::new(0x234).unwrap(), &[]).unwrap();
    assert_eq!(decode(&bytes), Ok(Datagram::MaskedId(cut)));
    let mut record = [0; RECORD_LEN];
    record[..CLASSIC_LEN].copy_from_slice(&bytes);
    assert_eq!(
        decode_record(&record),
        Err(DecodeError::Id { got: 0x1234 }),
        "but refused when it is ours"
    );
}

#[test]
fn rubbish_in_unused_bytes_changes_nothing() {
    let frame = CanFrame::data(StandardId::new(0x123).unwrap(), &[1, 2]).unwrap();
    let mut bytes = datagram(&frame);
    bytes[5] = 0xAA;
    bytes[6] = 0xBB;
    bytes[7] = 0x0E;
    bytes[10..].fill(0xCC);
    assert_eq!(decode(&bytes), Ok(Datagram::Frame(frame)));
}
