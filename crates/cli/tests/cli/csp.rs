//! `csp ping`, `csp node`.

use crate::place::Place;

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
            .contains("--- node 2: 2 sent, 2 received, 0% loss\nrtt min/avg/max = "),
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
        .run(&["csp", "ping", "7", "-c", "2", "--interval", "1ms", "-t", "30"])
        .status(1);
    assert!(
        ran.stdout.contains("2 sent, 0 received, 100% loss"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr
            .contains("error: no reply from 7 on sim\nhint: nothing at all arrived"),
        "{}",
        ran.stderr
    );
}

#[test]
fn too_much_loss_is_a_no_when_a_limit_is_given() {
    let words = "csp ping 2 -i sim:?loss=0.1&seed=3 -c 20 --interval 1ms -t 30 -s 4";
    let words: Vec<_> = words.split(' ').collect();
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
    assert!(ran.stderr.contains("hint: -s 2"), "{}", ran.stderr);
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
