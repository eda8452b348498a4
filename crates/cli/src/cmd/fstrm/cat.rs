//! `fstrm cat`: the frames of files.

use dnstap_codec::{CONTENT_TYPE, DecodeError};
use fstrm_codec::ContentType;
use serde::Serialize;

use super::dnstap::{self, Fields};
use super::{check_end, end_word, open, trouble};
use crate::args::fstrm::Cat;
use crate::cmd::Session;
use crate::failure::Result;
use crate::output::Output;
use crate::units;

/// Payload bytes that a text line shows.
const SHOWN: usize = 32;

/// One frame in JSON.
#[derive(Serialize)]
struct Frame {
    r#type: &'static str,
    offset: u64,
    len: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    dnstap: Option<Fields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    /// Why a payload that should be dnstap is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The closing line.
#[derive(Default, Serialize)]
struct Summary {
    r#type: &'static str,
    frames: u64,
    bytes: u64,
    /// Payloads that are not what the content type says.
    bad: u64,
    /// Frames passed over.
    dropped: u64,
    end: &'static str,
}

pub(super) fn run(session: &mut Session, args: &Cat) -> Result {
    let mut summary = Summary {
        r#type: "summary",
        ..Summary::default()
    };
    let result = args
        .input
        .files
        .iter()
        .try_for_each(|name| one(session, args, name, &mut summary))
        .and_then(|()| session.output.flush());
    session.output.summary(&summary, |summary| {
        let Summary {
            frames,
            bytes,
            bad,
            dropped,
            ..
        } = summary;
        let bad = if *bad > 0 {
            format!(", {bad} not understood")
        } else {
            String::new()
        };
        format!("{frames} frames, {bytes} bytes{bad}, {dropped} dropped")
    });
    result
}

fn one(session: &mut Session, args: &Cat, name: &str, summary: &mut Summary) -> Result {
    let mut reader = open(name, &args.input)?;
    reader.read_start().map_err(|error| trouble(name, error))?;
    loop {
        if args.count.is_some_and(|count| summary.frames >= count) {
            return Ok(());
        }
        let is_dnstap = !args.hex && is_dnstap(reader.content_type());
        let payload = match reader.next_frame() {
            Ok(payload) => payload.map(<[u8]>::to_vec),
            Err(error) => return Err(trouble(name, error)),
        };
        let Some(payload) = payload else { break };
        summary.frames += 1;
        summary.bytes += u64::try_from(payload.len()).unwrap_or(u64::MAX);
        if args.raw {
            session.output.raw(&payload)?;
            continue;
        }
        let shown = show(&mut session.output, is_dnstap, reader.offset(), &payload)?;
        summary.bad += u64::from(shown.is_err());
    }
    summary.dropped += reader.stats().skipped_frames;
    let end = reader.end_of_stream();
    summary.end = end.map_or("", end_word);
    check_end(name, end)
}

fn is_dnstap(content_type: Option<&ContentType>) -> bool {
    content_type.is_some_and(|content_type| content_type.as_bytes() == CONTENT_TYPE)
}

/// Prints a frame; the inner result tells whether it was understood.
fn show(
    output: &mut Output,
    is_dnstap: bool,
    offset: u64,
    payload: &[u8],
) -> Result<core::result::Result<(), DecodeError>> {
    let len = payload.len();
    if output.is_json() {
        let (fields, error) = match is_dnstap.then(|| dnstap::fields(payload)).transpose() {
            Ok(fields) => (fields, None),
            Err(error) => (None, Some(error)),
        };
        output.json(&Frame {
            r#type: "frame",
            offset,
            len,
            data: fields.is_none().then(|| units::hex(payload)),
            dnstap: fields,
            error: error.map(|error| error.to_string()),
        })?;
        return Ok(error.map_or(Ok(()), Err));
    }
    let plain = || {
        let start = payload.get(..SHOWN).unwrap_or(payload);
        let more = if len > SHOWN { " .." } else { "" };
        format!("{offset:>10} {len:>7}b  {}{more}", units::hex(start))
    };
    if !is_dnstap {
        output.text(plain())?;
        return Ok(Ok(()));
    }
    let line = dnstap::line(payload);
    match &line {
        Ok(line) => output.text(line)?,
        Err(error) => output.text(format_args!("{} ({error})", plain()))?,
    }
    Ok(line.map(drop))
}
