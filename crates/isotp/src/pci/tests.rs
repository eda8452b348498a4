use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn decode(data: &[u8]) -> Result<(Pci, &[u8]), DecodeError> {
    Pci::decode(data, Prefix::None)
}

#[test]
fn each_kind_is_told_by_its_high_nibble() {
    assert_eq!(
        decode(&[0x02, 0xAA, 0xBB]),
        Ok((Pci::SingleFrame { len: 2 }, &[0xAA, 0xBB][..]))
    );
    assert_eq!(
        decode(&[0x1F, 0xFF, 0, 1, 2, 3, 4, 5]),
        Ok((Pci::FirstFrame { len: 4095 }, &[0, 1, 2, 3, 4, 5][..]))
    );
    assert_eq!(
        decode(&[0x10, 0x00, 0x00, 0x00, 0x10, 0x00, 0xAA, 0xBB]),
        Ok((Pci::FirstFrame { len: 4096 }, &[0xAA, 0xBB][..]))
    );
    let sequence = SequenceNumber::new(15).unwrap();
    assert_eq!(
        decode(&[0x2F, 7]),
        Ok((Pci::ConsecutiveFrame { sequence }, &[7][..]))
    );
    let control = FlowControl::new(
        FlowStatus::Wait,
        BlockSize::from_bits(8),
        StMin::from_bits(0xF3).unwrap(),
    );
    assert_eq!(
        decode(&[0x31, 0x08, 0xF3, 0xCC]),
        Ok((Pci::FlowControl(control), &[0xCC][..]))
    );
    assert_eq!(decode(&[0x40]), Err(DecodeError::ReservedType(4)));
    assert_eq!(
        decode(&[]),
        Err(DecodeError::Short {
            field: Field::Pci,
            need: 1,
            got: 0
        })
    );
}

#[test]
fn an_escape_single_frame_is_as_short_as_its_message_allows() {
    // ISO-TP spec ch. 2, table of valid SF_DL.
    let table = [
        (12, 8..=10),
        (16, 11..=14),
        (20, 15..=18),
        (24, 19..=22),
        (32, 23..=30),
        (48, 31..=46),
        (64, 47..=62),
    ];
    for (can_dl, valid) in table {
        for len in 0..=u8::MAX {
            let mut data = [0; 64];
            data[1] = len;
            let normal = Pci::decode(&data[..can_dl], Prefix::None);
            assert_eq!(normal.is_ok(), valid.contains(&len), "{can_dl} {len}");
            let prefixed = Pci::decode(&data[..can_dl - 1], Prefix::AddressByte);
            let below = len.checked_add(1).is_some_and(|len| valid.contains(&len));
            assert_eq!(prefixed.is_ok(), below, "{can_dl} {len} with an address byte");
        }
    }
}

#[test]
fn a_network_that_pads_all_frames_may_send_overlong_single_frames() {
    let mut data = [0; 64];
    data[1] = 3;
    assert_eq!(
        Pci::decode_padded(&data, Prefix::None, 64),
        Ok((Pci::SingleFrame { len: 3 }, &[0, 0, 0][..]))
    );
    assert_eq!(
        Pci::decode_padded(&data, Prefix::None, 48),
        Err(DecodeError::SingleFrameLength {
            got: 3,
            min: 47,
            max: 62
        })
    );
}

#[test]
fn a_first_frame_announces_what_no_single_frame_holds() {
    for (can_dl, prefix, min) in [
        (8, Prefix::None, 8),
        (8, Prefix::AddressByte, 7),
        (12, Prefix::None, 11),
        (64, Prefix::None, 63),
        (64, Prefix::AddressByte, 62),
    ] {
        let mut data = [0; 64];
        data[0] = 0x10;
        let data = &mut data[..can_dl - prefix.len()];
        data[1] = min - 1;
        assert_eq!(
            Pci::decode(data, prefix),
            Err(DecodeError::FirstFrameLength {
                got: u32::from(min - 1),
                min: min.into()
            })
        );
        data[1] = min;
        assert!(Pci::decode(data, prefix).is_ok());
    }
    assert_eq!(
        decode(&[0x10, 0, 0, 0, 0x0F, 0xFF, 0, 1]),
        Err(DecodeError::FirstFrameLength { got: 4095, min: 4096 })
    );
    assert_eq!(
        decode(&[0x10, 20, 0, 1, 2, 3, 4]),
        Err(DecodeError::FirstFrameSize { can_dl: 7 })
    );
    assert_eq!(
        decode(&[0x10, 20, 0, 1, 2, 3, 4, 5, 6]),
        Err(DecodeError::FirstFrameSize { can_dl: 9 })
    );
}

