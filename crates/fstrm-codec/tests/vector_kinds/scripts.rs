//! `capture_raw.json`: what scripted clients send to `fstrm_capture`, sent to our reader in its place.

use core::num::NonZeroU32;

use fstrm_codec::frame::Oversize;
use fstrm_codec::handshake::DataBeforeStart;
use fstrm_codec::{Config, ContentType, FileReader};
use serde_json::Value;

use super::sessions::Reader;
use super::streams::content_types;
use crate::{Tally, bytes, latin1, list};

const STOP_LEN: usize = 12;
const FINISH: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 5];

/// What a client sees and a file gets.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    answers: Vec<u8>,
    payloads: Vec<Vec<u8>>,
    is_over: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Ready,
    Start,
    Data { is_early: bool },
}

pub(crate) fn check(file: &Value, tally: &mut Tally) {
    for entry in list(&file["vectors"]) {
        println!("  {}", entry["name"]);
        check_entry(entry, tally);
        tally.checked();
    }
}

fn check_entry(entry: &Value, tally: &mut Tally) {
    let steps = list(&entry["steps"]);
    let all = |key: &str| -> Vec<Vec<u8>> {
        let steps = steps.iter().filter(|step| !step[key].is_null());
        steps.map(|step| bytes(&step[key])).collect()
    };
    let (pieces, sent) = (all("send"), all("send").concat());
    let (own, buffer) = (latin1(&entry["content_type"]), buffer_len(entry));
    let (ours, departure) = table(&sent, &own, buffer);
    let mut ways: Vec<Vec<&[u8]>> = [7, 70_001].map(|len| sent.chunks(len).collect()).into();
    ways.push(pieces.iter().map(Vec::as_slice).collect());
    if sent.len() < 10_000 {
        ways.push(sent.chunks(1).collect());
    }
    for way in ways {
        assert_eq!(play(&way, &own, buffer), ours, "{entry}");
    }
    let hung_up = steps.iter().any(|step| step["server"].is_string());
    let left = steps.iter().any(|step| step["client"].is_string());
    let theirs = all("recv").concat();
    let is_file = is_file_of(&entry["server_result"], &own, &ours.payloads);
    let is_close = left || !hung_up || ours.is_over;
    let rule = match departure {
        _ if is_file && is_close && ours.answers == theirs => return,
        Some(rule) => rule,
        None if is_file && is_close && ours.is_over && ours.answers.starts_with(&theirs) => {
            "an error keeps no answer back that was due before"
        }
        None => panic!("not as {ours:?}: {entry}"),
    };
    tally.rule(rule);
}

/// Our reader with the policies of `fstrm_capture`, in its place.
fn play(pieces: &[&[u8]], own: &[u8], buffer: u32) -> Outcome {
    let config = Config::new()
        .content_type(ContentType::new(own.to_vec()).unwrap())
        .data_before_start(DataBeforeStart::Accept)
        .oversize(Oversize::Skip)
        .max_data(NonZeroU32::new(buffer - 4).unwrap());
    let mut reader = Reader::new(config);
    pieces.iter().for_each(|piece| reader.feed(piece));
    Outcome {
        is_over: reader.over(),
        answers: reader.answers,
        payloads: reader.payloads,
    }
}

/// Bytes that `fstrm_capture` buffers; what is no size is the default there.
fn buffer_len(entry: &Value) -> u32 {
    let mut options = list(&entry["options"])
        .iter()
        .map(|option| option.as_str().unwrap());
    let mut buffer = 262_144;
    while let Some(option) = options.next() {
        let size = match option {
            "-b" | "--buffersize" => options.next(),
            _ => option
                .strip_prefix("--buffersize=")
                .or_else(|| option.strip_prefix("-b")),
        };
        let size = size.and_then(|size| size.parse().ok());
        buffer = size.filter(|size: &u32| *size > 4).unwrap_or(buffer);
    }
    buffer
}

