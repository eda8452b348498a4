//! dnstap as lines of text: ours and dnstap-ldns.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::files::unbound;
use crate::told;

const OURS: &str = env!("CARGO_BIN_EXE_tinwire");
const ROUNDS: usize = 5;
const MESSAGES: usize = 500_000;

pub(crate) fn measure(folder: &Path) {
    let file = unbound(folder, MESSAGES);
    let file = file.to_str().unwrap();
    let ours = rate(&[OURS, "dnstap", "cat", "-q", file]);
    let theirs = rate(&["dnstap-ldns", "-q", "-r", file]);
    told("dnstap cat -q", "M/s", 0.0, ours / 1e6);
    told("dnstap cat -q: to dnstap-ldns -q", "times", 3.0, ours / theirs);
    let json = rate(&[OURS, "dnstap", "cat", "--json", file]);
    let yaml = rate(&[OURS, "dnstap", "cat", "-y", file]);
    let their_yaml = rate(&["dnstap-ldns", "-y", "-r", file]);
    told("dnstap cat --json", "M/s", 0.0, json / 1e6);
    told("dnstap cat -y", "M/s", 0.0, yaml / 1e6);
    told(
        "dnstap cat -y: to dnstap-ldns -y",
        "times",
        0.0,
        yaml / their_yaml,
    );
    fs::remove_file(file).unwrap();
}

/// Messages in a second: a program alone, from its start to its end.
fn rate(words: &[&str]) -> f64 {
    let round = || {
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let begin = Instant::now();
        let status = command.status().unwrap();
        assert!(status.success(), "{words:?}: {status}");
        begin.elapsed().as_secs_f64()
    };
    MESSAGES as f64 / (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}
