use std::io::{self, Read};
use std::vec;
use std::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;
use crate::control::ControlFrame;
use crate::frame::{EncodeError, End, FrameConfig, FrameErrorKind, OwnedRun};
use crate::handshake::{Config, HandshakeError};
use crate::{ContentType, ControlType};

/// Gives at most the next of `cuts` bytes a read, and is interrupted in between.
struct Pieces<'a> {
    bytes: &'a [u8],
    cuts: Vec<usize>,
    reads: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads.is_multiple_of(2) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = self.cuts[self.reads / 2 % self.cuts.len()].min(buffer.len());
        self.bytes.read(&mut buffer[..len])
    }
}

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

type Told = (Vec<Vec<u8>>, Result<Option<End>, std::string::String>);

/// The file by frames, by runs, and by both in turn, which must be the same.
fn read(bytes: &[u8], cuts: Vec<usize>) -> Told {
    let by_frames = read_by_frames(bytes, cuts.clone());
    for frames_between in [0, 1, 3] {
        assert_eq!(read_by_runs(bytes, cuts.clone(), frames_between), by_frames);
    }
    by_frames
}

fn read_by_runs(bytes: &[u8], cuts: Vec<usize>, frames_between: usize) -> Told {
    let reads = 0;
    let mut reader = FileReader::new(Pieces { bytes, cuts, reads }, Config::new()).unwrap();
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    let mut told = |reader: &mut FileReader<Pieces<'_>>, by_run| {
        let before = payloads.len();
        if by_run {
            match reader.next_run() {
                Ok(run) => {
                    payloads.extend(run.iter().flatten().map(<[u8]>::to_vec));
                    let (run, frames) = (run.is_some(), run.map(|run| run.frames()));
                    assert_eq!(
                        (reader.run().is_some(), reader.run().map(|run| run.frames())),
                        (run, frames)
                    );
                }
                Err(error) => return Some(Err(std::string::ToString::to_string(&error))),
            }
        } else {
            match reader.next_frame() {
                Ok(payload) => {
                    payloads.extend(payload.map(<[u8]>::to_vec));
                    assert_eq!(reader.run(), None, "a frame was read since");
                }
                Err(error) => return Some(Err(std::string::ToString::to_string(&error))),
            }
        }
        let new = payloads.get(before..).unwrap_or_default();
        if let Some(first) = new.first() {
            let at = usize::try_from(reader.offset()).unwrap() + 4;
            assert_eq!(
                &bytes[at..at + first.len()],
                first,
                "where the run begins, or the frame"
            );
        }
        let sum: usize = payloads.iter().map(Vec::len).sum();
        let counted = (reader.stats().data_frames, reader.stats().data_bytes);
        assert_eq!(
            counted,
            (
                u64::try_from(payloads.len()).unwrap(),
                u64::try_from(sum).unwrap()
            )
        );
        (payloads.len() == before).then(|| Ok(reader.end_of_stream()))
    };
    let end = loop {
        if let Some(end) = told(&mut reader, true) {
            break end;
        }
        if let Some(end) = (0..frames_between).find_map(|_| told(&mut reader, false)) {
            break end;
        }
    };
    (payloads, end)
}

fn read_by_frames(bytes: &[u8], cuts: Vec<usize>) -> Told {
    let pieces = Pieces {
        bytes,
        cuts,
        reads: 0,
    };
    let mut reader = FileReader::new(pieces, Config::new()).unwrap();
    let mut payloads = Vec::new();
    loop {
        match reader.next_frame() {
            Ok(Some(payload)) => payloads.push(payload.to_vec()),
            Ok(None) => return (payloads, Ok(reader.end_of_stream())),
            Err(error) => return (payloads, Err(std::string::ToString::to_string(&error))),
        }
    }
}

#[test]
fn a_frame_longer_than_the_buffer_makes_it_grow() {
    let payloads = vec![vec![1; 100], vec![2; 1_000_000], vec![3; 1 << 20], vec![4; 7]];
    assert_eq!(
        read(&file(&payloads), vec![100_000]),
        (payloads, Ok(Some(End::Stop)))
    );
}

#[test]
fn a_run_is_written_as_it_was_read() {
    for len in [1, 60, 5_000, 100_000] {
        let payloads: Vec<_> = (0..2_000_000 / len)
            .map(|number: usize| vec![number.to_be_bytes()[7]; len])
            .collect();
        let bytes = file(&payloads);
        let mut reader = FileReader::new(&bytes[..], Config::new()).unwrap();
        let mut writer = FileWriter::new(Vec::new(), Some(&name())).unwrap();
        while let Some(run) = reader.next_run().unwrap() {
            writer.write_run(&run).unwrap();
        }
        assert!(writer.finish().unwrap() == bytes, "frames of {len} bytes");
    }
}

