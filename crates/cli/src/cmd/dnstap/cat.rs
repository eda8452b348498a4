//! `dnstap cat`: the messages of files.

use fstrm_codec::Config;

use super::counts::{Counts, Summary};
use super::printer::{Form, Printer};
use super::source;
use crate::args::dnstap::Cat;
use crate::cmd::Session;
use crate::cmd::fstrm::faults::{Faults, Left};
use crate::failure::Result;

/// Shows every file; a bad one is told and the next one is shown.
pub(super) async fn run(session: &mut Session, args: Cat) -> Result {
    let mut counts = Counts::default();
    let mut faults = Faults::default();
    let ended = all(session, &args, &mut counts, &mut faults)
        .await
        .and_then(|()| session.output.flush());
    session.output.summary(&counts.summary(), Summary::text);
    ended.and_then(|()| faults.result())
}

async fn all(session: &mut Session, args: &Cat, counts: &mut Counts, faults: &mut Faults) -> Result {
    for name in args.files.iter().chain(&args.read) {
        match one(session, args, name, counts).await {
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
    name: &str,
    counts: &mut Counts,
) -> core::result::Result<(), Left> {
    let form = if session.output.is_json() {
        Form::Json
    } else {
        Form::Quiet
    };
    let left = args.count.map(|count| count - counts.frames);
    if left == Some(0) {
        return Err(Left::Done);
    }
    let config = Config::new().max_data(args.max_frame);
    let mut pieces = source::spawn(name.to_owned(), config, Printer::new(form, left));
    loop {
        let piece = tokio::select! {
            biased;
            _ = session.stop.wait() => return Err(Left::Done),
            piece = pieces.recv() => piece,
        };
        let Some(piece) = piece else { return Ok(()) };
        let piece = piece.map_err(Left::File)?;
        *counts += piece.counts;
        session.output.raw(&piece.text)?;
        if pieces.is_empty() {
            session.output.flush()?;
        }
    }
}
