//! `csp ping`, `csp node`.

use crate::place::Place;

/// A command as it is typed.
pub(crate) fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[test]
fn the_simulated_satellite_answers_by_name_and_by_number() {
    let place = Place::new();
    let ran = place
        .run(&["csp", "ping", "eps", "-c", "2", "--interval", "1ms"])
        .status(0);
    assert!(
        ran.stdout
            .starts_with("PING eps (2) on sim: 100 bytes\n100 bytes from 2: seq=1 time="),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .contains("--- node 2: 2 sent, 2 received, 0% loss, 0 dropped\nrtt min/avg/p50/p99/max = "),
        "{}",
        ran.stdout
    );
    place.run(&["csp", "ping", "5", "-c", "1"]).status(0);
}

#[test]
fn json_has_a_line_per_reply_and_a_summary_that_names_the_simulation() {
    let ran = Place::new()
        .run(&["csp", "ping", "1", "-c", "3", "--interval", "1ms", "-j"])
        .status(0);
    let lines = ran.json();
    assert_eq!(lines.len(), 4);
    assert!(
        lines[..3]
            .iter()
            .all(|line| line["type"] == "reply" && line["rtt_us"].is_u64())
    );
    let summary = &lines[3];
    assert_eq!((&summary["sent"], &summary["received"]), (&3.into(), &3.into()));
    assert_eq!(summary["sim"], true);
}

#[test]
fn nobody_there_is_exit_1_with_a_diagnosis() {
    let ran = Place::new()
        .run(&words("csp ping 7 -i bus:empty -c 2 --interval 1ms -t 30"))
        .status(1);
    assert!(
        ran.stdout.contains("2 sent, 0 received, 100% loss"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr
            .contains("error: no reply from 7 on empty\nhint: no frames at all were seen on the bus"),
        "{}",
        ran.stderr
    );
}

#[test]
fn too_much_loss_is_a_no_when_a_limit_is_given() {
    let words = words("csp ping 2 -i sim:?loss=0.1&seed=3 -c 20 --interval 1ms -t 30 -s 4");
    let place = Place::new();
    let ran = place.run(&words).status(0);
    assert!(
        !ran.stdout.contains(" 0% loss"),
        "the seed loses some: {}",
        ran.stdout
    );
    let ran = place.run(&[&words[..], &["--max-loss", "1%"]].concat()).status(1);
    assert!(
        ran.stderr.contains("% of the replies are missing"),
        "{}",
        ran.stderr
    );
}

#[test]
fn names_come_from_the_configuration() {
    let place = Place::new();
    place.write(
        "tinwire.toml",
        "[csp]\niface = \"sim:,addr=12/8\"\n[csp.hosts]\npower = 2\n",
    );
    let ran = place.run(&["csp", "ping", "power", "-c", "1"]).status(0);
    assert!(ran.stdout.contains("PING power (2)"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "", "a configured simulation needs no notice");
}

#[test]
fn a_payload_that_does_not_fit_is_refused_with_the_most_that_does() {
    let ran = Place::new()
        .run(&["csp", "ping", "1", "-s", "5000", "-c", "1"])
        .status(2);
    assert_eq!(
        ran.stdout, "PING 1 (1) on sim: 5000 bytes\n",
        "nothing was sent, so nothing was lost"
    );
    assert!(ran.stderr.contains("hint: 2"), "{}", ran.stderr);
}

#[test]
fn lost_requests_hold_up_nothing() {
    // One after the other they would take 128 s, and the command would be killed.
    let ran = Place::new()
        .run(&words(
            "csp ping 7 -i bus:empty -c 64 --in-flight 64 --interval 0 -t 2s -s 1 -j",
        ))
        .status(1);
    let lines = ran.json();
    assert_eq!(lines.len(), 65);
    assert!(
        lines[..64]
            .iter()
            .all(|line| line["reason"] == "no reply within 2.000 s")
    );
    let mut seqs: Vec<_> = lines[..64]
        .iter()
        .filter_map(|line| line["seq"].as_u64())
        .collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=64).collect::<Vec<_>>());
}

