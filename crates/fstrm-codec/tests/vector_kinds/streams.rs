//! `streams.json`: whole streams as files, sound, cut and malformed, and what each peer makes of them.

use std::io::Read;

use fstrm_codec::control::Strictness;
use fstrm_codec::file::ReadError;
use fstrm_codec::frame::{FrameErrorKind, Oversize};
use fstrm_codec::{Config, End, FileReader};
use serde_json::Value;

use crate::{Tally, bytes, list};

/// A payload as the vectors give it: length, and hex or checksum.
type Payload = (usize, String);

#[derive(Debug, PartialEq)]
enum Finish {
    End(End),
    TooLong,
    Malformed,
    NotThisStream,
}

type Outcome = (Vec<Payload>, Finish);

/// Gives at most so many bytes a read.
struct Chunks<'a>(&'a [u8], usize);

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = buffer.len().min(self.1);
        self.0.read(&mut buffer[..len])
    }
}

fn digest(payload: &[u8]) -> String {
    if payload.len() <= 64 {
        return payload.iter().map(|byte| format!("{byte:02x}")).collect();
    }
    let hash = payload.iter().fold(2_166_136_261_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(16_777_619)
    });
    format!("{hash:08x}")
}

fn ours_in(input: &[u8], chunk: usize, config: &Config) -> Outcome {
    let mut reader = FileReader::new(Chunks(input, chunk), config.clone()).unwrap();
    let mut payloads = Vec::new();
    let finish = loop {
        match reader.next_frame() {
            Ok(Some(payload)) => payloads.push((payload.len(), digest(payload))),
            Ok(None) => break Finish::End(reader.end_of_stream().unwrap()),
            Err(ReadError::Frame(error)) => {
                break match error.kind {
                    FrameErrorKind::DataTooLong { .. } => Finish::TooLong,
                    _ => Finish::Malformed,
                };
            }
            Err(ReadError::Stream { .. }) => break Finish::NotThisStream,
            Err(other) => panic!("{other}"),
        }
    };
    (payloads, finish)
}

/// What comes out, which must not depend on how the input is cut.
#[track_caller]
fn ours(input: &[u8], config: &Config) -> Outcome {
    let whole = ours_in(input, usize::MAX, config);
    for chunk in if input.len() < 10_000 {
        [1, 7]
    } else {
        [1_000, 70_001]
    } {
        assert_eq!(ours_in(input, chunk, config), whole, "in chunks of {chunk}");
    }
    whole
}

/// The payloads among a peer's reads.
fn payloads(reads: &Value) -> Vec<Payload> {
    list(reads)
        .iter()
        .filter_map(|read| {
            let len = usize::try_from(read["len"].as_u64()?).unwrap();
            let digest = read["hex"].as_str().or_else(|| read["fnv1a32"].as_str())?;
            Some((len, digest.to_owned()))
        })
        .collect()
}

/// The Go reader's payloads, if it read to the end without complaint.
fn go_payloads(go: &Value) -> Option<Vec<Payload>> {
    let result = &go["result"];
    let content = result["open_error"] == ""
        && list(&result["reads"])
            .iter()
            .all(|read| read["error"].is_null() || read["error"] == "EOF");
    content.then(|| payloads(&result["reads"]))
}

/// Bytes still missing at the end, told from what the Python codec holds; none at a frame boundary.
fn missing(python: &Value) -> u64 {
    let whole = &python["whole"];
    let (buffered, pending) = (
        whole["buffered"].as_u64().unwrap(),
        whole["pending_nb_bytes"].as_u64().unwrap(),
    );
    let in_payload = whole["df_length"].as_u64().is_some_and(|len| len > 0) || whole["cf_length"].is_u64();
    if in_payload {
        pending
    } else if buffered == 0 && whole["df_length"].is_null() {
        0
    } else {
        4 - buffered
    }
}

/// Data frames in front of the first control frame that has no place while data flows, if there is one before
/// STOP.
fn misplaced(python: &Value) -> Option<usize> {
    let names = list(&python["whole"]["frames"])
        .iter()
        .map(|frame| frame["frame"].as_str());
    let mut data = 0;
    for name in names.skip(1) {
        match name {
            Some("DATA") => data += 1,
            Some("START" | "READY" | "ACCEPT" | "FINISH") => return Some(data),
            Some("STOP") | None => return None,
            Some(_) => {}
        }
    }
    None
}

