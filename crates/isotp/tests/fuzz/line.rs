//! Any bytes, cut anyhow, as the text of isotpserver's protocol.

use bytes::{Bytes, BytesMut};
use isotp::isotpserver::{Decoded, LineCodec, Reading};
use tokio_util::codec::{Decoder, Encoder};

use testkit::fuzz::Input;

/// Cutting changes nothing, no message is longer than allowed, no text becomes more than it can, and what is
/// written is read again.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let max_len = input.pick(&[3, 20, 6000]);
    let mut codec = LineCodec::server()
        .reading(input.pick(&[Reading::Strict, Reading::Tolerant]))
        .max_len(max_len);
    let cuts: Vec<usize> = (0..4).map(|_| usize::from(input.byte())).collect();
    let text = input.take(usize::MAX);

    let whole = items(&mut codec.clone(), [text]);
    let mut rest = text;
    let pieces = core::iter::repeat(&cuts).flatten().map_while(|&cut| {
        let (piece, behind) = rest.split_at(cut.max(1).min(rest.len()));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(items(&mut codec.clone(), pieces), whole);

    let mut written = BytesMut::new();
    let mut sent = Vec::new();
    let mut digits = 0;
    for item in &whole {
        if let Decoded::Message(message) = item {
            assert!((1..=max_len).contains(&message.len()));
            digits += message.len();
            codec.encode(message.clone(), &mut written).unwrap();
            sent.push(item.clone());
        }
    }
    // A lone character stands for a byte where the original reads it so.
    assert!(digits <= text.len() && whole.len() <= text.len());
    assert_eq!(items(&mut codec.clone(), [&written[..]]), sent);
    let too_long = Bytes::from(vec![0; max_len + 1]);
    assert!(codec.encode(too_long, &mut written).is_err());
}

fn items<'a>(codec: &mut LineCodec, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Decoded> {
    let mut buffer = BytesMut::new();
    let mut items = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some(item) = codec.decode(&mut buffer).unwrap() {
            items.push(item);
        }
        assert!(buffer.is_empty(), "text is left lying");
    }
    while let Some(item) = codec.decode_eof(&mut buffer).unwrap() {
        items.push(item);
    }
    items
}
