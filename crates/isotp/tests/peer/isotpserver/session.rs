//! One connection, step by step: text in, or a frame, and what comes of it.

use can_link::CanFrame;
use can_link::record::{Datagram, decode};
use testkit::vectors::{Tally, Value, hex};

use super::scene::{Peer, Scene, play};
use super::{Manner, address, strict_messages};
use crate::peer::text;

/// A file of `steps`.
pub(crate) fn check(name: &str, file: &Value) {
    let steps = file["steps"]
        .as_array()
        .unwrap_or_else(|| panic!("{name}: no steps"));
    let mut tally = Tally::new(name, steps.len());
    for manner in Manner::BOTH {
        play(run(manner, file, steps, &mut tally));
    }
    steps.iter().for_each(|_| tally.checked());
}

async fn run(manner: Manner, file: &Value, steps: &[Value], tally: &mut Tally) {
    let address = address(file["args"].as_str().unwrap());
    let scene = Scene::new(manner, address, Peer::Silent, manner.endpoint());
    let mut client = scene.client().await;
    let mut said = String::new();
    for step in steps {
        for key in step.as_object().unwrap().keys() {
            let known = ["to_server", "reply", "bus_frame", "to_client", "bus_frames"];
            assert!(known.contains(&key.as_str()), "{step}: unknown key {key}");
        }
        let mut on_bus: Vec<_> = step["bus_frames"]
            .as_array()
            .unwrap()
            .iter()
            .map(kernel_frame)
            .collect();
        let reply = if let Some(to_server) = step.get("to_server") {
            let to_server = to_server.as_str().unwrap();
            let before = strict_messages(&said).len();
            said.push_str(to_server);
            client.write(to_server).await;
            if manner == Manner::Strict && strict_messages(&said).len() - before != on_bus.len() {
                on_bus.clear();
                tally.remark("strict: text that is not even hex is no message");
            }
            &step["reply"]
        } else {
            let injected = kernel_frame(&step["bus_frame"]);
            scene.inject([injected.clone()]).await;
            on_bus.retain(|frame| *frame != injected);
            &step["to_client"]
        };
        scene.pass().await;
        let expected: Vec<_> = on_bus.iter().map(text).collect();
        assert_eq!(scene.out(), expected, "{step}: {manner:?}");
        assert_eq!(*reply, client.got(), "{step}: {manner:?}");
        assert!(!client.is_closed(), "{step}: {manner:?}");
    }
}

/// A frame as the kernel lays it out.
fn kernel_frame(value: &Value) -> CanFrame {
    match decode(&hex(value.as_str().unwrap())) {
        Ok(Datagram::Frame(frame)) => frame,
        other => panic!("{value}: {other:?}"),
    }
}
