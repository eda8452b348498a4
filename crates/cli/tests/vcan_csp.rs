//! `csp` on a virtual interface of a real kernel: two commands, and one that listens to them.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

#[path = "cli/place.rs"]
mod place;

use place::{Place, Ran, finish};

fn interface() -> String {
    std::env::var("VCAN0").unwrap_or_else(|_| panic!("VCAN0 is not set; run: cargo xtask vcan"))
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// A command on the interface as node 10, that waits long for answers.
fn run(place: &Place, line: &str) -> Ran {
    let line = format!("csp {line} -i {},addr=10/8 -j", interface());
    place.run(&words(&line))
}

#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn a_node_on_the_kernels_bus_is_pinged_found_and_asked() {
    let place = Place::new();
    let line = format!("csp node -i {} --addr 2/8 --echo 10", interface());
    let node = place.start(&words(&line));
    let lines = run(&place, "ping 2 -c 3 --interval 1ms -t 20s").status(0).json();
    let summary = lines.last().unwrap();
    assert_eq!(
        (&summary["received"], &summary["dropped"]),
        (&3.into(), &0.into())
    );
    let found = run(&place, "scan 1-4 -t 5s").status(0).json();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (&found[0]["node"], &found[0]["ident"]["hostname"]),
        (&2.into(), &"tinwire".into())
    );
    let reply = run(&place, "call 2:10 --rdp 0102 -t 20s").status(0).json();
    assert_eq!(reply[0]["data"], "0102");
    let silent = run(&place, "ping 3 -c 1 -t 100").status(1);
    assert!(
        silent.stderr.contains(r#""code":"no-reply""#),
        "{}",
        silent.stderr
    );
    node.signal("INT");
    node.end().status(0);
}

#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn a_sniffer_on_the_kernels_bus_sees_requests_and_replies() {
    let place = Place::new();
    let line = format!("csp node -i {} --addr 5/8", interface());
    let _node = place.start(&words(&line));
    let line = format!("csp sniff {} --node 5 -n 2 -j", interface());
    let sniff = place.command(&words(&line)).spawn().unwrap();
    // It listens some time after its start: asked until it has heard enough.
    let heard = std::thread::scope(|scope| {
        let heard = scope.spawn(|| finish(sniff));
        while !heard.is_finished() {
            run(&place, "uptime 5 -t 20s").status(0);
        }
        heard.join().unwrap().status(0)
    });
    let lines = heard.json();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in lines {
        assert_eq!(
            (&line["type"], &line["crc"]),
            (&"packet".into(), &"ok".into()),
            "{line}"
        );
        assert!([&line["src"], &line["dst"]].contains(&&5.into()), "{line}");
    }
}
