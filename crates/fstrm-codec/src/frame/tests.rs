use std::string::ToString;
use std::vec;
use std::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;
use crate::control::ControlFrame;

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Data(u64, Vec<u8>),
    Control(u64, Vec<u8>),
    Skipped(u64, u32),
    End(End),
    Error(FrameError),
}

/// Everything a parser says about `bytes` when they come in pieces of the lengths in `cuts`, over and over.
fn items(bytes: &[u8], cuts: &[usize], config: FrameConfig) -> Vec<Item> {
    let mut parser = Parser::new(config);
    let mut items = Vec::new();
    let mut buffer = Vec::new();
    let mut rest = bytes;
    let mut cuts = cuts.iter().cycle();
    loop {
        match parser.parse(&buffer) {
            Ok(parsed) => {
                assert!(parsed.consumed <= buffer.len());
                let offset = parsed.offset;
                match parsed.frame {
                    Some(Frame::Data(payload)) => items.push(Item::Data(offset, payload.to_vec())),
                    Some(Frame::Control(control)) => {
                        items.push(Item::Control(offset, control.payload().to_vec()));
                    }
                    Some(Frame::Skipped { len }) => items.push(Item::Skipped(offset, len)),
                    None if rest.is_empty() => {
                        items.push(Item::End(parser.end()));
                        return items;
                    }
                    None => {}
                }
                let more = parsed.frame.is_none();
                buffer.drain(..parsed.consumed);
                if more {
                    let (piece, behind) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                    buffer.extend_from_slice(piece);
                    rest = behind;
                }
            }
            Err(error) => {
                assert_eq!(parser.parse(b"whatever"), Err(error), "errors latch");
                items.push(Item::Error(error));
                return items;
            }
        }
    }
}

/// The same by runs, whose frames are told apart again.
fn items_of_runs(bytes: &[u8], cuts: &[usize], config: FrameConfig) -> Vec<Item> {
    let mut parser = Parser::new(config);
    let (mut items, mut buffer, mut rest) = (Vec::new(), Vec::new(), bytes);
    let mut cuts = cuts.iter().cycle();
    loop {
        let parsed = match parser.parse_run(&buffer) {
            Ok(parsed) => parsed,
            Err(error) => {
                assert_eq!(parser.parse_run(b"whatever"), Err(error), "errors latch");
                items.push(Item::Error(error));
                return items;
            }
        };
        let mut offset = parsed.offset;
        match parsed.piece {
            Some(Piece::Run(run)) => {
                assert_eq!(Run::decode(run.as_wire(), config), Ok(run));
                assert_eq!(run.frames(), u64::try_from(run.iter().count()).unwrap());
                let sum: usize = run.iter().map(<[u8]>::len).sum();
                assert_eq!(run.payload_bytes(), u64::try_from(sum).unwrap());
                for payload in run {
                    items.push(Item::Data(offset, payload.to_vec()));
                    offset += u64::try_from(4 + payload.len()).unwrap();
                }
            }
            Some(Piece::Control(control)) => items.push(Item::Control(offset, control.payload().to_vec())),
            Some(Piece::Skipped { len }) => items.push(Item::Skipped(offset, len)),
            None if rest.is_empty() => {
                items.push(Item::End(parser.end()));
                return items;
            }
            None => {}
        }
        let more = parsed.piece.is_none();
        buffer.drain(..parsed.consumed);
        if more {
            let (piece, behind) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            buffer.extend_from_slice(piece);
            rest = behind;
        }
    }
}

fn whole(bytes: &[u8], config: FrameConfig) -> Vec<Item> {
    items(bytes, &[usize::MAX], config)
}

fn start() -> Vec<u8> {
    ControlFrame::start(None).unwrap().as_bytes().to_vec()
}

fn data(payload: &[u8]) -> Vec<u8> {
    let mut frame = data_header(payload, NonZeroU32::MAX).unwrap().to_vec();
    frame.extend_from_slice(payload);
    frame
}

fn max(len: u32) -> FrameConfig {
    FrameConfig::new().max_data(NonZeroU32::new(len).unwrap())
}

