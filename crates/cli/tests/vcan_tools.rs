//! The command beside can-utils on virtual interfaces of a real kernel.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

#[path = "cli/place.rs"]
mod place;

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use place::Place;
use testkit::compat::Direction::Both;
use testkit::compat::{Outcome, Report};

/// A virtual interface of one test, deleted at its end.
struct Vcan(String);

impl Vcan {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let vcan = Self(format!(
            "tc{}x{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        ip(&["link", "add", "dev", &vcan.0, "mtu", "72", "type", "vcan"]);
        ip(&["link", "set", "dev", &vcan.0, "up"]);
        vcan
    }

    /// Waits until so many sockets listen to all traffic of the interface.
    fn wait_for_listeners(&self, count: usize) {
        wait_until("/proc/net/can/rcvlist_all", |list| {
            let of_this = list.lines().filter(|line| line.trim_start().starts_with(&self.0));
            of_this.count() >= count
        });
    }
}

impl Drop for Vcan {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["link", "delete", "dev", &self.0])
            .status();
    }
}

fn ip(words: &[&str]) {
    let status = Command::new("ip").args(words).status().unwrap();
    assert!(status.success(), "ip {words:?}; run: cargo xtask vcan");
}

/// Waits until the contents of a file of the kernel are as wanted.
fn wait_until(file: &str, is_so: impl Fn(&str) -> bool) {
    let slow = std::env::var("VCAN_SLOW").map_or(1, |slow| slow.parse().unwrap());
    let start = Instant::now();
    while !is_so(&std::fs::read_to_string(file).unwrap()) {
        assert!(
            start.elapsed() < Duration::from_secs(20 * slow),
            "{file} stays as it is"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Starts a program of can-utils that ends by itself.
fn peer(words: &[&str]) -> Child {
    let words = [&["timeout", "60"], words].concat();
    Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What it has printed once it has ended.
fn output(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Both listen to the same traffic; their logs are the same bytes, time stamps included.
fn compare_dumps(flags: &[&str], generate: &[&str]) {
    const COUNT: &str = "300";
    let (vcan, place) = (Vcan::new(), Place::new());
    let theirs = peer(&[&["candump", "-n", COUNT, "-r", "4000000"], flags, &[&vcan.0]].concat());
    let ours = place
        .command(&[&["can", "dump", "-n", COUNT, &vcan.0], flags].concat())
        .spawn()
        .unwrap();
    vcan.wait_for_listeners(2);
    let generator = peer(&[&["cangen", &vcan.0, "-g", "0", "-n", COUNT, "-p", "10"], generate].concat());
    let (theirs, ours) = (output(theirs), output(ours));
    output(generator);
    assert_eq!(ours.lines().count(), 300);
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        assert_eq!(ours, theirs);
    }
}

#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn our_log_and_candumps_are_the_same_bytes() {
    compare_dumps(&["-L"], &["-m", "-R"]);
}

#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn our_screen_and_candumps_are_the_same_bytes() {
    compare_dumps(&["-t", "a"], &["-I", "i"]);
    compare_dumps(&["-t", "z", "-x"], &["-e"]);
    compare_dumps(&["-a"], &["-I", "r", "-L", "8"]);
    compare_dumps(&["-t", "A"], &["-f"]);
}

#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn what_we_send_is_what_candump_logs() {
    let frames = [
        "123#",
        "123#DEADBEEF",
        "7FF#1122334455667788",
        "00000123#11",
        "1FFFFFFF#0102",
        "123#R",
        "123#R5",
        "000ABCDE#R8",
        "321##4",
        "321##5112233",
        "321##7000102030405060708090A0B",
    ];
    let (vcan, place) = (Vcan::new(), Place::new());
    let dump = peer(&["candump", "-L", "-n", &frames.len().to_string(), &vcan.0]);
    vcan.wait_for_listeners(1);
    place
        .run(&[&["can", "send", &vcan.0], &frames[..]].concat())
        .status(0);
    let text = output(dump);
    let logged: Vec<_> = text.lines().map(|line| line.split(' ').nth(2).unwrap()).collect();
    assert_eq!(logged, frames);
}

#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn what_we_generate_is_what_we_and_candump_see() {
    let (vcan, place) = (Vcan::new(), Place::new());
    let dump = peer(&["candump", "-L", "-n", "200", &vcan.0]);
    vcan.wait_for_listeners(1);
    let ran = place
        .run(&[
            "can", "gen", &vcan.0, "-g", "0", "-n", "200", "-m", "-v", "--seed", "5",
        ])
        .status(0);
    let ours: Vec<_> = ran
        .stdout
        .lines()
        .map(|line| line.split("  ").nth(2).unwrap())
        .collect();
    let text = output(dump);
    let theirs: Vec<_> = text.lines().map(|line| line.split(' ').nth(2).unwrap()).collect();
    assert_eq!(ours, theirs);
}

