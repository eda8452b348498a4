//! `fstrm gen`.

use core::num::{NonZeroU32, NonZeroU64};
use core::ops::RangeInclusive;
use core::time::Duration;

use clap::{Args, ValueEnum};

use super::Delivery;
use crate::args::streams::TlsArgs;
use crate::units;

/// A frame holds at least a mark, the number of its run, and its own.
pub(crate) const MIN_LEN: u32 = 16;
/// Longest that every reader takes.
const MAX_LEN: u32 = 1 << 20;

pub(super) const EXAMPLES: &str = "\
TARGET is a file, - or a socket: unix:PATH, tcp://HOST:PORT. A file that exists is left alone,
unless -a is given. Every frame holds the number of this run and its own; --check reads files and
says what is lost, doubled or out of order among the frames of each run.

Exit status: 3 when frames could not be sent. With --check: 5 when frames are lost or damaged, and
with --strict when one comes twice or late.

Examples:
  tinwire fstrm gen -n 1000000 -s 64 numbers.fstrm
  tinwire fstrm gen --rate 5000 -s 64-1500 -t protobuf:dnstap.Dnstap unix:/run/dnstap.sock
  tinwire fstrm gen --delivery confirmed -n 1000000 tcp://collector:6000
  tinwire fstrm gen --check -n 1000000 capture.*.fstrm";

/// `fstrm gen`
#[derive(Args, Debug)]
pub(crate) struct Gen {
    /// Where the frames go; with --check, the files to read, in order
    #[arg(value_name = "TARGET", required = true)]
    pub(crate) targets: Vec<String>,
    /// How many frames; with --check, how many each run should have
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub(crate) count: Option<NonZeroU64>,
    /// Payload bytes of each frame, or a range as 64-1500
    #[arg(short = 's', long, value_name = "BYTES", default_value = "64", value_parser = sizes)]
    pub(crate) size: RangeInclusive<u32>,
    /// Frames in a second; without it, as fast as they are taken
    #[arg(long, value_name = "FRAMES")]
    pub(crate) rate: Option<NonZeroU32>,
    /// Content type of the stream
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Number of this run, of which the lengths follow; without it, by the clock
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u32>,
    #[command(flatten)]
    pub(crate) sending: Sending,
    /// Read files and say what is lost, doubled or out of order
    #[arg(long, conflicts_with_all = ["size", "rate", "seed", "append", "content_type"])]
    pub(crate) check: bool,
    /// With --check: frames that come twice or late are a failure too
    #[arg(long, requires = "check")]
    pub(crate) strict: bool,
}

/// How frames get where they go.
#[derive(Args, Debug)]
pub(crate) struct Sending {
    /// Go on in a file that exists
    #[arg(short = 'a', long)]
    pub(crate) append: bool,
    /// When a frame counts as sent to a socket
    #[arg(long, value_enum, default_value_t = Delivery::Written)]
    pub(crate) delivery: Delivery,
    /// What to do when a socket takes no more
    #[arg(long, value_enum, default_value_t = OnFull::Block)]
    pub(crate) on_full: OnFull,
    /// How long to wait at the end for a socket that takes nothing
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::duration)]
    pub(crate) linger: Duration,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

/// What becomes of frames for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFull {
    /// Wait
    Block,
    /// Drop what comes
    DropNew,
    /// Drop what waits longest
    DropOld,
}

fn sizes(text: &str) -> Result<RangeInclusive<u32>, String> {
    let (shortest, longest) = text.split_once('-').unwrap_or((text, text));
    let parse = |word: &str| word.parse::<u32>().ok();
    parse(shortest)
        .zip(parse(longest))
        .map(|(shortest, longest)| shortest..=longest)
        .filter(|sizes| !sizes.is_empty() && *sizes.start() >= MIN_LEN && *sizes.end() <= MAX_LEN)
        .ok_or_else(|| format!("{text:?}: write bytes as 64 or 64-1500, from {MIN_LEN} to {MAX_LEN}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_one_number_or_two() {
        assert_eq!(sizes("64"), Ok(64..=64));
        assert_eq!(sizes("16-1048576"), Ok(16..=1_048_576));
        for text in ["", "15", "64-", "-64", "100-64", "1048577", "x"] {
            assert!(sizes(text).is_err(), "{text}");
        }
    }
}