#[test]
fn a_stream_cut_in_a_payload_tells_where_and_how_much_is_missing() {
    let bytes = [start(), data(b"hello")].concat();
    assert_eq!(
        whole(&bytes[..18], FrameConfig::new()).last(),
        Some(&Item::End(End::Truncated {
            offset: 12,
            missing: 3
        }))
    );
    assert_eq!(
        whole(&bytes[..14], FrameConfig::new()).last(),
        Some(&Item::End(End::Truncated {
            offset: 12,
            missing: 2
        }))
    );
    assert_eq!(
        whole(&bytes[..12], FrameConfig::new()).last(),
        Some(&Item::End(End::Eof))
    );
}

#[test]
fn the_longest_length_does_not_wrap() {
    let bytes = [start(), vec![0xff; 4], b"abc".to_vec()].concat();
    let config = FrameConfig::new().max_data(NonZeroU32::MAX);
    assert_eq!(
        whole(&bytes, config).last(),
        Some(&Item::End(End::Truncated {
            offset: 12,
            missing: 0xffff_fffc
        }))
    );
    assert_eq!(
        whole(&bytes, FrameConfig::new().oversize(Oversize::Skip)).last(),
        Some(&Item::End(End::Truncated {
            offset: 12,
            missing: 0xffff_fffc
        }))
    );
}

#[test]
fn a_frame_over_the_limit_is_an_error_with_its_offset() {
    let bytes = [start(), data(b"12345678"), data(b"123456789")].concat();
    assert_eq!(
        whole(&bytes, max(8)).last(),
        Some(&Item::Error(FrameError {
            offset: 24,
            kind: FrameErrorKind::DataTooLong { len: 9, max: 8 }
        }))
    );
}

#[test]
fn a_frame_over_the_limit_can_be_skipped() {
    let bytes = [start(), data(b"123456789"), data(b"ok")].concat();
    assert_eq!(
        whole(&bytes, max(8).oversize(Oversize::Skip)),
        [
            Item::Control(0, vec![0, 0, 0, 2]),
            Item::Skipped(12, 9),
            Item::Data(25, b"ok".to_vec()),
            Item::End(End::Eof)
        ]
    );
}

#[test]
fn the_error_says_what_the_stream_is_instead() {
    let say = |bytes: &[u8]| match whole(bytes, FrameConfig::new()).pop() {
        Some(Item::Error(error)) => error.to_string(),
        other => std::format!("{other:?}"),
    };
    assert_eq!(
        say(&[0x16, 3, 1, 2, 0]),
        "at byte 0: not a frame stream: starts with 16 03 01 02, expected four zero bytes \
         (looks like TLS)"
    );
    assert_eq!(
        say(&[start(), vec![5, 0, 0, 0]].concat()),
        "at byte 12: data frame of 83886080 bytes, expected at most 1048576 \
         (looks like a little-endian length)"
    );
}

#[test]
fn a_run_is_data_frames_and_nothing_else() {
    let refused = |bytes: &[u8]| match Run::decode(bytes, max(8)) {
        Err(error) => (error.offset, error.kind),
        Ok(run) => panic!("{run:?}"),
    };
    let two = [data(b"one"), data(b"two")].concat();
    assert_eq!(Run::decode(&two, max(8)).unwrap().frames(), 2);
    assert_eq!(refused(b""), (0, FrameErrorKind::Cut { missing: 4 }));
    assert_eq!(refused(&two[..9]), (7, FrameErrorKind::Cut { missing: 2 }));
    assert_eq!(refused(&two[..13]), (7, FrameErrorKind::Cut { missing: 1 }));
    assert_eq!(
        refused(&[&two[..], ControlFrame::stop().as_bytes()].concat()),
        (14, FrameErrorKind::NotData)
    );
    assert_eq!(
        refused(&[data(b"one"), data(b"too long!")].concat()),
        (7, FrameErrorKind::DataTooLong { len: 9, max: 8 })
    );
}

