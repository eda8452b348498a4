//! `fstrm ...`

mod capture;
mod cat;
mod dump;
pub(in crate::cmd) mod faults;
pub(in crate::cmd) mod feed;
pub(in crate::cmd) mod generate;
mod info;
mod pieces;
mod printer;
pub(in crate::cmd) mod relay;
mod repair;
mod replay;
mod verify;
mod watched;

use std::io::Read;

use fstrm_codec::file::{ReadError, Sequences};
use fstrm_codec::frame::FrameErrorKind;
use fstrm_codec::{Config, ContentType, End, FileReader};

use super::Session;
use crate::args::fstrm::{FstrmVerb, Input};
use crate::failure::{Code, Failure, Result};

pub(super) async fn run(session: &mut Session, verb: &FstrmVerb) -> Result {
    match verb {
        FstrmVerb::Capture(args) => capture::run(session, args).await,
        FstrmVerb::Cat(args) => cat::run(session, args).await,
        FstrmVerb::Dump(args) => dump::run(session, args).await,
        FstrmVerb::Gen(args) => generate::run(session, args).await,
        FstrmVerb::Relay(args) => relay::run(session, args, None).await,
        FstrmVerb::Info(args) => info::run(session, args).await,
        FstrmVerb::Verify(args) => verify::run(session, args).await,
        FstrmVerb::Repair(args) => repair::run(session, args).await,
        FstrmVerb::Replay(args) => replay::run(session, args).await,
    }
}

/// What a file must be.
fn config(input: &Input) -> Result<Config> {
    content_types(
        Config::new().max_data(input.max_frame),
        input.content_type.as_deref(),
    )
}

/// Only streams of that type, where one is named.
fn content_types(config: Config, name: Option<&str>) -> Result<Config> {
    let Some(name) = name else {
        return Ok(config);
    };
    ContentType::new(name.to_owned())
        .map(|content_type| config.content_type(content_type))
        .ok_or_else(|| Failure::new(Code::Usage, "the content type is too long"))
}

/// Files are read as `cat` puts them together.
pub(in crate::cmd) fn reader<R: Read>(source: R, config: Config) -> Result<FileReader<R>> {
    let reader = FileReader::new(source, config).map_err(|error| Failure::caused(Code::Usage, error))?;
    Ok(reader.sequences(Sequences::Concatenated))
}

/// How a file's end is told in one word.
const fn end_word(end: End) -> &'static str {
    match end {
        End::Stop => "stop",
        End::Eof => "eof",
        End::Truncated { .. } => "truncated",
    }
}

/// A file that ends within a frame is told as a failure, after what it holds.
pub(in crate::cmd) fn check_end(name: &str, end: End) -> Result {
    let End::Truncated { offset, missing } = end else {
        return Ok(());
    };
    // What stands at the front is START; a file without a byte lacks it too.
    let place = if offset == 0 {
        "before a complete START".to_owned()
    } else {
        format!("within the frame at byte {offset}")
    };
    let message = format!("{name}: ends {place}; {missing} or more bytes are missing");
    Err(Failure::new(Code::Truncated, message))
}

/// Whether a higher limit would help.
fn is_too_long(error: &ReadError) -> bool {
    matches!(error, ReadError::Frame(error) if matches!(error.kind, FrameErrorKind::DataTooLong { .. }))
}

/// A file that cannot be read on.
pub(in crate::cmd) fn trouble(name: &str, error: ReadError) -> Failure {
    let code = match &error {
        ReadError::Io(_) => Code::File,
        _ => Code::Malformed,
    };
    let is_too_long = is_too_long(&error);
    let failure = Failure::caused(code, error).context(name);
    if is_too_long {
        failure.hint("--max-frame BYTES raises the limit")
    } else {
        failure
    }
}