/// Flags of both ends: how frames look, and who does our end's work.
fn exchange(vcan: &Vcan, place: &Place, len: usize, flags: [&[&str]; 2], backend: &str) {
    let message: Vec<_> = (1..=255u8)
        .cycle()
        .take(len)
        .map(|byte| format!("{byte:02X}"))
        .collect();
    let message = message.join(" ");
    let [sender, receiver] = flags;
    let backend = ["--backend", backend];
    let what = format!("{len} bytes, {flags:?}, {backend:?}");

    let theirs = peer(&[&["isotprecv", "-s", "7E8", "-d", "7E0", &vcan.0], receiver].concat());
    wait_for_ident("isotp", 1);
    let words = [
        &["isotp", "send", &vcan.0, "-s", "7E0", "-d", "7E8"],
        sender,
        &backend,
    ]
    .concat();
    place.run_with_input(&words, message.as_bytes()).status(0);
    assert_eq!(output(theirs).trim(), message, "{what}, to isotprecv");
    wait_for_ident("isotp", 0);

    let words = [
        &[
            "isotp",
            "recv",
            &vcan.0,
            "-s",
            "7E8",
            "-d",
            "7E0",
            "--max-len",
            "8300",
            "--deadline",
            "60s",
        ],
        receiver,
        &backend,
    ]
    .concat();
    let ours = place.command(&words).spawn().unwrap();
    let ident = if backend[1] == "user" { "raw" } else { "isotp" };
    wait_for_ident(ident, 1);
    let mut theirs = peer(&[&["isotpsend", "-b", "-s", "7E0", "-d", "7E8", &vcan.0], sender].concat());
    theirs
        .stdin
        .take()
        .unwrap()
        .write_all(message.as_bytes())
        .unwrap();
    output(theirs);
    assert_eq!(output(ours).trim(), message, "{what}, from isotpsend");
    wait_for_ident(ident, 0);
}

#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn messages_go_both_ways_between_us_and_the_isotp_tools() {
    let (vcan, place) = (Vcan::new(), Place::new());
    for backend in ["user", "kernel"] {
        for len in [1, 7, 8, 62, 4095] {
            exchange(&vcan, &place, len, [&[], &[]], backend);
        }
    }
}

/// The same letters at both ends, ours and theirs.
#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn letters_mean_the_same_to_us_and_to_the_isotp_tools() {
    let (vcan, place) = (Vcan::new(), Place::new());
    let flags: [[&[&str]; 2]; 6] = [
        [&["-L", "72:64:1"], &["-L", "72:32:0"]],
        [&["-x", "22:11"], &["-x", "11:22"]],
        [&["-x", "55"], &["-x", "55", "-b", "4", "-m", "F5"]],
        [&["-p", "BB:AA", "-P", "a"], &["-p", "AA:BB", "-P", "a"]],
        [&["-f", "300000"], &["-b", "8"]],
        [&["-t", "100000"], &["-m", "1", "-w", "0A"]],
    ];
    for backend in ["user", "kernel"] {
        for ends in flags {
            for len in [5, 300] {
                exchange(&vcan, &place, len, ends, backend);
            }
        }
    }
}