#[test]
fn a_flood_has_no_line_per_reply_and_a_histogram_has_bars() {
    let ran = Place::new().run(&words("csp ping obc -c 200 -f -g")).status(0);
    assert!(
        ran.stdout
            .starts_with("PING obc (1) on sim: 100 bytes\n--- node 1: 200 sent, 200 received"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains(" .. ") && ran.stdout.contains('#'),
        "{}",
        ran.stdout
    );
    let ran = Place::new().run(&words("csp ping obc -c 50 -f -g -j")).status(0);
    let lines = ran.json();
    assert_eq!(lines.len(), 51, "programs get every reply");
    let histogram = lines[50]["histogram"].as_array().unwrap();
    let counted: u64 = histogram.iter().filter_map(|range| range["count"].as_u64()).sum();
    assert_eq!(counted, 50);
}

#[test]
fn a_broadcast_is_answered_by_every_node() {
    let ran = Place::new()
        .run(&words("csp ping 16383 -i sim:,addr=10/8 -c 1 -s 1 -t 500 -j"))
        .status(0);
    let lines = ran.json();
    let replies = lines.iter().filter(|line| line["type"] == "reply");
    let nodes: Vec<_> = replies.filter_map(|line| line["node"].as_u64()).collect();
    for station in [1, 2, 3, 5] {
        assert!(nodes.contains(&station), "{nodes:?}");
    }
    assert_eq!(lines.last().unwrap()["loss"], 0.0);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_prints_what_it_has_counted() {
    let ping = Place::new().start(&words("csp ping 2 -c 0 --interval 1h -j"));
    assert!(ping.first.contains(r#""type":"reply""#), "{}", ping.first);
    ping.signal("INT");
    let lines = ping.end().status(0).json();
    assert_eq!((&lines[0]["sent"], &lines[0]["received"]), (&1.into(), &1.into()));
}

#[test]
fn a_pass_phrase_that_the_node_does_not_have_is_told() {
    for verb in ["ping 2 -c 1", "uptime 2", "call 2:10 00"] {
        let line = format!("csp {verb} -t 300 --hmac secret");
        let ran = Place::new().run(&words(&line)).status(1);
        let hint = "hint: without an authentication code the node answers";
        assert!(ran.stderr.contains(hint), "{verb}: {}", ran.stderr);
    }
}

#[test]
fn a_node_that_opens_no_connection_is_told_from_one_without_the_service() {
    let ran = Place::new().run(&words("csp ping 2 -c 1 -t 300 --rdp")).status(1);
    let hint = "hint: node 2 answers a ping, but opens no connection on port 1: leave out --rdp";
    assert!(ran.stderr.contains(hint), "{}", ran.stderr);
}

#[test]
fn our_own_address_is_nobody_to_ask() {
    for verb in ["ping 10", "ident 10", "call 10:20"] {
        let line = format!("csp {verb} -i bus:alone --addr 10/8");
        let ran = Place::new().run(&words(&line)).status(2);
        assert!(
            ran.stderr.contains("10 is our own address\nhint: --addr"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn an_own_address_that_cannot_be_is_a_usage_error() {
    for (own, why) in [
        ("0/8", "the loopback of every node"),
        ("255/8", "a broadcast of its network"),
    ] {
        let ran = Place::new()
            .run(&["csp", "ping", "2", "-i", "bus:lab", "--addr", own])
            .status(2);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: --addr"), "{}", ran.stderr);
    }
}

#[test]
fn every_question_has_a_time_and_a_count_of_drops_in_json() {
    let place = Place::new();
    for verb in [
        "ident eps",
        "uptime eps",
        "memfree eps",
        "buffree eps",
        "ps obc",
        "ifstat eps",
        "clock get eps",
        "clock set eps now",
        "peek obc 0x20000000 4",
        "poke obc 0x20000000 00",
        "reboot eps --yes",
        "shutdown eps --yes",
        "scan 1-5",
        "send 7:10 00",
        "call eps:1 00",
    ] {
        let ran = place.run(&words(&format!("csp {verb} -j -i sim:"))).status(0);
        for line in ran.json() {
            assert!(
                line["ts"].as_str().is_some_and(|ts| ts.ends_with('Z')),
                "{verb}: {line}"
            );
        }
        let summary = ran.json_errors().pop().unwrap();
        assert_eq!(
            (&summary["type"], &summary["dropped"]),
            (&"summary".into(), &0.into()),
            "{verb}"
        );
        assert!(summary["dropped_by"].is_object(), "{verb}: {summary}");
    }
}

#[cfg(unix)]
#[test]
fn a_node_serves_until_it_is_interrupted() {
    let place = Place::new();
    let node = place.start(&["csp", "node", "-i", "bus:space", "--addr", "2/8"]);
    assert_eq!(node.first, "node 2/8 is on space\n");
    place
        .run(&[
            "csp",
            "ping",
            "2",
            "-i",
            "bus:space",
            "-c",
            "3",
            "--interval",
            "1ms",
        ])
        .status(0);
    node.signal("INT");
    let ran = node.end().status(0);
    assert_eq!(
        ran.stdout,
        "serves ident ifstat clock ping ps memfree buffree uptime\n"
    );
    assert_eq!(
        ran.stderr,
        "3 requests answered, 3 packets received, 3 sent, 0 dropped\n"
    );
}

#[cfg(unix)]
#[test]
fn a_node_of_version_1_answers_one_of_version_1() {
    let place = Place::new();
    let node = place.start(&[
        "csp",
        "node",
        "-i",
        "can:bus:old,v1",
        "--addr",
        "2",
        "--deadline",
        "60s",
    ]);
    assert_eq!(node.first, "node 2/0 is on old\n");
    let ran = place
        .run(&["csp", "ping", "2", "-i", "can:bus:old,v1", "-c", "1", "-t", "20s"])
        .status(0);
    assert!(ran.stdout.contains("1 sent, 1 received"), "{}", ran.stdout);
    let ran = place
        .run(&["csp", "ping", "32", "-i", "can:bus:old,v1"])
        .status(2);
    assert!(ran.stderr.contains("from 0 to 31"), "{}", ran.stderr);
}
