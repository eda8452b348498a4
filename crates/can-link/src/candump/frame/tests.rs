use std::string::ToString;
use std::vec::Vec;

use embedded_can::{ExtendedId, StandardId};
use proptest::prelude::*;

use super::*;

fn strict(text: &str) -> Result<Message, FrameTextError> {
    parse_frame(text, Reading::Strict)
}

#[track_caller]
fn same_when_written(text: &str) {
    assert_eq!(
        strict(text).map(|message| message.to_string()).as_deref(),
        Ok(text)
    );
}

#[test]
fn what_candump_writes_is_written_again() {
    for text in [
        "000#",
        "7FF#FFFFFFFFFFFFFFFF",
        "12345678#",
        "123#1122334455667788_E",
        "123#R",
        "1ABCDEF0#R3",
        "123#R8_9",
        "123##4",
        "7FF##5000102030405060708090A0B",
        "20000204#0020000000008000",
        "45123#83:00:12345678#11223344556677",
    ] {
        same_when_written(text);
    }
}

#[test]
fn eight_digits_with_bit_29_are_an_error_report() {
    let message = strict("20000204#000C000000006160").unwrap();
    let expected = ErrorFrame::new(ErrorClasses::from_bits(0x204), &[0, 0x0C, 0, 0, 0, 0, 0x61, 0x60]);
    assert_eq!(message, Message::Error(expected));
}

#[test]
fn what_canplayer_changes_silently_is_refused() {
    let max = 8;
    assert_eq!(
        strict("123#112233445566778899"),
        Err(FrameTextError::TooLong { got: 9, max })
    );
    let (got, max) = (0x800, 0x7FF);
    assert_eq!(strict("800#"), Err(FrameTextError::IdRange { got, max }));
    assert_eq!(strict("123#R9"), Err(FrameTextError::RemoteLength { at: 5 }));
    assert_eq!(strict("123#R3x"), Err(FrameTextError::Surplus { at: 6 }));
    assert_eq!(
        strict("123#1122334455667788_3"),
        Err(FrameTextError::RawDlc { at: 20 })
    );
}

#[test]
fn a_lenient_reading_changes_it_as_canplayer_does() {
    for (text, same_as) in [
        ("123#112233445566778899", "123#1122334455667788"),
        ("800#", "000#"),
        ("123#R9", "123#R"),
        ("123#1122334455667788_3", "123#1122334455667788"),
        ("A2345678#11", "22345678#1100000000000000"),
    ] {
        let read = parse_frame(text, Reading::Lenient).unwrap();
        assert_eq!(read.to_string(), same_as, "{text}");
    }
}

#[test]
fn each_fault_is_named_with_its_place() {
    assert_eq!(strict("123"), Err(FrameTextError::NoSeparator));
    assert_eq!(strict("1234567#"), Err(FrameTextError::IdDigits { got: 7 }));
    assert_eq!(strict("g23#11"), Err(FrameTextError::NotHex { at: 0 }));
    assert_eq!(strict("123#112"), Err(FrameTextError::Short { at: 7 }));
    assert_eq!(strict("123#11zz"), Err(FrameTextError::NotHex { at: 6 }));
    assert_eq!(strict("123#11_9"), Err(FrameTextError::RawDlc { at: 6 }));
    assert_eq!(strict("123##"), Err(FrameTextError::Short { at: 5 }));
    assert_eq!(strict("20000004##411"), Err(FrameTextError::ErrorKind));
    assert_eq!(strict("00123#80:03:11223344#"), Err(FrameTextError::XlEmpty));
    assert_eq!(
        strict("00123#80.03:11223344#41"),
        Err(FrameTextError::XlHeader { at: 8 })
    );
    assert_eq!(
        strict("00123#03:03:11223344#41"),
        Err(FrameTextError::XlFlags { got: 3 })
    );
    assert_eq!(strict("é23#11"), Err(FrameTextError::IdDigits { got: 4 }));
}

fn any_id() -> impl Strategy<Value = Id> {
    prop_oneof![
        (0..0x800u16).prop_map(|raw| StandardId::new(raw).unwrap().into()),
        (0..0x2000_0000u32).prop_map(|raw| ExtendedId::new(raw).unwrap().into()),
    ]
}

fn any_message() -> impl Strategy<Value = Message> {
    let bytes = |max| proptest::collection::vec(any::<u8>(), 0..=max);
    prop_oneof![
        (any_id(), bytes(8)).prop_map(|(id, data)| CanFrame::data(id, &data).unwrap().into()),
        (any_id(), 0..=8usize).prop_map(|(id, len)| CanFrame::remote(id, len).unwrap().into()),
        (any_id(), 9..16u8).prop_map(|(id, dlc)| {
            let frame = DataFrame::new(id, &[7; 8]).unwrap();
            CanFrame::Data(frame.with_raw_dlc(Dlc::new(dlc).unwrap()).unwrap()).into()
        }),
        (any_id(), bytes(64), 0..4u8).prop_map(|(id, data, flags)| {
            let frame = FdFrame::with_exact_len(id, &data, FdFlags::from_bits(flags)).unwrap();
            CanFrame::Fd(frame).into()
        }),
        (0..0x800u16, bytes(80), any::<(u8, u8, u32)>()).prop_map(|(raw, mut data, (vcid, sdu_type, af))| {
            data.push(0);
            let frame = XlFrame::new(StandardId::new(raw).unwrap(), data).unwrap();
            CanFrame::Xl(frame.with_vcid(vcid).with_sdu_type(sdu_type).with_acceptance(af)).into()
        }),
        (0..0x2000_0000u32, any::<[u8; 8]>()).prop_map(|(classes, data)| ErrorFrame::new(
            ErrorClasses::from_bits(classes),
            &data
        )
        .into()),
    ]
}

proptest! {
    #[test]
    fn every_message_survives_its_text(message in any_message()) {
        prop_assert_eq!(strict(&message.to_string()), Ok(message));
    }

    #[test]
    fn no_text_panics(text in "[0-9A-Fa-fRr#_:.é ]{0,40}") {
        for reading in [Reading::Strict, Reading::Lenient] {
            let _ = parse_frame(&text, reading);
        }
    }

    #[test]
    fn a_strict_reading_is_also_a_lenient_one(message in any_message()) {
        let text = message.to_string();
        prop_assert_eq!(parse_frame(&text, Reading::Lenient), strict(&text));
    }

    #[test]
    fn dots_between_bytes_change_nothing(data in proptest::collection::vec(any::<u8>(), 0..8)) {
        let dotted: Vec<_> = data.iter().map(|byte| std::format!("{byte:02x}")).collect();
        let text = std::format!("123#{}", dotted.join("."));
        prop_assert_eq!(strict(&text), strict(&text.replace('.', "")));
    }
}
