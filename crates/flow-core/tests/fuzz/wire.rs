//! What one process sends another, cut anyhow: a hello, an answer, or frames of a flow; the same of a
//! broadcast layer.
//!
//! The first byte chooses which, the second the length of the pieces; the rest is what comes.

use core::fmt::Debug;

use bytes::BytesMut;
use flow_core::providers::machine::broadcast::wire as broadcast;
use flow_core::providers::machine::frame::Frame;
use flow_core::providers::machine::hello::{Answer, Hello};

/// The longest packet.
const MAX: usize = 300;

pub(crate) fn run(bytes: &[u8]) {
    let &[choice, cut, ref stream @ ..] = bytes else {
        return;
    };
    let cut = usize::from(cut).max(1);
    match choice % 6 {
        0 => judge(stream, cut, Hello::decode, Hello::encode),
        1 => judge(stream, cut, Answer::decode, Answer::encode),
        2 => {
            let decode = |bytes: &mut BytesMut| Frame::decode(bytes, MAX);
            judge(stream, cut, decode, Frame::encode);
            exact(stream, decode, Frame::encode);
        }
        3 => judge(stream, cut, broadcast::Hello::decode, broadcast::Hello::encode),
        4 => judge(stream, cut, broadcast::Answer::decode, |answer, out| {
            answer.encode(out)
        }),
        _ => {
            let decode = |bytes: &mut BytesMut| broadcast::Message::decode(bytes, MAX);
            judge(stream, cut, decode, broadcast::Message::encode);
            exact(stream, decode, broadcast::Message::encode);
        }
    }
}

/// Whole or in pieces a stream is the same, nothing is taken of what is not understood, and what is encoded
/// again is understood as it was.
fn judge<T: PartialEq + Debug, E: PartialEq + Debug>(
    stream: &[u8],
    cut: usize,
    decode: impl Fn(&mut BytesMut) -> Result<Option<T>, E>,
    encode: impl Fn(&T, &mut BytesMut),
) {
    let all = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut bytes, mut items) = (BytesMut::new(), Vec::new());
        for piece in pieces {
            bytes.extend_from_slice(piece);
            loop {
                let before = bytes.len();
                match decode(&mut bytes) {
                    Ok(Some(item)) => items.push(item),
                    Ok(None) => {
                        assert_eq!(bytes.len(), before);
                        break;
                    }
                    Err(error) => return (items, Err(error)),
                }
            }
        }
        (items, Ok(()))
    };
    let whole = all(&mut [stream].into_iter());
    let pieces = all(&mut stream.chunks(cut));
    assert_eq!(whole.0, pieces.0);
    assert_eq!(whole.1.is_ok(), pieces.1.is_ok());
    for item in whole.0 {
        let mut again = BytesMut::new();
        encode(&item, &mut again);
        assert_eq!(decode(&mut again), Ok(Some(item)));
        assert!(again.is_empty());
    }
}

/// There is one way to write a frame, or a message.
fn exact<T, E>(
    stream: &[u8],
    decode: impl Fn(&mut BytesMut) -> Result<Option<T>, E>,
    encode: impl Fn(&T, &mut BytesMut),
) {
    let mut bytes = BytesMut::from(stream);
    let mut again = BytesMut::new();
    while let Ok(Some(item)) = decode(&mut bytes) {
        encode(&item, &mut again);
    }
    assert_eq!(&stream[..stream.len() - bytes.len()], &again[..]);
}
