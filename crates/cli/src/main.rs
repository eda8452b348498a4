//! The command `tinwire`. Here: from the words that were typed to an exit status; everything else is below.

mod args;
#[cfg_attr(
    not(all(feature = "nats", feature = "kafka")),
    allow(dead_code, reason = "what the brokers that were not built would use")
)]
mod broker;
mod cmd;
mod failure;
mod links;
mod metrics;
mod multicall;
mod output;
mod pcapng;
mod service;
mod settings;
mod stop;
mod units;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::failure::{Code, Failure, Result};
use crate::multicall::{Expanded, Guise};
use crate::output::{Format, Notices, Output, complain};
use crate::settings::Settings;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    // The form of errors has to be known before the command line is understood.
    let mut format = guess_format(&words);
    match run(words, &mut format) {
        Ok(status) => status,
        Err(failure) if failure.is_silent() => failure.exit(),
        Err(failure) => {
            complain(match format {
                Format::Text => failure.text(),
                Format::Json => failure.json(),
            });
            failure.exit()
        }
    }
}

fn run(words: Vec<OsString>, format: &mut Format) -> Result<ExitCode> {
    let Expanded { words, guise } = multicall::expand(words)?;
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, *format, guise),
    };
    let (settings, mut faults) = Settings::load(&cli.global);
    *format = settings.format.value;
    if !cli.verb.is_about_us()
        && let Some(fault) = faults.pop()
    {
        return Err(fault);
    }
    color(settings.color.value).write_global();
    let notices = if cli.global.quiet {
        Notices::Hide
    } else {
        Notices::Show
    };
    let output = Output::new(*format, notices);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::caused(Code::CannotOpen, error).context("starting the runtime"))?;
    let result = runtime.block_on(cmd::run(cli, settings, &faults, output, guise));
    // Nobody waits for a thread that reads standard input.
    runtime.shutdown_background();
    result
}

/// Help and version are clap's to print; a wrong command line is in the form that the rest is in.
fn refuse(error: &clap::Error, format: Format, guise: Option<Guise>) -> Result<ExitCode> {
    if format == Format::Text || !error.use_stderr() {
        let status = match (error.use_stderr(), guise) {
            (true, None) => ExitCode::from(Code::Usage.exit()),
            (true, Some(_)) => ExitCode::FAILURE,
            (false, _) => ExitCode::SUCCESS,
        };
        return match error.print() {
            Err(closed) if !error.use_stderr() => Err(Failure::stdout(closed)),
            _ => Ok(status),
        };
    }
    let text = error.to_string();
    let message = text.lines().next().unwrap_or_default();
    Err(Failure::new(
        Code::Usage,
        message.strip_prefix("error: ").unwrap_or(message),
    ))
}

/// Whether the words ask for JSON, wherever they stand.
fn guess_format(words: &[OsString]) -> Format {
    let asks = |word: &OsString| word == "--json" || word == "-j" || word == "--format=json";
    let asks_in_two = |pair: &[OsString]| match pair {
        [flag, value] => (flag == "-o" || flag == "--format") && value == "json",
        _ => false,
    };
    if words.iter().any(asks) || words.windows(2).any(asks_in_two) {
        Format::Json
    } else {
        Format::Text
    }
}

const fn color(choice: clap::ColorChoice) -> anstream::ColorChoice {
    match choice {
        clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
        clap::ColorChoice::Always => anstream::ColorChoice::Always,
        clap::ColorChoice::Never => anstream::ColorChoice::Never,
    }
}
