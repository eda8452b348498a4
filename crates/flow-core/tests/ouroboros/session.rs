//! A recorded conversation: what is in its packets.

use bytes::Bytes;
use flow_core::Protection;
use flow_core::frct::Header;
use testkit::vectors::{Tally, Value, hex, optional};
use tinwire_time::Instant;

/// A packet of FRCT that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) at: Instant,
    pub(crate) by_client: bool,
    pub(crate) header: Header,
    pub(crate) payload: Bytes,
}

/// How a conversation's packets are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cipher {
    None,
    Aes256Gcm([u8; 32]),
    Other(u64),
}

pub(crate) struct Session<'a> {
    file: &'a Value,
    cipher: Cipher,
    has_crc: bool,
    has_header: bool,
    pub(crate) is_reliable: bool,
    /// Whether the client was a program of the recorder's, which obeys no rules.
    pub(crate) is_client_made_up: bool,
    is_udp: bool,
}

const AES_256_GCM: u64 = 901;

pub(crate) fn read(file: &Value) -> Session<'_> {
    let events = file["events"].as_array().unwrap();
    let request = events
        .iter()
        .find(|event| event["kind"] == "flow-request")
        .unwrap();
    let fields = &request["fields"];
    let field = |name: &str| {
        let found = optional(fields, name).or_else(|| optional(&fields["qos"], name));
        found.map_or(1, |value| value.as_u64().unwrap())
    };
    let key = optional(&file["meta"]["secrets"], "key").map(|key| hex(key.as_str().unwrap()));
    let cipher = optional(&file["meta"]["negotiated"], "cipher").map_or(0, |cipher| cipher.as_u64().unwrap());
    Session {
        file,
        cipher: match (cipher, key) {
            (0, _) => Cipher::None,
            (AES_256_GCM, Some(key)) => Cipher::Aes256Gcm(key.try_into().unwrap()),
            (other, _) => Cipher::Other(other),
        },
        has_crc: field("ber") == 0,
        has_header: field("in_order") != 0,
        is_reliable: field("loss") == 0,
        is_client_made_up: optional(&file["meta"], "client").is_some(),
        is_udp: optional(request, "src").is_none(),
    }
}

impl Session<'_> {
    /// The protection of one end; `None` if it is not built.
    pub(crate) fn protection(&self) -> Option<Protection> {
        let protection = if self.has_crc {
            Protection::none().with_crc()
        } else {
            Protection::none()
        };
        match self.cipher {
            Cipher::None => Some(protection),
            #[cfg(feature = "seal")]
            Cipher::Aes256Gcm(key) => {
                use flow_core::protect::{Key, Seal};
                let seal = Seal::new(flow_core::Wire::V0_23, Key::new(key));
                Some(protection.with_seal(seal))
            }
            _ => None,
        }
    }

    fn events(&self) -> &Vec<Value> {
        self.file["events"].as_array().unwrap()
    }

    /// Everything that is in each packet.
    pub(crate) fn check(&self, tally: &mut Tally) {
        // What the recorder made of the packets, in their order.
        let told = optional(&self.file["meta"], "plaintexts");
        let mut told = told.map(|told| told.as_array().unwrap().iter());
        for event in self.events() {
            match event["kind"].as_str().unwrap() {
                kind @ ("flow-request" | "flow-reply" | "name-query" | "name-query-reply") => {
                    tally.remark(format!("not built: {kind}"));
                }
                "keepalive" | "data" if !self.is_udp => tally.remark("not built: frames of Ethernet"),
                "keepalive" => {
                    assert_eq!(
                        hex(event["hex"].as_str().unwrap()).len(),
                        4,
                        "nothing but an endpoint"
                    );
                    tally.checked();
                }
                "data" if self.is_made_to_be_refused(event) => {
                    tally.checked();
                    tally.remark("refused, as it was made to be");
                }
                "data" => self.data(event, told.as_mut().and_then(Iterator::next), tally),
                kind => panic!("unknown kind of event: {kind}"),
            }
        }
    }

    /// Whether the recorder's own client spoiled it; such packets are not listed.
    fn is_made_to_be_refused(&self, event: &Value) -> bool {
        self.is_client_made_up && event["dir"] == "c>s" && self.is_refused(event)
    }

    fn is_refused(&self, event: &Value) -> bool {
        let bytes = Bytes::from(hex(event["hex"].as_str().unwrap())).slice(4..);
        self.protection()
            .is_some_and(|mut protection| protection.unprotect(bytes).is_err())
    }

    /// How many packets the peer in the server's place sent again so that they have to be refused.
    pub(crate) fn refused(&self) -> usize {
        let data = self.events().iter().filter(|event| event["kind"] == "data");
        data.filter(|event| event["dir"] == "s>c" && self.is_refused(event))
            .count()
    }

    fn data(&self, event: &Value, told: Option<&Value>, tally: &mut Tally) {
        let Some(mut protection) = self.protection() else {
            tally.remark(format!("not built: {:?}", self.cipher));
            return;
        };
        let bytes = Bytes::from(hex(event["hex"].as_str().unwrap())).slice(4..);
        let plain = protection.unprotect(bytes);
        if let Some(told) = told.and_then(Value::as_array) {
            match told[1].as_str().unwrap() {
                "plain" => {
                    let expected = hex(told[2].as_str().unwrap());
                    assert_eq!(plain.as_ref().unwrap()[..], expected, "{event}");
                }
                // The peer sends again what it had sealed in place, and without CRC.
                "undecryptable" | "crc-missing-or-bad" => {
                    assert!(plain.is_err(), "{event}");
                    tally.remark("refused, as the peer's repetitions have to be");
                }
                mark => panic!("unknown mark: {mark}"),
            }
        }
        if let (true, Ok(plain)) = (self.has_header, &plain) {
            let (header, payload) = Header::decode(plain).unwrap();
            assert_eq!([&header.encode()[..], payload].concat(), plain[..]);
            if let Some(fields) = optional(&event["fields"], "frct") {
                assert_eq!(u64::from(header.window), fields["window"], "{event}");
                assert_eq!(u64::from(header.seqno.to_bits()), fields["seqno"], "{event}");
                assert_eq!(u64::from(header.ackno.to_bits()), fields["ackno"], "{event}");
                let flags = fields["flags"].as_array().unwrap();
                let names: Vec<_> = flags.iter().map(|flag| flag.as_str().unwrap()).collect();
                assert_eq!(format!("{:?}", header.flags), names.join("|"), "{event}");
                assert_eq!(payload, hex(fields["payload"].as_str().unwrap()));
            }
        }
        tally.checked();
    }

    /// The packets of FRCT that a receiver would have taken; none if there is no header, or no way to it.
    pub(crate) fn packets(&self) -> Vec<Packet> {
        let (true, true, Some(mut protection)) = (self.has_header, self.is_udp, self.protection()) else {
            return Vec::new();
        };
        let data = self.events().iter().filter(|event| event["kind"] == "data");
        data.filter_map(|event| {
            let bytes = Bytes::from(hex(event["hex"].as_str().unwrap())).slice(4..);
            let plain = protection.unprotect(bytes).ok()?;
            let (header, payload) = Header::decode(&plain).unwrap();
            let micros = format!("{:.0}", event["t"].as_f64().unwrap() * 1e6);
            Some(Packet {
                at: Instant::from_micros(micros.parse().unwrap()),
                by_client: event["dir"] == "c>s",
                header,
                payload: plain.slice_ref(payload),
            })
        })
        .collect()
    }
}
