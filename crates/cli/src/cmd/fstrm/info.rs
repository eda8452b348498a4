//! `fstrm info`: what files hold, in figures.

use fstrm_codec::file;
use serde::Serialize;

use super::{check_end, end_word, open, trouble};
use crate::args::fstrm::Info;
use crate::cmd::Session;
use crate::failure::{Failure, Result};

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    content_types: Vec<Option<String>>,
    frames: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    shortest: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longest: Option<usize>,
    ignored_controls: u64,
    dropped: u64,
    trailing_bytes: u64,
    end: &'static str,
}

/// Sums up every file; the worst end of all decides the exit status.
pub(super) fn run(session: &mut Session, args: &Info) -> Result {
    let mut worst: Option<Failure> = None;
    for name in &args.input.files {
        let mut reader = open(name, &args.input)?;
        let info = file::Info::read(&mut reader);
        let line = Line {
            file: name,
            content_types: info
                .content_types
                .iter()
                .map(|content_type| {
                    let content_type = content_type.as_ref()?;
                    Some(String::from_utf8_lossy(content_type.as_bytes()).into_owned())
                })
                .collect(),
            frames: info.frames,
            bytes: info.payload_bytes,
            shortest: info.shortest,
            longest: info.longest,
            ignored_controls: info.ignored_controls,
            dropped: info.skipped_frames,
            trailing_bytes: info.trailing_bytes,
            end: info.end.as_ref().map_or("malformed", |end| end_word(*end)),
        };
        session.output.either(&line, text)?;
        let end = match info.end {
            Ok(end) => check_end(name, Some(end)),
            Err(error) => Err(trouble(name, error)),
        };
        if let Err(failure) = end
            && worst
                .as_ref()
                .is_none_or(|worst| worst.code().exit() < failure.code().exit())
        {
            worst = Some(failure);
        }
    }
    worst.map_or(Ok(()), Err)
}

fn text(line: &Line<'_>) -> String {
    let types: Vec<_> = line
        .content_types
        .iter()
        .map(|content_type| content_type.as_deref().unwrap_or("no content type"))
        .collect();
    let mut text = format!("{}\n  content      {}", line.file, types.join(", "));
    text.push_str(&format!("\n  frames       {}", line.frames));
    text.push_str(&format!("\n  bytes        {}", line.bytes));
    if let (Some(shortest), Some(longest)) = (line.shortest, line.longest) {
        text.push_str(&format!("\n  lengths      {shortest} to {longest}"));
    }
    for (label, count) in [
        ("controls passed over", line.ignored_controls),
        ("frames dropped", line.dropped),
        ("bytes behind the end", line.trailing_bytes),
    ] {
        if count > 0 {
            text.push_str(&format!("\n  {label} {count}"));
        }
    }
    text.push_str(&format!("\n  end          {}", line.end));
    text
}
