//! `streams.json`: whole streams as files, sound, cut and malformed, and what each peer makes of them.

use std::io::Read;

use fstrm_codec::control::Strictness;
use fstrm_codec::file::ReadError;
use fstrm_codec::frame::{FrameErrorKind, Oversize};
use fstrm_codec::{Config, End, FileReader};
use serde_json::Value;

use crate::{Tally, bytes, list};

/// A payload as the vectors give it: length, and hex or checksum.
pub(crate) type Payload = (usize, String);

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

pub(crate) fn digest(payload: &[u8]) -> String {
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
pub(crate) fn payloads(reads: &Value) -> Vec<Payload> {
    list(reads).iter().filter_map(payload).collect()
}

fn payload(read: &Value) -> Option<Payload> {
    let len = usize::try_from(read["len"].as_u64()?).unwrap();
    let digest = read["hex"].as_str().or_else(|| read["fnv1a32"].as_str())?;
    Some((len, digest.to_owned()))
}

/// The Go reader's payloads up to the first thing it says but `said`, and whether they are all.
fn go_payloads(go: &Value, said: &[&str]) -> (Vec<Payload>, bool) {
    let reads = list(&go["result"]["reads"]);
    let complaint = reads
        .iter()
        .position(|read| read["error"].as_str().is_some_and(|error| !said.contains(&error)));
    let before = reads.iter().take(complaint.unwrap_or(reads.len()));
    (
        before.filter_map(payload).collect(),
        complaint.is_none() && go["result"]["open_error"] == "",
    )
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
    assert_eq!(
        strict,
        column(input, Strictness::Strict, Oversize::Refuse),
        "{entry}"
    );
    check_lenient(input, go);
    check_start(input, c);
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
    } else if strict.1 == Finish::NotThisStream {
        // The C reader passes it over as a lenient one does, unless it has failed before.
        let lenient = ours(input, &Config::new().strictness(Strictness::Lenient));
        assert!(common.starts_with(&strict.0) || (has_unknown(input) && strict.0.starts_with(&common)));
        assert!(lenient.0.starts_with(&common));
        if last == Some("stop") && c["stop"].is_object() {
            assert_eq!(misplaced(&entry["python"]), Some(strict.0.len()));
            assert_eq!(lenient, (common, Finish::End(End::Stop)));
        }
        tally.rule("a control frame out of place is an error, or passed over by a lenient reader");
    } else if has_unknown(input) {
        assert!(
            last == Some("failure") && strict.0.starts_with(&common),
            "{strict:?}"
        );
        tally.rule("a control frame of unknown type is passed over, as documented");
    } else if reads.iter().any(|read| read["out_params"] == "untouched") {
        assert_eq!(strict, (common, Finish::TooLong));
        tally.rule("a data frame over the limit is an error at once, not an empty success");
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
    } else {
        assert_eq!(strict, (common, Finish::Malformed));
    }
}

/// What START names, which the C reader tells once it is open.
fn check_start(input: &[u8], c: &Value) {
    let mut reader = FileReader::new(input, Config::new()).unwrap();
    let first = reader.next_frame();
    if c["open"] == "success" {
        let types: Vec<_> = list(&c["start"]["content_types"]).iter().map(bytes).collect();
        let ours = reader.content_type().map(|name| name.as_bytes().to_vec());
        assert_eq!(ours.into_iter().collect::<Vec<_>>(), types, "{c}");
        assert_eq!(c["start"]["type"], 2, "{c}");
    } else {
        assert!(c["start"].is_null() && !matches!(first, Ok(Some(_))), "{c}");
    }
}

/// A lenient reader keeps its own table, and takes all that the Go reader takes; told to skip what is over
/// the limit, also what the Go reader takes around that.
fn check_lenient(input: &[u8], go: &Value) {
    for (oversize, said) in [
        (Oversize::Refuse, &["EOF"][..]),
        (Oversize::Skip, &["EOF", "data frame too large"]),
    ] {
        let lenient = ours(
            input,
            &Config::new().strictness(Strictness::Lenient).oversize(oversize),
        );
        assert_eq!(
            lenient,
            column(input, Strictness::Lenient, oversize),
            "{oversize:?}"
        );
        let (payloads, is_all) = go_payloads(go, said);
        if is_all {
            assert_eq!(lenient.0, payloads, "{oversize:?}");
        } else {
            assert!(lenient.0.starts_with(&payloads), "{oversize:?}");
        }
    }
}

/// Whether the input ends behind a control length that cannot be one.
fn impossible(python: &Value) -> bool {
    let len = python["whole"]["cf_length"].as_u64();
    len.is_some_and(|len| !(4..=512).contains(&len))
}

/// Our column of the tables of malformed input, told once more and in the plainest way: all bytes are there.
fn column(input: &[u8], strictness: Strictness, oversize: Oversize) -> Outcome {
    let is_lenient = strictness == Strictness::Lenient;
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
            let is_over = len > 1 << 20;
            if is_over && oversize == Oversize::Refuse {
                break Finish::TooLong;
            }
            let Some(payload) = input.get(at + 4..at + 4 + len) else {
                break truncated(4 + len);
            };
            if !is_over {
                payloads.push((len, digest(payload)));
            }
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
        let is_sound = match strictness {
            Strictness::Strict => content_types(kind, &payload[4..]).is_some(),
            Strictness::Lenient => fields(&payload[4..]).is_some(),
        };
        match (kind, started) {
            (1..=5, _) if !is_sound => break Finish::Malformed,
            (2, false) => started = true,
            (3, true) => break Finish::End(End::Stop),
            (_, false) => break Finish::NotThisStream,
            (1..=5, true) if !is_lenient => break Finish::NotThisStream,
            (_, true) => {}
        }
    };
    (payloads, finish)
}

/// The values of a control frame's fields; `None` where they are none of content types.
fn fields(mut fields: &[u8]) -> Option<Vec<&[u8]>> {
    let mut types = Vec::new();
    while !fields.is_empty() {
        let (field, len) = (fields.get(..4)?, fields.get(4..8)?);
        let len = usize::try_from(u32::from_be_bytes(len.try_into().unwrap())).unwrap();
        let (value, rest) = fields.get(8..)?.split_at_checked(len)?;
        if field != [0, 0, 0, 1] {
            return None;
        }
        types.push(value);
        fields = rest;
    }
    Some(types)
}

/// The content types that a control frame names; `None` where one is too long, or there are too many.
pub(crate) fn content_types(kind: u32, payload: &[u8]) -> Option<Vec<&[u8]>> {
    let most = match kind {
        2 => 1,
        3 | 5 => 0,
        _ => usize::MAX,
    };
    fields(payload).filter(|types| types.len() <= most && types.iter().all(|name| name.len() <= 256))
}

/// Whether a control frame of unknown type comes while data flows.
fn has_unknown(input: &[u8]) -> bool {
    let mut reader = FileReader::new(input, Config::new()).unwrap();
    while matches!(reader.next_frame(), Ok(Some(_))) {}
    reader.stats().ignored_controls > 0
}

/// Where the cut frame begins: what the Python codec has taken from it and holds lies behind.
fn cut_at(input: &[u8], python: &Value) -> u64 {
    let whole = &python["whole"];
    let taken = 4 * u64::from(whole["df_length"].is_u64()) + 4 * u64::from(whole["cf_length"].is_u64());
    u64::try_from(input.len()).unwrap() - whole["buffered"].as_u64().unwrap() - taken
}
