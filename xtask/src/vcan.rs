//! `vcan`: the kernel tests, on CAN interfaces made for them.
//!
//! On a kernel with CAN they run in a network namespace of their own. Elsewhere, or with `--vm`, a Debian
//! kernel is booted in an emulated machine that sees the host's file system read-only.

mod cpio;
mod debian;
mod direct;
mod guest;
mod image;
mod initramfs;
mod job;
mod kernel;
mod modules;
mod options;
mod place;
mod qemu;

use core::time::Duration;
use std::env;
use std::path::PathBuf;

use crate::failure::{Failure, Result};
use crate::need;
use crate::process;
use crate::setup;
use crate::suite::{self, Executable};
use crate::tally::{Tally, Totals};
use crate::test;
use crate::vcan::job::Step;
use crate::vcan::place::Place;
use crate::workspace::Workspace;

pub(crate) use crate::vcan::options::{Options, Series};

/// Test files with this prefix are kernel tests.
pub(crate) const PREFIX: &str = "vcan_";
/// Test files with this prefix need the emulated controllers.
const CONTROLLERS_PREFIX: &str = "vcan_hw";

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With this status.
    Status(u8),
    /// It was killed at its time limit.
    OutOfTime(Duration),
    /// The machine went away without a word.
    Died,
}

impl Outcome {
    const OUT_OF_TIME: u8 = 124;
    const DIED: u8 = 125;

    /// Green, or the failure with the status to exit with.
    pub(crate) fn result(self) -> Result {
        match self {
            Self::Status(0) => Ok(()),
            Self::Status(status) => {
                Err(Failure::new(format!("the run ended with status {status}")).with_status(status))
            }
            Self::OutOfTime(limit) => {
                let message = format!("killed: not at its end after {} s (--timeout)", limit.as_secs());
                Err(Failure::new(message).with_status(Self::OUT_OF_TIME))
            }
            Self::Died => {
                let message = "the machine ended without giving a status; its last words are above";
                Err(Failure::new(message).with_status(Self::DIED))
            }
        }
    }
}

/// What became of the kernel tests.
#[derive(Debug)]
pub(crate) enum Run {
    /// They ran; the counts are complete even when the result is red.
    Through(Totals, Result),
    /// Something they need is not installed, or cannot be had.
    NotHere { tests: u64, why: Failure },
}

/// The verb: runs the tests and closes with their count, or runs a command of the user's.
pub(crate) fn run(arguments: &[String]) -> Result {
    let options = Options::parse(arguments)?;
    let workspace = Workspace::load()?;
    if !options.command.is_empty() {
        let directory = env::current_dir().unwrap_or_else(|_| workspace.root.clone());
        return command(&workspace, &options, options.command.clone(), directory);
    }
    match tests(&workspace, &options)? {
        Run::Through(totals, result) => {
            let result = result.map_err(Failure::tell);
            println!("{totals}");
            result
        }
        Run::NotHere { tests, why } => {
            let why = why.tell();
            println!(
                "{}",
                Totals {
                    skipped: tests,
                    ..Totals::default()
                }
            );
            Err(why)
        }
    }
}

/// Runs one command beside the interfaces, with its output on the terminal.
pub(crate) fn command(
    workspace: &Workspace,
    options: &Options,
    line: Vec<String>,
    directory: PathBuf,
) -> Result {
    let step = Step {
        title: String::new(),
        line,
        directory,
        environment: setup::pythons(workspace),
    };
    Place::choose(workspace, options)?
        .run(options, vec![step], &mut process::show)?
        .result()
}

/// Builds and runs the kernel tests.
pub(crate) fn tests(workspace: &Workspace, options: &Options) -> Result<Run> {
    let filter = options.filter.as_deref();
    let executables = suite::build(workspace, PREFIX)?;
    let place = match Place::choose(workspace, options) {
        Ok(place) => place,
        Err(why) => {
            return Ok(Run::NotHere {
                tests: count(&executables, filter)?,
                why,
            });
        }
    };
    let (runnable, impossible): (Vec<_>, Vec<_>) = executables
        .into_iter()
        .partition(|executable| missing(executable, workspace, &place).is_none());
    let mut totals = Totals {
        skipped: count(&impossible, filter)?,
        ..Totals::default()
    };
    for executable in &impossible {
        let why = missing(executable, workspace, &place).unwrap_or_default();
        println!("SKIPPED: {}: {why}", executable.title());
    }
    let steps = runnable
        .iter()
        .map(|executable| step(workspace, executable, filter));
    let (counted, mut result) = run_all(options, &place, steps.collect(), &mut |_| {})?;
    totals += counted;
    if totals.ran() == 0 && result.is_ok() {
        result = Err(Failure::usage("no kernel test to run"));
    }
    if totals.skipped > 0 && result.is_ok() && test::in_ci() && place.has_controllers() {
        result = Err(Failure::new(
            "kernel tests were skipped, and nothing may be missing here",
        ));
    }
    Ok(Run::Through(totals, result))
}

/// Runs these kernel tests, each all or those that a filter chooses, with one more variable in their
/// environment, for what they print. Whatever is red is a failure.
pub(crate) fn overhear(
    workspace: &Workspace,
    options: &Options,
    tests: &[(Executable, Option<&str>)],
    variable: (&str, &str),
    listener: &mut (dyn FnMut(&[u8]) + Send),
) -> Result {
    let place = Place::choose(workspace, options)?;
    let with_variable = |(executable, filter): &(Executable, Option<&str>)| {
        let mut step = step(workspace, executable, *filter);
        let (name, value) = variable;
        step.environment.push((name.to_owned(), value.to_owned()));
        step
    };
    let steps = tests.iter().map(with_variable).collect();
    let (_, result) = run_all(options, &place, steps, listener)?;
    result
}

fn step(workspace: &Workspace, executable: &Executable, filter: Option<&str>) -> Step {
    let mut step = Step::test(executable, filter);
    step.environment.extend(setup::pythons(workspace));
    step
}

fn run_all(
    options: &Options,
    place: &Place,
    steps: Vec<Step>,
    listener: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<(Totals, Result)> {
    if steps.is_empty() {
        return Ok((Totals::default(), Ok(())));
    }
    let mut tally = Tally::default();
    let mut all_ears = |bytes: &[u8]| {
        process::show(bytes);
        tally.push(bytes);
        listener(bytes);
    };
    let outcome = place.run(options, steps, &mut all_ears)?;
    if tally.is_within_line() {
        println!();
    }
    let totals = tally.finish(outcome == Outcome::Status(0));
    Ok((totals, outcome.result().and_then(|()| totals.verdict())))
}

/// What a test file needs and this run lacks, with the command that brings it.
fn missing(executable: &Executable, workspace: &Workspace, place: &Place) -> Option<String> {
    if executable.target.starts_with(CONTROLLERS_PREFIX) && !place.has_controllers() {
        return Some("CAN controllers missing: cargo xtask vcan --hw".to_owned());
    }
    need::missing(need::of(&executable.target).unwrap_or_default(), workspace)
}

fn count(executables: &[Executable], filter: Option<&str>) -> Result<u64> {
    executables
        .iter()
        .map(|executable| executable.count(filter))
        .sum()
}
