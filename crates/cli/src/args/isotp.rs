//! `isotp ...`: the letters are those of the isotp tools of can-utils.

pub(crate) mod dump;
pub(crate) mod scan;

use core::time::Duration;

use can_link::Id;
use clap::{Args, Subcommand, ValueEnum};
use isotp::StMin;

use crate::units;

/// `isotp ...`
#[derive(Debug, Subcommand)]
pub(crate) enum IsotpVerb {
    /// Send a message, and show the answer
    #[command(after_help = SEND_EXAMPLES)]
    Send(Send),
    /// Receive messages
    #[command(after_help = RECV_EXAMPLES)]
    Recv(Recv),
    /// Show the frames or messages of others
    #[command(after_help = dump::EXAMPLES)]
    Dump(dump::Dump),
    /// Find out who talks to whom
    #[command(after_help = scan::EXAMPLES)]
    Scan(scan::Scan),
}

const SEND_EXAMPLES: &str = "\
A message on the command line is a request: the answer is awaited and shown. A message from
standard input (hex) is sent as isotpsend does, without waiting; --answer and --no-answer decide
otherwise.

Exit status: 1 when no answer came, 4 when the answer is negative (7F ..) or the transfer failed.

Examples:
  tinwire isotp send 22F190
  tinwire isotp send can0 -s 7E0 -d 7E8 '22 F1 90'
  tinwire isotp send -s 18DA10F1 -d 18DAF110 --link can0 3E00 --answer 2s
  tinwire isotp send -s 7E0 -d 7E8 bus:car < message.txt";

const RECV_EXAMPLES: &str = "\
Examples:
  tinwire isotp recv -s 7E8 -d 7E0 can0
  tinwire isotp recv -s 7E8 -d 7E0 -l bus:car --json
  tinwire isotp recv -s 7E8 -d 7E0 -b 8 -m 5 --deadline 10s bus:car";

/// What both take.
#[derive(Args, Debug)]
pub(crate) struct Endpoint {
    /// The link; also taken as the first word
    #[arg(long, value_name = "LINK")]
    pub(crate) link: Option<String>,
    /// Identifier of our own frames; 8 digits are extended
    #[arg(short = 's', long = "source", value_name = "ID", value_parser = units::can_id)]
    pub(crate) source: Option<Id>,
    /// Identifier of the other's frames
    #[arg(short = 'd', long = "destination", value_name = "ID", value_parser = units::can_id)]
    pub(crate) destination: Option<Id>,
    /// Extended addressing: the other's address byte, and ours where it differs
    #[arg(short = 'x', long = "extended", value_name = "EA[:RXEA]", value_parser = address_bytes)]
    pub(crate) extended: Option<(u8, u8)>,
    /// Fill frames with this byte, or none; without -p they are filled with CC
    #[arg(short = 'p', long = "padding", value_name = "TX|none", value_parser = padding)]
    pub(crate) padding: Option<Filler>,
    /// Of isotprecv: check the filling of received frames; not in this version
    #[arg(short = 'P', value_name = "l|c|a", hide = true)]
    pub(crate) check_padding: Option<PaddingCheck>,
    /// Send with this gap whatever the other asks for; a bare number counts nanoseconds
    #[arg(short = 'f', long = "force-stmin", value_name = "TIME", value_parser = units::nanos)]
    pub(crate) forced_gap: Option<Duration>,
    /// CAN FD: MTU, frame length and flags, for example 72:64:1
    #[arg(short = 'L', long = "link-layer", value_name = "MTU:DL:FLAGS", value_parser = link_layer)]
    pub(crate) link_layer: Option<LinkLayer>,
}

/// `isotp send`
#[derive(Args, Debug)]
pub(crate) struct Send {
    #[command(flatten)]
    pub(crate) endpoint: Endpoint,
    /// The link, and the message in hex; without a message standard input is read
    #[arg(value_name = "[LINK] HEX..")]
    pub(crate) words: Vec<String>,
    /// Accepted for isotpsend's sake: the transfer is always waited for
    #[arg(short = 'b', hide = true)]
    pub(crate) block: bool,
    /// Send the message this often; i for ever
    #[arg(short = 'l', long = "loop", value_name = "COUNT", default_value = "1", value_parser = rounds)]
    pub(crate) rounds: Rounds,
    /// Wait this long before each message; a bare number counts microseconds
    #[arg(short = 'g', long = "gap", value_name = "TIME", value_parser = units::micros)]
    pub(crate) gap: Option<Duration>,
    /// Of isotpsend: time of a frame; not in this version
    #[arg(short = 't', value_name = "TIME", hide = true)]
    pub(crate) frame_time: Option<String>,
    /// Of isotpsend: send without flow control; not in this version
    #[arg(short = 'C', hide = true)]
    pub(crate) broadcast: bool,
    /// Send this many made-up bytes instead of a message
    #[arg(short = 'D', long = "dummy", value_name = "BYTES")]
    pub(crate) dummy: Option<usize>,
    /// To all nodes; a single frame
    #[arg(short = 'S', long = "functional")]
    pub(crate) functional: bool,
    /// Wait this long for an answer to each message
    #[arg(long, value_name = "TIME", value_parser = units::duration, conflicts_with = "no_answer")]
    pub(crate) answer: Option<Duration>,
    /// Wait for no answer
    #[arg(long)]
    pub(crate) no_answer: bool,
}

