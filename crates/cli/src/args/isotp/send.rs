//! `isotp send`: the letters are those of isotpsend.

use core::time::Duration;
use std::path::PathBuf;

use clap::Args;
use isotp::StMin;

use super::endpoint::Endpoint;
use crate::units;

pub(super) const EXAMPLES: &str = "\
A message on the command line is a request: the answer is awaited and shown. A message from
anywhere else (standard input in hex, a file, made up) is sent as isotpsend does, without waiting;
--answer and --no-answer decide otherwise.

Ctrl-C ends the transfer at once, and says how far it got.

Exit status: 1 when no answer came, 4 when the answer is negative (7F ..) or the transfer failed.

Examples:
  tinwire isotp send 22F190
  tinwire isotp send can0 -s 7E0 -d 7E8 '22 F1 90'
  tinwire isotp send can0 -s 18DA10F1 -d 18DAF110 3E00 --answer 2s
  tinwire isotp send can0 --addressing normal-fixed --ta 10 --sa F1 3E00
  tinwire isotp send can0 -S -s 7DF 0100
  tinwire isotp send can0 -s 7E0 -d 7E8 @firmware.bin --json
  tinwire isotp send bus:car -s 7E0 -d 7E8 -D 4095 --backend user -v
  tinwire isotp send isotpserver://lab:7000 22F190";

/// `isotp send`
#[derive(Args, Debug)]
pub(crate) struct Send {
    #[command(flatten)]
    pub(crate) endpoint: Endpoint,
    /// The link, and the message in hex or @FILE; without a message standard input is read
    #[arg(value_name = "[LINK] HEX..|@FILE")]
    pub(crate) words: Vec<String>,
    /// Send this file's bytes as they are; - is standard input
    #[arg(short = 'i', long = "file", value_name = "FILE", conflicts_with = "dummy")]
    pub(crate) file: Option<PathBuf>,
    /// Send this many made-up bytes: 01 to FF, again and again
    #[arg(short = 'D', long = "dummy", value_name = "BYTES")]
    pub(crate) dummy: Option<u32>,
    /// To all nodes, a single frame; all answers are shown, with whose they are
    #[arg(short = 'S', long = "functional", conflicts_with = "broadcast")]
    pub(crate) functional: bool,
    /// To all nodes in many frames, without waiting for flow control; not in the standard
    #[arg(short = 'C', long = "broadcast")]
    pub(crate) broadcast: bool,
    /// Send with this gap whatever the other asks for; a bare number counts nanoseconds
    #[arg(short = 'f', long = "force-stmin", value_name = "TIME", value_parser = units::nanos)]
    pub(crate) forced_gap: Option<Duration>,
    /// Add this to each gap; a bare number counts nanoseconds, ZERO is none
    #[arg(short = 't', long = "frame-time", value_name = "TIME", value_parser = frame_time)]
    pub(crate) frame_time: Option<Duration>,
    /// Accepted for isotpsend's sake: the transfer is always waited for
    #[arg(short = 'b', hide = true)]
    pub(crate) block: bool,
    /// Send the message this often; i for ever
    #[arg(short = 'l', long = "loop", value_name = "COUNT", default_value = "1", value_parser = rounds)]
    pub(crate) rounds: Rounds,
    /// Wait this long before each message; a bare number counts microseconds
    #[arg(short = 'g', long = "gap", value_name = "TIME", value_parser = units::micros)]
    pub(crate) gap: Option<Duration>,
    /// Give a transfer up after this time
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) abort_after: Option<Duration>,
    /// How many WAITs in a row to accept; without it any number
    #[arg(long, value_name = "COUNT")]
    pub(crate) wait_limit: Option<u8>,
    /// Wait this long for an answer to each message
    #[arg(long, value_name = "TIME", value_parser = units::duration, conflicts_with = "no_answer")]
    pub(crate) answer: Option<Duration>,
    /// Wait for no answer
    #[arg(long)]
    pub(crate) no_answer: bool,
    /// Block size for answers: frames after which the other waits for us, in hex; 0 for none
    #[arg(long, value_name = "HEX", value_parser = units::hex_byte)]
    pub(crate) block_size: Option<u8>,
    /// STmin for answers, in hex: 00 to 7F milliseconds, F1 to F9 hundreds of microseconds
    #[arg(long = "stmin", value_name = "HEX", value_parser = super::endpoint::st_min)]
    pub(crate) st_min: Option<StMin>,
    /// Longest answer that is taken, in bytes
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_len: Option<u32>,
}

/// `-l`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounds {
    /// So many times.
    Count(u64),
    /// Until interrupted.
    Endless,
}

fn rounds(text: &str) -> Result<Rounds, String> {
    if text == "i" {
        return Ok(Rounds::Endless);
    }
    let count = text.parse().ok().filter(|&count| count > 0);
    count
        .map(Rounds::Count)
        .ok_or_else(|| format!("{text:?} is neither a count nor i"))
}

fn frame_time(text: &str) -> Result<Duration, String> {
    match text {
        "ZERO" => Ok(Duration::ZERO),
        time => units::nanos(time),
    }
}
