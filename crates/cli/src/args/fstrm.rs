//! `fstrm ...`: Frame Streams, dnstap among them.

use core::num::NonZeroU32;

use clap::{Args, Subcommand};

/// `fstrm ...`
#[derive(Debug, Subcommand)]
pub(crate) enum FstrmVerb {
    /// Show the frames of files; dnstap messages are understood
    #[command(after_help = CAT_EXAMPLES)]
    Cat(Cat),
    /// What files hold, in figures, and how they end
    #[command(after_help = INFO_EXAMPLES)]
    Info(Info),
}

const CAT_EXAMPLES: &str = "\
A dnstap line: time, kind (CQ client query, RR resolver response, ...), address, transport, length,
question.

A stream that is still open is shown as it comes; a signal or --deadline ends that without error.

Exit status: 1 when a file ends before START or within a frame, 3 when it cannot be read, 4 when it
is malformed; of several files, that of the worst one.

Examples:
  tinwire fstrm cat capture.fstrm
  tinwire fstrm cat --json -n 10 capture.fstrm
  tinwire fstrm cat -t protobuf:dnstap.Dnstap - < capture.fstrm
  tinwire fstrm cat --raw capture.fstrm > payloads.bin";

const INFO_EXAMPLES: &str = "\
Exit status: 1 when a file ends before START or within a frame, 3 when it cannot be read, 4 when it
is malformed; of several files, that of the worst one.

Examples:
  tinwire fstrm info capture.fstrm
  tinwire fstrm info --json *.fstrm";

/// What both take.
#[derive(Args, Debug)]
pub(crate) struct Input {
    /// Files; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<String>,
    /// Only streams of this content type
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Longest data frame that is read, in bytes; longer ones are an error
    #[arg(long, value_name = "BYTES", default_value = "1048576")]
    pub(crate) max_frame: NonZeroU32,
}

/// `fstrm cat`
#[derive(Args, Debug)]
pub(crate) struct Cat {
    #[command(flatten)]
    pub(crate) input: Input,
    /// End after this many frames
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Write payloads as they are, one behind the other
    #[arg(long, conflicts_with = "json")]
    pub(crate) raw: bool,
    /// Show payloads in hex even where they are understood
    #[arg(short = 'x', long, conflicts_with = "raw")]
    pub(crate) hex: bool,
}

/// `fstrm info`
#[derive(Args, Debug)]
pub(crate) struct Info {
    #[command(flatten)]
    pub(crate) input: Input,
}
