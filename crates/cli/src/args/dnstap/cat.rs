//! `dnstap cat`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use dnstap_codec::filter::Filter;
use dnstap_codec::text;

use crate::args::streams::StreamArgs;

pub(super) const EXAMPLES: &str = "\
A line: time (UTC), kind (CQ client query, RR resolver response, ...), address of the one who
asked, transport, length, question. The letters -r, -u, -l, -w, -U, -T, -a, -q, -y and -j are
those of the dnstap command that came with golang-dnstap.

--where knows !, &&, || and parentheses over tests such as kind in {CQ, CR}, qtype == AAAA,
qname under example.org, qaddr == 192.0.2.0/24, rcode == NXDOMAIN, latency > 100ms, size >= 512,
tc. A test of a field that a message does not have does not hold. --help, not -h, lists all fields.

A payload that is no dnstap is counted, told in the closing line, and ends nothing.

Where nothing but files is read, their end is the end; sockets are listened on until a signal.

Exit status: 1 when a file ends before START or within a frame, 3 when it cannot be read, 4 when it
is malformed; of several files, that of the worst one.

Examples:
  tinwire dnstap cat capture.fstrm
  tinwire dnstap cat -r capture.fstrm -y
  tinwire dnstap cat --json -n 10 capture.fstrm
  tinwire dnstap cat --where 'qtype==AAAA && rcode!=0' capture.fstrm
  tinwire dnstap cat --style bind - < capture.fstrm
  tinwire dnstap cat -w all.fstrm monday.fstrm tuesday.fstrm
  tinwire dnstap cat -u /run/dnstap.sock -w live.fstrm
  tinwire dnstap cat -a -q -w queries.txt monday.fstrm";

/// `dnstap cat`
#[derive(Args, Debug)]
pub(crate) struct Cat {
    /// Files and streams: unix:PATH, tcp://HOST:PORT, tls://HOST:PORT; - is standard input
    #[arg(value_name = "FILE|STREAM", required_unless_present_any = ["read", "unix", "listen"])]
    pub(crate) from: Vec<String>,
    /// Read this file; may be given several times, as may -u, -l, -U and -T
    #[arg(short = 'r', long, value_name = "FILE")]
    pub(crate) read: Vec<PathBuf>,
    /// Listen on this Unix socket
    #[arg(short = 'u', long, value_name = "SOCKET")]
    pub(crate) unix: Vec<PathBuf>,
    /// Listen on this TCP address
    #[arg(short = 'l', long, value_name = "HOST:PORT")]
    pub(crate) listen: Vec<String>,
    #[command(flatten)]
    pub(crate) show: Show,
    #[command(flatten)]
    pub(crate) streams: StreamArgs,
}

/// What becomes of messages.
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) form: Form,
    /// Write to this file; frames as they came, unless -q, -y, -j or --style asks for text
    #[arg(short = 'w', long, value_name = "FILE")]
    pub(crate) write: Option<String>,
    /// Go on behind what is in the file of -w
    #[arg(short = 'a', long, requires = "write")]
    pub(crate) append: bool,
    /// Send frames to a collector on this Unix socket
    #[arg(short = 'U', long, value_name = "SOCKET")]
    pub(crate) to_unix: Vec<PathBuf>,
    /// Send frames to a collector on this TCP address
    #[arg(short = 'T', long, value_name = "HOST:PORT")]
    pub(crate) to_tcp: Vec<String>,
    /// Only messages for which this holds, for example 'qtype==AAAA && rcode!=0'
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) filter: Option<Filter>,
    /// End after this many messages
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
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