#[test]
fn sequence_numbers_run_from_one_through_fifteen_to_zero() {
    let numbers: Vec<u8> = (0..17).map(|n| SequenceNumber::FIRST.after(n).value()).collect();
    assert_eq!(numbers[..4], [1, 2, 3, 4]);
    assert_eq!(numbers[13..], [14, 15, 0, 1]);
    assert_eq!(SequenceNumber::new(16), None);
}

fn prefixes() -> impl Strategy<Value = Prefix> {
    prop_oneof![Just(Prefix::None), Just(Prefix::AddressByte)]
}

fn pcis() -> impl Strategy<Value = (Pci, usize, Prefix)> {
    let single = (1..=7u8, prefixes()).prop_map(|(len, prefix)| {
        (
            Pci::SingleFrame { len },
            usize::from(len) + 1 + prefix.len(),
            prefix,
        )
    });
    let single = single.prop_filter("fits 8 bytes", |(_, can_dl, _)| *can_dl <= 8);
    let escape = (8..=61u8, prefixes()).prop_map(|(len, prefix)| {
        let can_dl = Dlc::covering(usize::from(len) + 2 + prefix.len()).map_or(64, Dlc::fd_len);
        (Pci::SingleFrame { len }, can_dl, prefix)
    });
    let sizes = prop_oneof![Just(8), Just(12), Just(16), Just(64usize)];
    let first = (64..=u32::MAX, sizes, prefixes())
        .prop_map(|(len, can_dl, prefix)| (Pci::FirstFrame { len }, can_dl, prefix));
    let next = (0..=15u8, 2..=64usize, prefixes()).prop_map(|(n, can_dl, prefix)| {
        let sequence = SequenceNumber::new(n).unwrap();
        (Pci::ConsecutiveFrame { sequence }, can_dl, prefix)
    });
    let flow = (any::<u8>(), any::<u8>(), any::<u8>(), prefixes()).prop_map(
        |(status, block_size, st_min_bits, prefix)| {
            let control = FlowControl {
                status: FlowStatus::from_bits(status),
                block_size: block_size.into(),
                st_min_bits,
            };
            (Pci::FlowControl(control), 8, prefix)
        },
    );
    prop_oneof![single, escape, first, next, flow]
}

proptest! {
    #[test]
    fn decoding_an_encoded_pci_gives_it_back((pci, can_dl, prefix) in pcis()) {
        let mut frame = Vec::from(pci.encode(can_dl).as_ref());
        let head = frame.len();
        frame.resize(can_dl - prefix.len(), 0xCC);
        let (back, rest) = Pci::decode(&frame, prefix).unwrap();
        prop_assert_eq!(back, pci);
        let kept = match pci {
            Pci::SingleFrame { len } => usize::from(len),
            _ => frame.len() - head,
        };
        prop_assert_eq!(rest, &frame[head..head + kept]);
    }

    #[test]
    fn decoding_never_panics_and_what_it_accepts_encodes_to_the_same_bytes(
        data in proptest::collection::vec(any::<u8>(), 0..=64),
        prefix in prefixes(),
    ) {
        if let Ok((pci, rest)) = Pci::decode(&data, prefix) {
            let bytes = pci.encode(data.len() + prefix.len());
            prop_assert!(data.starts_with(bytes.as_ref()));
            prop_assert!(data[bytes.as_ref().len()..].starts_with(rest));
        }
    }
}
