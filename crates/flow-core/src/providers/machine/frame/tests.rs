use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

const MAX: usize = 2_000;

fn frame() -> impl Strategy<Value = Frame> {
    let count = any::<(u32, u32)>().prop_map(|(packets, bytes)| Frame::Read(Count { packets, bytes }));
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..MAX).prop_map(|packet| Frame::Data(packet.into())),
        count,
        Just(Frame::Alive),
        Just(Frame::End),
        Just(Frame::Tell),
        proptest::sample::select(&[FlowState::Up, FlowState::Down][..]).prop_map(Frame::Mark),
        proptest::sample::select(&[Reads::Yes, Reads::No, Reads::Never][..]).prop_map(Frame::Reads),
    ]
}

fn decode(bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
    Frame::decode(&mut BytesMut::from(bytes), MAX)
}

#[test]
fn frames_are_on_the_wire_as_documented() {
    let mut out = BytesMut::new();
    let (packets, bytes) = (2, 0x0102_0304);
    for frame in [
        Frame::Data("ab".into()),
        Frame::Alive,
        Frame::Read(Count { packets, bytes }),
        Frame::Mark(FlowState::Down),
        Frame::End,
        Frame::Reads(Reads::Never),
        Frame::Tell,
    ] {
        frame.encode(&mut out);
    }
    let wanted = [
        &[1, 2, 0, 0, b'a', b'b'][..],
        &[2, 0, 0, 0],
        &[3, 8, 0, 0, 2, 0, 0, 0, 4, 3, 2, 1],
        &[4, 1, 0, 0, 1],
        &[5, 0, 0, 0],
        &[6, 1, 0, 0, 2],
        &[7, 0, 0, 0],
    ];
    assert_eq!(out, wanted.concat());
}

#[test]
fn what_is_wrong_is_told_by_the_header_alone() {
    assert_eq!(decode(&[8, 0, 0, 0]), Err(FrameError::Kind { got: 8 }));
    assert_eq!(decode(&[1, 0, 0, 0]), Err(FrameError::Empty));
    let (got, max) = (MAX_PAYLOAD, MAX);
    assert_eq!(decode(&[1, 255, 255, 255]), Err(FrameError::TooLong { got, max }));
    let (kind, need, got) = (3, 8, 9);
    assert_eq!(decode(&[3, 9, 0, 0]), Err(FrameError::Length { kind, need, got }));
    assert_eq!(
        decode(&[6, 1, 0, 0, 3]),
        Err(FrameError::Value { kind: 6, got: 3 })
    );
}

#[test]
fn a_long_packet_is_a_slice_of_what_was_read_and_a_short_one_is_a_copy() {
    for (len, shared) in [(COPY_BELOW, true), (COPY_BELOW - 1, false)] {
        let mut bytes = BytesMut::new();
        Frame::Data(alloc::vec![7; len].into()).encode(&mut bytes);
        let range = bytes.as_ptr_range();
        let Ok(Some(Frame::Data(packet))) = Frame::decode(&mut bytes, MAX) else {
            panic!("a packet");
        };
        assert_eq!((packet.len(), range.contains(&packet.as_ptr())), (len, shared));
    }
}

#[test]
fn the_encoder_refuses_what_the_decoder_would() {
    let mut codec = FrameCodec::new(10);
    let mut out = BytesMut::new();
    for packet in [Bytes::new(), Bytes::from_static(&[0; 11])] {
        let error = codec.encode(Frame::Data(packet), &mut out).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
    assert!(out.is_empty());
}

proptest! {
    #[test]
    fn however_a_stream_is_cut_the_frames_are_the_same(
        frames in proptest::collection::vec(frame(), 0..20),
        cuts in proptest::collection::vec(1..700_usize, 1..20),
    ) {
        let mut stream = BytesMut::new();
        frames.iter().for_each(|frame| frame.encode(&mut stream));
        let (mut bytes, mut decoded) = (BytesMut::new(), Vec::new());
        for cut in cuts.into_iter().cycle() {
            if stream.is_empty() {
                break;
            }
            bytes.extend_from_slice(&stream.split_to(cut.min(stream.len())));
            while let Some(frame) = Frame::decode(&mut bytes, MAX).unwrap() {
                decoded.push(frame);
            }
        }
        prop_assert_eq!((decoded, bytes.len()), (frames, 0));
    }

    #[test]
    fn any_bytes_are_frames_or_an_error_and_frames_are_the_bytes(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        kind in 0..9_u8,
    ) {
        let mut stream = BytesMut::from(&[&[kind, 1, 0, 0][..], &bytes].concat()[..]);
        loop {
            let (before, capacity) = (stream.clone(), stream.capacity());
            match Frame::decode(&mut stream, MAX) {
                Ok(Some(frame)) => {
                    let mut again = BytesMut::new();
                    frame.encode(&mut again);
                    prop_assert_eq!(&again[..], &before[..before.len() - stream.len()]);
                }
                Ok(None) | Err(_) => {
                    prop_assert_eq!(&stream, &before, "nothing is taken");
                    prop_assert!(stream.capacity() <= capacity, "nothing is made ready for what is told");
                    break;
                }
            }
        }
    }
}