/// `isotp recv`
#[derive(Args, Debug)]
pub(crate) struct Recv {
    #[command(flatten)]
    pub(crate) endpoint: Endpoint,
    /// The link
    #[arg(value_name = "LINK", conflicts_with = "link")]
    pub(crate) named: Option<String>,
    /// Block size: frames after which the sender waits for us, in hex; 0 for none
    #[arg(short = 'b', long = "block-size", value_name = "HEX", value_parser = units::hex_byte)]
    pub(crate) block_size: Option<u8>,
    /// STmin, the gap that we ask for, in hex: 00 to 7F milliseconds, F1 to F9 hundreds of microseconds
    #[arg(short = 'm', long = "stmin", value_name = "HEX", value_parser = st_min)]
    pub(crate) st_min: Option<StMin>,
    /// How many WAITs in a row to send, in hex
    #[arg(short = 'w', long = "wait-frames", value_name = "HEX", value_parser = units::hex_byte)]
    pub(crate) wait_frames: Option<u8>,
    /// Of isotprecv: flow control that changes on the way; not in this version
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
    #[arg(long, value_name = "BYTES", default_value = "4095")]
    pub(crate) max_len: u32,
}

/// `-P`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PaddingCheck {
    /// The length
    #[value(name = "l")]
    Length,
    /// The content
    #[value(name = "c")]
    Content,
    /// Both
    #[value(name = "a")]
    All,
}

/// `-l` of `isotp send`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounds {
    /// So many times.
    Count(u64),
    /// Until interrupted.
    Endless,
}

/// `-p`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filler {
    /// Frames stay short.
    None,
    /// Frames are filled with this byte.
    Byte(u8),
    /// The tools' second byte, which received frames are checked against.
    Checked,
}

/// `-L`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkLayer {
    /// MTU 16.
    Classic,
    /// MTU 72.
    Fd {
        /// Bytes of our longest frame.
        length: usize,
        /// Flags of our frames.
        flags: u8,
    },
}

fn address_bytes(text: &str) -> Result<(u8, u8), String> {
    let (tx, rx) = text.split_once(':').unwrap_or((text, text));
    Ok((units::hex_byte(tx)?, units::hex_byte(rx)?))
}

fn padding(text: &str) -> Result<Filler, String> {
    match text {
        "none" => Ok(Filler::None),
        _ if text.contains(':') => Ok(Filler::Checked),
        _ => units::hex_byte(text).map(Filler::Byte),
    }
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

fn st_min(text: &str) -> Result<StMin, String> {
    StMin::from_bits(units::hex_byte(text)?).ok_or_else(|| {
        format!("{text} is reserved; 00 to 7F are milliseconds, F1 to F9 hundreds of microseconds")
    })
}

fn link_layer(text: &str) -> Result<LinkLayer, String> {
    let fields: Vec<usize> = text
        .split(':')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| format!("{text:?} is not MTU:DL:FLAGS, for example 72:64:1"))?;
    match fields.as_slice() {
        [16, 8, _] => Ok(LinkLayer::Classic),
        [72, length, flags] if [8, 12, 16, 20, 24, 32, 48, 64].contains(length) && *flags < 16 => {
            Ok(LinkLayer::Fd {
                length: *length,
                flags: u8::try_from(*flags).unwrap_or_default(),
            })
        }
        [16 | 72, ..] if fields.len() == 3 => Err(format!(
            "{text}: frames of {} bytes do not exist there; CAN FD has 8 12 16 20 24 32 48 64",
            fields.get(1).copied().unwrap_or_default()
        )),
        _ => Err(format!(
            "{text:?} is not MTU:DL:FLAGS; MTU is 16 or 72, as in 72:64:1"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_and_padding_bytes_come_in_pairs_or_alone() {
        assert_eq!(address_bytes("F1"), Ok((0xF1, 0xF1)));
        assert_eq!(address_bytes("F1:10"), Ok((0xF1, 0x10)));
        assert!(address_bytes("").is_err());
        assert_eq!(padding("CC"), Ok(Filler::Byte(0xCC)));
        assert_eq!(padding("none"), Ok(Filler::None));
        assert_eq!(padding("CC:AA"), Ok(Filler::Checked));
        assert!(padding("CCC").is_err());
    }

    #[test]
    fn a_reserved_stmin_is_refused() {
        assert_eq!(st_min("5").map(StMin::to_bits), Ok(5));
        assert_eq!(st_min("F1").map(StMin::to_bits), Ok(0xF1));
        assert!(st_min("80").is_err() && st_min("FA").is_err());
    }

    #[test]
    fn the_link_layer_is_one_that_exists() {
        assert_eq!(link_layer("16:8:0"), Ok(LinkLayer::Classic));
        let fd = LinkLayer::Fd { length: 64, flags: 1 };
        assert_eq!(link_layer("72:64:1"), Ok(fd));
        assert!(
            link_layer("72:63:1")
                .unwrap_err()
                .contains("63 bytes do not exist")
        );
        assert!(link_layer("2060:64:1").is_err());
        assert!(link_layer("72:64").is_err());
    }
}
