//! What may be typed: the tree of verbs and flags.
//!
//! Each verb's flags are one struct in a file named after its noun. The structs hold typed values; what they
//! mean together is decided in [`crate::cmd`].

pub(crate) mod can;
pub(crate) mod csp;
pub(crate) mod dnstap;
pub(crate) mod flow;
pub(crate) mod fstrm;
pub(crate) mod isotp;
pub(crate) mod modes;
pub(crate) mod streams;

use core::time::Duration;

use clap::{Args, ColorChoice, Parser, Subcommand};
use clap_complete::Shell;

use crate::output::Format;
use crate::units;

const EXAMPLES: &str = "\
Examples:
  tinwire demo                        no hardware: a satellite, a car's controller, a DNS tap
  tinwire doctor                      what this machine can do, and how to close each gap
  tinwire version --json

Links: can0 or socketcan:can0 (kernel), bus:NAME (programs of this machine), virtual:NAME (one
process), log:FILE (replay), sim: (simulated devices). Where none is named: TINWIRE_LINK, then
`link` in ./tinwire.toml or ~/.config/tinwire/config.toml, then sim:.

Exit status: 0 done; 1 done, the answer is no; 2 usage; 3 link or stream cannot be opened or was
lost; 4 protocol error from the peer; 5 with --strict: data was lost on our side.";

/// One command for small networks: CAN, ISO-TP, CSP, Frame Streams, flows by name.
#[derive(Debug, Parser)]
#[command(name = "tinwire", version, after_help = EXAMPLES, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Flags that every verb knows.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// One JSON object per line, also for errors; short for --format json
    #[arg(short = 'j', long, global = true)]
    pub(crate) json: bool,
    /// Form of the output [env: TINWIRE_FORMAT]
    #[arg(
        short = 'o',
        long,
        global = true,
        value_name = "FORMAT",
        conflicts_with = "json"
    )]
    pub(crate) format: Option<Format>,
    /// Colours; NO_COLOR and CLICOLOR_FORCE count too [env: TINWIRE_COLOR]
    #[arg(long, global = true, value_name = "WHEN")]
    pub(crate) color: Option<ColorChoice>,
    /// No notices on standard error; errors and closing counts stay
    #[arg(short = 'q', long, global = true)]
    pub(crate) quiet: bool,
    /// End after this time, for example 30s
    #[arg(long, global = true, value_name = "TIME", value_parser = units::duration)]
    pub(crate) deadline: Option<Duration>,
}

impl Global {
    /// The form that a flag asks for, and that flag.
    pub(crate) fn format_flag(&self) -> Option<(Format, &'static str)> {
        if self.json {
            return Some((Format::Json, "--json"));
        }
        self.format.map(|format| (format, "--format"))
    }
}

/// The first word.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// A walk through every protocol on simulated devices; needs no hardware
    #[command(after_help = "Examples:\n  tinwire demo\n  tinwire demo --json\n  tinwire demo --seed 7")]
    Demo {
        /// Decides what is left to chance
        #[arg(long, value_name = "NUMBER", default_value = "1")]
        seed: u64,
    },
    /// CAN traffic: dump, send, gen
    #[command(subcommand)]
    Can(can::CanVerb),
    /// ISO 15765-2 transfers: send, recv, dump, serve, scan, perf
    #[command(subcommand)]
    Isotp(isotp::IsotpVerb),
    /// CubeSat Space Protocol: ping, scan, services of nodes, be a node
    #[command(subcommand)]
    Csp(csp::CspVerb),
    /// Frame Streams files: cat, dump, info
    #[command(subcommand)]
    Fstrm(fstrm::FstrmVerb),
    /// What DNS servers tell of queries and responses: cat, listen, dial, relay, gen
    #[command(subcommand)]
    Dnstap(dnstap::DnstapVerb),
    /// Flows by name: ping, echo, cbr, perf, listen, cat, join, ls
    #[command(subcommand)]
    Flow(flow::FlowVerb),
    /// What this machine can do, and the command that fixes each gap
    #[command(after_help = "Examples:\n  tinwire doctor\n  tinwire doctor --json")]
    Doctor,
    /// Settings and where they come from
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Shell completion, on standard output
    #[command(after_help = "Examples:\n  tinwire completions bash\n  tinwire completions zsh")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Version and what was built in
    #[command(after_help = "Examples:\n  tinwire version\n  tinwire version --json")]
    Version,
}

impl Verb {
    /// Whether it tells of the command itself, and so can do without settings that nobody understands.
    pub(crate) const fn is_about_us(&self) -> bool {
        matches!(
            self,
            Self::Doctor | Self::Config(_) | Self::Completions { .. } | Self::Version
        )
    }
}

/// `config ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print every setting
    #[command(after_help = "Examples:\n  tinwire config show\n  tinwire config show --origin")]
    Show {
        /// Also print where each setting comes from
        #[arg(long)]
        origin: bool,
    },
}

#[cfg(test)]
mod tests;
