//! `fstrm ...`: Frame Streams, dnstap among them.

mod capture;
mod generate;
mod relay;
mod replay;
mod verify;

use core::num::NonZeroU32;

use clap::{Args, Subcommand};

pub(crate) use self::capture::{Capture, Fsync, Handshake};
pub(crate) use self::generate::{Gen, OnFull, Sending};
pub(crate) use self::relay::Relay;
pub(crate) use self::replay::{Delivery, Replay};
pub(crate) use self::verify::{Repair, Verify};

/// `fstrm ...`
#[derive(Debug, Subcommand)]
pub(crate) enum FstrmVerb {
    /// Write what many senders say into files, as fstrm_capture; nothing is overwritten
    #[command(after_help = capture::EXAMPLES)]
    Capture(Box<Capture>),
    /// Show the frames of files and live streams; dnstap messages are understood
    #[command(after_help = CAT_EXAMPLES)]
    Cat(Cat),
    /// Every frame of a file in words, as fstrm_dump; a copy of the file
    #[command(after_help = DUMP_EXAMPLES)]
    Dump(Dump),
    /// Pass frames on, from anywhere to anywhere, and lose none
    #[command(after_help = relay::EXAMPLES)]
    Relay(Box<Relay>),
    /// What files hold, in figures, and how they end
    #[command(after_help = INFO_EXAMPLES)]
    Info(Info),
    /// Numbered frames for a file or a collector, and the check that none is missing
    #[command(after_help = generate::EXAMPLES)]
    Gen(Gen),
    /// Whether files are whole: none ends within a frame, and nothing is malformed
    #[command(after_help = verify::VERIFY_EXAMPLES)]
    Verify(Verify),
    /// Mend files that end too early
    #[command(after_help = verify::REPAIR_EXAMPLES)]
    Repair(Repair),
    /// Send the frames of files to a collector, as fstrm_replay
    #[command(after_help = replay::EXAMPLES)]
    Replay(Box<Replay>),
}

const CAT_EXAMPLES: &str = "\
dnstap messages are shown as by dnstap cat. With --json, the object of a frame has that of dnstap
cat in it as dnstap, or the bytes in hex as data.

In place of a file: unix:PATH, tcp://HOST:PORT or tls://HOST:PORT listens for senders, dial+ in
front connects to one. A stream that is still open is shown as it comes; a signal or --deadline
ends that without error.

Exit status: 1 when a file ends before START or within a frame, 3 when it cannot be read, 4 when it
is malformed; of several files, that of the worst one.

Examples:
  tinwire fstrm cat capture.fstrm
  tinwire fstrm cat unix:/run/dnstap.sock
  tinwire fstrm cat --json -n 10 capture.fstrm
  tinwire fstrm cat -t protobuf:dnstap.Dnstap - < capture.fstrm
  tinwire fstrm cat --raw capture.fstrm > payloads.bin";

const DUMP_EXAMPLES: &str = "\
Payloads go to standard output, quoted; START, lengths and STOP to standard error, and then the
counts. Bytes that are no printable ASCII are \\xhh, a quote is \\\", a backslash \\\\. Of streams one
behind the other, as cat puts files together, all are shown, and copied as they are.

Started through a link named fstrm_dump, the command takes what that tool takes, ends at the first
STOP and leaves backslashes alone as it does, and exits 0 at an end of any kind and 1 otherwise.

Exit status: 1 when the file ends before START or within a frame, 3 when it cannot be read, 4 when
it is malformed.

Examples:
  tinwire fstrm dump capture.fstrm
  tinwire fstrm dump -q capture.fstrm
  tinwire fstrm dump cut.fstrm whole.fstrm
  tinwire fstrm dump --json capture.fstrm";

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
    #[command(flatten)]
    pub(crate) sockets: super::streams::SocketArgs,
}

/// `fstrm dump`
#[derive(Args, Debug)]
pub(crate) struct Dump {
    /// File; - is standard input
    #[arg(value_name = "INPUT")]
    pub(crate) input: String,
    /// Write the frames to this file too; - is standard output, between the words
    #[arg(value_name = "OUTPUT")]
    pub(crate) output: Option<String>,
    /// Replace OUTPUT if it exists
    #[arg(short = 'f', long)]
    pub(crate) force: bool,
    /// Only a stream of this content type
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Longest data frame that is read, in bytes; a longer one is an error
    #[arg(long, value_name = "BYTES", default_value = "1048576")]
    pub(crate) max_frame: NonZeroU32,
}

/// `fstrm info`
#[derive(Args, Debug)]
pub(crate) struct Info {
    #[command(flatten)]
    pub(crate) input: Input,
}
