//! `dnstap ...`: what DNS servers tell of the queries and responses they see.

mod anonymize;
mod cat;
mod convert;
mod generate;

use clap::Subcommand;

pub(crate) use self::anonymize::Anonymize;
pub(crate) use self::cat::Cat;
pub(crate) use self::convert::{Convert, Source, Target};
pub(crate) use self::generate::Gen;

/// `dnstap ...`
#[derive(Debug, Subcommand)]
pub(crate) enum DnstapVerb {
    /// Show the messages of files
    #[command(after_help = cat::EXAMPLES)]
    Cat(Cat),
    /// Make another form of a file: JSON, YAML, packets for Wireshark, Frame Streams
    #[command(after_help = convert::EXAMPLES)]
    Convert(Convert),
    /// Make a copy that does not say who asked
    #[command(after_help = anonymize::EXAMPLES)]
    Anonymize(Anonymize),
    /// Make up the traffic of a resolver
    #[command(after_help = generate::EXAMPLES)]
    Gen(Gen),
}
