//! `dnstap convert`

use core::num::NonZeroU32;

use clap::{Args, ValueEnum};
use dnstap_codec::filter::Filter;
use dnstap_codec::text::Style;

pub(super) const EXAMPLES: &str = "\
The end of a name decides what a file is: .fstrm, .tap and .dnstap are Frame Streams, .jsonl,
.ndjson and .json one object a line (docs/dnstap-json.md), .yaml, .txt (quiet lines), .pcapng.
Frame Streams and JSON are read, all are written.

pcapng: each DNS message becomes one UDP packet, whatever carried it, to or from port 53, so that
Wireshark shows DNS; missing addresses become 192.0.2.1 and .53, or 2001:db8::1 and ::53.

From JSON, unknown fields, their order and whether an IPv4 address was mapped do not come back.

Exit status: as that of dnstap cat; 4 also when a line is no message.

Examples:
  tinwire dnstap convert capture.fstrm capture.pcapng
  tinwire dnstap convert capture.fstrm capture.jsonl
  tinwire dnstap convert --where 'rcode==SERVFAIL' --to pcapng capture.fstrm failed.pcapng
  tinwire dnstap convert capture.jsonl again.fstrm";

/// `dnstap convert`
#[derive(Args, Debug)]
pub(crate) struct Convert {
    /// A file; - is standard input
    #[arg(value_name = "IN")]
    pub(crate) input: String,
    /// A file; - is standard output
    #[arg(value_name = "OUT")]
    pub(crate) to_file: String,
    /// What IN is, where its name does not tell
    #[arg(long, value_name = "FORM")]
    pub(crate) from: Option<Source>,
    /// What OUT becomes, where its name does not tell
    #[arg(long, value_name = "FORM")]
    pub(crate) to: Option<Target>,
    /// Only messages for which this holds, for example 'qtype==AAAA && rcode!=0'
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) filter: Option<Filter>,
    /// In pcapng, leave the server's port as it is told
    #[arg(long)]
    pub(crate) keep_ports: bool,
    /// Go on behind what is in OUT
    #[arg(short = 'a', long)]
    pub(crate) append: bool,
    /// Longest data frame that is read, in bytes; longer ones are an error
    #[arg(long, value_name = "BYTES", default_value = "1048576")]
    pub(crate) max_frame: NonZeroU32,
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    /// Frame Streams
    Fstrm,
    /// An object a line
    Json,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// Frame Streams
    Fstrm,
    /// An object a line
    Json,
    /// YAML documents
    Yaml,
    /// Lines as dnstap -q prints
    Quiet,
    /// Packets for Wireshark
    Pcapng,
}

impl Target {
    /// What the end of a file's name says.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (_, end) = name.rsplit_once('.')?;
        Some(match &*end.to_ascii_lowercase() {
            "fstrm" | "tap" | "dnstap" => Self::Fstrm,
            "jsonl" | "ndjson" | "json" => Self::Json,
            "yaml" | "yml" => Self::Yaml,
            "txt" => Self::Quiet,
            "pcapng" => Self::Pcapng,
            _ => return None,
        })
    }

    /// The style of the library; none for what is no text.
    pub(crate) const fn style(self) -> Option<Style> {
        match self {
            Self::Fstrm | Self::Pcapng => None,
            Self::Json => Some(Style::Json),
            Self::Yaml => Some(Style::Yaml),
            Self::Quiet => Some(Style::Quiet),
        }
    }
}