/// Both listen to the same frames; their lines are the same bytes.
fn compare_isotpdumps(flags: &[&str]) {
    let crafted = [
        "123#037F2231",
        "321#1014414243444546",
        "123#300005",
        "321#2147484950515253",
        "123#3F0AF5AAAAAAAAAA",
        "321#3200FF",
        "123#31",
        "321#0462F190",
        "123#100000010000AABB",
        "321#22",
        "123#",
        "123#4411",
        "123##1000A0102030405060708090A",
        "321##021303132333435363738393A3B3C3D3E3F",
        "18DA10F1#023E80",
    ];
    let (vcan, place) = (Vcan::new(), Place::new());
    let pair = ["-s", "123", "-d", "321"];
    let mut theirs = peer(&[&["isotpdump"], &pair[..], flags, &[&vcan.0]].concat());
    let ours = place
        .command(&[&["isotp", "dump", "-n", "214", &vcan.0], &pair[..], flags].concat())
        .spawn()
        .unwrap();
    wait_for_ident("raw", 4);
    place
        .run(&[&["can", "send", &vcan.0], &crafted[..]].concat())
        .status(0);
    for id in ["123", "321"] {
        place
            .run(&[
                "can", "gen", &vcan.0, "-g", "0", "-n", "100", "-I", id, "--seed", "3",
            ])
            .status(0);
    }
    let ours = output(ours);
    assert_eq!(ours.lines().count(), 214);
    let mut lines = BufReader::new(theirs.stdout.take().unwrap()).lines();
    let has_times = flags.contains(&"-t");
    for (at, ours) in ours.lines().enumerate() {
        // The edition at hand misspells one service.
        let theirs = lines
            .next()
            .unwrap()
            .unwrap()
            .replace("Transmision", "Transmission");
        // isotpdump asks the kernel for time stamps only after its first frame, so that one's is later.
        let skip = |line: &str| line.split_once(") ").map(|(_, rest)| rest.to_owned());
        if has_times && at < 2 {
            assert_eq!(skip(ours), skip(&theirs));
        } else {
            assert_eq!(ours, theirs);
        }
    }
    drop(vcan);
    theirs.wait().unwrap();
}

#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn our_lines_and_isotpdumps_are_the_same_bytes() {
    compare_isotpdumps(&[]);
    compare_isotpdumps(&["-a"]);
    compare_isotpdumps(&["-c", "-u"]);
    compare_isotpdumps(&["-a", "-u", "-x", "any"]);
    compare_isotpdumps(&["-t", "a"]);
    compare_isotpdumps(&["-t", "d"]);
    compare_isotpdumps(&["-t", "A"]);
    let remark = "214 good and bad frames in seven styles: the same bytes, but for a misspelt service";
    Report::can_utils("isotpdump").row(Both, "tinwire isotp dump beside it", Outcome::Works, remark);
}

/// Both listen to the same conversation; their lines are the same bytes.
#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn under_isotpsniffers_name_we_print_what_isotpsniffer_prints() {
    for flags in [
        &[][..],
        &["-f", "1", "-c"],
        &["-h", "4"],
        &["-x", "11", "-X", "22", "-f", "2"],
    ] {
        let (vcan, place) = (Vcan::new(), Place::new());
        let pair = [&["-s", "7E0", "-d", "7E8", &vcan.0], flags].concat();
        // It ends when there is something to read, or nothing any more.
        let mut theirs = peer(&[&["isotpsniffer"], &pair[..]].concat());
        let _stdin = theirs.stdin.take().unwrap();
        let mut ours = place.tool("isotpsniffer", &pair).spawn().unwrap();
        wait_for_ident("isotp", 2);
        wait_for_ident("raw", 2);
        let ends: [&[&str]; 2] = match flags.contains(&"-x") {
            true => [&["-x", "11:22"], &["-x", "22:11"]],
            false => [&[], &[]],
        };
        for (len, [ours, theirs], [sender, receiver]) in [
            ("5", ["7E0", "7E8"], ends),
            ("100", ["7E0", "7E8"], ends),
            ("60", ["7E8", "7E0"], [ends[1], ends[0]]),
        ] {
            let receiving = peer(&[&["isotprecv", "-s", theirs, "-d", ours, &vcan.0], receiver].concat());
            wait_for_ident("isotp", 3);
            let words = ["isotpsend", "-b", "-D", len, "-s", ours, "-d", theirs, &vcan.0];
            output(peer(&[&words[..], sender].concat()));
            output(receiving);
            wait_for_ident("isotp", 2);
        }
        let lines = |pipe: &mut Option<std::process::ChildStdout>| {
            let pipe = BufReader::new(pipe.take().unwrap());
            let lines: Vec<_> = pipe.lines().take(3).map(Result::unwrap).collect();
            lines
        };
        assert_eq!(lines(&mut ours.stdout), lines(&mut theirs.stdout), "{flags:?}");
        ours.kill().unwrap();
        ours.wait().unwrap();
        drop(vcan);
        theirs.wait().unwrap();
    }
}

