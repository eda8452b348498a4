//! `csp send`, `csp call`, `csp recv`

use core::time::Duration;

use clap::Args;
use csp_core::Port;

use super::{Interface, Protection};
use crate::units;

pub(super) const SEND_EXAMPLES: &str = "\
What is on the command line is one packet. A file or standard input is cut into packets as long as
fit; --sfp makes it one blob that the other end puts together. Over RDP nothing is lost on the way,
and the command ends when the other end has acknowledged all of it.

Exit status: 1 when a connection was not answered or something was not acknowledged.

Examples:
  tinwire csp send 2:10 0102030405
  tinwire csp send eps:10 --text 'hello there' -i can0 --addr 10/8
  tinwire csp send 2:10 @firmware.bin --rdp --sfp -i can0 --addr 10/8
  tinwire csp send 2:10 --rdp --json @table.bin";

pub(super) const CALL_EXAMPLES: &str = "\
Exit status: 1 when no reply came.

Examples:
  tinwire csp call 2:1 00010203
  tinwire csp call eps:10 --rdp 01 -i can0 --addr 10/8
  tinwire csp call 2:10 --text 'get uptime' -i can0 --addr 10/8 --json";

pub(super) const RECV_EXAMPLES: &str = "\
Ends after the first message, unless told otherwise. With --rdp senders have to open a connection;
with --sfp fragments are put together.

Examples:
  tinwire csp recv 10 -i bus:lab --addr 2/8
  tinwire csp recv 10 -i can0 --addr 2/8 --rdp -l --text
  tinwire csp recv 10 -i can0 --addr 2/8 --rdp --sfp --raw --deadline 60s";

/// How messages go.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Transport {
    /// Over RDP, which repeats what is lost
    #[arg(long)]
    pub(crate) rdp: bool,
    /// As blobs in fragments
    #[arg(long)]
    pub(crate) sfp: bool,
}

/// What is sent.
#[derive(Args, Debug)]
pub(crate) struct Data {
    /// The message in hex, or @FILE; without it standard input, as it is
    #[arg(value_name = "HEX..|@FILE")]
    pub(crate) words: Vec<String>,
    /// The words are text and no hex
    #[arg(long)]
    pub(crate) text: bool,
}

/// `csp send`
#[derive(Args, Debug)]
pub(crate) struct Send {
    /// Node and port
    #[arg(value_name = "NODE:PORT")]
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) interface: Interface,
    #[command(flatten)]
    pub(crate) transport: Transport,
    #[command(flatten)]
    pub(crate) protection: Protection,
    /// How long the last acknowledgement may take; a bare number counts milliseconds
    #[arg(short = 't', long, value_name = "TIME", default_value = "10s", value_parser = units::millis)]
    pub(crate) timeout: Duration,
}

/// `csp call`
#[derive(Args, Debug)]
pub(crate) struct Call {
    /// Node and port
    #[arg(value_name = "NODE:PORT")]
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(flatten)]
    pub(crate) interface: Interface,
    #[command(flatten)]
    pub(crate) transport: Transport,
    #[command(flatten)]
    pub(crate) protection: Protection,
    /// How long to wait for the reply; a bare number counts milliseconds
    #[arg(short = 't', long, value_name = "TIME", default_value = "1s", value_parser = units::millis)]
    pub(crate) timeout: Duration,
    /// Print the reply as it is, without a line end
    #[arg(long)]
    pub(crate) raw: bool,
}

/// `csp recv`
#[derive(Args, Debug)]
pub(crate) struct Recv {
    /// The port to listen on
    #[arg(value_name = "PORT")]
    pub(crate) port: Port,
    #[command(flatten)]
    pub(crate) interface: Interface,
    #[command(flatten)]
    pub(crate) transport: Transport,
    /// Only what has a CRC32 trailer
    #[arg(long)]
    pub(crate) crc: bool,
    /// Only what has an authentication code made with this pass phrase
    #[arg(long, value_name = "PASSPHRASE")]
    pub(crate) hmac: Option<String>,
    /// Print text
    #[arg(long, conflicts_with = "raw")]
    pub(crate) text: bool,
    /// Print the bytes as they are, without line ends
    #[arg(long)]
    pub(crate) raw: bool,
    /// Go on after the first message
    #[arg(short = 'l', long = "loop")]
    pub(crate) go_on: bool,
    /// End after this many messages
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Longest blob that is taken, in bytes
    #[arg(long, value_name = "BYTES", default_value = "1048576")]
    pub(crate) max_len: u32,
    /// How long the next fragment of a blob may take; a bare number counts milliseconds
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::millis)]
    pub(crate) quiet_time: Duration,
}
