//! Every vector captured from CAN peers that this crate has a feature for.
//!
//! The folder is `TINWIRE_VECTORS`, or the copy beside this file. Files may come and go; a kind that is
//! unknown fails.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a vector that is not as told fails the test, and its counts are printed"
)]

use std::path::{Path, PathBuf};

use can_link::candump::{
    Direction, Log, LogItem, LogLine, Message, Precision, Reading, error_details, parse_frame,
};
use can_link::error_frame::{ErrorClasses, ErrorFrame};
use can_link::frame::{CanFrame, DataFrame, RemoteFrame};
use can_link::record::{Datagram, decode};
use can_link::{Filter, FilterSet, Id};
use serde_json::Value;

/// Kinds whose feature does not exist yet or that this crate's own tests cannot replay, by file stem and key,
/// and why.
const NOT_CHECKED: &[(&str, &str, &str)] = &[
    ("slcan", "*", "not built yet: slcan"),
    ("socketcand", "*", "not built yet: socketcand"),
    ("cannelloni", "*", "not built yet: cannelloni"),
    ("udp_multicast", "*", "not built yet: mcast"),
    ("log2asc", "*", "not built yet: asc"),
    ("python-can", "asc", "not built yet: asc"),
    ("python-can", "blf", "not built yet: blf"),
    ("python-can", "csv", "another program's own format"),
    ("python-can", "trc", "another program's own format"),
    ("python-can-logs", "read_back", "what python-can's readers lose"),
    ("isotpserver", "*", "owned by isotp"),
    (
        "virtual",
        "cases",
        "documents a peer's bus; ours differs and has tests of its own",
    ),
    ("kernel_raw", "filter_limits", "kernel sockets: tests/vcan_*.rs"),
    ("kernel_raw", "writes", "kernel sockets: tests/vcan_*.rs"),
    ("kernel_raw", "flags", "kernel sockets: tests/vcan_*.rs"),
    ("kernel_raw", "down", "kernel sockets: tests/vcan_*.rs"),
    (
        "kernel_raw",
        "interface_events",
        "kernel sockets: tests/vcan_*.rs",
    ),
    ("kernel_raw", "bind_errors", "kernel sockets: tests/vcan_*.rs"),
];

/// Keys that tell where vectors come from.
const ABOUT: &[&str] = &["peers", "kernel", "python_can", "filter_frames", "same_result_on"];

fn folder() -> PathBuf {
    let copy = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    std::env::var_os("TINWIRE_VECTORS")
        .map_or(copy, PathBuf::from)
        .join("can-link")
}

fn reason(stem: &str, kind: &str) -> Option<&'static str> {
    let found = NOT_CHECKED
        .iter()
        .find(|(file, key, _)| *file == stem && (*key == "*" || *key == kind));
    found.map(|(_, _, reason)| *reason)
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(items) => items.len(),
        _ => 1,
    }
}

#[test]
fn every_vector_that_has_a_feature_agrees() {
    let folder = folder();
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("no folder {}", folder.display());
        return;
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        match extension {
            "md" => {}
            "log" => log_file(name, &std::fs::read_to_string(&path).unwrap()),
            "json" => json_file(&folder, name, stem, &std::fs::read_to_string(&path).unwrap()),
            other => match reason(stem, other) {
                Some(reason) => println!("{name}: 0/1 ({reason})"),
                None => panic!("{name}: unknown kind of vector"),
            },
        }
    }
}

fn json_file(folder: &Path, name: &str, stem: &str, text: &str) {
    let file: Value = serde_json::from_str(text).unwrap();
    for (kind, value) in file.as_object().unwrap() {
        let total = size(value);
        let checked = match kind.as_str() {
            "frames" => each(value, candump_frame),
            "drop_lines" => each(value, drop_line),
            "canplayer_frame" => each(value, |case| {
                canplayer(&format!("(1.000000) can0 {}", text_of(case, "text")), case)
            }),
            "canplayer_line" => each(value, |case| canplayer(text_of(case, "line"), case)),
            "filters" => each(value, |case| filter_row(case, &file["filter_frames"])),
            "messages" => python_can_messages(
                value,
                &std::fs::read_to_string(folder.join("python-can.log")).unwrap(),
            ),
            about if ABOUT.contains(&about) => continue,
            kind => match reason(stem, kind) {
                Some(reason) => {
                    println!("{name}: {kind} 0/{total} ({reason})");
                    continue;
                }
                None => panic!("{name}: unknown kind {kind}"),
            },
        };
        println!("{name}: {kind} {checked}/{total}");
        assert_eq!(checked, total, "{name}: {kind}");
    }
}

