//! `isotp recv`: the letters are those of isotprecv.

use core::time::Duration;

use can_link::Id;
use clap::Args;
use isotp::StMin;

use super::endpoint::Endpoint;
use crate::units;

pub(super) const EXAMPLES: &str = "\
Examples:
  tinwire isotp recv -s 7E8 -d 7E0 can0
  tinwire isotp recv -s 7E8 -d 7E0 -l bus:car --json
  tinwire isotp recv -s 7E8 -d 7E0 -b 8 -m 5 --deadline 10s bus:car
  tinwire isotp recv -s 7E8 -d 7E0 --functional 7DF -l can0 --backend user -v";

/// `isotp recv`
#[derive(Args, Debug)]
pub(crate) struct Recv {
    #[command(flatten)]
    pub(crate) endpoint: Endpoint,
    /// The link
    #[arg(value_name = "LINK", conflicts_with = "link")]
    pub(crate) named: Option<String>,
    /// Also take single frames with this identifier: messages to all
    #[arg(long, value_name = "ID", value_parser = units::can_id)]
    pub(crate) functional: Option<Id>,
    /// Block size: frames after which the sender waits for us, in hex; 0 for none
    #[arg(short = 'b', long = "block-size", value_name = "HEX", value_parser = units::hex_byte)]
    pub(crate) block_size: Option<u8>,
    /// STmin, the gap that we ask for, in hex: 00 to 7F milliseconds, F1 to F9 hundreds of microseconds
    #[arg(short = 'm', long = "stmin", value_name = "HEX", value_parser = super::endpoint::st_min)]
    pub(crate) st_min: Option<StMin>,
    /// Drop frames that come sooner than this; a bare number counts nanoseconds
    #[arg(short = 'f', long = "force-stmin", value_name = "TIME", value_parser = units::nanos)]
    pub(crate) forced_gap: Option<Duration>,
    /// How many WAITs in a row to send, in hex
    #[arg(short = 'w', long = "wait-frames", value_name = "HEX", value_parser = units::hex_byte)]
    pub(crate) wait_frames: Option<u8>,
    /// Accepted for isotprecv's sake: every flow control counts anyway
    #[arg(short = 'F', hide = true)]
    pub(crate) dynamic: bool,
    /// Go on after the first message
    #[arg(short = 'l', long = "loop")]
    pub(crate) go_on: bool,
    /// End after this many messages
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Exit with status 5 when the link lost frames before we saw them
    #[arg(long)]
    pub(crate) strict: bool,
    /// Longest message that is taken, in bytes
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_len: Option<u32>,
}
