//! `can ...`: the letters are those of candump, cansend and cangen.

use core::time::Duration;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::modes::{DataMode, IdMode, LengthMode};
use crate::units;

/// `can ...`
#[derive(Debug, Subcommand)]
pub(crate) enum CanVerb {
    /// Show traffic
    #[command(after_help = DUMP_EXAMPLES)]
    Dump(Dump),
    /// Send frames
    #[command(after_help = SEND_EXAMPLES)]
    Send(Send),
    /// Generate traffic
    #[command(after_help = GEN_EXAMPLES)]
    Gen(Gen),
}

const DUMP_EXAMPLES: &str = "\
Filters behind a link, separated by commas:
  ID:MASK      frames whose identifier agrees in the bits of the mask
  ID~MASK      frames whose identifier does not
  #ERRORMASK   error reports of these classes (without any filter all are shown)
  j            every filter has to accept, not just one

Examples:
  tinwire can dump sim: -n 5
  tinwire can dump can0,7E0:7F0 -t d
  tinwire can dump -L bus:lab > bus.log
  tinwire can dump can0 can1 --json -T 1000";

/// `can dump`
#[derive(Args, Debug)]
pub(crate) struct Dump {
    /// Links, each with filters behind a comma; the configured link where none is given
    #[arg(value_name = "LINK[,FILTER]..")]
    pub(crate) links: Vec<String>,
    /// Time stamps: (a)bsolute, (d)elta, (z)ero at the first frame, (A)bsolute with date
    #[arg(short = 't', long = "time", value_name = "TYPE")]
    pub(crate) time: Option<TimeStamps>,
    /// Nanoseconds in time stamps
    #[arg(short = 'N', long)]
    pub(crate) nanos: bool,
    /// Time stamps of the controller where the link has them
    #[arg(short = 'H', long)]
    pub(crate) hardware_time: bool,
    /// Write log lines, as canplayer reads them
    #[arg(short = 'L', long = "log-lines")]
    pub(crate) log_lines: bool,
    /// Write log lines into candump-DATE_TIME.log instead of standard output
    #[arg(short = 'l', long = "log")]
    pub(crate) log: bool,
    /// Write log lines into this file instead of standard output; - is the same as -L
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// While logging: 0 shows the frames too, 2 shows nothing
    #[arg(short = 's', long = "silent", value_name = "LEVEL")]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=2))]
    pub(crate) silent: Option<u8>,
    /// End after this many frames
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End when no frame came for this time; a bare number counts milliseconds
    #[arg(short = 'T', long, value_name = "TIME", value_parser = units::millis)]
    pub(crate) timeout: Option<Duration>,
    /// Show the direction, and the flags of CAN FD frames
    #[arg(short = 'x', long)]
    pub(crate) extra: bool,
    /// Show the causes of error reports
    #[arg(short = 'e', long)]
    pub(crate) error_details: bool,
    /// Show a line where frames were lost; they are counted at the end in any case
    #[arg(short = 'd', long)]
    pub(crate) drops: bool,
    /// Exit with status 5 when frames were lost
    #[arg(long)]
    pub(crate) strict: bool,
    /// Show data as characters too
    #[arg(short = 'a', long)]
    pub(crate) ascii: bool,
    /// Show raw data length codes in braces
    #[arg(short = '8', long)]
    pub(crate) raw_dlc: bool,
    /// Bytes to ask for as the kernel's receive buffer
    #[arg(short = 'r', long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) receive_buffer: Option<u32>,
    /// Accepted for candump's sake: an interface that goes down never ends the dump here
    #[arg(short = 'D', hide = true)]
    pub(crate) stay: bool,
    /// Accepted for candump's sake: see --color
    #[arg(short = 'c', hide = true, action = clap::ArgAction::Count)]
    pub(crate) colored: u8,
}

/// `-t`: candump's letters, which differ in case alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
pub(crate) enum TimeStamps {
    /// Seconds since 1970
    #[value(name = "a")]
    Absolute,
    /// Seconds since the frame before
    #[value(name = "d")]
    Delta,
    /// Seconds since the first frame
    #[value(name = "z")]
    Zero,
    /// Date and local time
    #[value(name = "A")]
    Date,
}

