//! `dnstap cat`

use core::num::NonZeroU32;

use clap::{Args, ValueEnum};
use dnstap_codec::filter::Filter;
use dnstap_codec::text;

pub(super) const EXAMPLES: &str = "\
A line: time (UTC), kind (CQ client query, RR resolver response, ...), address of the one who
asked, transport, length, question. The letters -r, -w, -a, -q, -y and -j are those of the dnstap
command that came with golang-dnstap.

--where knows !, &&, || and parentheses over tests such as kind in {CQ, CR}, qname under example.org,
qaddr == 192.0.2.0/24, rcode == NXDOMAIN, latency > 100ms, size >= 512, tc. A test of a field that
a message does not have does not hold.

A payload that is no dnstap is counted, told in the closing line, and ends nothing.

Exit status: 1 when a file ends before START or within a frame, 3 when it cannot be read, 4 when it
is malformed; of several files, that of the worst one.

Examples:
  tinwire dnstap cat capture.fstrm
  tinwire dnstap cat -r capture.fstrm -y
  tinwire dnstap cat --json -n 10 capture.fstrm
  tinwire dnstap cat --where 'qtype==AAAA && rcode!=0' capture.fstrm
  tinwire dnstap cat --style bind - < capture.fstrm
  tinwire dnstap cat -w all.fstrm monday.fstrm tuesday.fstrm
  tinwire dnstap cat -a -q -w queries.txt monday.fstrm";

/// `dnstap cat`
#[derive(Args, Debug)]
pub(crate) struct Cat {
    /// Files; - is standard input
    #[arg(value_name = "FILE", required_unless_present = "read")]
    pub(crate) files: Vec<String>,
    /// Read this file; may be given several times
    #[arg(short = 'r', long, value_name = "FILE")]
    pub(crate) read: Vec<String>,
    #[command(flatten)]
    pub(crate) form: Form,
    /// Write to this file; frames as they came, unless -q, -y, -j or --style asks for text
    #[arg(short = 'w', long, value_name = "FILE")]
    pub(crate) write: Option<String>,
    /// Go on behind what is in the file of -w
    #[arg(short = 'a', long, requires = "write")]
    pub(crate) append: bool,
    /// Only messages for which this holds, for example 'qtype==AAAA && rcode!=0'
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) filter: Option<Filter>,
    /// End after this many messages
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Longest data frame that is read, in bytes; longer ones are an error
    #[arg(long, value_name = "BYTES", default_value = "1048576")]
    pub(crate) max_frame: NonZeroU32,
}

/// What a message becomes; --json counts too.
#[derive(Args, Debug)]
pub(crate) struct Form {
    /// A line for each message, the default; and no notices
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
    /// A YAML document for each message
    #[arg(short = 'y', long, conflicts_with_all = ["json", "format", "quiet"])]
    pub(crate) yaml: bool,
    /// Whose lines: time alone, date and time, or both addresses with their ports
    #[arg(long, value_name = "STYLE", conflicts_with_all = ["json", "format", "yaml"])]
    pub(crate) style: Option<Style>,
}

/// Whose lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Style {
    /// As dnstap -q of golang-dnstap
    Golang,
    /// As dnstap-ldns -q
    Ldns,
    /// As dnstap-read
    Bind,
}

impl From<Style> for text::Style {
    fn from(style: Style) -> Self {
        match style {
            Style::Golang => Self::Quiet,
            Style::Ldns => Self::Dated,
            Style::Bind => Self::Bind,
        }
    }
}