#[test]
fn runs_that_are_kept_outlive_what_is_read_behind_them() {
    let payloads: Vec<_> = (0..30_000_usize)
        .map(|number| vec![number.to_be_bytes()[7]; 1 + number % 97])
        .chain([vec![8; 700_000], vec![9; 3]])
        .collect();
    let bytes = file(&payloads);
    for cuts in [vec![1 << 20], vec![70_000, 300_000, 5]] {
        let input = Pieces {
            bytes: &bytes,
            cuts,
            reads: 0,
        };
        let mut reader = FileReader::new(input, Config::new()).unwrap();
        let mut kept = Vec::new();
        while let Some(run) = reader.next_run().unwrap() {
            let frames = run.frames();
            let run = reader.take_run().unwrap();
            assert_eq!(run.frames(), frames);
            assert!(reader.run().is_none() && reader.take_run().is_none());
            kept.push(run);
            if kept.len() % 5 == 4 {
                // Between runs frames can be taken one by one; no run is at hand then.
                let Some(payload) = reader.next_frame().unwrap() else {
                    break;
                };
                kept.push(OwnedRun::encode([payload], FrameConfig::new()).unwrap());
                assert!(reader.take_run().is_none());
            }
        }
        assert_eq!(reader.end_of_stream(), Some(End::Stop));
        assert!(
            kept.iter()
                .flat_map(OwnedRun::payloads)
                .eq(payloads.iter().cloned())
        );
    }
}

#[test]
fn an_existing_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("capture.fstrm");
    FileWriter::create_new(&path, Some(&name()))
        .unwrap()
        .finish()
        .unwrap();
    let again = FileWriter::create_new(&path, None).unwrap_err();
    assert_eq!(io::Error::from(again).kind(), io::ErrorKind::AlreadyExists);
    let mut reader = FileReader::open(&path, Config::new()).unwrap();
    assert_eq!(reader.read_start().unwrap(), Some(&name()));
    assert_eq!(reader.next_frame().unwrap(), None);
}

#[test]
fn a_dropped_writer_leaves_a_file_without_stop() {
    let mut bytes = Vec::new();
    FileWriter::new(&mut bytes, None)
        .unwrap()
        .write_frame(b"x")
        .unwrap();
    assert_eq!(read(&bytes, vec![9]), (vec![b"x".to_vec()], Ok(Some(End::Eof))));
}

#[test]
fn an_empty_payload_is_refused_and_the_file_is_unharmed() {
    let mut writer = FileWriter::new(Vec::new(), None).unwrap();
    assert!(matches!(
        writer.write_frame(b""),
        Err(WriteError::Encode(EncodeError::EmptyFrame))
    ));
    let bytes = writer.finish().unwrap();
    assert_eq!(read(&bytes, vec![9]), (vec![], Ok(Some(End::Stop))));
}

#[test]
fn concatenated_files_read_as_one_only_when_asked() {
    let bytes = [file(&[b"one".to_vec()]), file(&[b"two".to_vec()])].concat();
    assert_eq!(read(&bytes, vec![50]).0, [b"one"]);
    let mut reader = FileReader::new(&bytes[..], Config::new())
        .unwrap()
        .sequences(Sequences::Concatenated);
    assert_eq!(reader.next_frame().unwrap(), Some(&b"one"[..]));
    assert_eq!(reader.next_frame().unwrap(), Some(&b"two"[..]));
    assert_eq!(reader.offset(), 61, "21 START, 7 data, 12 STOP, 21 START");
    assert_eq!(reader.next_frame().unwrap(), None);
    assert_eq!((reader.end_of_stream(), reader.streams()), (Some(End::Stop), 2));
}

#[test]
fn what_follows_stop_and_is_no_start_is_counted_and_not_read() {
    for junk in [&b"garbage"[..], &[0; 12], &[0; 3], &[9; 300_000]] {
        let bytes = [&file(&[b"one".to_vec()])[..], junk].concat();
        let mut reader = FileReader::new(&bytes[..], Config::new())
            .unwrap()
            .sequences(Sequences::Concatenated);
        assert_eq!(reader.next_frame().unwrap(), Some(&b"one"[..]));
        assert_eq!(reader.next_frame().unwrap(), None);
        assert_eq!((reader.end_of_stream(), reader.streams()), (Some(End::Stop), 1));
        let len = u64::try_from(junk.len()).unwrap();
        assert_eq!(reader.trailing_bytes().unwrap(), len);
        assert_eq!(reader.trailing_bytes().unwrap(), len, "told again");
    }
}

#[test]
fn a_start_after_stop_is_judged_as_the_first_one() {
    let second = |bytes: &[u8]| {
        let bytes = [&file(&[])[..], bytes].concat();
        let mut reader = FileReader::new(&bytes[..], Config::new())
            .unwrap()
            .sequences(Sequences::Concatenated);
        (reader.next_frame().map(drop), reader.end_of_stream())
    };
    let cut = End::Truncated {
        offset: 33,
        missing: 1,
    };
    assert!(matches!(second(&file(&[])[..20]), (Ok(()), Some(end)) if end == cut));
    let absurd = b"\0\0\0\0\xff\0\0\0\0\0\0\x02";
    assert!(matches!(second(absurd), (Err(ReadError::Frame(error)), _)
        if error.offset == 33 && matches!(error.kind, FrameErrorKind::Control(_))));
}