pub(crate) fn check(file: &Value, tally: &mut Tally) {
    for entry in list(&file["vectors"]) {
        let input = bytes(&entry["input"]);
        assert_eq!(entry["size"], input.len(), "{}", entry["name"]);
        println!("  {}", entry["name"]);
        check_entry(entry, &input, tally);
        tally.checked();
    }
}

fn check_entry(entry: &Value, input: &[u8], tally: &mut Tally) {
    let (c, go) = (&entry["c_reader"], &entry["go_reader"]);
    let strict = ours(input, &Config::new());
    let lenient = ours(input, &Config::new().strictness(Strictness::Lenient));
    assert_eq!(strict, column(input), "{entry}");
    let reads = list(&c["reads"]);
    let last = reads
        .iter()
        .find(|read| read["res"] != "success")
        .map(|read| read["res"].as_str().unwrap());
    let common = payloads(&c["reads"]);
    if c["open"] != "success" {
        assert!(strict.0.is_empty(), "{strict:?}");
        match c["open"].as_str() {
            Some("stop") if impossible(&entry["python"]) => {
                assert_eq!(strict.1, Finish::Malformed);
                tally.rule("a length that no control frame has is an error at once, also at the end");
            }
            Some("stop") => {
                let missing = match missing(&entry["python"]) {
                    0 => 12,
                    missing => missing,
                };
                assert_eq!(strict.1, Finish::End(End::Truncated { offset: 0, missing }));
                tally.rule("a file that ends before or in START is truncated");
            }
            _ => assert!(
                matches!(strict.1, Finish::Malformed | Finish::NotThisStream),
                "{strict:?}"
            ),
        }
        check_lenient(lenient, go, &strict);
    } else if strict.1 == Finish::NotThisStream {
        // The C reader passes it over, unless it has failed before.
        assert!(common.starts_with(&strict.0) || (has_unknown(input) && strict.0.starts_with(&common)));
        if last == Some("stop") && c["stop"].is_object() {
            assert_eq!(misplaced(&entry["python"]), Some(strict.0.len()));
            assert_eq!(lenient, (common, Finish::End(End::Stop)));
        }
        tally.rule("a control frame out of place is an error, or passed over by a lenient reader");
    } else if reads.iter().any(|read| read["out_params"] == "untouched") {
        assert_eq!(strict, (common, Finish::TooLong));
        tally.rule("a data frame over the limit is an error at once, not an empty success");
        let skipping = ours(input, &Config::new().oversize(Oversize::Skip));
        if go["result"].is_object() {
            assert_eq!(
                skipping.0,
                payloads(&go["result"]["reads"]),
                "skips as the Go reader"
            );
        }
    } else if last == Some("stop") && c["stop"].is_null() && impossible(&entry["python"]) {
        assert_eq!(strict, (common, Finish::Malformed));
        tally.rule("a length that no control frame has is an error at once, also at the end");
    } else if last == Some("stop") && c["stop"].is_null() {
        let expected = match missing(&entry["python"]) {
            0 => End::Eof,
            missing => End::Truncated {
                offset: cut_at(input, &entry["python"]),
                missing,
            },
        };
        assert_eq!(strict, (common, Finish::End(expected)));
        tally.rule("an end without STOP is told from STOP");
    } else if last == Some("stop") {
        assert_eq!(strict, (common, Finish::End(End::Stop)));
        assert_eq!(strict, lenient);
    } else if has_unknown(input) {
        assert!(strict.0.starts_with(&common), "{strict:?}");
        if let Some(go) = go_payloads(go) {
            assert_eq!(strict.0, go);
        }
        tally.rule("a control frame of unknown type is passed over, as documented");
    } else {
        assert_eq!(strict, (common, Finish::Malformed));
        check_lenient(lenient, go, &strict);
    }
}

/// Whether the input ends behind a control length that cannot be one.
fn impossible(python: &Value) -> bool {
    let len = python["whole"]["cf_length"].as_u64();
    len.is_some_and(|len| !(4..=512).contains(&len))
}