/// Both watch the same messages; what they draw and print is the same bytes.
#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn under_isotpperfs_name_we_print_what_isotpperf_prints() {
    let (vcan, place) = (Vcan::new(), Place::new());
    let pair = ["-s", "7E0", "-d", "7E8", &vcan.0];
    let mut theirs = peer(&[&["isotpperf"], &pair[..]].concat());
    let mut ours = place.tool("isotpperf", &pair).spawn().unwrap();
    wait_for_ident("raw", 4);
    for (len, receiver) in [
        ("100", &["-m", "14"][..]),
        ("300", &["-b", "4", "-m", "5"]),
        ("62", &["-L", "72:64:0", "-m", "F5"]),
        ("500", &["-L", "72:64:0", "-m", "A"]),
        ("5", &[]),
    ] {
        let receiving = peer(&[&["isotprecv", "-s", "7E8", "-d", "7E0", &vcan.0], receiver].concat());
        wait_for_ident("isotp", 1);
        let link_layer: &[&str] = if receiver.contains(&"-L") {
            &["-L", "72:64:1"]
        } else {
            &[]
        };
        output(peer(
            &[
                &["isotpsend", "-b", "-D", len, "-s", "7E0", "-d", "7E8", &vcan.0],
                link_layer,
            ]
            .concat(),
        ));
        output(receiving);
        wait_for_ident("isotp", 0);
    }
    let lines = |pipe: &mut Option<std::process::ChildStdout>| {
        let pipe = BufReader::new(pipe.take().unwrap());
        let lines: Vec<_> = pipe.lines().take(5).map(Result::unwrap).collect();
        lines
    };
    let (theirs_said, ours_said) = (lines(&mut theirs.stdout), lines(&mut ours.stdout));
    // isotpperf asks the kernel for time stamps only with its first frame, which is late.
    let untimed = |line: &str| line.split_once(" byte in ").map(|(before, _)| before.to_owned());
    assert_eq!(untimed(&ours_said[0]), untimed(&theirs_said[0]));
    assert_eq!(ours_said[1..], theirs_said[1..]);
    ours.kill().unwrap();
    ours.wait().unwrap();
    drop(vcan);
    theirs.wait().unwrap();
}

/// Waits until so many sockets of a kind listen for single identifiers.
fn wait_for_ident(ident: &str, count: usize) {
    wait_until("/proc/net/can/rcvlist_sff", |list| {
        list.lines()
            .filter(|line| line.trim_end().ends_with(ident))
            .count()
            == count
    });
}

#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn two_nodes_meet_on_an_interface() {
    let (vcan, place) = (Vcan::new(), Place::new());
    let mut node = place.start(&["csp", "node", "-i", &format!("can:{},addr=2/8", vcan.0)]);
    let words = [
        "csp",
        "ping",
        "2",
        "-i",
        &vcan.0,
        "-c",
        "5",
        "--interval",
        "1ms",
        "-t",
        "2s",
    ];
    let ran = place.run(&words).status(0);
    assert!(ran.stdout.contains("5 sent, 5 received"), "{}", ran.stdout);
    node.kill();
    let ran = place
        .run(&["csp", "ping", "2", "-i", &vcan.0, "-c", "1", "-t", "200"])
        .status(1);
    assert!(
        ran.stderr.contains("no frames at all were seen on the bus"),
        "{}",
        ran.stderr
    );
}

#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn a_dump_survives_an_interface_that_goes_down_and_up() {
    let (vcan, place) = (Vcan::new(), Place::new());
    let dump = place
        .command(&["can", "dump", &vcan.0, "-n", "2"])
        .spawn()
        .unwrap();
    vcan.wait_for_listeners(1);
    place.run(&["can", "send", &vcan.0, "123#01"]).status(0);
    ip(&["link", "set", "dev", &vcan.0, "down"]);
    let refused = place.run(&["can", "send", &vcan.0, "123#02"]).status(3);
    assert!(
        refused.stderr.contains(&format!("ip link set {} up", vcan.0)),
        "{}",
        refused.stderr
    );
    ip(&["link", "set", "dev", &vcan.0, "up"]);
    place.run(&["can", "send", &vcan.0, "123#03"]).status(0);
    let ran = dump.wait_with_output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8(ran.stdout).unwrap(),
        String::from_utf8(ran.stderr).unwrap(),
    );
    assert_eq!(stdout.lines().count(), 2, "{stdout}");
    assert!(
        stderr.contains("interface is down; waiting until it is up again"),
        "{stderr}"
    );
    assert!(stderr.ends_with("2 frames, 0 dropped\n"), "{stderr}");
}

#[test]
#[ignore = "needs vcan: cargo xtask vcan"]
fn doctor_sees_the_interface() {
    let (vcan, place) = (Vcan::new(), Place::new());
    let findings = place.run(&["doctor", "--json"]).status(0).json();
    let finding = findings
        .iter()
        .find(|finding| finding["what"] == *vcan.0)
        .unwrap();
    assert_eq!(
        (&finding["state"], &finding["found"]),
        (&"ok".into(), &"up, CAN FD (MTU 72)".into())
    );
}
