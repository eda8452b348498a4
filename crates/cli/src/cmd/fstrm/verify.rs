//! `fstrm verify`: whether files are whole.

use fstrm_codec::End;
use fstrm_codec::file::{ReadError, Verification};
use serde::Serialize;

use super::faults::Faults;
use super::watched::{Watched, watch};
use super::{check_end, config, end_word, feed, is_too_long, reader, trouble};
use crate::args::fstrm::Verify;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::units::counted;

/// What was found in one file.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    is_clean: bool,
    streams: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    is_mixed: bool,
    frames: u64,
    bytes: u64,
    /// Up to where it is sound.
    sound: u64,
    ignored_controls: u64,
    trailing_bytes: u64,
    end: &'static str,
    /// Where the frame begins that is cut or wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    /// Bytes that it lacks, as far as known.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Default, Serialize)]
struct Summary {
    r#type: &'static str,
    files: u64,
    clean: u64,
    /// Sound, and without STOP.
    without_stop: u64,
    truncated: u64,
    malformed: u64,
    unreadable: u64,
    frames: u64,
    bytes: u64,
}

/// Checks every file; the worst one decides the exit status.
pub(super) async fn run(session: &mut Session, args: &Verify) -> Result {
    let config = config(&args.input)?;
    let mut faults = Faults::default();
    let mut summary = Summary {
        r#type: "summary",
        ..Summary::default()
    };
    for name in &args.input.files {
        let (path, config) = (name.clone(), config.clone());
        let verified = watch(session, name, feed::len(name), move |read| {
            let source = Watched::new(feed::open(&path)?, read);
            Ok(Verification::read(&mut reader(source, config)?))
        });
        summary.files += 1;
        let found = match verified.await? {
            Ok(found) => found,
            Err(failure) if failure.code() == Code::Usage => return Err(failure),
            Err(failure) => {
                summary.unreadable += 1;
                faults.take(session, failure)?;
                continue;
            }
        };
        summary.frames += found.frames;
        summary.bytes += found.payload_bytes;
        session.output.either(&line(name, &found), text)?;
        let is_open = matches!(found.end, Ok(End::Eof));
        summary.without_stop += u64::from(is_open);
        let Err(failure) = judge(name, found) else {
            summary.clean += 1;
            continue;
        };
        if is_open && !args.strict {
            session.output.notice(failure.remark());
            continue;
        }
        match failure.code() {
            Code::Truncated if is_open => {}
            Code::Truncated => summary.truncated += 1,
            Code::Malformed => summary.malformed += 1,
            _ => summary.unreadable += 1,
        }
        faults.take(session, failure)?;
    }
    session.output.flush()?;
    session.output.summary(&summary, Summary::text);
    faults.result()
}

/// What is wrong with a file, and what would help.
fn judge(name: &str, found: Verification) -> Result {
    let sound = found.sound;
    let frames = counted(found.frames, "frame");
    match found.end {
        Err(error @ ReadError::Io(_)) => Err(trouble(name, error)),
        Err(error) => {
            let is_too_long = is_too_long(&error);
            let failure = trouble(name, error);
            // A frame that is only too long for us is none to be cut off.
            Err(if found.frames > 0 && !is_too_long {
                failure.hint(format!(
                    "fstrm repair --cut-fault keeps {frames}, up to byte {sound}"
                ))
            } else {
                failure
            })
        }
        Ok(end @ End::Truncated { .. }) => check_end(name, end).map_err(|failure| {
            if found.streams > 0 {
                failure.hint(format!("fstrm repair keeps {frames} and writes STOP"))
            } else {
                failure
            }
        }),
        Ok(End::Eof) => {
            let message = format!("{name}: ends without STOP at byte {sound}");
            Err(Failure::new(Code::Truncated, message).hint("fstrm repair writes it"))
        }
        Ok(End::Stop) if found.trailing_bytes > 0 => {
            let trailing = counted(found.trailing_bytes, "byte");
            let follow = if found.trailing_bytes == 1 {
                "follows"
            } else {
                "follow"
            };
            let message = format!("{name}: {trailing} of something else {follow} STOP at byte {sound}");
            Err(Failure::new(Code::Malformed, message).hint("fstrm repair --cut-fault cuts them off"))
        }
        Ok(End::Stop) => Ok(()),
    }
}

fn line<'a>(name: &'a str, found: &Verification) -> Line<'a> {
    let (end, offset, missing) = match &found.end {
        Ok(End::Truncated { offset, missing }) => ("truncated", Some(*offset), Some(*missing)),
        Ok(end) => (end_word(*end), None, None),
        Err(ReadError::Io(_)) => ("unreadable", None, None),
        Err(error) => ("malformed", error.offset(), None),
    };
    let content_type = found.content_type.as_ref();
    Line {
        file: name,
        is_clean: found.is_clean(),
        streams: found.streams,
        content_type: content_type.map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned()),
        is_mixed: found.is_mixed,
        frames: found.frames,
        bytes: found.payload_bytes,
        sound: found.sound,
        ignored_controls: found.ignored_controls,
        trailing_bytes: found.trailing_bytes,
        end,
        offset,
        missing,
        error: found.end.as_ref().err().map(ToString::to_string),
    }
}

fn text(line: &Line<'_>) -> String {
    let verdict = match line.end {
        "stop" if line.is_clean => "clean",
        "stop" => "malformed",
        "eof" => "without STOP",
        end => end,
    };
    let frames = counted(line.frames, "frame");
    let bytes = counted(line.bytes, "byte");
    let mut text = format!("{}: {verdict}, {frames}, {bytes}", line.file);
    if line.streams > 1 {
        text.push_str(&format!(", {}", counted(line.streams, "stream")));
    }
    if line.is_mixed {
        text.push_str(" of several content types");
    }
    if line.ignored_controls > 0 {
        text.push_str(&format!(
            ", {} passed over",
            counted(line.ignored_controls, "control")
        ));
    }
    if !line.is_clean {
        text.push_str(&format!(", sound up to byte {}", line.sound));
    }
    text
}

impl Summary {
    fn text(&self) -> String {
        let Self {
            files,
            clean,
            without_stop,
            truncated,
            malformed,
            unreadable,
            frames,
            ..
        } = self;
        let open = match without_stop {
            0 => String::new(),
            open => format!(", {open} without STOP"),
        };
        let (files, frames) = (counted(*files, "file"), counted(*frames, "frame"));
        let faulty = format!("{truncated} truncated, {malformed} malformed, {unreadable} unreadable");
        format!("{files}: {clean} clean{open}, {faulty}; {frames}")
    }
}
