//! `dnstap top`

use core::time::Duration;

use clap::Args;
use dnstap_codec::filter::Filter;

use crate::args::streams::StreamArgs;
use crate::units;

pub(super) const EXAMPLES: &str = "\
On a terminal, a screen that is drawn anew every interval; elsewhere, or with --json, a table or an
object for every interval. Rates are those of the interval; of files, those of the time that their
messages tell, from the first to the last.

Keys: q ends, space holds the picture, s sorts names and clients by count or by name, ? explains.

Counts of names and clients are too large by what stands behind them, at most; all other counts are
exact. An exchange counts once, by its query. Memory stays the same however long it runs.

Examples:
  tinwire dnstap top sim:
  tinwire dnstap top unix:/run/dnstap.sock
  tinwire dnstap top --once capture.fstrm
  tinwire dnstap top --json --interval 10s tcp://:6000
  tinwire dnstap top --where 'kind in {CQ, CR}' --top 20 unix:/run/dnstap.sock";

/// The shortest interval: terminals and people are no faster.
const SHORTEST: Duration = Duration::from_millis(50);

/// `dnstap top`
#[derive(Args, Debug)]
pub(crate) struct Top {
    /// Files, streams as those of dnstap cat, or sim: for a resolver at 5,000 queries per second
    #[arg(value_name = "FILE|STREAM|sim:", required = true)]
    pub(crate) from: Vec<String>,
    /// One table after the first interval, or of whole files
    #[arg(long)]
    pub(crate) once: bool,
    /// Time between two pictures
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(crate) interval: Duration,
    /// How many names and how many clients
    #[arg(long, value_name = "COUNT", default_value = "10")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) top: u16,
    /// Only messages for which this holds, for example 'qtype==AAAA && rcode!=0'
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) filter: Option<Filter>,
    /// Decides what sim: leaves to chance
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) streams: StreamArgs,
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = units::duration(text)?;
    if interval < SHORTEST {
        return Err(format!("{text} is too short; 50ms is the shortest"));
    }
    Ok(interval)
}
