//! `isotp dump`: the letters are those of isotpdump, and of isotpsniffer where it shows whole messages.

use core::time::Duration;

use can_link::Id;
use clap::{Args, ValueEnum};

use crate::args::can::TimeStamps;
use crate::units;

pub(super) const EXAMPLES: &str = "\
Every frame of a pair of identifiers is a line, as isotpdump prints it; with --reassemble every
message is one, as isotpsniffer prints it. Nothing is ever sent.

Examples:
  tinwire isotp dump can0 -s 7E0 -d 7E8 -a -u
  tinwire isotp dump can0 -s 7E0 -d 7E8 -b 7DF -t d
  tinwire isotp dump log:drive.log -s 18DA10F1 -d 18DAF110 --reassemble
  tinwire isotp dump bus:car -s 6F1 -d 612 -x 12 -X F1 --json";

/// `isotp dump`
#[derive(Args, Debug)]
pub(crate) struct Dump {
    /// The link
    #[arg(value_name = "LINK", conflicts_with = "link")]
    pub(crate) named: Option<String>,
    /// The link; also taken as the first word
    #[arg(long, value_name = "LINK")]
    pub(crate) link: Option<String>,
    /// Identifier of one side's frames; 8 digits are extended
    #[arg(short = 's', long = "source", value_name = "ID", value_parser = units::can_id)]
    pub(crate) source: Option<Id>,
    /// Identifier of the other side's frames
    #[arg(short = 'd', long = "destination", value_name = "ID", value_parser = units::can_id)]
    pub(crate) destination: Option<Id>,
    /// Identifier of frames to all
    #[arg(short = 'b', long = "broadcast", value_name = "ID", value_parser = units::can_id)]
    pub(crate) broadcast: Option<Id>,
    /// An address byte comes first: show the source's frames with this one, or any
    #[arg(short = 'x', long = "extended", value_name = "EA|any", value_parser = address_byte)]
    pub(crate) extended: Option<AddressByte>,
    /// And the destination's frames with this one, or any
    #[arg(
        short = 'X',
        long = "rx-extended",
        value_name = "EA|any",
        requires = "extended"
    )]
    #[arg(value_parser = address_byte)]
    pub(crate) rx_extended: Option<AddressByte>,
    /// A colour for each identifier, also where the output is no terminal
    #[arg(short = 'c', long)]
    pub(crate) colored: bool,
    /// Show data as characters too
    #[arg(short = 'a', long)]
    pub(crate) ascii: bool,
    /// Time stamps: (a)bsolute, (d)elta, (z)ero at the first frame, (A)bsolute with date
    #[arg(short = 't', long = "time", value_name = "TYPE")]
    pub(crate) time: Option<TimeStamps>,
    /// Name the service of UDS that a message begins with
    #[arg(short = 'u', long)]
    pub(crate) uds: bool,
    /// Show whole messages instead of frames
    #[arg(short = 'r', long)]
    pub(crate) reassemble: bool,
    /// Of whole messages show: 1 hex, 2 characters, 3 both
    #[arg(short = 'f', long = "forms", value_name = "FORMS", default_value = "3")]
    pub(crate) forms: Forms,
    /// Of whole messages show so many bytes at most
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) head: Option<u32>,
    /// Longest message to put together, in bytes
    #[arg(long, value_name = "BYTES", default_value = "16777216")]
    pub(crate) max_len: u32,
    /// End after this many lines
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End when no frame came for this time; a bare number counts milliseconds
    #[arg(short = 'T', long, value_name = "TIME", value_parser = units::millis)]
    pub(crate) timeout: Option<Duration>,
    /// Exit with status 5 when the link lost frames before we saw them, 4 when what came was not all sound
    #[arg(long)]
    pub(crate) strict: bool,
}

/// `-x` and `-X`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressByte {
    /// Whatever it is.
    Any,
    /// This one.
    Is(u8),
}

impl AddressByte {
    pub(crate) const fn accepts(self, byte: u8) -> bool {
        match self {
            Self::Any => true,
            Self::Is(wanted) => wanted == byte,
        }
    }
}

/// `-f`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Forms {
    /// Bytes in hex
    #[value(name = "1")]
    Hex,
    /// Characters
    #[value(name = "2")]
    Ascii,
    /// Both
    #[value(name = "3")]
    Both,
}

fn address_byte(text: &str) -> Result<AddressByte, String> {
    if text == "any" {
        return Ok(AddressByte::Any);
    }
    units::hex_byte(text)
        .map(AddressByte::Is)
        .map_err(|error| format!("{error}, nor any"))
}
