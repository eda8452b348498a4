//! `fstrm ...`

mod cat;
mod dnstap;
mod info;

use std::fs::File;
use std::io::Read;

use fstrm_codec::file::{ReadError, Sequences};
use fstrm_codec::{Config, ContentType, End, FileReader};

use super::Session;
use crate::args::fstrm::{FstrmVerb, Input};
use crate::failure::{Code, Failure, Result};

/// Prefixes of streams that are no files.
const STREAMS: [&str; 6] = ["unix:", "tcp://", "tls://", "listen+", "dial+", "sim:"];

pub(super) fn run(session: &mut Session, verb: &FstrmVerb) -> Result {
    match verb {
        FstrmVerb::Cat(args) => cat::run(session, args),
        FstrmVerb::Info(args) => info::run(session, args),
    }
}

type Reader = FileReader<Box<dyn Read>>;

/// Opens a file, or standard input.
fn open(name: &str, input: &Input) -> Result<Reader> {
    if STREAMS.iter().any(|prefix| name.starts_with(prefix)) {
        let message = format!("{name}: live streams are not in this version; files and - are");
        return Err(Failure::new(Code::NotInThisVersion, message)
            .hint("fstrm_capture -t protobuf:dnstap.Dnstap -u SOCKET -w FILE records one"));
    }
    let path = name.strip_prefix("file:").unwrap_or(name);
    let source: Box<dyn Read> = if name == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| Failure::caused(Code::File, error).context(name))?)
    };
    let mut config = Config::new().max_data(input.max_frame);
    if let Some(name) = &input.content_type {
        let content_type = ContentType::new(name.clone().into_bytes())
            .ok_or_else(|| Failure::new(Code::Usage, "the content type is too long"))?;
        config = config.content_type(content_type);
    }
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
fn check_end(name: &str, end: Option<End>) -> Result {
    match end {
        Some(End::Truncated { offset, missing }) => {
            let message = format!(
                "{name}: ends within the frame at byte {offset}; {missing} or more bytes are missing"
            );
            Err(Failure::new(Code::Truncated, message))
        }
        _ => Ok(()),
    }
}

/// A file that cannot be read on.
fn trouble(name: &str, error: ReadError) -> Failure {
    let code = match &error {
        ReadError::Io(_) => Code::File,
        _ => Code::Malformed,
    };
    let is_too_long = error.to_string().contains("expected at most");
    let failure = Failure::caused(code, error).context(name);
    if is_too_long {
        failure.hint("--max-frame BYTES raises the limit")
    } else {
        failure
    }
}