const SEND_EXAMPLES: &str = "\
Frames:
  123#DEADBEEF            classic, 11-bit identifier; dots between bytes are allowed
  18DAF110#0322F190       classic, 29-bit identifier (8 digits)
  123#R  123#R5           remote
  123#1122334455667788_E  classic with a raw data length code of 14
  123##1112233            CAN FD; the digit holds flags: 1 bit-rate switch, 2 error state
  45123#81:00:12345678#11 CAN XL

Examples:
  tinwire can send bus:lab 123#DEADBEEF
  tinwire can send can0 7E0#0322F190 7E0#30
  tinwire can send can0 100#R --cycle 10ms -n 100";

/// `can send`
#[derive(Args, Debug)]
pub(crate) struct Send {
    /// The link and the frames; without a link the configured one
    #[arg(value_name = "[LINK] FRAME..", required = true)]
    pub(crate) words: Vec<String>,
    /// Send the frames again and again with this gap
    #[arg(long, value_name = "TIME", value_parser = units::millis)]
    pub(crate) cycle: Option<Duration>,
    /// How often to send the frames; without it and with --cycle, for ever
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
}

const GEN_EXAMPLES: &str = "\
Modes of -I, -L and -D:
  r       random (the default)
  i       count up
  e, o    random and even, odd (identifiers only)
  VALUE   this value, in hex for -I and -D; digits written x in -D are random

Examples:
  tinwire can gen bus:lab -n 100 -g 1ms
  tinwire can gen can0 -g 4 -I 42A -L 1 -D i -v
  tinwire can gen can0 -e -L i --seed 7 -n 10
  tinwire can gen can0 -I 555 -D CCCCCCCCCCCCCCCC -L 8 -g 3.75";

/// `can gen`
#[derive(Args, Debug)]
pub(crate) struct Gen {
    /// The link; the configured one where none is given
    #[arg(value_name = "LINK")]
    pub(crate) link: Option<String>,
    /// Gap between frames; a bare number counts milliseconds; 0 sends as fast as the link takes them
    #[arg(short = 'g', long, value_name = "TIME", default_value = "200", value_parser = units::millis)]
    pub(crate) gap: Duration,
    /// Identifiers
    #[arg(short = 'I', long, value_name = "MODE", default_value = "r")]
    pub(crate) id: IdMode,
    /// Data lengths
    #[arg(short = 'L', long, value_name = "MODE", default_value = "r")]
    pub(crate) length: LengthMode,
    /// Data
    #[arg(short = 'D', long, value_name = "MODE", default_value = "r")]
    pub(crate) data: DataMode,
    /// 29-bit identifiers
    #[arg(short = 'e', long)]
    pub(crate) extended: bool,
    /// CAN FD frames
    #[arg(short = 'f', long)]
    pub(crate) fd: bool,
    /// CAN FD frames with bit-rate switch
    #[arg(short = 'b', long)]
    pub(crate) brs: bool,
    /// CAN FD frames with error state indicator
    #[arg(short = 'E', long)]
    pub(crate) esi: bool,
    /// Remote frames
    #[arg(short = 'R', long, conflicts_with_all = ["fd", "brs", "esi"])]
    pub(crate) remote: bool,
    /// Mix kinds that the link carries, and both identifier formats
    #[arg(short = 'm', long)]
    pub(crate) mix: bool,
    /// End after this many frames
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// The same seed gives the same frames
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Print the frames that were sent
    #[arg(short = 'v', long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Accepted for cangen's sake: a full queue is always waited for here, and no frame is skipped
    #[arg(short = 'i', hide = true)]
    pub(crate) ignore_full: bool,
    /// Accepted for cangen's sake: a full queue is always waited for here
    #[arg(short = 'p', hide = true, value_name = "MS")]
    pub(crate) poll: Option<u64>,
    /// Other programs of this host do not see the frames (kernel interfaces only)
    #[arg(short = 'x', long)]
    pub(crate) no_loopback: bool,
}
