//! Headers, trailers and packets as bytes.

use bytes::Bytes;
use csp_core::hmac::Key;
use csp_core::seal::Protection;
use csp_core::{
    ConnectConfig, DEFAULT_MTU, DecodeError, Flags, Header, InterfaceConfig, InterfaceName, Netmask, Node,
    Packet, SendError, Switch, Version, crc, xtea,
};
use testkit::vectors::{Value, optional};

use super::{
    NOW, Outcome, bare, buffer_size, bytes, flags, header, is_negative, key, number, text, try_header,
    version, xtea_flag,
};

pub(crate) fn header_encode(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let encoded = try_header(&input["id"]).and_then(|header| header.encode(version(input)).ok());
    if is_negative(entry) || optional(&entry["out"], "error").is_some() {
        assert_eq!(encoded, None, "{entry}");
        return Outcome::Differs("HDR-4: what has no room is refused");
    }
    let encoded = encoded.unwrap_or_else(|| panic!("refused: {entry}"));
    assert_eq!(*encoded, bytes(&entry["out"]["bytes"]), "{entry}");
    Outcome::Agrees
}

pub(crate) fn header_decode(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    let frame = bytes(&input["frame"]);
    let decoded = Header::decode(version(input), &frame);
    if optional(out, "error").is_some() {
        assert!(matches!(decoded, Err(DecodeError::Short { .. })), "{entry}");
    } else {
        assert_eq!(
            decoded,
            Ok((header(&out["id"]), &bytes(&out["payload"])[..])),
            "{entry}"
        );
    }
    Outcome::Agrees
}

pub(crate) fn serialize(entry: &Value) -> Outcome {
    let input = &entry["in"];
    let packet = Packet::new(header(&input["id"]), bytes(&input["payload"]).into());
    assert_eq!(
        packet.encode(Version::V2).unwrap(),
        bytes(&entry["out"]["frame"]),
        "{entry}"
    );
    Outcome::Agrees
}

pub(crate) fn deserialize(entry: &Value) -> Outcome {
    let decoded = Packet::decode(Version::V2, bytes(&entry["in"]["frame"]).into());
    let expected = entry["out"]["packets"].as_array().unwrap();
    match decoded {
        Ok(packet) => {
            let [only] = &expected[..] else { panic!("{entry}") };
            assert_eq!(
                packet,
                Packet::new(header(&only["id"]), bytes(&only["payload"]).into()),
                "{entry}"
            );
            Outcome::Agrees
        }
        Err(DecodeError::Short { .. }) => {
            assert!(expected.is_empty(), "{entry}");
            Outcome::Agrees
        }
        Err(error) => panic!("{error}: {entry}"),
    }
}

pub(crate) fn crc32(entry: &Value) -> Outcome {
    let sum = crc::checksum(&bytes(&entry["in"]["data"]));
    assert_eq!(sum.to_be_bytes()[..], bytes(&entry["out"]["crc"]), "{entry}");
    Outcome::Agrees
}

pub(crate) fn hmac(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    let key = Key::from_pass_phrase(&bytes(&input["passphrase"]));
    let derived: [u8; 16] = bytes(&out["key"]).try_into().unwrap();
    let data = bytes(&input["data"]);
    for key in [key, Key::from_bytes(derived)] {
        let tag = key.tag(&data);
        assert_eq!(tag[..], bytes(&out["tag"]), "{entry}");
        assert_eq!(key.verify(&[&data[..], &tag].concat()), Ok(&data[..]), "{entry}");
    }
    Outcome::Agrees
}

