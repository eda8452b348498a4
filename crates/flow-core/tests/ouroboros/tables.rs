//! Lists of single packets.

use flow_core::protect::crc32;
use testkit::vectors::{Tally, Value, hex, optional};

pub(crate) fn check(item: &Value, tally: &mut Tally) {
    if let Some(crc) = optional(item, "crc32") {
        let bytes = hex(item["hex"].as_str().unwrap());
        assert_eq!(crc32(&bytes)[..], hex(crc.as_str().unwrap()), "{item}");
        tally.checked();
    } else if optional(item, "packets").is_some() {
        sealed(item, tally);
    } else {
        panic!("unknown kind of item: {item}");
    }
}

/// AES-256-GCM, the one cipher that is built.
const CIPHER: &str = "aes-256-gcm";
/// The others that a file may have.
const OTHERS: [&str; 6] = [
    "aes-128-gcm",
    "aes-192-gcm",
    "aes-128-ctr",
    "aes-192-ctr",
    "aes-256-ctr",
    "chacha20-poly1305",
];

#[cfg(feature = "seal")]
fn sealed(item: &Value, tally: &mut Tally) {
    use bytes::Bytes;
    use flow_core::protect::{IV_LEN, Key, Protection, Seal};
    let cipher = item["cipher"].as_str().unwrap();
    if cipher != CIPHER {
        assert!(OTHERS.contains(&cipher), "unknown cipher: {cipher}");
        tally.remark(format!("not built: {cipher}"));
        return;
    }
    let key: [u8; 32] = hex(item["key"].as_str().unwrap()).try_into().unwrap();
    let bit = u8::try_from(item["rotation_bit"].as_u64().unwrap()).unwrap();
    let new = || {
        let seal = Seal::new(flow_core::Wire::V0_23, Key::new(key)).with_rotation_bit(bit);
        Protection::none().with_seal(seal)
    };
    let (mut sender, mut receiver) = (new(), new());
    let mut index = 0;
    for packet in item["packets"].as_array().unwrap() {
        let [plain, sealed] = ["plain", "sealed"].map(|name| hex(packet[name].as_str().unwrap()));
        // What was sealed between two entries of the list.
        while index < packet["index"].as_u64().unwrap() {
            drop(sender.protect(&[b"not listed"], || [0; IV_LEN]));
            index += 1;
        }
        let iv: [u8; IV_LEN] = sealed[..IV_LEN].try_into().unwrap();
        // The phase is ours to set, whatever bit was drawn.
        let drawn = [iv[0] ^ 0x80];
        let iv = core::array::from_fn(|place| if place == 0 { drawn[0] } else { iv[place] });
        assert_eq!(sender.protect(&[&plain], || iv), sealed, "{packet}");
        index += 1;
        assert_eq!(
            receiver.unprotect(Bytes::from(sealed)).unwrap(),
            plain,
            "{packet}"
        );
    }
    tally.checked();
}

#[cfg(not(feature = "seal"))]
fn sealed(item: &Value, tally: &mut Tally) {
    let cipher = item["cipher"].as_str().unwrap();
    assert!(
        cipher == CIPHER || OTHERS.contains(&cipher),
        "unknown cipher: {cipher}"
    );
    tally.remark(format!("not built: {cipher} (feature seal)"));
}