/// Our column of the tables of malformed input, told once more and in the plainest way: all bytes are there.
fn column(input: &[u8]) -> Outcome {
    let (mut at, mut payloads, mut started) = (0, Vec::new(), false);
    let word = |at: usize| Some(u32::from_be_bytes(input.get(at..at + 4)?.try_into().unwrap()));
    let finish = loop {
        let begin = at;
        let left = input.len() - at;
        let truncated = |need: usize| {
            let offset = u64::try_from(begin).unwrap();
            let missing = u64::try_from(need - left).unwrap();
            Finish::End(End::Truncated { offset, missing })
        };
        if left == 0 {
            break if started {
                Finish::End(End::Eof)
            } else {
                truncated(12)
            };
        }
        let Some(len) = word(at) else { break truncated(4) };
        let len = usize::try_from(len).unwrap();
        if len > 0 {
            if !started {
                break Finish::Malformed;
            }
            if len > 1 << 20 {
                break Finish::TooLong;
            }
            let Some(payload) = input.get(at + 4..at + 4 + len) else {
                break truncated(4 + len);
            };
            payloads.push((len, digest(payload)));
            at += 4 + len;
            continue;
        }
        let Some(clen) = word(at + 4) else {
            break truncated(8);
        };
        let clen = usize::try_from(clen).unwrap();
        if !(4..=512).contains(&clen) {
            break Finish::Malformed;
        }
        let Some(payload) = input.get(at + 8..at + 8 + clen) else {
            break truncated(8 + clen);
        };
        at += 8 + clen;
        let kind = u32::from_be_bytes(payload[..4].try_into().unwrap());
        let Some(types) = content_types(kind, &payload[4..]) else {
            if (1..=5).contains(&kind) {
                break Finish::Malformed;
            }
            if !started {
                break Finish::NotThisStream;
            }
            continue;
        };
        match (kind, started) {
            (2, false) => started = true,
            (3, true) => break Finish::End(End::Stop),
            (1..=5, true) | (_, false) => break Finish::NotThisStream,
            (_, true) => assert!(types.len() < 512, "passed over"),
        }
    };
    (payloads, finish)
}

/// The content types that the fields of a control frame name; `None` where they are none, or too many.
pub(crate) fn content_types(kind: u32, mut fields: &[u8]) -> Option<Vec<&[u8]>> {
    let mut types = Vec::new();
    while !fields.is_empty() {
        let (field, len) = (fields.get(..4)?, fields.get(4..8)?);
        let len = usize::try_from(u32::from_be_bytes(len.try_into().unwrap())).unwrap();
        let (value, rest) = fields.get(8..)?.split_at_checked(len)?;
        if field != [0, 0, 0, 1] || len > 256 {
            return None;
        }
        types.push(value);
        fields = rest;
    }
    let most = match kind {
        2 => 1,
        3 | 5 => 0,
        _ => usize::MAX,
    };
    (types.len() <= most).then_some(types)
}

/// Whether a control frame of unknown type comes while data flows.
fn has_unknown(input: &[u8]) -> bool {
    let mut reader = FileReader::new(input, Config::new()).unwrap();
    while matches!(reader.next_frame(), Ok(Some(_))) {}
    reader.stats().ignored_controls > 0
}

/// A lenient reader takes what the Go reader takes, and refuses as a strict one otherwise.
#[track_caller]
fn check_lenient(lenient: Outcome, go: &Value, strict: &Outcome) {
    match go_payloads(go) {
        Some(payloads) if !payloads.is_empty() => assert_eq!(lenient, (payloads, Finish::End(End::Stop))),
        _ => assert_eq!(lenient, *strict),
    }
}

/// Where the cut frame begins: what the Python codec has taken from it and holds lies behind.
fn cut_at(input: &[u8], python: &Value) -> u64 {
    let whole = &python["whole"];
    let taken = 4 * u64::from(whole["df_length"].is_u64()) + 4 * u64::from(whole["cf_length"].is_u64());
    u64::try_from(input.len()).unwrap() - whole["buffered"].as_u64().unwrap() - taken
}
