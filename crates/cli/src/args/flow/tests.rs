use clap::Parser as _;

use super::*;
use crate::args::Cli;

#[test]
fn every_preset_is_named_in_the_help_and_every_name_there_is_one() {
    let (_, names) = ping::EXAMPLES.split_once("a preset (").unwrap();
    let (names, _) = names.split_once(')').unwrap();
    let named: Vec<QosSpec> = names.split(", ").map(|name| name.parse().unwrap()).collect();
    assert_eq!(named, QosSpec::PRESETS.map(|(_, preset)| preset));
    "voice,delay=20".parse::<QosSpec>().unwrap();
}

/// The lines of the peer's tools, word for word but for the tool.
#[test]
fn every_letter_of_the_peers_tools_is_known() {
    for line in [
        "ping -l",
        "ping --listen --poll -Q",
        "ping -l --busy",
        "ping -n oping -c 10 -d 1s -f -s 64 -q best -Q -D",
        "ping -n oping -F -q raw",
        "ping --server-name oping --count 3 --duration 10 --interval 100 --size 100 --qos voice",
        "ping -n oping -i 10 --flood-busy --quiet --timeofday",
        "echo -l",
        "echo --listen",
        "cbr -l",
        "cbr --listen --interval 2 --timeout 3",
        "cbr -l -i 1 -t 1",
        "cbr -n ocbr -d 10 -f -s 100 -r 1G",
        "cbr --server_apn ocbr --duration 10 --size 1000 --rate 64k --sleep",
        "cbr -n ocbr -r 1M --spin --flood",
        "perf -l",
        "perf --listen",
        "perf -n operf -t bi -d 10s -r 10M -s 64 -f",
        "perf --server-name operf --test uni --duration 1000 --rate 1G --size 1500 --sleep",
        "join -n layer -m words",
        "join --name layer --listen",
        "name create echo",
        "name destroy echo",
        "name list",
        "bind program /bin/true name echo",
        "bind program /bin/true auto name echo -- -l",
        "bind process 1 name echo",
        "unbind program /bin/true name echo",
        "unbind process 1 name echo",
    ] {
        let words = ["tinwire", "flow"].into_iter().chain(line.split(' '));
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn a_quiet_ping_is_quiet_altogether_and_its_q_is_a_quality() {
    let words = ["tinwire", "flow", "ping", "-n", "x", "-Q", "-q", "best"];
    let cli = Cli::try_parse_from(words).unwrap();
    assert!(cli.global.quiet);
    assert_eq!(qos("best"), Ok(QosSpec::BEST_EFFORT));
    assert!(qos("nice").unwrap_err().contains("expected a preset"));
}
