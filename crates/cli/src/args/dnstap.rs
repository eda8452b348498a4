//! `dnstap ...`: what DNS servers tell of the queries and responses they see.

mod anonymize;
mod cat;
mod convert;
mod generate;
mod live;
mod top;

use clap::Subcommand;
use dnstap_codec::filter;

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
    #[command(after_help = cat::EXAMPLES, after_long_help = with_fields(cat::EXAMPLES))]
    Cat(Cat),
    /// Make another form of a file: JSON, YAML, packets for Wireshark, Frame Streams
    #[command(after_help = convert::EXAMPLES, after_long_help = with_fields(convert::EXAMPLES))]
    Convert(Convert),
    /// Make a copy that does not say who asked
    #[command(after_help = anonymize::EXAMPLES)]
    Anonymize(Anonymize),
    /// Collect from DNS servers that connect to us
    #[command(after_help = live::LISTEN_EXAMPLES, after_long_help = with_fields(live::LISTEN_EXAMPLES))]
    Listen(Live),
    /// Read from sources that we connect to
    #[command(after_help = live::DIAL_EXAMPLES, after_long_help = with_fields(live::DIAL_EXAMPLES))]
    Dial(Live),
    /// Pass messages on and lose none: as they came, chosen, or anonymized
    #[command(after_help = live::RELAY_EXAMPLES, after_long_help = with_fields(live::RELAY_EXAMPLES))]
    Relay(Box<Relay>),
    /// Watch rates, codes, names, clients and latencies
    #[command(after_help = top::EXAMPLES, after_long_help = with_fields(top::EXAMPLES))]
    Top(Box<Top>),
    /// Make up the traffic of a resolver
    #[command(after_help = generate::EXAMPLES)]
    Gen(Gen),
}

/// A help with the fields of `--where` in front of its examples.
fn with_fields(help: &str) -> String {
    const EXAMPLES: &str = "Examples:\n";
    let rows: String = filter::fields().map(|field| row(&field)).collect();
    let (words, examples) = help.split_once(EXAMPLES).unwrap_or((help, ""));
    format!("{words}Fields of --where, their operators and values:\n{rows}\n{EXAMPLES}{examples}")
}

fn row(field: &filter::FieldInfo) -> String {
    let names = field.names.join(", ");
    if field.values.is_empty() {
        format!("  {names:<34} {}\n", field.about)
    } else {
        format!("  {names:<15} {:<18} {}\n", field.operators, field.values)
    }
}
