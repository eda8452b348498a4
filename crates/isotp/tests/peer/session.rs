//! One python-can-isotp peer and a script of frames, right and wrong ones.

use isotp::Address;
use testkit::vectors::{Tally, Value};

use super::setup::Setup;
use super::story::{Deed, Step, Stimulus, Story};
use super::{address, frame, payload};

pub(crate) fn check(entry: &Value, tally: &mut Tally) {
    let mut setup = Setup::python(&entry["params"]);
    // The standard knows no limit of the sender; where it binds us instead of the peer, there is none.
    if entry.get("iso").is_some() {
        setup.wait_limit = None;
    }
    let steps = entry["trace"].as_array().unwrap().iter();
    let story = Story {
        entry,
        address: address_of(&entry["address"]).unwrap_or_else(|| panic!("{entry}: address")),
        setup,
        steps: steps.flat_map(|step| self::step(entry, step)).collect(),
        silent: &[],
        binding: true,
    };
    story.check(tally);
}

pub(crate) fn address_of(params: &Value) -> Option<Address> {
    address::halves(params).and_then(|halves| halves.address())
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
        "error" => Step::Seen(Deed::Failed(failure(step["error"].as_str().unwrap())?)),
        // A blocking send tells there what is an error of the others, too.
        "raise" if step["error"].as_str().unwrap().starts_with("BlockingSend") => return None,
        "raise" => Step::Seen(Deed::Refused),
        unknown => panic!("{entry}: unknown step {unknown}"),
    };
    Some((step["t"].as_u64(), what))
}

/// The standard's name for that peer's error; `None` where no message has failed.
fn failure(error: &str) -> Option<&'static str> {
    match error {
        "FlowControlTimeoutError" => Some("sender N_TIMEOUT_Bs"),
        "OverflowError" => Some("sender N_BUFFER_OVFLW"),
        "MaximumWaitFrameReachedError" => Some("sender N_WFT_OVRN"),
        "ConsecutiveFrameTimeoutError" => Some("receiver N_TIMEOUT_Cr"),
        "WrongSequenceNumberError" => Some("receiver N_WRONG_SN"),
        "FrameTooLongError" => Some("receiver N_BUFFER_OVFLW"),
        "ReceptionInterruptedWithSingleFrameError" | "ReceptionInterruptedWithFirstFrameError" => {
            Some("receiver N_UNEXP_PDU")
        }
        "UnexpectedConsecutiveFrameError"
        | "UnexpectedFlowControlError"
        | "UnsupportedWaitFrameError"
        | "InvalidCanDataError"
        | "MissingEscapeSequenceError"
        | "ChangingInvalidRXDLError"
        | "InvalidCanFdFirstFrameRXDL" => None,
        unknown => panic!("unknown error {unknown}"),
    }
}