/// Our table of a reader's states, told once more and in the plainest way, over all that a client sends; and
/// where it first departs from what `fstrm_capture` does.
fn table(sent: &[u8], own: &[u8], buffer: u32) -> (Outcome, Option<&'static str>) {
    let (mut rest, mut state, mut ours) = (sent, State::Ready, Outcome::default());
    let mut departures = Vec::new();
    let word = |bytes: &[u8], at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().unwrap()));
    while let Some(len) = word(rest, 0) {
        if len > 0 {
            if !matches!(state, State::Data { .. }) {
                state = State::Data { is_early: true };
            }
            if len > u32::MAX - 4 {
                departures.push("the longest lengths do not wrap around");
            }
            let len = usize::try_from(len).unwrap();
            let Some(payload) = rest.get(4..4 + len) else {
                break;
            };
            if len + 4 <= usize::try_from(buffer).unwrap() {
                ours.payloads.push(payload.to_vec());
            }
            rest = &rest[4 + len..];
            continue;
        }
        let Some(clen) = word(rest, 4) else { break };
        if !(4..=512).contains(&clen) {
            ours.is_over = true;
            break;
        }
        let end = 8 + usize::try_from(clen).unwrap();
        if clen > 503 {
            departures.push("a control frame of 504 to 512 bytes is taken");
        } else if end > usize::try_from(buffer).unwrap() {
            departures.push("a control frame is taken where the buffer for data is shorter");
        }
        let Some(payload) = rest.get(8..end) else { break };
        rest = &rest[end..];
        let kind = word(payload, 0).unwrap();
        let types = content_types(kind, &payload[4..]);
        let names = |wanted: &[u8]| types.as_ref().is_some_and(|types| types.contains(&wanted));
        let is_welcome = types.as_ref().is_some_and(Vec::is_empty) || names(own);
        match (kind, state) {
            (4, State::Ready) if is_welcome => {
                ours.answers.extend(accept(own));
                state = State::Start;
            }
            (2, State::Start) if is_welcome => state = State::Data { is_early: false },
            (3, State::Data { is_early }) if types.is_some() => {
                ours.answers.extend(FINISH);
                ours.is_over = true;
                if is_early {
                    departures.push("STOP is answered also where data came without a handshake");
                }
                if !rest.is_empty() {
                    departures.push("what follows STOP keeps no FINISH back, and is not taken");
                }
                break;
            }
            (0 | 6.., State::Data { .. }) => {
                departures.push("a control frame of unknown type is passed over, as documented");
            }
            (_, at) => {
                if matches!(at, State::Data { is_early: true }) && types.is_some() {
                    departures.push("a handshake behind data that came without one is refused");
                }
                ours.is_over = true;
                break;
            }
        }
    }
    (ours, departures.first().copied())
}

fn accept(own: &[u8]) -> Vec<u8> {
    let len = |len: usize| u32::try_from(len).unwrap().to_be_bytes();
    let fields = [[0, 0, 0, 1], [0, 0, 0, 1], len(own.len())].concat();
    [&[0; 4], &len(12 + own.len())[..], &fields, own].concat()
}

/// Whether the file that `fstrm_capture` wrote holds these frames; where only its length is told, as many
/// bytes.
pub(crate) fn is_file_of(result: &Value, own: &[u8], payloads: &[Vec<u8>]) -> bool {
    let frames: usize = payloads.iter().map(|payload| 4 + payload.len()).sum();
    let len = accept(own).len() + frames + STOP_LEN;
    let Some(file) = result["file_hex"].as_str() else {
        return result["file_size"].is_null() || result["file_size"] == len;
    };
    let file = bytes(&file.into());
    let config = Config::new().content_type(ContentType::new(own.to_vec()).unwrap());
    let mut reader = FileReader::new(&file[..], config).unwrap();
    let mut theirs = Vec::new();
    while let Ok(Some(payload)) = reader.next_frame() {
        theirs.push(payload.to_vec());
    }
    let is_whole = reader.end_of_stream().is_some() && result["file_size"] == file.len();
    is_whole && reader.content_type().is_some() && theirs == payloads
}