pub(crate) fn packet_encode(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    let mut header = header(input);
    header.flags = match optional(input, "preset_flags") {
        Some(preset) => Flags::from_bits(number(preset).try_into().unwrap()),
        None => flags(text(&input["opts"])).unwrap_or_else(|| panic!("opts: {entry}")),
    };
    let payload = Bytes::from(bytes(&input["payload"]));
    if let Some(error) = optional(out, "error") {
        assert_eq!(error, "no_room", "{entry}");
        refused(entry, &header, payload);
        return Outcome::Agrees;
    }
    let (hmac, version) = (key(input), version(input));
    let protection = Protection::new(version, &hmac).xtea_flag(xtea_flag(entry));
    if !protection.encrypts(header.flags) {
        return sealed(entry, protection, header, payload, 0);
    }
    let xtea = xtea_key(input);
    let nonce = u32::from_be_bytes(bytes(&input["nonce"]).try_into().unwrap());
    sealed(entry, protection.xtea(&xtea), header, payload, nonce)
}

/// Sealed in a buffer of its own and in place, the packet is the peer's, and opens again.
fn sealed(entry: &Value, protection: Protection<'_>, header: Header, payload: Bytes, nonce: u32) -> Outcome {
    let sealed = protection.seal(header.flags, payload.clone(), nonce).unwrap();
    let mut buffer = [&payload[..], &[0xEE; 16]].concat();
    let in_place = protection.seal_in_place(header.flags, &mut buffer, payload.len(), nonce);
    let in_place = in_place.unwrap();
    assert_eq!(*in_place, sealed, "{entry}");
    let packet = Packet::new(header, sealed.clone());
    let frame = packet.encode(version(&entry["in"])).unwrap();
    assert_eq!(frame, bytes(&entry["out"]["frame"]), "{entry}");
    assert_eq!(
        *protection.open_in_place(&header, in_place).unwrap(),
        payload,
        "{entry}"
    );
    assert_eq!(protection.open(&header, sealed).unwrap(), payload, "{entry}");
    Outcome::Agrees
}

pub(crate) fn xtea_ctr(entry: &Value) -> Outcome {
    let (input, out) = (&entry["in"], &entry["out"]);
    let nonce = u32::from_be_bytes(bytes(&input["nonce"]).try_into().unwrap());
    let derived: [u8; 16] = bytes(&input["key"]).try_into().unwrap();
    let (plain, cipher) = (bytes(&input["plain"]), bytes(&out["cipher"]));
    for key in [
        xtea::Key::from_pass_phrase(&bytes(&input["passphrase"])),
        xtea::Key::from_bytes(derived),
    ] {
        let mut payload = plain.clone();
        key.apply(nonce, &mut payload);
        assert_eq!(payload, cipher, "{entry}");
        key.apply(nonce, &mut payload);
        assert_eq!(payload, plain, "{entry}");
    }
    Outcome::Agrees
}

/// The key given, or that of a peer to which none was: zeros.
fn xtea_key(input: &Value) -> xtea::Key {
    match optional(input, "xtea_passphrase") {
        Some(phrase) => xtea::Key::from_pass_phrase(&bytes(phrase)),
        None => xtea::Key::from_bytes([0; 16]),
    }
}

/// A node with the peer's buffer as its MTU refuses the packet (SEC-8).
fn refused(entry: &Value, header: &Header, payload: Bytes) {
    let input = &entry["in"];
    let buffer = buffer_size(input).unwrap_or(DEFAULT_MTU);
    let config = bare().xtea_flag(xtea_flag(entry)).xtea_key(xtea_key(input));
    let mut node = Node::new(config.checks(Switch::Off), 1);
    let interface = InterfaceConfig::new(InterfaceName::new("A").unwrap(), header.source, Netmask::NONE)
        .version(version(input))
        .mtu(buffer)
        .default_route();
    node.add_interface(interface).unwrap();
    let config = ConnectConfig::default()
        .flags(header.flags)
        .local_port(header.source_port);
    let connection = node
        .connect(NOW, header.destination, header.destination_port, config)
        .unwrap();
    let hmac = Key::default();
    let protection = Protection::new(version(input), &hmac).xtea_flag(xtea_flag(entry));
    let expected = SendError::TooLong {
        len: payload.len(),
        max: buffer.saturating_sub(protection.trailer_len(header.flags)),
    };
    assert_eq!(node.send(NOW, connection, payload), Err(expected), "{entry}");
}
