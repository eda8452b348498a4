//! Files that were cut, mended and gone on with.

use std::io::{Cursor, Read as _, Write as _};
use std::vec;
use std::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;
use crate::ContentType;
use crate::file::{AppendError, FileWriter, Resumed, append};

fn name() -> ContentType {
    ContentType::from_static(b"t").unwrap()
}

fn file(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = FileWriter::new(Vec::new(), Some(&name())).unwrap();
    for payload in payloads {
        writer.write_frame(payload).unwrap();
    }
    writer.finish().unwrap()
}

fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, Option<End>) {
    let mut reader = FileReader::new(bytes, Config::new())
        .unwrap()
        .sequences(Sequences::Concatenated);
    let mut payloads = Vec::new();
    while let Some(payload) = reader.next_frame().unwrap() {
        payloads.push(payload.to_vec());
    }
    (payloads, reader.end_of_stream())
}

fn mend(bytes: &[u8], cut: Cut) -> (Result<Repaired, RepairError>, Vec<u8>, Vec<u8>) {
    let (mut file, mut tail) = (Cursor::new(bytes.to_vec()), Vec::new());
    let repaired = repair(&mut file, FrameConfig::new(), cut, &mut tail);
    (repaired, file.into_inner(), tail)
}

fn go_on(bytes: &[u8]) -> (Result<Resumed, AppendError>, Vec<u8>) {
    let mut file = Cursor::new(bytes.to_vec());
    let found = append(&mut file, Some(&name()), FrameConfig::new());
    if found.is_ok() {
        file.write_all(b"\0\0\0\x04more").unwrap();
    }
    (found, file.into_inner())
}

fn verify(bytes: &[u8]) -> Verification {
    let reader = FileReader::new(bytes, Config::new()).unwrap();
    Verification::read(&mut reader.sequences(Sequences::Concatenated))
}

#[test]
fn a_sound_file_is_not_written_to() {
    let sound = file(&[b"one".to_vec()]);
    let (repaired, bytes, tail) = mend(&sound, Cut::Fault);
    assert!(repaired.unwrap().is_unchanged() && bytes == sound && tail.is_empty());
}

#[test]
fn zeros_behind_the_last_frame_are_cut_only_when_asked() {
    let sound = file(&[b"one".to_vec()]);
    let zeros = [&sound[..28], &[0; 500]].concat();
    let (repaired, bytes, _) = mend(&zeros, Cut::Partial);
    assert!(matches!(repaired, Err(RepairError::Malformed(error)) if error.offset() == Some(28)));
    assert_eq!(bytes, zeros);
    let (repaired, bytes, tail) = mend(&zeros, Cut::Fault);
    assert_eq!(repaired.unwrap().cut_bytes, 500);
    assert_eq!((bytes, tail), (sound, vec![0; 500]));
}

#[test]
fn what_follows_stop_is_cut_only_when_asked_and_never_appended_to() {
    let sound = file(&[b"one".to_vec()]);
    let junk = [&sound[..], b"junk"].concat();
    let (repaired, bytes, _) = mend(&junk, Cut::Partial);
    assert!(repaired.unwrap().is_unchanged() && bytes == junk);
    let (repaired, bytes, tail) = mend(&junk, Cut::Fault);
    assert_eq!(
        (repaired.unwrap().cut_bytes, bytes, &tail[..]),
        (4, sound, &b"junk"[..])
    );
    let (found, bytes) = go_on(&junk);
    assert!(matches!(found, Err(AppendError::Trailing { offset: 40, len: 4 })));
    assert_eq!(bytes, junk);
}

#[test]
fn what_is_no_stream_of_ours_is_refused_and_left_alone() {
    let untyped = FileWriter::new(Vec::new(), None).unwrap().finish().unwrap();
    let mixed = [file(&[]), untyped.clone(), file(&[])].concat();
    for bytes in [
        &b"some text\n"[..],
        &untyped,
        &mixed,
        &[0],
        &[0; 9],
        &untyped[..11],
    ] {
        let (found, after) = go_on(bytes);
        match found {
            // A piece of a START may be a piece of ours.
            Ok(found) => assert!(file(&[]).starts_with(bytes) && found.frames == 0),
            Err(_) => assert_eq!(after, bytes),
        }
    }
    assert!(matches!(go_on(b"some text\n").0, Err(AppendError::Read(_))));
    assert!(matches!(go_on(&untyped).0, Err(AppendError::OtherType { .. })));
    assert!(matches!(go_on(&untyped[..11]).0, Err(AppendError::OtherStart)));
    assert!(matches!(
        mend(&untyped[..11], Cut::Fault).0,
        Err(RepairError::NoStart)
    ));
    assert!(matches!(mend(b"", Cut::Fault).0, Err(RepairError::NoStart)));
}

