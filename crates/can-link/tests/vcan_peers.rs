//! can-utils on the same interface, both directions (Debian's 2020.11: no CAN XL, no raw DLC in its text).
#![cfg(all(feature = "linux", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod kernel;

use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::process::Child;

use can_link::error_frame::{ErrorClasses, ErrorFrame};
use can_link::frame::{FdFlags, FdFrame};
use can_link::linux::{IsoTpOptions, OnBusOff, RawOptions};
use can_link::{CanFrame, CanTxExt, Event, ExtendedId, Id};
use kernel::{Vcan, collect, frame, id, next_event, numbered, patience, run, soon, start};

const LENGTHS: [usize; 5] = [1, 7, 8, 62, 4095];

fn ext(raw: u32) -> Id {
    ExtendedId::new(raw).unwrap().into()
}

/// A peer on the interface that is killed at the end.
struct Peer(Child);

impl Peer {
    fn start(line: &str) -> Self {
        // A peer that waits in vain is a failure, not a hanging run.
        Self(start(&format!("timeout {} {line}", patience(10).as_secs())))
    }

    /// What it has printed when it ends, which it does by itself.
    fn output(mut self) -> String {
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(self.0.wait().unwrap().success());
        text
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Not `Child::kill`, which `timeout` could not pass on.
        if let Ok(None) = self.0.try_wait() {
            run(&format!("kill {}", self.0.id()));
            let _ = self.0.wait();
        }
    }
}

/// Frames and what they are in can-utils' text, which is also what `candump -L` prints.
fn kinds() -> Vec<(CanFrame, String)> {
    let long: Vec<u8> = (0..64).collect();
    let hex = |data: &[u8]| data.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let mut kinds = vec![
        (frame(0, &[]), "000#".into()),
        (frame(0x7FF, &[]), "7FF#".into()),
        (CanFrame::data(ext(0), &[1]).unwrap(), "00000000#01".into()),
        (
            CanFrame::data(ext(0x1FFF_FFFF), &[1, 2]).unwrap(),
            "1FFFFFFF#0102".into(),
        ),
        (CanFrame::remote(id(0x456), 0).unwrap(), "456#R".into()),
    ];
    for len in 0..=8 {
        let data = &long[..len];
        kinds.push((frame(0x123, data), format!("123#{}", hex(data))));
        if len > 0 {
            kinds.push((
                CanFrame::remote(ext(0xABCDE), len).unwrap(),
                format!("000ABCDE#R{len}"),
            ));
        }
    }
    for len in [0, 1, 8, 12, 16, 20, 24, 32, 48, 64] {
        for bits in 0..4 {
            let data = &long[..len];
            let fd = CanFrame::fd(id(0x321), data, FdFlags::from_bits(bits)).unwrap();
            kinds.push((fd, format!("321##{bits}{}", hex(data))));
        }
    }
    kinds
}

