use std::vec::Vec;

use futures_util::{SinkExt, StreamExt};
use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use tokio_util::codec::Framed;

use super::*;
use crate::ControlType;
use crate::frame::{FrameErrorKind, Oversize};

fn stream(payloads: &[Vec<u8>]) -> BytesMut {
    let mut codec = FstrmCodec::default();
    let mut wire = BytesMut::new();
    codec
        .encode(ControlFrame::start(None).unwrap(), &mut wire)
        .unwrap();
    for payload in payloads {
        codec.encode(Bytes::copy_from_slice(payload), &mut wire).unwrap();
    }
    codec.encode(ControlFrame::stop(), &mut wire).unwrap();
    wire
}

#[test]
fn a_payload_shares_the_read_buffer() {
    let mut wire = stream(&[b"hello".to_vec()]);
    let mut codec = FstrmCodec::default();
    codec.decode(&mut wire).unwrap();
    let inside = wire.as_ptr() as usize..wire.as_ptr() as usize + wire.len();
    let Some(OwnedFrame::Data(payload)) = codec.decode(&mut wire).unwrap() else {
        panic!("a data frame comes second");
    };
    assert!(inside.contains(&(payload.as_ptr() as usize)));
}

#[test]
fn an_announced_length_makes_no_room_beyond_64_kib() {
    let mut wire = stream(&[]);
    wire.truncate(12);
    wire.extend_from_slice(&0x000f_ffff_u32.to_be_bytes());
    let mut codec = FstrmCodec::default();
    codec.decode(&mut wire).unwrap();
    assert_eq!(codec.decode(&mut wire).unwrap(), None);
    assert!(wire.capacity() <= 2 * MAX_RESERVE, "{}", wire.capacity());
}

#[test]
fn an_error_latches() {
    let mut codec = FstrmCodec::default();
    let mut wire = BytesMut::from(&b"GET / HTTP/1.1"[..]);
    for _ in 0..2 {
        assert!(matches!(
            codec.decode(&mut wire),
            Err(CodecError::Frame(FrameError {
                offset: 0,
                kind: FrameErrorKind::NotFrameStream { .. }
            }))
        ));
    }
}

#[test]
fn an_empty_payload_is_refused_and_leaves_no_byte() {
    let mut wire = BytesMut::new();
    let result = FstrmCodec::default().encode(Bytes::new(), &mut wire);
    assert!(matches!(result, Err(CodecError::Encode(EncodeError::EmptyFrame))));
    assert!(wire.is_empty());
}

#[tokio::test]
async fn framed_carries_frames_both_ways() {
    let (here, there) = tokio::io::duplex(64);
    let mut here = Framed::new(here, FstrmCodec::default());
    let mut there = Framed::new(there, FstrmCodec::default());
    let sender = async {
        here.send(ControlFrame::start(Some(b"t")).unwrap()).await.unwrap();
        here.send(Bytes::from(std::vec![7; 1_000])).await.unwrap();
        drop(here);
    };
    let receiver = async {
        let Some(Ok(OwnedFrame::Control(control))) = there.next().await else {
            panic!("START comes first");
        };
        assert_eq!(control.as_control().control_type(), ControlType::Start);
        assert_eq!(control.as_control().content_type(), Some(&b"t"[..]));
        assert!(matches!(there.next().await, Some(Ok(OwnedFrame::Data(data))) if data.len() == 1_000));
        assert!(there.next().await.is_none());
    };
    tokio::join!(sender, receiver);
}

#[tokio::test]
async fn framed_reports_a_cut_frame_once() {
    let wire = stream(&[b"hello".to_vec()]);
    let mut framed = Framed::new(
        tokio::io::join(&wire[..18], tokio::io::sink()),
        FstrmCodec::default(),
    );
    assert!(matches!(framed.next().await, Some(Ok(OwnedFrame::Control(_)))));
    assert!(matches!(
        framed.next().await,
        Some(Err(CodecError::Truncated {
            offset: 12,
            missing: 3
        }))
    ));
    assert!(framed.next().await.is_none());
}

/// What comes out when `wire` comes in pieces of the lengths in `cuts`, over and over.
fn decode(wire: &[u8], cuts: &[usize], config: FrameConfig) -> Vec<Result<OwnedFrame, std::string::String>> {
    let mut codec = FstrmCodec::new(config);
    let mut buffer = BytesMut::new();
    let mut items = Vec::new();
    let mut rest = wire;
    for cut in cuts.iter().cycle() {
        let (piece, behind) = rest.split_at((*cut).min(rest.len()));
        buffer.extend_from_slice(piece);
        rest = behind;
        loop {
            let decoded = if rest.is_empty() {
                codec.decode_eof(&mut buffer)
            } else {
                codec.decode(&mut buffer)
            };
            match decoded {
                Ok(Some(frame)) => items.push(Ok(frame)),
                Ok(None) => break,
                Err(error) => {
                    items.push(Err(std::string::ToString::to_string(&error)));
                    return items;
                }
            }
        }
        if rest.is_empty() {
            return items;
        }
    }
    items
}

/// The same by runs, whose frames are told apart again.
fn decode_runs(
    wire: &[u8],
    cuts: &[usize],
    config: FrameConfig,
) -> Vec<Result<OwnedFrame, std::string::String>> {
    let mut codec = FstrmCodec::new(config);
    let (mut buffer, mut items, mut rest) = (BytesMut::new(), Vec::new(), wire);
    for cut in cuts.iter().cycle() {
        let (piece, behind) = rest.split_at((*cut).min(rest.len()));
        buffer.extend_from_slice(piece);
        rest = behind;
        loop {
            match codec.decode_run(&mut buffer) {
                Ok(Some(OwnedPiece::Run(run))) => items.extend(run.payloads().map(OwnedFrame::Data).map(Ok)),
                Ok(Some(OwnedPiece::Control(control))) => items.push(Ok(OwnedFrame::Control(control))),
                Ok(Some(OwnedPiece::Skipped { len })) => items.push(Ok(OwnedFrame::Skipped { len })),
                Ok(None) => break,
                Err(error) => {
                    items.push(Err(std::string::ToString::to_string(&error)));
                    return items;
                }
            }
        }
        if rest.is_empty() {
            let end = codec.decode_eof(&mut buffer);
            items.extend(
                end.err()
                    .map(|error| Err(std::string::ToString::to_string(&error))),
            );
            return items;
        }
    }
    items
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same_items(
        payloads in vec_of(vec_of(any::<u8>(), 1..60), 0..8),
        cut in 0_usize..200,
        cuts in vec_of(1_usize..50, 1..8),
        skip in any::<bool>(),
    ) {
        let wire = stream(&payloads);
        let wire = &wire[..wire.len().saturating_sub(cut).max(1)];
        let config = FrameConfig::new()
            .max_data(core::num::NonZeroU32::new(40).unwrap())
            .oversize(if skip { Oversize::Skip } else { Oversize::Refuse });
        let whole = decode(wire, &[usize::MAX], config);
        prop_assert_eq!(&decode(wire, &[1], config), &whole);
        prop_assert_eq!(&decode(wire, &[7], config), &whole);
        prop_assert_eq!(&decode(wire, &cuts, config), &whole);
        for cuts in [&[1][..], &[7], &cuts, &[usize::MAX]] {
            prop_assert_eq!(&decode_runs(wire, cuts, config), &whole);
        }
    }
}
