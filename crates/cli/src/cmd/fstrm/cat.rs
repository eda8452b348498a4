//! `fstrm cat`: the frames of files.

use std::io;

use dnstap_codec::{CONTENT_TYPE, DecodeError};
use fstrm_codec::file::ReadError;
use fstrm_codec::{Config, ContentType, End, FileReader};
use serde::Serialize;

use super::dnstap::{self, Fields};
use super::faults::{Faults, Left};
use super::feed::{self, Feed, blocking};
use super::{check_end, config, end_word, reader, trouble};
use crate::args::fstrm::Cat;
use crate::cmd::Session;
use crate::failure::Result;
use crate::output::Output;
use crate::units;

/// Payload bytes that a text line shows.
const SHOWN: usize = 32;

/// Frames after which signals and the deadline are looked at.
const LOOK_UP: u64 = 64;

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
    /// Bytes behind STOP.
    trailing_bytes: u64,
    /// How the last file ends; none where its end was not reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<&'static str>,
}

impl Summary {
    fn text(&self) -> String {
        let Self {
            frames,
            bytes,
            bad,
            dropped,
            ..
        } = self;
        let noun = if *frames == 1 { "frame" } else { "frames" };
        let bad = if *bad > 0 {
            format!(", {bad} not understood")
        } else {
            String::new()
        };
        format!("{frames} {noun}, {bytes} bytes{bad}, {dropped} dropped")
    }
}

/// Shows every file; a bad one is told and the next one is shown.
pub(super) async fn run(session: &mut Session, args: &Cat) -> Result {
    let config = config(&args.input)?;
    let mut summary = Summary {
        r#type: "summary",
        ..Summary::default()
    };
    let mut faults = Faults::default();
    let ended = all(session, args, &config, &mut summary, &mut faults)
        .await
        .and_then(|()| session.output.flush());
    session.output.summary(&summary, Summary::text);
    ended.and_then(|()| faults.result())
}

async fn all(
    session: &mut Session,
    args: &Cat,
    config: &Config,
    summary: &mut Summary,
    faults: &mut Faults,
) -> Result {
    for name in &args.input.files {
        match one(session, args, config, name, summary).await {
            Ok(()) => {}
            Err(Left::File(failure)) => faults.take(session, failure)?,
            Err(Left::Command(failure)) => return Err(failure),
            Err(Left::Done) => break,
        }
    }
    Ok(())
}

async fn one(
    session: &mut Session,
    args: &Cat,
    config: &Config,
    name: &str,
    summary: &mut Summary,
) -> core::result::Result<(), Left> {
    summary.end = None;
    let path = name.to_owned();
    let source = tokio::select! {
        biased;
        _ = session.stop.wait() => return Err(Left::Done),
        source = blocking(move || feed::open(&path)) => source.map_err(Left::File)?,
    };
    let mut reader = reader(Feed::new(source), config.clone())?;
    let left = frames(session, args, name, &mut reader, summary).await;
    summary.dropped += reader.stats().skipped_frames;
    left
}

async fn frames(
    session: &mut Session,
    args: &Cat,
    name: &str,
    reader: &mut FileReader<Feed>,
    summary: &mut Summary,
) -> core::result::Result<(), Left> {
    loop {
        if args.count.is_some_and(|count| summary.frames >= count) {
            return Err(Left::Done);
        }
        let payload = match reader.next_frame() {
            Ok(payload) => payload.map(<[u8]>::to_vec),
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                wait(session, reader).await?;
                continue;
            }
            Err(error) => return Err(Left::File(trouble(name, error))),
        };
        let Some(payload) = payload else { break };
        summary.frames += 1;
        summary.bytes += u64::try_from(payload.len()).unwrap_or(u64::MAX);
        if args.raw {
            session.output.raw(&payload)?;
        } else {
            let is_dnstap = !args.hex && is_dnstap(reader.content_type());
            let shown = show(&mut session.output, is_dnstap, reader.offset(), &payload)?;
            summary.bad += u64::from(shown.is_err());
        }
        if summary.frames.is_multiple_of(LOOK_UP) {
            look_up(session).await?;
        }
    }
    let Some(end) = reader.end_of_stream() else {
        return Ok(());
    };
    summary.end = Some(end_word(end));
    if end == End::Stop {
        let trailing = trailing_bytes(session, name, reader).await?;
        summary.trailing_bytes += trailing;
        if trailing > 0 {
            session.output.notice(format_args!(
                "{name}: {trailing} bytes behind STOP are no stream and were passed over"
            ));
        }
    }
    check_end(name, end).map_err(Left::File)
}

async fn trailing_bytes(
    session: &mut Session,
    name: &str,
    reader: &mut FileReader<Feed>,
) -> core::result::Result<u64, Left> {
    loop {
        match reader.trailing_bytes() {
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(session, reader).await?,
            Err(error) => return Err(Left::File(trouble(name, error.into()))),
        }
    }
}

/// Shows what has come, and waits for more.
async fn wait(session: &mut Session, reader: &mut FileReader<Feed>) -> core::result::Result<(), Left> {
    session.output.flush()?;
    tokio::select! {
        biased;
        _ = session.stop.wait() => Err(Left::Done),
        () = reader.inner_mut().ready() => Ok(()),
    }
}

/// A stream that never makes us wait must not keep us from ending.
async fn look_up(session: &Session) -> core::result::Result<(), Left> {
    tokio::select! {
        biased;
        _ = session.stop.wait() => Err(Left::Done),
        () = tokio::task::yield_now() => Ok(()),
    }
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