/// The frame in a line of `candump -L`; the FD nibble without the FDF flag, which only new kernels set.
fn logged(line: &str) -> String {
    let text = line.split(' ').nth(2).unwrap().to_owned();
    match text.split_once("##") {
        Some((id, rest)) => {
            let (nibble, data) = rest.split_at(1);
            let flags = u8::from_str_radix(nibble, 16).unwrap() & 3;
            format!("{id}##{flags}{data}")
        }
        None => text,
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn every_kind_that_cansend_knows_arrives_byte_for_byte() {
    let vcan = Vcan::new(72);
    let mut rx = vcan.open();
    for (expected, text) in kinds() {
        // It announces no error when the interface lacks CAN FD, so the frame itself is the proof.
        run(&format!("cansend {} {text}", vcan.name));
        assert_eq!(collect(&mut rx, 1).await, [expected], "{text}");
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn every_kind_that_candump_knows_is_dumped_byte_for_byte() {
    let vcan = Vcan::new(72);
    let kinds = kinds();
    let dump = Peer::start(&format!("candump -L -n {} {}", kinds.len(), vcan.name));
    let mut tx = vcan.open();
    // Until it listens nothing is dumped; a socket of its own shows up in this list.
    wait_for_receiver(&vcan.name, 2).await;
    let sent: Vec<_> = kinds.iter().map(|(frame, _)| frame.clone()).collect();
    soon(tx.send_all(&sent)).await.unwrap();
    let lines: Vec<_> = dump.output().lines().map(logged).collect();
    let expected: Vec<_> = kinds.into_iter().map(|(_, text)| text).collect();
    assert_eq!(lines, expected);
}

/// Waits until `count` sockets listen to all traffic of an interface.
async fn wait_for_receiver(interface: &str, count: usize) {
    soon(async {
        loop {
            let lists = std::fs::read_to_string("/proc/net/can/rcvlist_all").unwrap();
            let of_this = lists
                .lines()
                .filter(|line| line.trim_start().starts_with(interface));
            if of_this.count() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn error_reports_are_dumped_with_their_classes() {
    let vcan = Vcan::new(72);
    let dump = Peer::start(&format!("candump -L -n 2 {},0:0,#FFFFFFFF", vcan.name));
    let mut tx = RawOptions::new()
        .on_bus_off(OnBusOff::Wait)
        .open(&*vcan.name)
        .unwrap();
    wait_for_receiver(&vcan.name, 2).await;
    let report = ErrorFrame::new(ErrorClasses::from_bits(0x204), &[0, 0x20, 0, 0, 0, 0, 0x80, 1]);
    tx.inject_error(&report).unwrap();
    tx.inject_error(&ErrorFrame::new(ErrorClasses::from_bits(0x040), &[]))
        .unwrap();
    let output = dump.output();
    let lines: Vec<_> = output.lines().map(logged).collect();
    assert_eq!(lines, ["20000204#0020000000008001", "20000040#0000000000000000"]);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn an_error_report_sent_by_a_peer_is_an_event() {
    let vcan = Vcan::new(72);
    let mut rx = vcan.open();
    let mut play = Peer::start(&format!("canplayer {0}={0}", vcan.name));
    let line = format!("(0.000000) {} 20000204#0020000000008001\n", vcan.name);
    play.0.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    let Event::BusError(error) = next_event(&mut rx).await else {
        panic!("no error report");
    };
    assert_eq!(error.report.classes().to_bits(), 0x204);
    assert_eq!(error.report.data(), &[0, 0x20, 0, 0, 0, 0, 0x80, 1]);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn what_cangen_generates_is_what_candump_logs_and_we_receive() {
    let vcan = Vcan::new(72);
    let mut rx = vcan.open();
    let dump = Peer::start(&format!("candump -L -n 500 -r 4000000 {}", vcan.name));
    wait_for_receiver(&vcan.name, 2).await;
    let generate = Peer::start(&format!("cangen {} -m -R -g 0 -n 500 -p 10", vcan.name));
    let received = soon(collect(&mut rx, 500)).await;
    drop(generate);
    let ours: Vec<_> = received.iter().map(text).collect();
    let theirs: Vec<_> = dump.output().lines().map(logged).collect();
    assert_eq!(ours, theirs);
    assert!(received.iter().any(|frame| matches!(frame, CanFrame::Fd(_))));
    assert!(received.iter().any(CanFrame::is_remote));
}

/// can-utils' text of a frame.
fn text(frame: &CanFrame) -> String {
    let id = match frame.id() {
        Id::Standard(id) => format!("{:03X}", id.as_raw()),
        Id::Extended(id) => format!("{:08X}", id.as_raw()),
    };
    let data: String = frame.payload().iter().map(|byte| format!("{byte:02X}")).collect();
    match frame {
        CanFrame::Remote(frame) if frame.is_empty() => format!("{id}#R"),
        CanFrame::Remote(frame) => format!("{id}#R{}", frame.len()),
        CanFrame::Fd(frame) => format!("{id}##{}{data}", frame.flags().to_bits()),
        _ => format!("{id}#{data}"),
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn an_fd_length_without_a_code_passes_unchanged() {
    let vcan = Vcan::new(72);
    let dump = Peer::start(&format!("candump -L -n 1 {}", vcan.name));
    let mut tx = vcan.open();
    wait_for_receiver(&vcan.name, 2).await;
    let exact = FdFrame::with_exact_len(id(1), &[7; 9], FdFlags::NONE).unwrap();
    soon(tx.send(exact)).await.unwrap();
    let expected = format!("001##0{}", "07".repeat(9));
    assert_eq!(logged(dump.output().trim_end()), expected);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_batch_is_dumped_in_order_and_whole() {
    let vcan = Vcan::new(16);
    let dump = Peer::start(&format!("candump -L -n 200 -r 4000000 {}", vcan.name));
    let mut tx = vcan.open();
    wait_for_receiver(&vcan.name, 2).await;
    let sent: Vec<_> = (0..200).map(|number| numbered(0x55, number)).collect();
    soon(tx.send_all(&sent)).await.unwrap();
    let expected: Vec<_> = sent.iter().map(text).collect();
    let output = dump.output();
    assert_eq!(output.lines().map(logged).collect::<Vec<_>>(), expected);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X} ")).collect()
}

fn pattern(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn isotpsend_reaches_our_kernel_socket() {
    let vcan = Vcan::new(72);
    let mut socket = IsoTpOptions::new(id(0x123), id(0x321)).bind(&vcan.name).unwrap();
    for len in LENGTHS {
        let message = pattern(len);
        let mut peer = Peer::start(&format!("isotpsend -s 123 -d 321 {}", vcan.name));
        peer.0
            .stdin
            .take()
            .unwrap()
            .write_all(hex(&message).as_bytes())
            .unwrap();
        assert_eq!(soon(socket.recv()).await.unwrap(), message, "{len} bytes");
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn our_kernel_socket_reaches_isotprecv() {
    let vcan = Vcan::new(72);
    let mut socket = IsoTpOptions::new(id(0x321), id(0x123)).bind(&vcan.name).unwrap();
    for len in LENGTHS {
        let message = pattern(len);
        let peer = Peer::start(&format!("isotprecv -s 321 -d 123 {}", vcan.name));
        wait_for_isotp(2).await;
        soon(socket.send(&message)).await.unwrap();
        soon(socket.flush()).await.unwrap();
        let line = peer.output();
        assert_eq!(line.trim(), hex(&message).trim(), "{len} bytes");
        wait_for_isotp(1).await;
    }
}

/// Waits until exactly `count` ISO-TP sockets listen for single identifiers.
async fn wait_for_isotp(count: usize) {
    soon(async {
        loop {
            let lists = std::fs::read_to_string("/proc/net/can/rcvlist_sff").unwrap();
            if lists
                .lines()
                .filter(|line| line.trim_end().ends_with("isotp"))
                .count()
                == count
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
