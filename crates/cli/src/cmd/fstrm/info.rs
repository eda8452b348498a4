//! `fstrm info`: what files hold, in figures.

use fstrm_codec::file::{self, ReadError};
use serde::Serialize;

use super::faults::Faults;
use super::feed::{self, blocking};
use super::{check_end, config, end_word, reader, trouble};
use crate::args::fstrm::Info;
use crate::cmd::Session;
use crate::failure::Result;

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
pub(super) async fn run(session: &mut Session, args: &Info) -> Result {
    let config = config(&args.input)?;
    let mut faults = Faults::default();
    for name in &args.input.files {
        let (path, config) = (name.clone(), config.clone());
        let reading = blocking(move || {
            Ok(match feed::open(&path) {
                Ok(source) => Ok(file::Info::read(&mut reader(source, config)?)),
                Err(failure) => Err(failure),
            })
        });
        let info = match session.stop.clone().cut(reading).await? {
            Ok(info) => info,
            Err(failure) => {
                faults.take(session, failure)?;
                continue;
            }
        };
        session.output.either(&line(name, &info), text)?;
        let end = match info.end {
            Ok(end) => check_end(name, end),
            Err(error) => Err(trouble(name, error)),
        };
        if let Err(failure) = end {
            faults.take(session, failure)?;
        }
    }
    session.output.flush()?;
    faults.result()
}

fn line<'a>(name: &'a str, info: &file::Info) -> Line<'a> {
    Line {
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
        end: match &info.end {
            Ok(end) => end_word(*end),
            Err(ReadError::Io(_)) => "unreadable",
            Err(_) => "malformed",
        },
    }
}

fn text(line: &Line<'_>) -> String {
    let types: Vec<_> = line
        .content_types
        .iter()
        .map(|content_type| content_type.as_deref().unwrap_or("no content type"))
        .collect();
    let mut text = line.file.to_owned();
    if !types.is_empty() {
        text.push_str(&format!("\n  content      {}", types.join(", ")));
    }
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
