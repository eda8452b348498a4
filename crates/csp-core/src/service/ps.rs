//! The list of processes, port 2: text for people, in one packet or several.

use bytes::Bytes;

/// What a client sends. libcsp 1.6 answers nothing else, 2.x and we answer everything.
pub const REQUEST: &[u8] = &[0x55];

/// Bytes of text in each packet of libcsp 1.6.
pub const PACKET_LEN: usize = 196;

/// Most bytes of text that are sent or collected.
pub const MAX_TEXT_LEN: usize = 64 * 1024;

/// The packets of `text`: all of it, in order, each of at most `len` bytes.
///
/// `len` 0 counts as 1. No text is no packet. A character may be cut: the packets together are the text.
pub fn packets(text: Bytes, len: usize) -> impl Iterator<Item = Bytes> {
    let mut rest = text;
    core::iter::from_fn(move || {
        let next = rest.split_to(rest.len().min(len.max(1)));
        (!next.is_empty()).then_some(next)
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_text_is_no_packet() {
        assert_eq!(packets(Bytes::new(), 10).count(), 0);
    }

    proptest! {
        #[test]
        fn the_packets_together_are_the_text_and_none_is_too_long_or_empty(
            text in proptest::collection::vec(any::<u8>(), 0..500), len in 0..300_usize,
        ) {
            let packets: Vec<_> = packets(text.clone().into(), len).collect();
            prop_assert!(packets.iter().all(|packet| (1..=len.max(1)).contains(&packet.len())));
            prop_assert_eq!(packets.concat(), text);
        }
    }
}
