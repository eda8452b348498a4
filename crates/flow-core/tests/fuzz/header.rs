//! Any bytes against the header, the protection, and a machine that knows nobody.

use bytes::Bytes;
use flow_core::Protection;
use flow_core::frct::{Config, DecodeError, Delivery, Discard, Header, Machine, Sequence, Verdict};
use tinwire_time::Instant;

pub(crate) fn run(bytes: &[u8]) {
    match Header::decode(bytes) {
        Ok((header, payload)) => assert_eq!([&header.encode()[..], payload].concat(), bytes),
        Err(DecodeError::Short { need, got, .. }) => assert!(got < need && got == bytes.len()),
        Err(DecodeError::UnknownFlags { got }) => assert_eq!(bytes[0], got),
        Err(error) => panic!("{error}"),
    }
    let packet = Bytes::copy_from_slice(bytes);
    for delivery in [Delivery::Reliable, Delivery::Ordered] {
        let mut machine = Machine::new(Config::default().delivery(delivery), Sequence::new(1));
        let verdict = machine.handle_packet(Instant::ZERO, packet.clone());
        let is_malformed = verdict == Verdict::Discarded(Discard::Malformed);
        assert_eq!(is_malformed, !bytes.is_empty() && Header::decode(bytes).is_err());
        let sent = core::iter::from_fn(|| machine.poll_transmit(Instant::ZERO)).count();
        assert!(sent <= 1, "never more than one for one");
    }
    protected(&packet);
}

/// What comes out of a protection without a fault is what another one put in.
fn protected(packet: &Bytes) {
    for mut protection in [Protection::none().with_crc(), sealed()] {
        let _by_chance_a_crc_is_right = protection.unprotect(packet.clone());
    }
    let [mut here, mut there] = [(); 2].map(|()| sealed().with_crc());
    let on_the_way = here.protect(&[packet], || [1; 12]);
    assert_eq!(there.unprotect(on_the_way).unwrap(), packet);
}

#[cfg(feature = "seal")]
fn sealed() -> Protection {
    use flow_core::protect::{Key, Seal};
    Protection::none().with_seal(Seal::new(flow_core::Wire::V0_23, Key::new([9; 32])))
}

#[cfg(not(feature = "seal"))]
fn sealed() -> Protection {
    Protection::none().with_crc()
}
