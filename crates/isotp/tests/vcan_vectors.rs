//! The stories recorded with kernel sockets and with can-utils, told again to our kernel backend.
#![cfg(all(feature = "linux", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a test beside a real kernel lives in real time"
)]
#![allow(dead_code, reason = "each test file uses its part of the shared helpers")]

mod kernel;
mod story;

use core::time::Duration;
use std::io::Write as _;
use std::process::Command;
use std::time::Instant;

use isotp::Backend;
use testkit::vectors::{self, Tally, Value};

use story::tools::Player;

/// Virtual interfaces. A socket that was closed with a transfer under way lives on for a while, so that the
/// next story needs another one.
#[derive(Default)]
struct Interfaces {
    made: Vec<(String, Instant)>,
}

impl Interfaces {
    /// One that nobody uses.
    fn free(&mut self) -> usize {
        let now = Instant::now();
        if let Some(free) = self.made.iter().position(|(_, from)| *from <= now) {
            return free;
        }
        let name = format!("story{}", self.made.len());
        for arguments in [
            format!("link add dev {name} type vcan"),
            format!("link set {name} mtu 72 up"),
        ] {
            let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
            assert!(status.success(), "ip {arguments}");
        }
        self.made.push((name, now));
        self.made.len() - 1
    }
}

impl Drop for Interfaces {
    fn drop(&mut self) {
        for (name, _) in &self.made {
            let _gone_with_its_namespace = Command::new("ip").args(["link", "del", name]).status();
        }
    }
}

/// How often a story is told before it is taken for a different one.
const ATTEMPTS: usize = 3;

/// This kernel's version as its distribution counts it, or as it calls itself.
fn version() -> String {
    let text = std::fs::read_to_string("/proc/version").unwrap();
    let debian = text.split_once(" Debian ").map(|(_, rest)| rest);
    let own = text.split(' ').nth(2);
    let version = debian.or(own).unwrap();
    version.split(['-', ' ', '+']).next().unwrap().to_owned()
}

/// How near a recorded kernel is to this one: the same, the same series, another.
fn distance(recorded: &str, here: &str) -> u8 {
    let series = |version: &str| version.split('.').take(2).map(str::to_owned).collect::<Vec<_>>();
    if recorded == here {
        0
    } else if series(recorded) == series(here) {
        1
    } else {
        2
    }
}

/// Says it although the test may pass.
fn say(text: &str) {
    let _nobody_reads = writeln!(std::io::stderr(), "{text}");
}

/// Tells every story of `file`; a story has several outcomes where recorded kernels differ.
async fn tell_all(name: &str, file: &Value) {
    let here = version();
    let entries = vectors::entries(file);
    let mut tally = Tally::new(name, entries.len());
    let mut interfaces = Interfaces::default();
    // While one socket has time stamps, the kernel does not switch them on and off with each story. That
    // patches its code, which emulated processors do not always survive.
    let _stamps = kernel::link();
    let (mut matched, mut failures) = (std::collections::BTreeMap::<String, usize>::new(), Vec::new());
    let mut checked = 0;
    for entry in entries {
        let nearness = |result: &Value| {
            let kernels = result["kernels"].as_array().unwrap().iter();
            kernels
                .map(|kernel| distance(kernel.as_str().unwrap(), &here))
                .min()
                .unwrap()
        };
        let mut results: Vec<_> = entry["results"].as_array().unwrap().iter().collect();
        results.sort_by_key(|result| nearness(result));
        // A kernel that was recorded is bound to what was recorded.
        let nearest = nearness(results[0]);
        results.retain(|result| nearest > 0 || nearness(result) == 0);
        let mut differences = Vec::new();
        // A machine that stands still for a second makes the kernel's timers run out, which nothing
        // lengthens.
        for result in results.iter().cycle().take(ATTEMPTS * results.len()) {
            let free = interfaces.free();
            let interface = interfaces.made[free].0.clone();
            let told = story::tell(&interface, entry, result["trace"].as_array().unwrap()).await;
            let unfinished = told.as_ref().map_or(true, |outcome| outcome.unfinished);
            if unfinished {
                interfaces.made[free].1 = Instant::now() + Duration::from_millis(2500);
            }
            match told {
                Ok(outcome) => {
                    differences.clear();
                    *matched.entry(result["kernels"].to_string()).or_default() += 1;
                    if outcome.compared > 0 {
                        tally.checked();
                        checked += 1;
                    } else if outcome.remarks.is_empty() {
                        failures.push(format!("{} was not told, and nobody says why", entry["id"]));
                    }
                    outcome
                        .remarks
                        .into_iter()
                        .for_each(|remark| tally.remark(remark));
                    break;
                }
                Err(difference) => differences.push(difference),
            }
        }
        if !differences.is_empty() {
            let what = format!("{} ({}): {}", entry["id"], entry["desc"], differences.join(" | "));
            say(&what);
            if nearest < 2 {
                failures.push(what);
            }
        }
    }
    say(&format!("{name} on {here}: {checked}/{}", entries.len()));
    for (kernels, count) in matched {
        say(&format!("    {count} as recorded with {kernels}"));
    }
    assert!(failures.is_empty(), "{name} on {here}:\n{}", failures.join("\n"));
}

