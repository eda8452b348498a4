//! What developers of tinwire and its continuous integration run. `cargo xtask --help` lists the verbs.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command whose output is its purpose"
)]

mod bars;
mod bench;
mod ci;
mod compat;
mod cross;
mod demo;
mod doc;
mod failure;
mod fuzz;
mod need;
mod nostd;
mod process;
mod setup;
mod suite;
mod tally;
mod test;
mod tidy;
mod vcan;
mod workspace;

use std::env;
use std::process::ExitCode;

use crate::failure::{Failure, Result};

const HELP: &str = include_str!("help.txt");

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(failure.tell().status()),
    }
}

fn dispatch(arguments: &[String]) -> Result {
    let Some((verb, rest)) = arguments.split_first() else {
        return Err(Failure::usage("no verb given; cargo xtask --help lists them"));
    };
    let is_question = |word: &String| ["help", "-h", "--help"].contains(&word.as_str());
    if is_question(verb) || rest.first().is_some_and(is_question) {
        print!("{HELP}");
        return Ok(());
    }
    match (verb.as_str(), rest) {
        ("bench", [member, options @ ..]) if member == "csp" => bars::csp::run(options),
        ("bench", [member, options @ ..]) if member == "flow" => bars::flow::run(options),
        ("bench", [member, options @ ..]) if member == "fstrm" => bars::fstrm::run(options),
        ("bench", _) => bench::run(rest),
        ("ci", []) => ci::run(),
        ("checks", []) => ci::checks(),
        ("compat", []) => compat::run(),
        ("cross", []) => cross::run(),
        ("demo", _) => demo::run(rest),
        ("doc", []) => doc::run(),
        ("fuzz", _) => fuzz::run(rest),
        ("nostd", []) => nostd::run(),
        ("setup", []) => setup::run(),
        ("test", []) => test::run(),
        ("tidy", []) => tidy::run(),
        ("vcan", _) => vcan::run(rest),
        _ => Err(Failure::usage(format!(
            "no such verb or argument: {}",
            arguments.join(" ")
        ))),
    }
}
