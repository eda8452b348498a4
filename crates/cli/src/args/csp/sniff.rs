//! `csp sniff`

use core::time::Duration;
use std::path::PathBuf;

use clap::Args;
use csp_core::Port;

use crate::args::can::TimeStamps;
use crate::units;

pub(super) const EXAMPLES: &str = "\
Every packet is a line: time, interface, direction (R received, T sent by us), source and its port,
destination and its port, priority, flags, bytes of payload, what the packet is, and its bytes.
Nothing is ever sent.

Frames that make no packet are told with the reason. Trailers are checked and not shown: CRC32 and
SFP always, the authentication code where --hmac gives the key.

With --pcapng the packets shown go into a file for Wireshark, too: header, payload and trailers as
on the wire, link type USER0, the header version in the interface's description, the time of the
last frame. Outbound is what programs of this machine sent. It can be read while it grows.

Examples:
  tinwire csp sniff can0
  tinwire csp sniff can0 --node 2 --port 10 -n 100
  tinwire csp sniff can:can0,v1 -t d
  tinwire csp sniff log:pass.log --json
  tinwire csp sniff can0 --pcapng pass.pcapng
  tinwire csp sniff can0 --pcapng -  | wireshark -k -i -";

/// `csp sniff`
#[derive(Args, Debug)]
pub(crate) struct Sniff {
    /// The interface: a link, and options behind commas [env: TINWIRE_CSP_IFACE]
    #[arg(value_name = "IFACE", conflicts_with = "iface")]
    pub(crate) named: Option<String>,
    /// The interface; also taken as the first word
    #[arg(short = 'i', long = "iface", value_name = "IFACE")]
    pub(crate) iface: Option<String>,
    /// Only packets from or to this node; may be given several times
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Vec<String>,
    /// Only packets from or to this port; may be given several times
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Vec<Port>,
    /// Time stamps: (a)bsolute, (d)elta, (z)ero at the first packet, (A)bsolute with date
    #[arg(short = 't', long = "time", value_name = "TYPE", default_value = "z")]
    pub(crate) time: TimeStamps,
    /// End after this many packets
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End when there was nothing to show for this time; a bare number counts milliseconds
    #[arg(short = 'T', long = "idle", value_name = "TIME", value_parser = units::millis)]
    pub(crate) idle: Option<Duration>,
    /// Check authentication codes with the key of this pass phrase
    #[arg(long, value_name = "PASSPHRASE")]
    pub(crate) hmac: Option<String>,
    /// Write the packets into this capture file, too; - for standard output, without any lines then
    #[arg(long, value_name = "FILE")]
    pub(crate) pcapng: Option<PathBuf>,
    /// Exit with status 5 when the link lost frames before we saw them
    #[arg(long)]
    pub(crate) strict: bool,
}
