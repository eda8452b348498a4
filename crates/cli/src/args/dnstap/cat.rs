//! `dnstap cat`

use core::num::NonZeroU32;

use clap::Args;

pub(super) const EXAMPLES: &str = "\
A line: time (UTC), kind (CQ client query, RR resolver response, ...), address of the one who
asked, transport, length, question.

A payload that is no dnstap is counted, told in the closing line, and ends nothing.

Exit status: 1 when a file ends before START or within a frame, 3 when it cannot be read, 4 when it
is malformed; of several files, that of the worst one.

Examples:
  tinwire dnstap cat capture.fstrm
  tinwire dnstap cat -r capture.fstrm -q
  tinwire dnstap cat --json -n 10 capture.fstrm
  tinwire dnstap cat - < capture.fstrm";

/// `dnstap cat`
#[derive(Args, Debug)]
pub(crate) struct Cat {
    /// Files; - is standard input
    #[arg(value_name = "FILE", required_unless_present = "read")]
    pub(crate) files: Vec<String>,
    /// Read this file; may be given several times
    #[arg(short = 'r', long, value_name = "FILE")]
    pub(crate) read: Vec<String>,
    /// Lines, one per message: the form without any letter; and no notices
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
    /// End after this many messages
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Longest data frame that is read, in bytes; longer ones are an error
    #[arg(long, value_name = "BYTES", default_value = "1048576")]
    pub(crate) max_frame: NonZeroU32,
}
