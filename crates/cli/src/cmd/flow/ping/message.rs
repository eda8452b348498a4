//! The packets of oping: type and number big endian, then the time in the order of the machine's bytes, which
//! only its sender reads.

use core::time::Duration;

use bytes::{Bytes, BytesMut};

const REQUEST: u32 = 0;
const REPLY: u32 = 1;

/// A request of `size` bytes, at least 8: what does not fit of the time is left out.
pub(super) fn request(number: u32, time: Duration, size: usize) -> Bytes {
    let mut packet = Vec::with_capacity(size.max(24));
    packet.extend_from_slice(&REQUEST.to_be_bytes());
    packet.extend_from_slice(&number.to_be_bytes());
    packet.extend_from_slice(&time.as_secs().to_ne_bytes());
    packet.extend_from_slice(&u64::from(time.subsec_nanos()).to_ne_bytes());
    packet.resize(size, 0);
    packet.into()
}

/// The reply to a request; nothing where it is none.
pub(super) fn reply(request: Bytes) -> Option<Bytes> {
    if kind_and_number(&request)?.0 != REQUEST {
        return None;
    }
    let mut reply = BytesMut::from(request);
    reply.get_mut(..4)?.copy_from_slice(&REPLY.to_be_bytes());
    Some(reply.freeze())
}

/// Which request it answers; a service that gives back what it gets answers, too.
pub(super) fn answered(packet: &[u8]) -> Option<u32> {
    let (kind, number) = kind_and_number(packet)?;
    (kind == REQUEST || kind == REPLY).then_some(number)
}

fn kind_and_number(packet: &[u8]) -> Option<(u32, u32)> {
    let (kind, rest) = packet.split_first_chunk()?;
    Some((
        u32::from_be_bytes(*kind),
        u32::from_be_bytes(*rest.first_chunk()?),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_the_request_with_another_type() {
        let request = request(7, Duration::new(3, 5), 64);
        assert_eq!(request.len(), 64);
        assert_eq!(&request[..8], [0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(request[8..16], 3u64.to_ne_bytes());
        assert_eq!(request[16..24], 5u64.to_ne_bytes());
        let reply = reply(request.clone()).unwrap();
        assert_eq!(&reply[..8], [0, 0, 0, 1, 0, 0, 0, 7]);
        assert_eq!(reply[8..], request[8..]);
        assert_eq!((answered(&reply), answered(&request)), (Some(7), Some(7)));
    }

    #[test]
    fn what_is_neither_is_not_answered() {
        assert_eq!(reply(Bytes::from_static(b"\0\0\0\x01\0\0\0\x07")), None);
        assert_eq!(reply(Bytes::from_static(b"\0\0\0\0\0\0\0")), None);
        assert_eq!(answered(b"hello, you"), None);
        assert_eq!(request(1, Duration::ZERO, 8).len(), 8);
    }
}