fn each(list: &Value, mut check: impl FnMut(&Value)) -> usize {
    let list = list.as_array().unwrap();
    list.iter().for_each(&mut check);
    list.len()
}

fn text_of<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// What the kernel's structure means.
fn meaning(hex: &str) -> Message {
    match decode(&bytes(hex)).unwrap() {
        Datagram::Frame(frame) | Datagram::MaskedId(frame) => frame.into(),
        Datagram::Error(report) => report.into(),
        other => panic!("{other:?}"),
    }
}

fn candump_frame(case: &Value) {
    let frame = text_of(case, "frame");
    let message = meaning(frame);
    for key in ["log", "log_x_ns"] {
        let text = text_of(case, key);
        let line = LogLine::parse(text, Reading::Strict).unwrap();
        assert_eq!(line.message, message, "{text}");
        if matches!(message, Message::Error(_)) && bytes(frame)[4] < 8 {
            println!("  rule: an error report is written with eight bytes (candump: {text})");
            continue;
        }
        assert_eq!(line.to_string(), text);
    }
    if let Some(text) = case["log_2020_11"].as_str() {
        let line = LogLine::parse(text, Reading::Strict).unwrap();
        assert_eq!(
            line.message,
            without_raw_dlc(&message),
            "{text}: 2020.11 writes no raw DLC"
        );
    }
    if let (Some(expected), Message::Error(report)) = (case["decoded"].as_array(), &message) {
        let decoded: Vec<Value> = error_details(report)
            .map(|line| line.to_string().into())
            .collect();
        assert_eq!(&decoded, expected);
    }
}

fn without_raw_dlc(message: &Message) -> Message {
    match message {
        Message::Frame(CanFrame::Data(frame)) => {
            CanFrame::Data(DataFrame::new(frame.id(), frame.data()).unwrap()).into()
        }
        Message::Frame(CanFrame::Remote(frame)) => {
            CanFrame::Remote(RemoteFrame::new(frame.id(), frame.len()).unwrap()).into()
        }
        other => other.clone(),
    }
}

fn drop_line(line: &Value) {
    let line = line.as_str().unwrap();
    let Some(LogItem::DropCount {
        interface,
        dropped,
        total,
    }) = LogItem::parse(line, 1, Reading::Strict)
    else {
        panic!("{line}");
    };
    let plural = if dropped == 1 { "" } else { "s" };
    let written = format!(
        "DROPCOUNT: dropped {dropped} CAN frame{plural} on '{interface}' socket (total drops {total})"
    );
    assert_eq!(written, line);
}

fn canplayer(line: &str, case: &Value) {
    let sent = case["frame"].as_str().map(meaning);
    let read = |reading| match LogItem::parse(line, 1, reading) {
        Some(LogItem::Line(line)) => Ok(Some(line.message)),
        Some(LogItem::Bad(bad)) => Err(bad),
        _ => Ok(None),
    };
    let (strict, lenient) = (read(Reading::Strict), read(Reading::Lenient));
    if case["message"]
        .as_str()
        .is_some_and(|message| message.contains("SIOCGIFINDEX"))
    {
        println!("  rule: whether an interface exists is not the log's matter ({line})");
        assert!(strict.is_ok());
        return;
    }
    if case["exit"] != 0 {
        assert!(
            strict.is_err() && lenient.is_err(),
            "canplayer refuses {line}; we read {lenient:?}"
        );
        return;
    }
    assert_eq!(lenient, Ok(sent.clone()), "{line}");
    match strict {
        Ok(message) => assert_eq!(message, sent, "{line}"),
        Err(bad) => {
            let changed = sent.unwrap().to_string();
            let text = line.split_whitespace().nth(2);
            assert_ne!(
                text,
                Some(changed.as_str()),
                "refused although nothing would change: {bad}"
            );
            println!("  rule: refused because canplayer sends {changed} for it ({line}; {bad})");
        }
    }
}

