//! Any bytes as a frame: header, trailers, payload.

use bytes::Bytes;
use csp_core::seal::{Protection, SealError};
use csp_core::{Flags, Header, Packet, Version, XteaFlag, hmac};

use testkit::fuzz::Input;

/// Decoding and opening never panic, in place and with memory of their own they agree, what was opened seals
/// to what it was, and a bit that was flipped on the way is noticed by every trailer.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let version = [Version::V1, Version::V2][usize::from(input.flag())];
    let key = hmac::Key::from_bytes([input.byte(); 16]);
    let mut protection = Protection::new(version, &key);
    if input.flag() {
        protection = protection.xtea_flag(XteaFlag::Reserved);
    }
    #[cfg(feature = "legacy-xtea")]
    let xtea = csp_core::xtea::Key::from_bytes([input.byte(); 16]);
    #[cfg(feature = "legacy-xtea")]
    if input.flag() {
        protection = protection.xtea(&xtea);
    }
    let flip = input.word();
    let frame = input.rest();
    let Ok((header, payload)) = Header::decode(version, frame) else {
        assert!(frame.len() < version.header_len());
        return;
    };
    let encoded = header.encode(version).unwrap();
    assert_eq!([&encoded[..], payload].concat(), frame);
    let packet = Packet::decode(version, Bytes::copy_from_slice(frame)).unwrap();
    assert_eq!(packet.encode(version).unwrap(), frame);
    assert_eq!(packet.payload, payload);

    received(protection, &header, packet.payload.clone());
    sent(protection, &header, packet.payload, flip);
}

/// The payload as it came from a link.
fn received(protection: Protection<'_>, header: &Header, sealed: Bytes) {
    let mut buffer = sealed.to_vec();
    let in_place = protection.open_in_place(header, &mut buffer);
    let opened = protection.open(header, sealed.clone());
    assert_eq!(
        opened.as_ref().map(|opened| &opened[..]),
        in_place.as_deref(),
        "{header:?}"
    );
    if let Ok(opened) = opened {
        let trailers = protection.trailer_len(header.flags);
        assert_eq!(opened.len() + trailers, sealed.len());
        // The other form of a checksum is accepted and never made (SEC-3).
        if !header.flags.contains(Flags::CRC32) {
            let nonce = nonce(&sealed);
            assert_eq!(protection.seal(header.flags, opened, nonce).unwrap(), sealed);
        }
    }
}

fn nonce(sealed: &[u8]) -> u32 {
    sealed
        .split_last_chunk()
        .map_or(0, |(_, nonce)| u32::from_be_bytes(*nonce))
}

/// The payload as an application gives it.
fn sent(protection: Protection<'_>, header: &Header, payload: Bytes, flip: u16) {
    let flags = header.flags;
    let sealed = match protection.seal(flags, payload.clone(), flip.into()) {
        Ok(sealed) => sealed,
        Err(error) => {
            assert_eq!(error, SealError::NoKey);
            return assert!(protection.encrypts(flags));
        }
    };
    assert_eq!(sealed.len(), payload.len() + protection.trailer_len(flags));
    assert_eq!(protection.open(header, sealed.clone()), Ok(payload));
    let mut damaged = sealed.to_vec();
    if damaged.is_empty() {
        return;
    }
    let at = usize::from(flip) % damaged.len();
    damaged[at] ^= 1 << (flip % 8);
    let opened = protection.open(header, damaged.into());
    // XTEA alone notices nothing.
    if flags.contains(Flags::CRC32) || flags.contains(Flags::HMAC) {
        assert!(opened.is_err(), "a flipped bit went unnoticed: {header:?}");
    }
}
