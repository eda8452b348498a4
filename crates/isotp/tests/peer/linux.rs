//! The kernel's ISO-TP socket, given the same frames.
//!
//! Its traces document it. Where it goes its own way, the standard binds us.

use can_link::{ExtendedId, Id, StandardId};
use isotp::{Address, RxAddress, TxAddress};
use testkit::vectors::{Tally, Value};

use super::setup::Setup;
use super::story::{Deed, Step, Stimulus, Story};
use super::{frame, payload};

/// The longest message that newer kernels take.
const MAX_RX_LEN: u32 = 8300;

pub(crate) fn check(entry: &Value, tally: &mut Tally) {
    let Some(setup) = setup(&entry["sock"]) else {
        return tally.remark("an option that only the kernel has; runs against the kernel backend");
    };
    // Groups of kernels differ in what they did, not in what was done to them; the last are the newest.
    let newest = entry["results"].as_array().unwrap().last().unwrap();
    let steps = newest["trace"].as_array().unwrap().iter();
    let story = Story {
        entry,
        address: address(&entry["sock"]),
        setup,
        steps: steps
            .flat_map(|step| self::step(entry, step))
            .map(|step| (None, step))
            .collect(),
        silent: &["receiver N_UNEXP_PDU", "receiver N_BUFFER_OVFLW"],
        binding: false,
    };
    story.check(tally);
}

fn id(sock: &Value, name: &str) -> Id {
    let text = sock[name].as_str().unwrap();
    let raw = u32::from_str_radix(text, 16).unwrap();
    if text.len() > 3 {
        ExtendedId::new(raw).unwrap().into()
    } else {
        StandardId::new(u16::try_from(raw).unwrap()).unwrap().into()
    }
}

fn flags(sock: &Value) -> Vec<&str> {
    let flags = sock["flags"].as_array().map_or(&[][..], Vec::as_slice);
    flags.iter().map(|flag| flag.as_str().unwrap()).collect()
}

fn address(sock: &Value) -> Address {
    let byte = |name: &str| sock[name].as_u64().map_or(0, |byte| u8::try_from(byte).unwrap());
    let (tx, rx, flags) = (id(sock, "tx"), id(sock, "rx"), flags(sock));
    let (tx, rx) = if flags.contains(&"EXTEND_ADDR") {
        let own = if flags.contains(&"RX_EXT_ADDR") {
            "rxext"
        } else {
            "ext"
        };
        (
            TxAddress::extended(tx, byte("ext")),
            RxAddress::extended(rx, byte(own)),
        )
    } else {
        (TxAddress::normal(tx), RxAddress::normal(rx))
    };
    Address::asymmetric(tx, rx).unwrap()
}

/// `None` for what the user-space machine has no word for, or has in another way.
fn setup(sock: &Value) -> Option<Setup> {
    let byte = |value: &Value| u8::try_from(value.as_u64().unwrap()).unwrap();
    let mut setup = Setup {
        max_rx_len: MAX_RX_LEN,
        ..Setup::default()
    };
    if let Some(control) = sock["fc"].as_array() {
        (setup.block_size, setup.st_min) = (byte(&control[0]), byte(&control[1]));
    }
    if let Some(layer) = sock["ll"].as_array()
        && layer[0] == 72
    {
        setup.tx_dl = byte(&layer[1]).into();
        setup.fd = Some(byte(&layer[2]) & 3);
    }
    for flag in flags(sock) {
        match flag {
            "EXTEND_ADDR" | "RX_EXT_ADDR" | "DYN_FC_PARMS" | "WAIT_TX_DONE" => {}
            "LISTEN_MODE" => setup.listener = true,
            "TX_PADDING" => {
                setup.min_len = 8;
                setup.fill = sock.get("txpad").map_or(0xCC, byte);
            }
            "FORCE_TXSTMIN" => {
                setup.forced_gap = Some(sock["tx_stmin"].as_u64().unwrap().div_ceil(1000));
            }
            "RX_PADDING" | "CHK_PAD_LEN" | "CHK_PAD_DATA" | "HALF_DUPLEX" | "FORCE_RXSTMIN"
            | "SF_BROADCAST" | "CF_BROADCAST" => return None,
            unknown => panic!("unknown flag {unknown}"),
        }
    }
    Some(setup)
}

fn step(entry: &Value, step: &Value) -> Option<Step> {
    Some(match step["op"].as_str().unwrap() {
        "in" => Step::Do(Stimulus::Frame(frame(step["frame"].as_str().unwrap()))),
        "send" => Step::Do(Stimulus::Send {
            payload: payload(&step["payload"]),
            functional: false,
        }),
        "wait" => Step::Wait(step["us"].as_u64().unwrap()),
        "out" => Step::Seen(Deed::Out(step.clone())),
        "recv" if step.get("payload").is_some() => Step::Seen(Deed::Received(step["payload"].clone())),
        "recv" | "error" => Step::Seen(Deed::Failed(failure(step["errno"].as_str().unwrap()))),
        unknown => panic!("{entry}: unknown step {unknown}"),
    })
}

/// The standard's name for a pending error (ISO-TP spec ch. 11).
fn failure(errno: &str) -> &'static str {
    match errno {
        "ETIMEDOUT" => "receiver N_TIMEOUT_Cr",
        "EILSEQ" => "receiver N_WRONG_SN",
        "ECOMM" => "sender N_TIMEOUT_Bs",
        "EMSGSIZE" => "sender N_BUFFER_OVFLW",
        "EBADMSG" => "sender N_INVALID_FS",
        unknown => panic!("unknown error {unknown}"),
    }
}
