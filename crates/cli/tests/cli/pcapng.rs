//! `csp sniff --pcapng`

use crate::csp::words;
use crate::place::Place;

/// A packet of version 2 in three frames that came in, one of one frame that we sent, and a frame too many.
const PASS: &str = "\
(1000.000000) can0 0181A282#5716EFC04B4CC89E R
(1000.000200) can0 0181A284#206B621A6B51AAA3 R
(1000.000300) can0 0181A289#DF R
(1000.000400) can0 0181A283#5716EFC04B4CC89E T
(1000.000500) can0 0181A284#206B621A6B51AAA3 R
";

/// The header as it was in identifier and first frame, then the payload.
const FIRST: [u8; 19] = [
    0x0C, 0x0D, 0x57, 0x16, 0xEF, 0xC0, 0x4B, 0x4C, 0xC8, 0x9E, 0x20, 0x6B, 0x62, 0x1A, 0x6B, 0x51, 0xAA,
    0xA3, 0xDF,
];

const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// What a capture file holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Capture {
    /// Link type, name and description.
    interfaces: Vec<(u16, String, String)>,
    packets: Vec<Captured>,
}

#[derive(Debug, PartialEq, Eq)]
struct Captured {
    interface: u32,
    nanos: u64,
    direction: u32,
    bytes: Vec<u8>,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The value of an option, which is there.
fn option(mut bytes: &[u8], wanted: u16) -> &[u8] {
    loop {
        let head = word(bytes, 0);
        let (code, len) = ((head & 0xFFFF) as u16, (head >> 16) as usize);
        assert_ne!(code, 0, "no option {wanted}");
        if code == wanted {
            return &bytes[4..4 + len];
        }
        bytes = &bytes[4 + len.next_multiple_of(4)..];
    }
}

/// Reads a file to its end; panics where it is none or ends within a block.
fn read(mut bytes: &[u8]) -> Capture {
    assert_eq!(word(bytes, 8), 0x1A2B_3C4D);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut capture = Capture::default();
    while !bytes.is_empty() {
        let len = word(bytes, 4) as usize;
        let block = &bytes[..len];
        assert_eq!(word(block, len - 4) as usize, len);
        match word(block, 0) {
            0x0A0D_0D0A => {}
            1 => {
                let options = &block[16..];
                assert_eq!(option(options, 9), [9], "nanoseconds");
                let link_type = (word(block, 8) & 0xFFFF) as u16;
                let interface = (link_type, text(option(options, 2)), text(option(options, 3)));
                capture.interfaces.push(interface);
            }
            6 => {
                let kept = word(block, 20) as usize;
                let options = &block[28 + kept.next_multiple_of(4)..];
                capture.packets.push(Captured {
                    interface: word(block, 8),
                    nanos: (u64::from(word(block, 12)) << 32) | u64::from(word(block, 16)),
                    direction: word(option(options, 2), 0),
                    bytes: block[28..28 + kept].to_vec(),
                });
            }
            kind => panic!("a block of type {kind}"),
        }
        bytes = &bytes[len..];
    }
    capture
}

/// What the log above makes.
fn expected() -> Capture {
    Capture {
        interfaces: vec![(147, "log:pass.log".into(), "CSP v2".into())],
        packets: vec![
            Captured {
                interface: 0,
                nanos: 1_000_000_300_000,
                direction: INBOUND,
                bytes: FIRST.to_vec(),
            },
            Captured {
                interface: 0,
                nanos: 1_000_000_400_000,
                direction: OUTBOUND,
                bytes: FIRST[..10].to_vec(),
            },
        ],
    }
}

#[test]
fn packets_go_into_the_file_as_they_were_on_the_wire() {
    let place = Place::new();
    place.write("pass.log", PASS);
    let ran = place
        .run(&words("csp sniff log:pass.log --pcapng pass.pcapng"))
        .status(0);
    assert_eq!(ran.stdout.lines().count(), 3, "lines as without a file");
    assert_eq!(
        ran.stderr,
        "2 packets, 1 discarded (1 no first frame), 0 frames of other protocols, 0 dropped\n"
    );
    let file = std::fs::read(place.path().join("pass.pcapng")).unwrap();
    assert_eq!(read(&file), expected());
}

#[test]
fn on_standard_output_there_is_nothing_but_the_file() {
    let place = Place::new();
    place.write("pass.log", PASS);
    for line in [
        "csp sniff log:pass.log --pcapng -",
        "csp sniff log:pass.log --pcapng - --json",
    ] {
        let output = place.command(&words(line)).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(read(&output.stdout), expected());
        let summary = String::from_utf8(output.stderr).unwrap();
        assert!(summary.contains("no first frame"), "{summary}");
    }
}

#[test]
fn a_header_of_version_1_and_only_what_is_shown() {
    let place = Place::new();
    place.write(
        "old.log",
        "(1.000000) can0 01B80800#83759700000B2D1A\n\
         (1.000100) can0 01BC0400#2362DF1BCA9E16C5\n\
         (1.000200) can0 01BC0000#C3\n",
    );
    for (filter, packets) in [("--node 1", 1), ("--node 24", 0)] {
        let line = format!("csp sniff log:old.log,v1 --pcapng old.pcapng {filter}");
        place.run(&words(&line)).status(0);
        let capture = read(&std::fs::read(place.path().join("old.pcapng")).unwrap());
        assert_eq!(capture.packets.len(), packets, "an older file is overwritten");
        if let Some(packet) = capture.packets.first() {
            assert_eq!(capture.interfaces[0].2, "CSP v1");
            assert_eq!(packet.bytes[..6], [0x83, 0x75, 0x97, 0x00, 0x2D, 0x1A]);
            assert_eq!(packet.bytes.len(), 4 + 11);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_killed_sniffer_leaves_a_file_that_can_be_read() {
    let place = Place::new();
    let _node = place.start(&words("csp node -i bus:lab --addr 2/8"));
    let mut sniff = std::thread::scope(|scope| {
        // It listens some time after its start: asked until it has told of a packet.
        let sniff = scope.spawn(|| place.start(&words("csp sniff bus:lab --pcapng live.pcapng")));
        while !sniff.is_finished() {
            place.run(&words("csp ident 2 -i bus:lab -t 20s")).status(0);
        }
        sniff.join().unwrap()
    });
    sniff.kill();
    let capture = read(&std::fs::read(place.path().join("live.pcapng")).unwrap());
    assert_eq!(capture.interfaces[0].1, "lab");
    assert!(!capture.packets.is_empty(), "what was told is in the file");
}

#[test]
fn a_file_that_cannot_be_made_is_a_failure() {
    let place = Place::new();
    place.write("pass.log", PASS);
    let ran = place
        .run(&words("csp sniff log:pass.log --pcapng none/x.pcapng"))
        .status(3);
    assert!(
        ran.stderr.starts_with("error: writing none/x.pcapng: "),
        "{}",
        ran.stderr
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_it_with_what_happened() {
    let place = Place::new();
    place.write("pass.log", PASS);
    let ran = place
        .run(&words("csp sniff log:pass.log --pcapng /dev/full"))
        .status(3);
    let last = ran.stderr.lines().last().unwrap();
    assert!(last.starts_with("error: writing /dev/full: "), "{}", ran.stderr);
}