/// The files of one group.
fn files(group: &str) -> Vec<(String, Value)> {
    let root = vectors::root(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors"));
    let files = vectors::files(root.join("isotp"));
    let files: Vec<_> = files
        .into_iter()
        .filter(|(_, file)| file["group"] == group)
        .collect();
    assert!(!files.is_empty(), "no {group} in {}", root.display());
    for (name, file) in &files {
        assert_eq!(file["schema"], "isotp-vectors/1", "{name}: unknown schema");
    }
    files
}

async fn tell_group(group: &str) {
    for (name, file) in files(group) {
        tell_all(&name, &file).await;
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn sessions_go_as_they_went_with_recorded_kernels() {
    tell_group("kernel-session").await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn sockets_behave_as_recorded_kernels_did() {
    tell_group("kernel-socket").await;
}

/// Everyone who can play with everyone else, except the tools among themselves.
const PLAYERS: [(Player, Player); 8] = [
    (Player::Ours(Backend::User), Player::Ours(Backend::User)),
    (Player::Ours(Backend::User), Player::Ours(Backend::Kernel)),
    (Player::Ours(Backend::Kernel), Player::Ours(Backend::User)),
    (Player::Ours(Backend::Kernel), Player::Ours(Backend::Kernel)),
    (Player::Ours(Backend::User), Player::Tool),
    (Player::Ours(Backend::Kernel), Player::Tool),
    (Player::Tool, Player::Ours(Backend::User)),
    (Player::Tool, Player::Ours(Backend::Kernel)),
];

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn what_the_tools_did_our_backends_do_with_and_without_them() {
    let mut interfaces = Interfaces::default();
    let _stamps = kernel::link();
    for (name, file) in files("canutils") {
        let entries = vectors::entries(&file);
        let mut tally = Tally::new(&name, entries.len());
        let (mut failures, mut plays) = (Vec::new(), 0);
        for entry in entries {
            for (sender, receiver) in PLAYERS {
                let free = interfaces.free();
                let interface = interfaces.made[free].0.clone();
                let played = story::tools::play(&interface, entry, sender, receiver).await;
                // A sender whose message failed, or that nobody answered, may live on.
                interfaces.made[free].1 = Instant::now() + Duration::from_millis(1500);
                match played {
                    Ok(true) => plays += 1,
                    Ok(false) => tally.remark(format!("{sender:?} to {receiver:?}: no such message")),
                    Err(what) => failures.push(format!("{} {sender:?} to {receiver:?}: {what}", entry["id"])),
                }
            }
            tally.checked();
        }
        say(&format!(
            "{name} on {}: {} entries in {plays} plays",
            version(),
            entries.len()
        ));
        assert!(failures.is_empty(), "{name}:\n{}", failures.join("\n"));
    }
}
