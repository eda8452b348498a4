//! `dnstap ...`: what DNS servers tell of the queries and responses they see.

mod cat;
mod generate;

use clap::Subcommand;

pub(crate) use self::cat::Cat;
pub(crate) use self::generate::Gen;

/// `dnstap ...`
#[derive(Debug, Subcommand)]
pub(crate) enum DnstapVerb {
    /// Show the messages of files
    #[command(after_help = cat::EXAMPLES)]
    Cat(Cat),
    /// Make up the traffic of a resolver
    #[command(after_help = generate::EXAMPLES)]
    Gen(Gen),
}