#[test]
fn an_error_names_both_types() {
    let error = go_on(&FileWriter::new(Vec::new(), None).unwrap().finish().unwrap())
        .0
        .unwrap_err();
    let text = std::string::ToString::to_string(&error);
    assert_eq!(text, "cannot append \"t\" to a stream of no content type");
}

#[test]
fn a_second_start_that_was_cut_goes_without_a_stop() {
    let first = file(&[b"one".to_vec()]);
    let cut = [&first[..], &first[..14]].concat();
    let (repaired, bytes, tail) = mend(&cut, Cut::Partial);
    assert!(!repaired.unwrap().is_stopped);
    assert_eq!((bytes, &tail[..]), (first.clone(), &first[..14]));
    assert!(matches!(
        go_on(&cut).0,
        Err(AppendError::Trailing { offset: 40, len: 14 })
    ));
}

#[test]
fn a_writer_goes_on_in_the_file_that_it_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("capture.fstrm");
    for round in 0..3_u64 {
        let (mut writer, found) = FileWriter::append(&path, Some(&name())).unwrap();
        assert_eq!(found.frames, round);
        writer.write_frame(b"frame").unwrap();
        writer.finish().unwrap();
    }
    let expected = file(&[b"frame".to_vec(), b"frame".to_vec(), b"frame".to_vec()]);
    let mut bytes = Vec::new();
    std::fs::File::open(&path)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    assert_eq!(bytes, expected);
}

#[test]
fn verification_counts_across_streams() {
    let found = verify(&[file(&[b"one".to_vec()]), file(&[b"two".to_vec()]), b"xy".to_vec()].concat());
    assert_eq!((found.streams, found.frames, found.payload_bytes), (2, 2, 6));
    assert_eq!((found.sound, found.trailing_bytes, found.is_open), (80, 2, false));
    assert!(!found.is_clean() && !found.is_mixed);
    assert!(verify(&file(&[])).is_clean());
}

proptest! {
    #[test]
    fn a_file_cut_anywhere_is_mended_and_gone_on_with(
        payloads in vec_of(vec_of(any::<u8>(), 1..40), 0..8),
        at in any::<prop::sample::Index>(),
    ) {
        let whole = file(&payloads);
        let len = at.index(whole.len() + 1);
        let cut = &whole[..len];
        let found = verify(cut);
        let count = usize::try_from(found.frames).unwrap();

        let (found, bytes) = go_on(cut);
        let found = found.unwrap();
        let mut expected = payloads[..count].to_vec();
        expected.push(b"more".to_vec());
        prop_assert_eq!(read(&bytes), (expected, Some(End::Eof)));
        prop_assert!(found.cut_bytes <= 44 && found.len == bytes.len() as u64 - 8);

        let (repaired, bytes, tail) = mend(cut, Cut::Partial);
        if found.frames == 0 && len < 21 {
            prop_assert!(matches!(repaired, Err(RepairError::NoStart)) && bytes == cut);
            return Ok(());
        }
        let repaired = repaired.unwrap();
        prop_assert_eq!(&bytes, &file(&payloads[..count]));
        prop_assert_eq!(tail.len() as u64, repaired.cut_bytes);
        prop_assert!(cut.ends_with(&tail) && verify(&bytes).is_clean());
        let (again, same, _) = mend(&bytes, Cut::Partial);
        prop_assert!(again.unwrap().is_unchanged() && same == bytes);

        let (mut out, mut kept) = (Vec::new(), Vec::new());
        repair_to(Cursor::new(cut.to_vec()), FrameConfig::new(), Cut::Partial, &mut out, &mut kept).unwrap();
        prop_assert_eq!((out, kept), (bytes, tail));
    }

    #[test]
    fn a_damaged_file_keeps_its_sound_front(
        payloads in vec_of(vec_of(any::<u8>(), 1..40), 0..8),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = file(&payloads);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let found = verify(&bytes);
        if let (Ok(repaired), mended, tail) = mend(&bytes, Cut::Fault) {
            prop_assert_eq!(repaired.frames, found.frames);
            prop_assert!(verify(&mended).is_clean());
            let sound = usize::try_from(repaired.sound).unwrap();
            prop_assert_eq!([&bytes[..sound], &tail].concat(), &bytes[..]);
        }
        let (resumed, after) = go_on(&bytes);
        if resumed.is_err() {
            prop_assert_eq!(after, bytes);
        }
    }
}
