//! `completions`: what a shell needs to know to complete our words.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Session;
use crate::args::Cli;
use crate::failure::Result;

pub(super) fn run(session: &mut Session, shell: Shell) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tinwire", &mut script);
    session.output.raw(&script)
}
