//! Raw sockets on a virtual interface: kinds of frames, filters, flags, time stamps.
#![cfg(all(feature = "linux", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod kernel;

use core::time::Duration;
use std::os::fd::{AsFd, AsRawFd};
use std::time::SystemTime;

use can_link::error_frame::{ErrorClasses, ErrorFrame};
use can_link::frame::{Dlc, FdFlags, FdFrame, XlFrame};
use can_link::link::{BadInput, Echo, FilterPlace, Origin, OwnEcho};
use can_link::linux::{FdMode, Loopback, OnBusOff, RawOptions, RawSocket, XlMode};
use can_link::record::{self, MAX_DATAGRAM_LEN};
use can_link::{
    CanFrame, CanRx, CanRxExt, CanTxExt, Event, ExtendedId, Filter, FilterSet, Id, LinkError, SendError,
};
use kernel::{
    Vcan, collect, events_until, frame, frames, id, interface, next_event, next_frame, numbered, soon,
};
use nix::sys::socket::{MsgFlags, send};
use serde_json::Value;

/// A frame that tells where a test's frames end.
const END: u16 = 0x7FF;

fn ext(raw: u32) -> Id {
    ExtendedId::new(raw).unwrap().into()
}

fn vectors() -> Value {
    let folder = std::env::var("TINWIRE_VECTORS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors").into());
    let text = std::fs::read_to_string(format!("{folder}/can-link/kernel_raw.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    let digits: Vec<_> = hex.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap())
        .collect()
}

fn word(hex: &Value) -> u32 {
    u32::from_str_radix(hex.as_str().unwrap(), 16).unwrap()
}

/// Writes bytes to a socket as they are.
fn write(socket: &RawSocket, bytes: &[u8]) -> nix::Result<usize> {
    send(socket.as_fd().as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT)
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn every_kind_of_frame_arrives_as_it_was_sent() {
    let vcan = Vcan::new(2060);
    let (mut tx, mut rx) = (vcan.open(), vcan.open());
    let long: Vec<u8> = (0..=255).cycle().take(2048).collect();
    let raw_dlc = |frame: CanFrame| match frame {
        CanFrame::Data(frame) => frame.with_raw_dlc(Dlc::new(13).unwrap()).unwrap().into(),
        CanFrame::Remote(frame) => frame.with_raw_dlc(Dlc::new(9).unwrap()).unwrap().into(),
        other => other,
    };
    let xl = XlFrame::new(id(0x123), long.clone())
        .unwrap()
        .with_vcid(0x45)
        .with_flags(XlFrame::SEC)
        .with_sdu_type(3)
        .with_acceptance(0x1234_5678);
    let sent = [
        frame(0, &[]),
        frame(0x7FE, &[1, 2, 3, 4, 5, 6, 7, 8]),
        raw_dlc(frame(1, &[8; 8])),
        CanFrame::data(ext(0x123), &[1]).unwrap(),
        CanFrame::data(ext(0x1FFF_FFFF), &[]).unwrap(),
        CanFrame::remote(id(5), 0).unwrap(),
        CanFrame::remote(ext(5), 8).unwrap(),
        raw_dlc(CanFrame::remote(id(6), 8).unwrap()),
        CanFrame::fd(id(7), &[], FdFlags::NONE).unwrap(),
        CanFrame::fd(id(7), &long[..8], FdFlags::BRS).unwrap(),
        CanFrame::fd(ext(7), &long[..64], FdFlags::BRS | FdFlags::ESI).unwrap(),
        FdFrame::with_exact_len(id(8), &long[..9], FdFlags::ESI)
            .unwrap()
            .into(),
        XlFrame::new(id(9), [7u8].as_slice()).unwrap().into(),
        // As long as a classic and as an FD structure: only a flag tells them apart.
        XlFrame::new(id(9), &long[..4]).unwrap().into(),
        XlFrame::new(id(9), &long[..60]).unwrap().into(),
        xl.into(),
    ];
    soon(tx.send_all(&sent)).await.unwrap();
    assert_eq!(collect(&mut rx, sent.len()).await, sent);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn what_an_interface_carries_follows_from_its_mtu() {
    let data = |name: &str| {
        let socket = RawOptions::new().open(interface(name)).unwrap();
        socket.capabilities().max_data
    };
    assert_eq!(data("VCAN_CLASSIC"), 8);
    assert_eq!(data("VCAN0"), 64);
    assert_eq!(data("VCAN_XL"), 2048, "at least 72, not equal (trap 3)");
    // Turning XL on turns FD on in the kernel (trap 7), and is no surprise when XL is not wanted.
    let socket = RawOptions::new()
        .xl(XlMode::Off)
        .open(interface("VCAN_XL"))
        .unwrap();
    assert_eq!(socket.capabilities().max_data, 64);
    let socket = RawOptions::new()
        .fd(FdMode::Off)
        .open(interface("VCAN_XL"))
        .unwrap();
    assert_eq!(socket.capabilities().max_data, 8);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_kind_that_the_interface_lacks_is_refused_before_and_after_opening() {
    let error = RawOptions::new()
        .fd(FdMode::On)
        .open(interface("VCAN_CLASSIC"))
        .unwrap_err();
    assert!(
        error.to_string().ends_with("the interface carries no CAN FD"),
        "{error}"
    );
    let error = RawOptions::new()
        .xl(XlMode::On)
        .open(interface("VCAN0"))
        .unwrap_err();
    assert!(
        error.to_string().ends_with("the interface carries no CAN XL"),
        "{error}"
    );

    let classic = Vcan::new(16);
    let (mut tx, mut rx) = (classic.open(), classic.open());
    let fd = CanFrame::fd(id(1), &[1], FdFlags::NONE).unwrap();
    let refused = soon(tx.send_all(&[frame(1, &[]), fd, frame(2, &[])])).await;
    assert!(
        matches!(refused, Err(SendError::Unsupported { .. })),
        "{refused:?}"
    );
    soon(tx.send(frame(3, &[]))).await.unwrap();
    let arrived = collect(&mut rx, 2).await;
    assert_eq!(
        arrived,
        [frame(1, &[]), frame(3, &[])],
        "up to the refused one, and after it"
    );
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn classic_sockets_do_not_see_fd_frames() {
    let vcan = Vcan::new(72);
    let mut rx = RawOptions::new().fd(FdMode::Off).open(&*vcan.name).unwrap();
    let mut tx = vcan.open();
    let fd = CanFrame::fd(id(1), &[1; 64], FdFlags::BRS).unwrap();
    soon(tx.send_all(&[fd, frame(2, &[2])])).await.unwrap();
    assert_eq!(next_frame(&mut rx).await, frame(2, &[2]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn kernel_filters_agree_with_the_recorded_matrix() {
    let vectors = vectors();
    let words: Vec<_> = vectors["filter_frames"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| bytes(&item["frame"]))
        .collect();
    for entry in vectors["filters"].as_array().unwrap() {
        let name = &entry["name"];
        let vcan = Vcan::new(72);
        let list: Vec<_> = match &entry["filters"] {
            Value::Null => vec![(0, 0)],
            list => list
                .as_array()
                .unwrap()
                .iter()
                .map(|pair| (word(&pair[0]), word(&pair[1])))
                .collect(),
        };
        if list.iter().any(|(_, mask)| mask & 0x2000_0000 != 0) {
            println!("{name}: a data filter cannot select error frames here; the error mask does");
            continue;
        }
        let filters = list.iter().map(|&(word, mask)| Filter::from_bits(word, mask));
        let filters = if entry["options"]["join"] == 1 {
            FilterSet::all(filters)
        } else {
            FilterSet::any(filters)
        };
        let errors = &entry["options"]["err"];
        let errors = if errors.is_null() { 0 } else { word(errors) };
        let filters = filters.with_errors(ErrorClasses::from_bits(errors));
        // Many of these filters refuse any end mark, so a second socket shows that all was sent.
        let mut rx = RawOptions::new()
            .filters(filters.clone())
            .open(&*vcan.name)
            .unwrap();
        let mut all = vcan.open();
        let mut tx = RawOptions::new()
            .on_bus_off(OnBusOff::Wait)
            .open(&*vcan.name)
            .unwrap();
        for bytes in &words {
            write(&tx, bytes).unwrap();
        }
        soon(tx.send(frame(END, &[]))).await.unwrap();
        let sent = events_until(&mut all, id(END)).await;
        assert_eq!(sent.iter().filter(|event| is_traffic(event)).count(), words.len());

        let mut out = can_link::EventBuf::new();
        let drained = tokio::time::timeout(Duration::from_millis(50), async {
            loop {
                rx.recv_many(&mut out, 64).await.unwrap();
            }
        });
        drained.await.unwrap_err();
        let counts: Vec<usize> = words
            .iter()
            .map(|bytes| match record::decode(bytes).unwrap() {
                record::Datagram::Error(report) => out
                    .iter()
                    .filter(|event| matches!(event, Event::BusError(error) if error.report == report))
                    .count(),
                record::Datagram::Frame(frame) => {
                    let received = frames(out.make_contiguous());
                    let count = received.iter().filter(|other| **other == frame).count();
                    assert_eq!(
                        count == 1,
                        filters.accepts(&frame),
                        "{name}: our own filter on {frame:?}"
                    );
                    count
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(serde_json::json!(counts), entry["received"], "{name}");
    }
}

fn is_traffic(event: &Event) -> bool {
    matches!(event, Event::Frame(_) | Event::BusError(_))
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn more_filters_than_the_kernel_takes_are_applied_here() {
    let vcan = Vcan::new(72);
    let filters = |count: u16| FilterSet::any((0..count).map(|raw| Filter::id(id(2 * raw).into())));
    let mut rx = RawOptions::new().filters(filters(513)).open(&*vcan.name).unwrap();
    let mut tx = vcan.open();
    let sent: Vec<_> = (0..20).map(|raw| frame(raw, &[])).collect();
    soon(tx.send_all(&sent)).await.unwrap();
    let arrived = collect(&mut rx, 10).await;
    assert!(
        arrived.iter().zip(sent.iter().step_by(2)).all(|(a, b)| a == b),
        "{arrived:?}"
    );
    assert_eq!(rx.set_filters(&filters(513)).unwrap(), FilterPlace::Software);
    assert_eq!(rx.set_filters(&filters(512)).unwrap(), FilterPlace::Kernel);
    soon(tx.send_all(&[frame(1, &[]), frame(2, &[])])).await.unwrap();
    assert_eq!(next_frame(&mut rx).await, frame(2, &[]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn filters_given_to_the_builder_hold_from_the_first_frame() {
    let vcan = Vcan::new(72);
    // A sender that never pauses, in a process of its own: with filters set after bind, its frames would get
    // in.
    let mut flood = kernel::start(&format!("cangen {} -g 0 -I 100 -L 0", vcan.name));
    let mut all = vcan.open();
    next_frame(&mut all).await;
    let only = FilterSet::any([Filter::id(id(0x200).into())]);
    for _ in 0..200 {
        let mut rx = RawOptions::new().filters(only.clone()).open(&*vcan.name).unwrap();
        let nothing = tokio::time::timeout(Duration::from_micros(500), rx.recv()).await;
        assert!(nothing.is_err(), "{nothing:?}");
    }
    flood.kill().unwrap();
    flood.wait().unwrap();
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn filters_changed_later_keep_what_was_queued_before() {
    let vcan = Vcan::new(72);
    let (mut rx, mut tx) = (vcan.open(), vcan.open());
    soon(tx.send(frame(0x100, &[]))).await.unwrap();
    rx.set_filters(&FilterSet::any([Filter::id(id(0x200).into())]))
        .unwrap();
    soon(tx.send_all(&[frame(0x100, &[]), frame(0x200, &[])]))
        .await
        .unwrap();
    assert_eq!(
        next_frame(&mut rx).await,
        frame(0x100, &[]),
        "queued under the wider filter (trap 6)"
    );
    assert_eq!(next_frame(&mut rx).await, frame(0x200, &[]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn malformed_writes_give_the_recorded_errors() {
    let vectors = vectors();
    for entry in vectors["writes"].as_array().unwrap() {
        let name = entry["name"].as_str().unwrap();
        let interface = match entry["interface"].as_str().unwrap() {
            "vcan0" => interface("VCAN0"),
            "vcan1" => interface("VCAN_CLASSIC"),
            "vcan2" => interface("VCAN_XL"),
            "vcan3" => interface("VCAN_DOWN"),
            other => other.into(),
        };
        let asked = |key: &str| entry["options"][key] == 1;
        let options = RawOptions::new()
            .fd(if asked("fd") { FdMode::Auto } else { FdMode::Off })
            .xl(if asked("xl") { XlMode::Auto } else { XlMode::Off });
        // With XL on, the vectors' sockets have FD too.
        let options = if asked("xl") {
            options.fd(FdMode::Auto)
        } else {
            options
        };
        let socket = options.open(interface).unwrap();
        let outcome = write(&socket, &bytes(&entry["bytes"]));
        let errno = outcome.err().map(|errno| format!("{errno:?}"));
        assert_eq!(errno.as_deref(), entry["errno"].as_str(), "{name}");
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_standard_identifier_above_7ff_is_cut_and_reported() {
    let vcan = Vcan::new(72);
    let (mut rx, tx) = (vcan.open(), vcan.open());
    let mut datagram = [0; MAX_DATAGRAM_LEN];
    let len = record::encode(&frame(0x234, &[1]), &mut datagram);
    datagram[..4].copy_from_slice(&0x1234u32.to_ne_bytes());
    write(&tx, &datagram[..len]).unwrap();
    assert_eq!(next_event(&mut rx).await, Event::BadInput(BadInput::MaskedId));
    assert_eq!(next_frame(&mut rx).await, frame(0x234, &[1]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn stale_bytes_behind_the_length_are_not_seen() {
    let vcan = Vcan::new(72);
    let (mut rx, tx) = (vcan.open(), vcan.open());
    let mut datagram = [0xEE; 16];
    datagram[..8].copy_from_slice(&record_head(0x123, 2));
    write(&tx, &datagram).unwrap();
    assert_eq!(next_frame(&mut rx).await, frame(0x123, &[0xEE, 0xEE]));
}

fn record_head(id: u32, len: u8) -> [u8; 8] {
    let [a, b, c, d] = id.to_ne_bytes();
    [a, b, c, d, len, 0xEE, 0xEE, 0]
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn the_origin_tells_own_frames_from_those_of_other_programs() {
    let vcan = Vcan::new(72);
    let mut own = RawOptions::new()
        .own_messages(Echo::On)
        .open(&*vcan.name)
        .unwrap();
    let mut other = vcan.open();
    let mut silent = RawOptions::new()
        .loopback(Loopback::Off)
        .own_messages(Echo::On)
        .open(&*vcan.name)
        .unwrap();
    assert_eq!(own.capabilities().own_echo, OwnEcho::AtQueue);
    assert_eq!(other.capabilities().own_echo, OwnEcho::None);
    assert_eq!(silent.capabilities().own_echo, OwnEcho::None);

    let origin = async |rx: &mut RawSocket| {
        let received = soon(rx.recv_frame()).await.unwrap().unwrap();
        (received.frame.id(), received.origin)
    };
    soon(own.send(frame(1, &[]))).await.unwrap();
    assert_eq!(origin(&mut own).await, (id(1).into(), Origin::Own));
    assert_eq!(origin(&mut other).await, (id(1).into(), Origin::LocalHost));
    soon(silent.send(frame(2, &[]))).await.unwrap();
    soon(other.send(frame(3, &[]))).await.unwrap();
    assert_eq!(
        origin(&mut own).await,
        (id(3).into(), Origin::LocalHost),
        "2 was not looped back"
    );
    assert_eq!(origin(&mut silent).await, (id(1).into(), Origin::LocalHost));
    assert_eq!(origin(&mut silent).await, (id(3).into(), Origin::LocalHost));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_confirmed_send_returns_its_own_echo() {
    let vcan = Vcan::new(72);
    let mut link = RawOptions::new()
        .own_messages(Echo::On)
        .open(&*vcan.name)
        .unwrap()
        .into_link();
    let mut other = vcan.open();
    soon(other.send(frame(9, &[]))).await.unwrap();
    let echo = soon(link.send_confirmed(frame(1, &[7]))).await.unwrap();
    assert_eq!((echo.frame, echo.origin), (frame(1, &[7]), Origin::Own));
    assert_eq!(
        next_frame(&mut link).await,
        frame(9, &[]),
        "what came meanwhile is kept"
    );
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_pair_of_interfaces_connects_two_ends() {
    let mut here = RawOptions::new().open(interface("VXCAN0")).unwrap();
    let mut there = RawOptions::new().open(interface("VXCAN1")).unwrap();
    soon(here.send(frame(0x31, &[1]))).await.unwrap();
    assert_eq!(next_frame(&mut there).await, frame(0x31, &[1]));
    soon(there.send(frame(0x32, &[2]))).await.unwrap();
    assert_eq!(next_frame(&mut here).await, frame(0x32, &[2]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_socket_on_all_interfaces_tells_them_apart() {
    let (one, two) = (Vcan::new(72), Vcan::new(72));
    let mut any = RawOptions::new().open("any").unwrap();
    let (mut first, mut second) = (one.open(), two.open());
    soon(first.send(frame(0x41, &[]))).await.unwrap();
    soon(second.send(frame(0x42, &[]))).await.unwrap();
    for (raw, channel) in [(0x41, first.channel()), (0x42, second.channel())] {
        let received = loop {
            let received = soon(any.recv_frame()).await.unwrap().unwrap();
            if received.frame.id() == id(raw).into() {
                break received;
            }
        };
        assert_eq!(received.channel, channel);
    }
    let refused = soon(any.send(frame(0x43, &[]))).await;
    assert!(
        matches!(refused, Err(SendError::Unsupported { .. })),
        "{refused:?}"
    );
    let (_rx, mut tx) = any.split();
    let channel = second.channel();
    let sent = core::future::poll_fn(|cx| tx.poll_send_to(cx, channel, &[frame(0x44, &[])]));
    assert_eq!(soon(sent).await.unwrap(), 1);
    assert_eq!(next_frame(&mut second).await, frame(0x44, &[]));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn frames_carry_the_kernels_time_and_ours() {
    let vcan = Vcan::new(72);
    let (mut rx, mut tx) = (vcan.open(), vcan.open());
    // The kernel begins to stamp a moment after the first socket asks for it; until then it stamps on
    // reading.
    let stamped = soon(async {
        loop {
            let before = SystemTime::now();
            tx.send(frame(1, &[])).await.unwrap();
            let after = SystemTime::now();
            tokio::time::sleep(Duration::from_millis(30)).await;
            let received = rx.recv_frame().await.unwrap().unwrap();
            if (before..=after).contains(&received.time.host) {
                break received;
            }
        }
    });
    let received = stamped.await;
    assert_eq!(received.time.hardware, None, "a virtual interface has no clock");
    assert!(!rx.capabilities().hardware_time);
    assert!(received.time.monotonic.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn error_reports_are_events_beside_frames_and_change_the_state() {
    use can_link::error_frame::BusState;
    let vcan = Vcan::new(72);
    let mut rx = vcan.open();
    let waits = RawOptions::new().on_bus_off(OnBusOff::Wait);
    let mut tx = waits.open(&*vcan.name).unwrap();
    let report = |classes, controller| {
        ErrorFrame::new(
            ErrorClasses::from_bits(classes),
            &[0, controller, 0, 0, 0, 0, 96, 1],
        )
    };
    let warning = report(0x204, 0x08);
    tx.inject_error(&warning).unwrap();
    tx.inject_error(&warning).unwrap();
    tx.inject_error(&report(0x040, 0)).unwrap();
    tx.inject_error(&report(0x100, 0)).unwrap();
    soon(tx.send(frame(END, &[]))).await.unwrap();
    let events = events_until(&mut rx, id(END)).await;
    let states: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::State(state) => Some(*state),
            _ => None,
        })
        .collect();
    assert_eq!(
        states,
        [BusState::Warning, BusState::BusOff, BusState::Active],
        "each change once"
    );
    let reports: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::BusError(error) => Some(error.report),
            _ => None,
        })
        .collect();
    assert_eq!(reports, [warning, warning, report(0x040, 0), report(0x100, 0)]);
    assert_eq!(frames(&events), [], "an error report is never a frame");
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_socket_without_an_error_mask_gets_no_reports() {
    let vcan = Vcan::new(72);
    let mut rx = RawOptions::new()
        .errors(ErrorClasses::NONE)
        .open(&*vcan.name)
        .unwrap();
    let mut tx = vcan.open();
    tx.inject_error(&ErrorFrame::new(ErrorClasses::from_bits(0x080), &[]))
        .unwrap();
    soon(tx.send(numbered(1, 1))).await.unwrap();
    assert!(matches!(next_event(&mut rx).await, Event::Frame(_)));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn opening_says_what_is_wrong_and_what_would_help() {
    let not_found = RawOptions::new().open("nosuchcan9").unwrap_err();
    assert!(matches!(not_found, LinkError::NotFound { .. }), "{not_found:?}");
    assert!(
        not_found.to_string().contains("ip link add dev vcan0 type vcan"),
        "{not_found}"
    );
    let lo = RawOptions::new().open("lo").unwrap_err();
    assert_eq!(lo.to_string(), "lo: not a CAN interface");
    let long = RawOptions::new().open("averyverylongname").unwrap_err();
    assert!(long.to_string().contains("1 to 15 bytes"), "{long}");
}