#[test]
fn a_run_is_split_between_frames() {
    let wire = [data(b"one"), data(b"two"), data(b"three")].concat();
    let run = Run::decode(&wire, FrameConfig::new()).unwrap();
    let sizes = |limit| {
        let (front, back) = run.split_at(limit);
        (
            front.map_or(0, |run| run.frames()),
            back.map_or(0, |run| run.frames()),
        )
    };
    assert_eq!(
        [6, 7, 13, 14, 22, 23, 99].map(sizes),
        [(0, 3), (1, 2), (1, 2), (2, 1), (2, 1), (3, 0), (3, 0)]
    );
    let (front, back) = run.split_at(8);
    let parts = [front.unwrap().as_wire(), back.unwrap().as_wire()];
    assert_eq!(parts.concat(), wire);
}

#[cfg(feature = "alloc")]
#[test]
fn an_owned_run_shares_its_bytes_with_its_payloads() {
    let payloads = [&b"one"[..], b"three"];
    let run = OwnedRun::encode(payloads, FrameConfig::new()).unwrap();
    assert_eq!(
        run,
        OwnedRun::decode(run.as_wire().clone(), FrameConfig::new()).unwrap()
    );
    assert_eq!(run, OwnedRun::from(run.as_run()));
    assert_eq!((run.frames(), run.payload_bytes()), (2, 8));
    for (shared, payload) in run.payloads().zip(payloads) {
        assert_eq!(shared, payload);
        assert!(run.as_wire().as_ptr_range().contains(&shared.as_ptr()));
    }
    assert_eq!(run.payloads().count(), 2);
    let encode = |payloads: &[&'static [u8]]| OwnedRun::encode(payloads.iter().copied(), max(4));
    assert_eq!(encode(&[]), Err(EncodeError::EmptyRun));
    assert_eq!(encode(&[b"one", b""]), Err(EncodeError::EmptyFrame));
    assert_eq!(encode(&[b"three"]), Err(EncodeError::TooLong { len: 5, max: 4 }));
}

#[test]
fn an_empty_payload_is_refused_before_any_byte_is_produced() {
    assert_eq!(data_header(b"", NonZeroU32::MAX), Err(EncodeError::EmptyFrame));
    assert_eq!(
        data_header(b"123", NonZeroU32::new(2).unwrap()),
        Err(EncodeError::TooLong { len: 3, max: 2 })
    );
}

/// Streams that are mostly right: frames, and now and then anything.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => vec_of(any::<u8>(), 1..40).prop_map(|payload| data(&payload)),
        2 => (0_u32..8, vec_of(any::<u8>(), 0..6)).prop_map(|(kind, name)| {
            let len = u32::try_from(name.len()).unwrap();
            let fields = [&[0, 0, 0, 1][..], &len.to_be_bytes(), &name].concat();
            let clen = u32::try_from(4 + fields.len()).unwrap();
            [&[0; 4][..], &clen.to_be_bytes(), &kind.to_be_bytes(), &fields].concat()
        }),
        1 => vec_of(any::<u8>(), 0..9),
    ];
    vec_of(piece, 0..12).prop_map(|pieces| [start(), pieces.concat()].concat())
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same_items(
        bytes in streams(),
        cuts in vec_of(1_usize..50, 1..8),
        skip in any::<bool>(),
    ) {
        let config = max(24).oversize(if skip { Oversize::Skip } else { Oversize::Refuse });
        let expected = whole(&bytes, config);
        prop_assert_eq!(&items(&bytes, &[1], config), &expected);
        prop_assert_eq!(&items(&bytes, &[7], config), &expected);
        prop_assert_eq!(&items(&bytes, &cuts, config), &expected);
        for cuts in [&[1][..], &[7], &cuts, &[usize::MAX]] {
            prop_assert_eq!(&items_of_runs(&bytes, cuts, config), &expected);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec_of(any::<u8>(), 0..80)) {
        whole(&bytes, FrameConfig::new().beginning(Beginning::Any));
    }

    #[test]
    fn what_is_framed_is_parsed(payloads in vec_of(vec_of(any::<u8>(), 1..60), 0..10)) {
        let bytes = [start(), payloads.iter().flat_map(|payload| data(payload)).collect()].concat();
        let parsed: Vec<_> = whole(&bytes, FrameConfig::new())
            .into_iter()
            .filter_map(|item| match item {
                Item::Data(_, payload) => Some(payload),
                _ => None,
            })
            .collect();
        prop_assert_eq!(parsed, payloads);
    }
}
