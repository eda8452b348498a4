use super::*;
use proptest::prelude::*;
use std::vec::Vec;

fn iv() -> [u8; IV_LEN] {
    [9; IV_LEN]
}

/// The same protection for two ends, by whether it has a CRC and whether it seals.
fn pair(crc: bool, sealed: bool) -> [Protection; 2] {
    [(); 2].map(|()| {
        let mut protection = Protection::none();
        if crc {
            protection = protection.with_crc();
        }
        #[cfg(feature = "seal")]
        if sealed {
            let key = Key::new([1; KEY_LEN]);
            protection = protection.with_seal(Seal::new(crate::wire::Wire::V0_23, key));
        }
        let _ = sealed;
        protection
    })
}

#[test]
fn a_keepalive_passes_as_it_is() {
    let [mut one, mut two] = pair(true, true);
    assert!(one.protect(&[b"", b""], iv).is_empty());
    assert_eq!(two.unprotect(Bytes::new()), Ok(Bytes::new()));
    assert_eq!((one.stats(), two.stats()), Default::default());
}

#[test]
fn the_crc_covers_what_is_sealed_and_is_looked_at_first() {
    let [mut one, mut two] = pair(true, true);
    let packet = one.protect(&[b"he", b"llo"], iv);
    assert_eq!(packet.len(), 5 + one.overhead());
    let (front, trailer) = packet.split_last_chunk::<CRC_LEN>().unwrap();
    assert_eq!(crc32(front), *trailer);
    assert_eq!(two.unprotect(packet).unwrap(), "hello");
}

#[test]
fn each_refusal_is_counted_and_told_once() {
    let [_, mut two] = pair(true, false);
    for bytes in ["abc", "abcdef", "abcdef"] {
        assert!(two.unprotect(bytes.into()).is_err());
    }
    let told: Vec<_> = core::iter::from_fn(|| two.poll_event()).collect();
    let refused = |reason, count| ProtectEvent::Refused { reason, count };
    assert_eq!(
        told,
        [refused(Refusal::NoChecksum, 1), refused(Refusal::BadChecksum, 2)]
    );
    assert_eq!((two.stats().no_checksum, two.stats().bad_checksum), (1, 2));
}

#[cfg(feature = "seal")]
#[test]
fn a_packet_that_was_not_sealed_is_refused_whatever_its_length() {
    let [_, mut two] = pair(false, true);
    assert_eq!(two.unprotect("short".into()), Err(Refusal::NotSealed));
    assert_eq!(
        two.unprotect(Bytes::from(Vec::from([0; 40]))),
        Err(Refusal::Forged)
    );
    assert_eq!((two.stats().not_sealed, two.stats().forged), (1, 1));
}

proptest! {
    #[test]
    fn what_was_protected_comes_out_as_it_was(text: Vec<u8>, at: usize, crc: bool, sealed: bool) {
        let [mut one, mut two] = pair(crc, sealed);
        let (front, back) = text.split_at(at % (text.len() + 1));
        let packet = one.protect(&[front, back], iv);
        prop_assert_eq!(two.unprotect(packet).unwrap(), text);
    }

    #[test]
    fn no_bytes_break_it(bytes: Vec<u8>, crc: bool, sealed: bool) {
        let [_, mut two] = pair(crc, sealed);
        let _ = two.unprotect(bytes.into());
    }
}
