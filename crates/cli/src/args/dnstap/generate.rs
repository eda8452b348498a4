//! `dnstap gen`

use clap::Args;

use crate::args::fstrm::Sending;
use crate::units;

pub(super) const EXAMPLES: &str = "\
The same seed makes the same file. A file that exists is left alone, unless -a is given. A
collector gets the messages as their time comes, from now on; files are written at once.

Exit status: 3 when messages could not be sent.

Examples:
  tinwire dnstap gen traffic.fstrm
  tinwire dnstap gen -n 1000000 --rate 20k --seed 7 traffic.fstrm
  tinwire dnstap gen -n 50000 --rate 20k --on-full drop-new unix:/run/dnstap.sock
  tinwire dnstap gen -n 10 -";

/// `dnstap gen`
#[derive(Args, Debug)]
pub(crate) struct Gen {
    /// A file, a collector as unix:PATH, tcp://HOST:PORT or tls://HOST:PORT; - is standard output
    #[arg(value_name = "FILE|STREAM")]
    pub(crate) to: String,
    /// How many messages
    #[arg(short = 'n', long, value_name = "COUNT", default_value = "1000")]
    pub(crate) count: u64,
    /// Client queries per second, for example 500 or 20k
    #[arg(long, value_name = "RATE", default_value = "5k", value_parser = units::rate)]
    pub(crate) rate: f64,
    /// Decides what is left to chance
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) sending: Sending,
}
