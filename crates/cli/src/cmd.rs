//! What each verb does, one file per verb.

mod can;
mod clock;
mod completions;
mod config;
mod csp;
mod demo;
mod dnstap;
pub(crate) mod doctor;
mod flow;
mod fstrm;
pub(crate) mod histogram;
mod isotp;
mod rtt;
pub(crate) mod seldom;
mod stamps;
pub(crate) mod streams;
mod version;
mod watch;

use std::process::ExitCode;

use crate::args::fstrm::FstrmVerb;
use crate::args::{Cli, ConfigVerb, Verb};
use crate::failure::{Failure, Result};
use crate::links::{Door, farewell};
use crate::multicall::Guise;
use crate::output::Output;
use crate::settings::Settings;
use crate::stop::{Hangup, Stop};

/// What a verb works with.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) settings: Settings,
    pub(crate) output: Output,
    pub(crate) stop: Stop,
    /// Where links go when they are dropped.
    pub(crate) door: Door,
    /// The tool that we were started as.
    pub(crate) guise: Option<Guise>,
}

/// Runs the verb. The `faults` of the settings are the doctor's to judge, and for others a remark.
pub(crate) async fn run(
    cli: Cli,
    settings: Settings,
    faults: &[Failure],
    output: Output,
    guise: Option<Guise>,
) -> Result<ExitCode> {
    let (door, farewell) = farewell();
    let hangup = match cli.verb {
        Verb::Fstrm(FstrmVerb::Capture(_)) => Hangup::Leave,
        _ if guise == Some(Guise::Dnstap) => Hangup::Leave,
        _ => Hangup::Heed,
    };
    let mut session = Session {
        settings,
        output,
        stop: Stop::listen(cli.global.deadline, hangup),
        door,
        guise,
    };
    if !matches!(cli.verb, Verb::Doctor) {
        for fault in faults {
            session.output.notice(fault.message());
        }
    }
    let result = match cli.verb {
        Verb::Demo { seed } => session.stop.clone().cut(demo::run(&mut session, seed)).await,
        Verb::Can(verb) => can::run(&mut session, verb).await,
        Verb::Isotp(verb) => isotp::run(&mut session, verb).await,
        Verb::Csp(verb) => csp::run(&mut session, verb).await,
        Verb::Fstrm(verb) => fstrm::run(&mut session, &verb).await,
        Verb::Dnstap(verb) => dnstap::run(&mut session, verb).await,
        Verb::Flow(verb) => flow::run(&mut session, verb).await,
        Verb::Doctor => session.stop.clone().cut(doctor::run(&mut session, faults)).await,
        Verb::Config(ConfigVerb::Show { origin }) => config::show(&mut session, origin),
        Verb::Completions { shell } => completions::run(&mut session, shell),
        Verb::Version => version::run(&mut session),
    };
    let flushed = session.output.flush();
    drop(session);
    farewell.close().await;
    result.and(flushed).map(|()| ExitCode::SUCCESS)
}
