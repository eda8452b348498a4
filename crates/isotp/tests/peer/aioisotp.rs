//! One connection of aioisotp, which has no timeouts and reports little; its traces document it.

use can_link::{ExtendedId, Id, StandardId};
use isotp::{Address, RxAddress, TxAddress};
use testkit::vectors::{Tally, Value};

use super::setup::Setup;
use super::story::{Deed, Step, Stimulus, Story};
use super::{frame, payload};

pub(crate) fn check(entry: &Value, tally: &mut Tally) {
    let (tx, rx) = (id(&entry["txid"]), id(&entry["rxid"]));
    let address = Address::asymmetric(TxAddress::normal(tx), RxAddress::normal(rx)).unwrap();
    let steps = entry["trace"].as_array().unwrap();
    // A closed connection sends what it has to send, and takes no message any more.
    let closed = steps.iter().position(|step| step["op"] == "close");
    let is_taken = |position: usize, step: &Value| {
        closed.is_none_or(|closed| position < closed)
            || step["op"] != "in"
            || step["frame"].as_str().unwrap().contains("#3")
    };
    let steps = steps
        .iter()
        .enumerate()
        .filter(|(position, step)| is_taken(*position, step));
    let story = Story {
        entry,
        address,
        setup: setup(&entry["params"]),
        steps: steps.flat_map(|(_, step)| self::step(entry, step)).collect(),
        silent: &[],
        binding: false,
    };
    story.check(tally);
}

fn id(raw: &Value) -> Id {
    let raw = u32::try_from(raw.as_u64().unwrap()).unwrap();
    match u16::try_from(raw).ok().and_then(StandardId::new) {
        Some(id) => id.into(),
        None => ExtendedId::new(raw).unwrap().into(),
    }
}

fn setup(params: &Value) -> Setup {
    let mut setup = Setup {
        block_size: 16,
        min_len: 8,
        ..Setup::default()
    };
    for (name, value) in params.as_object().unwrap() {
        let byte = || u8::try_from(value.as_u64().unwrap()).unwrap();
        match name.as_str() {
            "tx_padding" if value.is_null() => setup.min_len = 0,
            "tx_padding" => setup.fill = byte(),
            "block_size" => setup.block_size = byte(),
            "st_min" => setup.st_min = byte(),
            // That peer only writes a line to its log when it is exceeded.
            "max_wft" => {}
            unknown => panic!("unknown parameter {unknown}"),
        }
    }
    setup
}

fn step(entry: &Value, step: &Value) -> Option<(Option<u64>, Step)> {
    let what = match step["op"].as_str().unwrap() {
        "in" => Step::Do(Stimulus::Frame(frame(step["frame"].as_str().unwrap()))),
        "send" => Step::Do(Stimulus::Send {
            payload: payload(&step["payload"]),
            functional: step["functional"] == true,
        }),
        "wait" => Step::Wait(step["us"].as_u64().unwrap()),
        "out" => Step::Seen(Deed::Out(step.clone())),
        "recv" => Step::Seen(Deed::Received(step["payload"].clone())),
        "raise" => Step::Seen(Deed::Refused),
        // Its callbacks, its log, and exceptions that reach nobody.
        "event" | "log" | "uncaught" | "close" => return None,
        unknown => panic!("{entry}: unknown step {unknown}"),
    };
    Some((step["t"].as_u64(), what))
}
