//! Two peers on a perfect bus: the frames of each direction and the messages that arrive.

use isotp::{Pci, Prefix};
use testkit::Faults;
use testkit::vectors::{Tally, Value};
use tinwire_time::Instant;

use super::session::address_of;
use super::setup::Setup;
use super::story::{is_message, matches_frames};
use super::{frame, payload, text};
use crate::pair::{Pair, Side};

pub(crate) fn check(entry: &Value, tally: &mut Tally) {
    let setup = |name: &str| Setup::python(&entry[name]["params"]);
    let side = |name: &str| {
        let address = address_of(&entry[name]["address"]).unwrap_or_else(|| panic!("{entry}: address"));
        Side::new(address, setup(name).config())
    };
    let mut pair = Pair::new(side("a"), side("b"), 1, Faults::default());
    let steps = entry["trace"].as_array().unwrap();
    for step in steps.iter().filter(|step| step["op"] == "send") {
        let t = Instant::from_micros(step["t"].as_u64().unwrap());
        // A message that waits for its predecessor is queued at the time of the call.
        if t > pair.now {
            pair.run_until(t);
        }
        let name = if step["who"] == "A" { "a" } else { "b" };
        let functional = step["functional"] == true || setup(name).functional;
        if functional {
            // Messages to all nodes have their turn, too.
            pair.run();
        }
        let now = pair.now;
        let side = if name == "a" { &mut pair.a } else { &mut pair.b };
        let message = payload(&step["payload"]);
        if functional {
            side.channel.send_functional(now, message).unwrap();
        } else {
            side.outbox.push_back(message);
        }
    }
    pair.run();

    tally.checked();
    let note = entry.get("note").map(|note| note.as_str().unwrap());
    let mistaken = note.is_some_and(|note| note.contains("do not copy"));
    for (who, other, from, to) in [("A", "B", &pair.a, &pair.b), ("B", "A", &pair.b, &pair.a)] {
        // Where that peer is mistaken, what it sent does not arrive there.
        let (op, whose) = if mistaken { ("send", who) } else { ("recv", other) };
        let messages = steps
            .iter()
            .filter(|step| step["op"] == op && step["who"] == whose);
        let messages: Vec<_> = messages.map(|step| &step["payload"]).collect();
        let same = messages.len() == to.received.len()
            && messages
                .iter()
                .zip(&to.received)
                .all(|(told, message)| is_message(told, message));
        assert!(same, "{entry}: messages from {who}: {:?}", to.received);
        // How a side's flow controls interleave with its own message is not defined, so they are compared
        // apart.
        let prefix = from.channel.address().tx().prefix();
        for kind in [Kind::FlowControl, Kind::Message] {
            let frames: Vec<_> = from.sent.iter().map(|(_, frame)| text(frame)).collect();
            let frames: Vec<_> = frames
                .into_iter()
                .filter(|text| Kind::of(text, prefix) == kind)
                .collect();
            let steps: Vec<_> = steps
                .iter()
                .filter(|step| step["op"] == "bus" && step["from"] == who)
                .filter(|step| {
                    let first = step.get("frame").unwrap_or_else(|| &step["head"][0]);
                    Kind::of(first.as_str().unwrap(), prefix) == kind
                })
                .collect();
            let same = matches_frames(&steps, &frames);
            if mistaken {
                assert_eq!(same, frames.is_empty(), "{entry}: copied the peer's mistake");
            } else {
                assert!(same, "{entry}: frames from {who}: {frames:#?}");
            }
        }
    }
    if mistaken {
        tally.remark("that peer's mistake: above 8 bytes a single frame takes the escape form");
    }
    // A shortest-padding peer and a padding kernel differ; which one we do is configured.
    if entry["kernel"]
        .as_object()
        .is_some_and(|kernel| !kernel.is_empty())
    {
        tally.remark("the kernel's frames differ from that peer's; ours are that peer's by configuration");
    }
}

/// Which of a side's two machines a frame comes from.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    FlowControl,
    Message,
}

impl Kind {
    fn of(text: &str, prefix: Prefix) -> Self {
        let frame = frame(text);
        match Pci::decode_padded(&frame.payload()[prefix.len()..], prefix, 64) {
            Ok((Pci::FlowControl(_), _)) => Self::FlowControl,
            _ => Self::Message,
        }
    }
}
