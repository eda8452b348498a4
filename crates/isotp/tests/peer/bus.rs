//! Two peers on a perfect bus: the frames of each direction and the messages that arrive.

use isotp::{BytesChannel, Pci, Prefix, TransferId};
use testkit::Faults;
use testkit::vectors::{Tally, Value};
use tinwire_time::Instant;

use super::session::address_of;
use super::setup::Setup;
use super::story::matches_frames;
use super::{frame, payload, text};
use crate::pair::{Pair, Side};

pub(crate) fn check(entry: &Value, tally: &mut Tally) {
    let side = |name: &str| {
        let peer = &entry[name];
        let address = address_of(&peer["address"]).unwrap_or_else(|| panic!("{entry}: address"));
        Side::new(address, Setup::python(&peer["params"]).config())
    };
    let (a, b) = (side("a"), side("b"));
    let mut pair = Pair::new(a, b, 1, Faults::default());
    let steps = entry["trace"].as_array().unwrap();
    for step in steps.iter().filter(|step| step["op"] == "send") {
        let t = Instant::from_micros(step["t"].as_u64().unwrap());
        // A message that waits for its predecessor is queued at the time of the call.
        if t > pair.now {
            pair.run_until(t);
        }
        let now = pair.now;
        let side = if step["who"] == "A" {
            &mut pair.a
        } else {
            &mut pair.b
        };
        let message = payload(&step["payload"]);
        if step["functional"] == true {
            send_functional(&mut side.channel, now, message);
        } else {
            side.outbox.push_back(message);
        }
    }
    pair.run();

    tally.checked();
    let note = entry.get("note").map(|note| note.as_str().unwrap());
    let mistaken = note.is_some_and(|note| note.contains("do not copy"));
    let sent: Vec<_> = steps.iter().filter(|step| step["op"] == "send").collect();
    for (who, from, to) in [("A", &pair.a, &pair.b), ("B", &pair.b, &pair.a)] {
        let messages: Vec<_> = sent
            .iter()
            .filter(|step| step["who"] == who)
            .map(|step| payload(&step["payload"]))
            .collect();
        assert_eq!(to.received, messages, "{entry}: messages from {who}");
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

fn send_functional(channel: &mut BytesChannel, now: Instant, message: bytes::Bytes) -> TransferId {
    channel.send_functional(now, message).unwrap()
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
