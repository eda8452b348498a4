//! `dnstap ...`: what DNS servers tell of the queries and responses they see.

mod cat;

use clap::Subcommand;

pub(crate) use self::cat::Cat;

/// `dnstap ...`
#[derive(Debug, Subcommand)]
pub(crate) enum DnstapVerb {
    /// Show the messages of files
    #[command(after_help = cat::EXAMPLES)]
    Cat(Cat),
}