fn filter_row(case: &Value, frames: &Value) {
    let hex = |value: &Value| u32::from_str_radix(value.as_str().unwrap(), 16).unwrap();
    let row = case["filters"].as_array();
    let filters = row.map_or_else(
        || vec![Filter::ALL],
        |row| {
            row.iter()
                .map(|filter| Filter::from_bits(hex(&filter[0]), hex(&filter[1])))
                .collect()
        },
    );
    let set = if case["options"]["join"] == 1 {
        FilterSet::all(filters)
    } else {
        FilterSet::any(filters)
    };
    let errors = match &case["options"]["err"] {
        Value::Null => ErrorClasses::NONE,
        mask => ErrorClasses::from_bits(hex(mask)),
    };
    let set = set.with_errors(errors);
    // In the kernel a mask with bit 29 selects error reports; ours and candump's filters never have it there.
    let selects_errors = row.is_some_and(|row| row.iter().any(|filter| hex(&filter[1]) & 0x2000_0000 != 0));
    if selects_errors {
        println!(
            "  rule: a data filter never selects error reports; the error mask does ({})",
            case["name"]
        );
    }
    for (frame, received) in frames
        .as_array()
        .unwrap()
        .iter()
        .zip(case["received"].as_array().unwrap())
    {
        let (ours, expected) = match meaning(text_of(frame, "frame")) {
            Message::Frame(frame) if selects_errors => {
                (set.accepts(&frame), frame.id_word() & 0x7FF == 0x100)
            }
            Message::Frame(frame) => (set.accepts(&frame), received == 1),
            Message::Error(report) if selects_errors => (set.errors().intersects(report.classes()), false),
            Message::Error(report) => (set.errors().intersects(report.classes()), received == 1),
        };
        assert_eq!(ours, expected, "{}: {}", case["name"], frame["name"]);
    }
}

/// A log that another program wrote may differ from candump's bytes, but not in meaning.
fn log_file(name: &str, text: &str) {
    let (mut checked, mut same) = (0, 0);
    for (item, original) in Log::new(text, Reading::Strict).zip(text.lines()) {
        let LogItem::Line(line) = item else {
            panic!("{name}: {item:?}")
        };
        let written = line.to_string();
        assert_eq!(
            LogLine::parse(&written, Reading::Strict),
            Ok(line.clone()),
            "{original}"
        );
        if written == original {
            same += 1;
        } else {
            let reports = matches!(line.message, Message::Error(_));
            let fd = matches!(line.message, Message::Frame(CanFrame::Fd(_)));
            assert!(reports || fd, "{name}: {original} became {written}");
            println!("  rule: eight bytes in an error report, FDF in CAN FD flags ({original})");
        }
        checked += 1;
    }
    let total = text.lines().count();
    println!("{name}: {checked}/{total}, {same} of them byte for byte");
    assert_eq!(checked, total, "{name}");
}

/// python-can's log against the messages it was told to write.
fn python_can_messages(messages: &Value, log: &str) -> usize {
    let messages = messages.as_array().unwrap();
    let mut checked = 0;
    for (message, line) in messages.iter().zip(log.lines()) {
        let line = LogLine::parse(line, Reading::Strict).unwrap();
        let seconds = line.time.seconds() as f64 + f64::from(line.time.nanos()) / 1e9;
        assert!((seconds - message["timestamp"].as_f64().unwrap()).abs() < 1e-6);
        assert_eq!(line.precision, Precision::Micro);
        assert_eq!(line.interface, format!("can{}", message["channel"]));
        let error = message["error"] == true;
        let way = if message["is_rx"] == true {
            Direction::Receive
        } else {
            Direction::Transmit
        };
        assert_eq!(line.direction, (!error).then_some(way));
        match &line.message {
            Message::Error(report) => assert!(error && *report == ErrorFrame::new(report.classes(), &[])),
            Message::Frame(frame) => {
                assert_eq!(matches!(frame.id(), Id::Extended(_)), message["ext"] == true);
                assert_eq!(
                    frame.id_word() & 0x1FFF_FFFF,
                    u32::try_from(message["id"].as_u64().unwrap()).unwrap()
                );
                assert_eq!(
                    frame.is_remote(),
                    message["rtr"] == true,
                    "python-can loses only the remote length"
                );
                assert_eq!(frame.payload(), bytes(text_of(message, "data")));
                let flags = match frame {
                    CanFrame::Fd(fd) => Some((fd.flags().to_bits() & 1 != 0, fd.flags().to_bits() & 2 != 0)),
                    _ => None,
                };
                let expected = (message["brs"] == true, message["esi"] == true);
                assert_eq!(flags, (message["fd"] == true).then_some(expected));
            }
        }
        checked += 1;
    }
    checked
}

#[test]
fn a_frame_text_reads_the_same_inside_and_outside_a_line() {
    let line = LogLine::parse("(1.000000) can0 123#11.22", Reading::Strict).unwrap();
    assert_eq!(Ok(line.message), parse_frame("123#1122", Reading::Strict));
}
