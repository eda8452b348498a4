//! The addressing modes, as we and as python-can-isotp say them.

use can_link::{ExtendedId, StandardId};
use isotp::{Address, RxAddress, TxAddress};
use serde_json::{Value, json};

const OURS: u8 = 0xF1;
const THEIRS: u8 = 0x33;
const EXTENSION: u8 = 0x99;
const TX_11: u16 = 0x6A0;
const RX_11: u16 = 0x6A8;
const TX_29: u32 = 0x18_6A_01_02;
const RX_29: u32 = 0x18_6A_02_01;

/// One pair of addresses.
#[derive(Clone, Debug)]
pub(crate) struct Mode {
    pub(crate) name: &'static str,
    /// Seen from us.
    pub(crate) ours: Address,
    /// Seen from the peer, in python-can-isotp's words.
    pub(crate) theirs: Value,
}

impl Mode {
    pub(crate) fn normal_11() -> Self {
        Self {
            name: "normal, 11 bit",
            ours: Address::normal(standard(TX_11), standard(RX_11)).unwrap(),
            theirs: json!({"mode": "Normal_11bits", "txid": RX_11, "rxid": TX_11}),
        }
    }

    pub(crate) fn normal_29() -> Self {
        Self {
            name: "normal, 29 bit",
            ours: Address::normal(extended(TX_29), extended(RX_29)).unwrap(),
            theirs: json!({"mode": "Normal_29bits", "txid": RX_29, "rxid": TX_29}),
        }
    }

    pub(crate) fn normal_fixed() -> Self {
        Self {
            name: "normal fixed, 29 bit",
            ours: Address::normal_fixed(THEIRS, OURS).unwrap(),
            theirs: json!({"mode": "NormalFixed_29bits", "target_address": OURS, "source_address": THEIRS}),
        }
    }

    /// All that have a name in the standard.
    pub(crate) fn all() -> Vec<Self> {
        let between = |mode: &str, txid: u32, rxid: u32| {
            json!({
                "mode": mode, "txid": txid, "rxid": rxid, "target_address": OURS, "source_address": THEIRS,
            })
        };
        vec![
            Self::normal_11(),
            Self::normal_29(),
            Self::normal_fixed(),
            Self {
                name: "extended, 11 bit",
                ours: Address::extended(standard(TX_11), standard(RX_11), THEIRS, OURS).unwrap(),
                theirs: between("Extended_11bits", RX_11.into(), TX_11.into()),
            },
            Self {
                name: "extended, 29 bit",
                ours: Address::extended(extended(TX_29), extended(RX_29), THEIRS, OURS).unwrap(),
                theirs: between("Extended_29bits", RX_29, TX_29),
            },
            Self {
                name: "mixed, 11 bit",
                ours: Address::mixed(standard(TX_11), standard(RX_11), EXTENSION).unwrap(),
                theirs: json!({
                    "mode": "Mixed_11bits", "txid": RX_11, "rxid": TX_11, "address_extension": EXTENSION,
                }),
            },
            Self {
                name: "mixed, 29 bit",
                ours: Address::mixed_fixed(THEIRS, OURS, EXTENSION).unwrap(),
                theirs: json!({
                    "mode": "Mixed_29bits", "target_address": OURS, "source_address": THEIRS,
                    "address_extension": EXTENSION,
                }),
            },
        ]
    }

    /// Identifiers of two formats, one for each direction.
    pub(crate) fn two_formats() -> Self {
        let (tx, rx) = (
            TxAddress::normal(extended(TX_29)),
            RxAddress::normal(standard(RX_11)),
        );
        Self {
            name: "asymmetric: normal, 29 bit to peer, 11 bit from it",
            ours: Address::asymmetric(tx, rx).unwrap(),
            theirs: json!({
                "tx": {"mode": "Normal_11bits", "txid": RX_11, "tx_only": true},
                "rx": {"mode": "Normal_29bits", "rxid": TX_29, "rx_only": true},
            }),
        }
    }

    /// An address byte in one direction only.
    pub(crate) fn one_byte() -> Self {
        let (tx, rx) = (
            TxAddress::extended(extended(TX_29), THEIRS),
            RxAddress::normal(standard(RX_11)),
        );
        Self {
            name: "asymmetric: extended, 29 bit to peer, normal, 11 bit from it",
            ours: Address::asymmetric(tx, rx).unwrap(),
            theirs: json!({
                "tx": {"mode": "Normal_11bits", "txid": RX_11, "tx_only": true},
                "rx": {"mode": "Extended_29bits", "rxid": TX_29, "source_address": THEIRS, "rx_only": true},
            }),
        }
    }
}

fn standard(raw: u16) -> StandardId {
    StandardId::new(raw).unwrap()
}

fn extended(raw: u32) -> ExtendedId {
    ExtendedId::new(raw).unwrap()
}
