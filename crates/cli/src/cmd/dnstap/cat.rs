//! `dnstap cat`: the messages of files.

use dnstap_codec::text::Style;
use fstrm_codec::Config;
use tokio::sync::mpsc;

use super::counts::Counts;
use super::manners::Manners;
use super::outlet::{Existing, Frames, Text};
use super::printer::{Piece, Printer, Quota, Wanted};
use super::source::{self, AHEAD, Item};
use crate::args::dnstap::Cat;
use crate::cmd::Session;
use crate::failure::Result;
use crate::output::Format;
use crate::settings::{Origin, Settings};

/// Shows every file; a bad one is told and the next one is shown.
pub(super) async fn run(session: &mut Session, args: Cat) -> Result {
    let mut manners = Manners::of(session);
    let style = style(&session.settings, &args);
    let existing = if args.append {
        Existing::Append
    } else if manners.are_golangs() {
        Existing::Replace
    } else {
        Existing::Refuse
    };
    // As golang-dnstap: standard output is for text.
    let write = args.write.as_deref().filter(|name| *name != "-");
    let mut outlets = match (write, style) {
        (None, _) => Outlets::Output,
        (Some(name), Some(_)) => Outlets::Text(Text::open(name, existing)?),
        (Some(name), None) => Outlets::Frames(Frames::open(name, existing)?),
    };
    let wanted = Wanted {
        text: match outlets {
            Outlets::Frames(_) => None,
            _ => Some(style.unwrap_or_default()),
        },
        frames: matches!(outlets, Outlets::Frames(_)),
        filter: args.filter,
        quota: Quota::new(args.count),
    };
    let config = Config::new().max_data(args.max_frame);
    let files = args.files.into_iter().chain(args.read).collect();
    let (sender, items) = mpsc::channel(AHEAD);
    source::spawn(files, config, Printer::new(wanted), sender);

    let mut counts = Counts::default();
    let ended = all(session, items, &mut outlets, &mut counts, &mut manners).await;
    let ended = ended
        .and_then(|()| session.output.flush())
        .and_then(|()| outlets.finish());
    manners.end(session, ended, &counts)
}

/// The style that a flag asks for, or without -w the settings; none is frames.
fn style(settings: &Settings, args: &Cat) -> Option<Style> {
    let form = &args.form;
    let is_json = settings.format.value == Format::Json;
    let is_asked = matches!(settings.format.origin, Origin::Flag(_));
    if form.yaml {
        Some(Style::Yaml)
    } else if let Some(style) = form.style {
        Some(style.into())
    } else if is_json && (is_asked || !form.quiet && args.write.is_none()) {
        Some(Style::Json)
    } else {
        (form.quiet || is_asked).then_some(Style::Quiet)
    }
}

async fn all(
    session: &mut Session,
    mut items: mpsc::Receiver<Item>,
    outlets: &mut Outlets,
    counts: &mut Counts,
    manners: &mut Manners,
) -> Result {
    loop {
        let item = tokio::select! {
            biased;
            _ = session.stop.wait() => return Ok(()),
            item = items.recv() => item,
        };
        match item {
            None => return Ok(()),
            Some(Item::Opened(name)) => manners.opened(&name),
            Some(Item::Fault { failure, has_started }) => manners.fault(session, failure, has_started)?,
            Some(Item::Piece(piece)) => {
                *counts += piece.counts;
                outlets.write(session, &piece)?;
                if items.is_empty() {
                    outlets.flush(session)?;
                }
            }
        }
    }
}

/// Where the messages go.
#[derive(Debug)]
enum Outlets {
    /// Standard output, as text.
    Output,
    Text(Text),
    Frames(Frames),
}

impl Outlets {
    fn write(&mut self, session: &mut Session, piece: &Piece) -> Result {
        match self {
            Self::Output => session.output.raw(&piece.text),
            Self::Text(text) => text.write(&piece.text),
            Self::Frames(frames) => frames.write_wire(&piece.frames),
        }
    }

    fn flush(&mut self, session: &mut Session) -> Result {
        match self {
            Self::Output => session.output.flush(),
            Self::Text(_) => Ok(()),
            Self::Frames(frames) => frames.flush(),
        }
    }

    fn finish(self) -> Result {
        match self {
            Self::Output | Self::Text(_) => Ok(()),
            Self::Frames(frames) => frames.finish(),
        }
    }
}