#[test]
fn the_wrong_type_is_a_final_error() {
    let bytes = file(&[b"one".to_vec()]);
    let other = Config::new().content_type(ContentType::from_static(b"other").unwrap());
    let mut reader = FileReader::new(&bytes[..], other).unwrap();
    for _ in 0..3 {
        assert!(matches!(
            reader.next_frame(),
            Err(ReadError::Stream {
                offset: 0,
                error: HandshakeError::WrongType { .. }
            })
        ));
    }
}

#[test]
fn a_file_that_ends_before_or_in_start_is_truncated() {
    for (len, missing) in [(0, 12), (3, 1), (4, 4), (11, 10), (20, 1)] {
        let end = End::Truncated { offset: 0, missing };
        assert_eq!(
            read(&file(&[])[..len], vec![9]),
            (vec![], Ok(Some(end))),
            "{len} bytes"
        );
    }
}

/// Would have to wait before each byte.
struct Drip<'a>(&'a [u8], bool);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(&mut buffer[..1])
    }
}

#[test]
fn wherever_a_read_would_wait_it_can_be_tried_again() {
    let bytes = [
        file(&[b"one".to_vec()]),
        file(&[b"two".to_vec()]),
        b"garbage, and more of it".to_vec(),
    ]
    .concat();
    let mut reader = FileReader::new(Drip(&bytes, false), Config::new())
        .unwrap()
        .sequences(Sequences::Concatenated);
    let (mut payloads, mut waits) = (Vec::new(), 0);
    loop {
        match reader.next_frame() {
            Ok(Some(payload)) => payloads.push(payload.to_vec()),
            Ok(None) => break,
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => waits += 1,
            Err(error) => panic!("{error}"),
        }
    }
    let trailing = loop {
        match reader.trailing_bytes() {
            Ok(trailing) => break trailing,
            Err(_) => waits += 1,
        }
    };
    assert_eq!(payloads, [b"one", b"two"]);
    assert_eq!((reader.end_of_stream(), trailing), (Some(End::Stop), 23));
    assert!(waits >= bytes.len(), "{waits} waits");
}

#[test]
fn data_before_start_is_kept_while_start_is_looked_for() {
    let bytes = b"\0\0\0\x05early\0\0\0\x05later";
    let config = Config::new().data_before_start(crate::handshake::DataBeforeStart::Accept);
    let mut reader = FileReader::new(&bytes[..], config).unwrap();
    assert_eq!(reader.read_start().unwrap(), None);
    assert_eq!(reader.next_frame().unwrap(), Some(&b"early"[..]));
    assert_eq!(reader.next_frame().unwrap(), Some(&b"later"[..]));
}

#[test]
fn info_sums_a_file_up() {
    let bytes = [
        file(&[b"four".to_vec(), b"eleven here".to_vec()]),
        b"xyz".to_vec(),
    ]
    .concat();
    let info = Info::read(&mut FileReader::new(&bytes[..], Config::new()).unwrap());
    assert_eq!(info.content_types, [Some(name())]);
    assert_eq!((info.frames, info.payload_bytes), (2, 15));
    assert_eq!((info.shortest, info.longest), (Some(4), Some(11)));
    assert_eq!((info.first_offset, info.last_offset), (Some(21), Some(29)));
    assert_eq!(info.trailing_bytes, 3);
    assert!(matches!(info.end, Ok(End::Stop)));
}

#[test]
fn info_of_a_file_that_goes_wrong_tells_what_came_before() {
    let accept = ControlFrame::build(ControlType::Accept, [], crate::control::ControlLimit::Narrow).unwrap();
    let sound = file(&[b"four".to_vec()]);
    let bytes = [&sound[..29], accept.as_bytes()].concat();
    let info = Info::read(&mut FileReader::new(&bytes[..], Config::new()).unwrap());
    assert_eq!(info.frames, 1);
    assert!(matches!(info.end, Err(ReadError::Stream { offset: 29, .. })));
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_cut(
        payloads in vec_of(vec_of(any::<u8>(), 1..60), 0..10),
        cuts in vec_of(1_usize..50, 1..8),
    ) {
        let bytes = file(&payloads);
        prop_assert_eq!(read(&bytes, cuts), (payloads, Ok(Some(End::Stop))));
    }

    #[test]
    fn any_cutting_of_a_damaged_file_gives_the_same_items(
        payloads in vec_of(vec_of(any::<u8>(), 1..60), 0..10),
        cuts in vec_of(1_usize..50, 1..8),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        lost in 0_usize..30,
    ) {
        let mut bytes = file(&payloads);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(bytes.len() - lost);
        let whole = read(&bytes, vec![usize::MAX]);
        prop_assert_eq!(&read(&bytes, vec![1]), &whole);
        prop_assert_eq!(&read(&bytes, vec![7]), &whole);
        prop_assert_eq!(&read(&bytes, cuts), &whole);
    }
}
