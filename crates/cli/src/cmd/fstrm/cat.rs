//! `fstrm cat`: the frames of files, and of live streams.

mod live;

use std::io::IsTerminal as _;

use fstrm_codec::Config;
use fstrm_codec::endpoint::Direction;
use fstrm_codec::file::Sequences;
use serde::Serialize;

use super::faults::{Faults, Left};
use super::printer::{Depth, Form, Piece, Printer};
use super::{config, end_word, feed, pieces};
use crate::args::fstrm::Cat;
use crate::cmd::{Session, streams};
use crate::failure::Result;
use crate::output::Progress;
use crate::units;

/// The closing line.
#[derive(Default, Serialize)]
pub(super) struct Summary {
    r#type: &'static str,
    pub(super) frames: u64,
    pub(super) bytes: u64,
    /// Payloads that are not what the content type says.
    bad: u64,
    /// Frames passed over.
    dropped: u64,
    /// Control frames of unknown types, passed over: what follows an empty frame looks like one.
    pub(super) ignored_controls: u64,
    /// Bytes behind STOP.
    pub(super) trailing_bytes: u64,
    /// How the last file ends; none where its end was not reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<&'static str>,
}

impl Summary {
    pub(super) fn new() -> Self {
        Self {
            r#type: "summary",
            ..Self::default()
        }
    }

    pub(super) fn text(&self) -> String {
        let bad = match self.bad {
            0 => String::new(),
            bad => format!(", {bad} not understood"),
        };
        let (frames, bytes) = (
            units::counted(self.frames, "frame"),
            units::counted(self.bytes, "byte"),
        );
        let ignored = match self.ignored_controls {
            0 => String::new(),
            ignored => format!(", {} passed over", units::counted(ignored, "control")),
        };
        format!("{frames}, {bytes}{bad}{ignored}, {} dropped", self.dropped)
    }

    pub(super) fn count(&mut self, piece: &Piece) {
        self.frames += piece.frames;
        self.bytes += piece.bytes;
        self.bad += piece.bad;
        self.dropped += piece.dropped;
        self.ignored_controls += piece.ignored_controls;
        if let Some((end, trailing_bytes)) = piece.end {
            self.end = Some(end_word(end));
            self.trailing_bytes += trailing_bytes;
        }
    }
}

/// Shows every file; a bad one is told and the next one is shown.
pub(super) async fn run(session: &mut Session, args: &Cat) -> Result {
    let config = config(&args.input)?;
    let (mut summary, mut faults) = (Summary::new(), Faults::default());
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
    let mut sockets = Vec::new();
    for name in &args.input.files {
        let endpoint = streams::endpoint(name)?;
        if endpoint.direction_or(Direction::Listen).is_some() {
            sockets.push(endpoint);
            continue;
        }
        match one(session, args, config, name, summary).await {
            Ok(()) => {}
            Err(Left::File(failure)) => faults.take(session, failure)?,
            Err(Left::Command(failure)) => return Err(failure),
            Err(Left::Done) => return Ok(()),
        }
    }
    if sockets.is_empty() {
        return Ok(());
    }
    let Some(printer) = printer(session, args, summary) else {
        return Ok(());
    };
    summary.end = None;
    match live::show(
        session,
        args,
        &sockets,
        printer.without_offsets(),
        summary,
        faults,
    )
    .await
    {
        Ok(()) | Err(Left::Done) => Ok(()),
        Err(Left::File(failure) | Left::Command(failure)) => Err(failure),
    }
}

/// What shows the frames that are still wanted; none where no frame is.
fn printer(session: &Session, args: &Cat, summary: &Summary) -> Option<Printer> {
    let left = args.count.map(|count| count.saturating_sub(summary.frames));
    let form = match session.output.is_json() {
        _ if args.raw => Form::Raw,
        true => Form::Json,
        false => Form::Text,
    };
    let depth = if args.hex { Depth::Bytes } else { Depth::Understood };
    (left != Some(0)).then(|| Printer::new(form, depth, left))
}

async fn one(
    session: &mut Session,
    args: &Cat,
    config: &Config,
    name: &str,
    summary: &mut Summary,
) -> core::result::Result<(), Left> {
    summary.end = None;
    let Some(print) = printer(session, args, summary) else {
        return Err(Left::Done);
    };
    let mut progress = bar(session, name);
    let mut pieces = pieces::spawn(name.to_owned(), config.clone(), Sequences::Concatenated, print);
    loop {
        let piece = tokio::select! {
            biased;
            _ = session.stop.wait() => return Err(Left::Done),
            piece = pieces.recv() => piece,
        };
        let Some(piece) = piece else { return Ok(()) };
        let piece = piece.map_err(Left::File)?;
        summary.count(&piece);
        if let Some(progress) = &mut progress {
            progress.show(piece.offset, name);
        }
        session.output.raw(&piece.text)?;
        if pieces.is_empty() {
            session.output.flush()?;
        }
        if let Some((_, trailing)) = piece.end {
            tell_trailing(session, name, trailing);
        }
    }
}

/// Bytes behind STOP that begin no stream are worth a remark.
pub(super) fn tell_trailing(session: &Session, name: &str, trailing: u64) {
    if trailing > 0 {
        let were = if trailing == 1 {
            "is no stream and was"
        } else {
            "are no stream and were"
        };
        session.output.notice(format_args!(
            "{name}: {} behind STOP {were} passed over",
            units::counted(trailing, "byte")
        ));
    }
}

/// A bar for a file whose length is known, where lines do not run through it.
pub(super) fn bar(session: &Session, name: &str) -> Option<Progress> {
    if std::io::stdout().is_terminal() {
        return None;
    }
    feed::len(name).map(|len| session.output.progress(len))
}
