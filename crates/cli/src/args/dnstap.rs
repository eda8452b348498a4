//! `dnstap ...`: what DNS servers tell of the queries and responses they see.

mod anonymize;
mod cat;
mod convert;
mod generate;
mod live;
mod top;

use clap::Subcommand;

pub(crate) use self::anonymize::{Anonymize, Disguise};
pub(crate) use self::cat::{Cat, Show};
pub(crate) use self::convert::{Convert, Source, Target};
pub(crate) use self::generate::Gen;
pub(crate) use self::live::{Live, Relay};
pub(crate) use self::top::Top;

/// `dnstap ...`
#[derive(Debug, Subcommand)]
pub(crate) enum DnstapVerb {
    /// Show the messages of files and streams
    #[command(after_help = cat::EXAMPLES)]
    Cat(Cat),
    /// Make another form of a file: JSON, YAML, packets for Wireshark, Frame Streams
    #[command(after_help = convert::EXAMPLES)]
    Convert(Convert),
    /// Make a copy that does not say who asked
    #[command(after_help = anonymize::EXAMPLES)]
    Anonymize(Anonymize),
    /// Collect from DNS servers that connect to us
    #[command(after_help = live::LISTEN_EXAMPLES)]
    Listen(Live),
    /// Read from sources that we connect to
    #[command(after_help = live::DIAL_EXAMPLES)]
    Dial(Live),
    /// Pass messages on and lose none: as they came, chosen, or anonymized
    #[command(after_help = live::RELAY_EXAMPLES)]
    Relay(Box<Relay>),
    /// Watch rates, codes, names, clients and latencies
    #[command(after_help = top::EXAMPLES)]
    Top(Box<Top>),
    /// Make up the traffic of a resolver
    #[command(after_help = generate::EXAMPLES)]
    Gen(Gen),
}
