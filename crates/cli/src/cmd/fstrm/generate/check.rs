//! `fstrm gen --check`: what became of numbered frames.

mod tally;

use std::collections::BTreeMap;

use fstrm_codec::file::ReadError;
use fstrm_codec::{Config, End};
use serde::Serialize;

use self::tally::Tally;
use super::numbered;
use crate::args::fstrm::Gen;
use crate::cmd::Session;
use crate::cmd::fstrm::watched::{Watched, watch};
use crate::cmd::fstrm::{feed, reader, trouble};
use crate::failure::{Code, Failure, Result};
use crate::units::counted;

/// Runs that are told apart; frames of more are foreign.
const MAX_RUNS: usize = 1_024;

/// One run.
#[derive(Serialize)]
struct Line {
    run: u32,
    frames: u64,
    lost: u64,
    duplicated: u64,
    reordered: u64,
    first: u64,
    last: u64,
}

#[derive(Clone, Default, Serialize)]
struct Summary {
    r#type: &'static str,
    files: u64,
    runs: u64,
    frames: u64,
    lost: u64,
    duplicated: u64,
    reordered: u64,
    /// Frames that are damaged, or were not made here.
    foreign: u64,
    /// Files that end within a frame.
    torn: u64,
}

/// What was found so far.
#[derive(Default)]
struct Found {
    runs: BTreeMap<u32, Tally>,
    foreign: u64,
    torn: u64,
}

pub(super) async fn run(session: &mut Session, args: &Gen) -> Result {
    let mut found = Found::default();
    let mut files = 0;
    for name in &args.targets {
        let path = name.clone();
        let read = watch(session, name, feed::len(name), move |read| {
            let source = Watched::new(feed::open(&path)?, read);
            found.read(source, &path)?;
            Ok(found)
        });
        found = read.await??;
        files += 1;
    }
    let expected = args.count.map(core::num::NonZeroU64::get);
    let mut summary = Summary {
        r#type: "summary",
        files,
        foreign: found.foreign,
        torn: found.torn,
        ..Summary::default()
    };
    for (run, tally) in found.runs {
        let line = Line {
            run,
            frames: tally.frames(),
            lost: tally.lost(expected),
            duplicated: tally.duplicated(),
            reordered: tally.reordered(),
            first: tally.first().unwrap_or_default(),
            last: tally.last().unwrap_or_default(),
        };
        summary.runs += 1;
        summary.frames += line.frames;
        summary.lost += line.lost;
        summary.duplicated += line.duplicated;
        summary.reordered += line.reordered;
        session.output.either(&line, text)?;
    }
    session.output.flush()?;
    session.output.summary(&summary, Summary::text);
    summary.judge(args)
}

impl Found {
    fn read(&mut self, source: impl std::io::Read, name: &str) -> Result {
        let mut reader = reader(source, Config::new())?;
        loop {
            let run = match reader.next_run() {
                Ok(Some(run)) => run,
                Ok(None) => break,
                Err(error @ ReadError::Io(_)) => return Err(trouble(name, error)),
                Err(error) => return Err(trouble(name, error).hint("fstrm verify tells what is sound")),
            };
            for payload in run.iter() {
                self.take(payload);
            }
        }
        self.torn += u64::from(matches!(reader.end_of_stream(), Some(End::Truncated { .. })));
        Ok(())
    }

    fn take(&mut self, payload: &[u8]) {
        let Some((run, number)) = numbered::read(payload) else {
            self.foreign += 1;
            return;
        };
        let is_full = self.runs.len() >= MAX_RUNS;
        if is_full && !self.runs.contains_key(&run) {
            self.foreign += 1;
            return;
        }
        self.runs.entry(run).or_default().take(number);
    }
}

impl Summary {
    /// What the exit status says.
    fn judge(&self, args: &Gen) -> Result {
        let is_late = args.strict && (self.duplicated > 0 || self.reordered > 0);
        if self.lost > 0 || self.foreign > 0 || is_late {
            return Err(Failure::new(Code::DataLost, self.text()));
        }
        if self.runs == 0 {
            return Err(Failure::new(Code::NothingFound, "no numbered frames"));
        }
        Ok(())
    }

    fn text(&self) -> String {
        let Self {
            runs,
            frames,
            lost,
            duplicated,
            reordered,
            foreign,
            ..
        } = self;
        format!(
            "{} in {}: {lost} lost, {duplicated} duplicated, {reordered} reordered, \
             {foreign} damaged or foreign",
            counted(*frames, "frame"),
            counted(*runs, "run"),
        )
    }
}

fn text(line: &Line) -> String {
    let Line {
        run,
        frames,
        lost,
        duplicated,
        reordered,
        first,
        last,
    } = line;
    format!(
        "run {run}: {}, {first} to {last}, {lost} lost, {duplicated} duplicated, {reordered} reordered",
        counted(*frames, "frame"),
    )
}
