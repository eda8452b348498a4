extern crate std;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{Address, Port};

fn header(flags: Flags) -> Header {
    let port = Port::new(10).unwrap();
    let mut header = Header::new((Address::new(1).unwrap(), port), (Address::new(2).unwrap(), port));
    header.flags = flags;
    header
}

/// `payload` sealed in a buffer with room to spare.
fn sealed(protection: Protection<'_>, flags: Flags, payload: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut buffer = [payload, &[0xEE; 20]].concat();
    let sealed = protection.seal_in_place(flags, &mut buffer, payload.len(), 0x0102_0304)?;
    Ok(sealed.to_vec())
}

#[test]
fn the_checksum_covers_the_authentication_tag() {
    let flags = Flags::CRC32 | Flags::HMAC;
    let key = Key::from_pass_phrase(b"vector key");
    let protection = Protection::new(Version::V2, &key);
    let mut sealed = sealed(protection, flags, b"abc").unwrap();
    let (inner, _) = sealed.split_last_chunk::<CRC_LEN>().unwrap();
    assert_eq!(inner, [b"abc", &key.tag(b"abc")[..]].concat());
    let mut bad_tag = sealed.clone();
    bad_tag[3] ^= 1;
    let opened = protection.open_in_place(&header(flags), &mut bad_tag);
    assert!(matches!(opened, Err(OpenError::Crc(CrcError::Mismatch { .. }))));
    let other = Key::default();
    let wrong_key = Protection::new(Version::V2, &other).open_in_place(&header(flags), &mut sealed);
    assert_eq!(wrong_key, Err(OpenError::Hmac(HmacError::Mismatch)));
}

#[test]
fn a_buffer_without_room_is_refused() {
    let key = Key::default();
    let mut buffer = [0; 7];
    let refused = Protection::new(Version::V2, &key).seal_in_place(Flags::CRC32, &mut buffer, 4, 0);
    assert_eq!(refused, Err(SealError::Room { need: 8, got: 7 }));
}

#[test]
fn the_xtea_flag_without_a_key_is_refused_in_version_1_and_carried_where_it_is_reserved() {
    let key = Key::default();
    let protection = Protection::new(Version::V1, &key);
    assert_eq!(sealed(protection, Flags::XTEA, b"abc"), Err(SealError::NoKey));
    let mut encrypted = [0; 9];
    let opened = protection.open_in_place(&header(Flags::XTEA), &mut encrypted);
    assert_eq!(opened, Err(OpenError::NoKey));
    for reserved in [
        Protection::new(Version::V2, &key),
        protection.xtea_flag(XteaFlag::Reserved),
    ] {
        assert_eq!(sealed(reserved, Flags::XTEA, b"abc").unwrap(), b"abc");
    }
}

#[cfg(feature = "legacy-xtea")]
#[test]
fn encryption_is_outermost_and_covers_the_checksum() {
    let (key, xtea) = (Key::default(), xtea::Key::from_bytes([3; 16]));
    let protection = Protection::new(Version::V1, &key).xtea(&xtea);
    let flags = Flags::XTEA | Flags::CRC32;
    let mut sealed = sealed(protection, flags, b"abc").unwrap();
    assert!(sealed.ends_with(&[1, 2, 3, 4]));
    let mut inner = [b"abc", &crc::checksum(b"abc").to_be_bytes()[..]].concat();
    xtea.apply(0x0102_0304, &mut inner);
    assert_eq!(sealed[..7], inner);
    assert_eq!(
        protection.open_in_place(&header(flags), &mut sealed).unwrap(),
        b"abc"
    );
    let mut short = [0; 3];
    let opened = protection.open_in_place(&header(flags), &mut short);
    assert_eq!(opened, Err(OpenError::Nonce { got: 3 }));
}

/// Every header version and meaning of the XTEA flag.
fn protections(key: &Key) -> Vec<Protection<'_>> {
    let one = Protection::new(Version::V1, key);
    std::vec![
        one,
        one.xtea_flag(XteaFlag::Reserved),
        Protection::new(Version::V2, key)
    ]
}

proptest! {
    #[test]
    fn opening_what_was_sealed_gives_the_payload_back(
        payload in proptest::collection::vec(any::<u8>(), 0..300), bits: u8,
    ) {
        let flags = Flags::from_bits(bits);
        let key = Key::from_bytes([bits; 16]);
        #[cfg(feature = "legacy-xtea")]
        let xtea = xtea::Key::from_bytes([bits; 16]);
        for protection in protections(&key) {
            #[cfg(feature = "legacy-xtea")]
            let protection = protection.xtea(&xtea);
            let sealed = sealed(protection, flags, &payload);
            if protection.encrypts(flags) && cfg!(not(feature = "legacy-xtea")) {
                prop_assert_eq!(sealed, Err(SealError::NoKey));
                continue;
            }
            let mut sealed = sealed.unwrap();
            prop_assert_eq!(sealed.len(), payload.len() + protection.trailer_len(flags));
            let header = header(flags);
            #[cfg(feature = "alloc")]
            {
                let bytes = protection.seal(flags, payload.clone().into(), 0x0102_0304).unwrap();
                prop_assert_eq!(&bytes, &sealed);
                prop_assert_eq!(protection.open(&header, bytes).unwrap(), payload.clone());
            }
            prop_assert_eq!(protection.open_in_place(&header, &mut sealed).unwrap(), &payload[..]);
        }
    }

    #[test]
    fn opening_anything_never_panics_and_both_ways_agree(
        sealed in proptest::collection::vec(any::<u8>(), 0..20), bits: u8,
    ) {
        let key = Key::default();
        let header = header(Flags::from_bits(bits));
        for protection in protections(&key) {
            #[cfg(feature = "alloc")]
            let bytes = protection.open(&header, sealed.clone().into()).map(|opened| opened.to_vec());
            let opened = protection.open_in_place(&header, &mut sealed.clone()).map(|opened| opened.to_vec());
            #[cfg(feature = "alloc")]
            prop_assert_eq!(bytes, opened);
            #[cfg(not(feature = "alloc"))]
            let _ = opened;
        }
    }
}
