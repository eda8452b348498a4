//! `isotp serve`: the letters are those of isotpserver.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use clap::{Args, value_parser};
use isotp::StMin;

use super::endpoint::Endpoint;
use crate::units;

pub(super) const EXAMPLES: &str = "\
Clients send <hex> and get a line <HEX> for each message from the bus; isotp send and recv are
clients with --link isotpserver://HOST:PORT. Nobody on the bus is answered while no client is
connected. Under the name isotpserver it is --tolerant --imitate --bind '*' -p none.

Examples:
  tinwire isotp serve -l 2303 -s 123 -d 456 can0
  tinwire isotp serve -l 2303 -s 7E0 -d 7E8 bus:car --json
  tinwire isotp serve -l 2303 -s 18DA10F1 -d 18DAF110 can0 --bind '*' --max-clients 4";

/// `isotp serve`
#[derive(Args, Debug)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) endpoint: Endpoint,
    /// The link
    #[arg(value_name = "LINK", conflicts_with = "link")]
    pub(crate) named: Option<String>,
    /// Listen on this TCP port; 0 is any that is free
    #[arg(short = 'l', long = "listen", value_name = "PORT")]
    pub(crate) port: u16,
    /// Listen on this address; * is every one
    #[arg(long, value_name = "ADDRESS", value_parser = bind)]
    pub(crate) bind: Option<IpAddr>,
    /// Take what isotpserver takes for a message, and not only even hex: <1z> is 01, <0x11> is 00 11
    #[arg(long)]
    pub(crate) tolerant: bool,
    /// Hang up when a transfer fails, as isotpserver does
    #[arg(long)]
    pub(crate) imitate: bool,
    /// So many clients at most
    #[arg(long, value_name = "COUNT", default_value = "64", value_parser = value_parser!(u16).range(1..))]
    pub(crate) max_clients: u16,
    /// Longest message, either way, in bytes
    #[arg(long, value_name = "BYTES", default_value = "6000", value_parser = value_parser!(u32).range(1..))]
    pub(crate) max_len: u32,
    /// Block size: frames after which a sender waits for us, in hex; 0 for none
    #[arg(short = 'b', long = "block-size", value_name = "HEX", value_parser = units::hex_byte)]
    pub(crate) block_size: Option<u8>,
    /// STmin, the gap that we ask for, in hex: 00 to 7F milliseconds, F1 to F9 hundreds of microseconds
    #[arg(short = 'm', long = "stmin", value_name = "HEX", value_parser = super::endpoint::st_min)]
    pub(crate) st_min: Option<StMin>,
    /// How many WAITs in a row to send, in hex
    #[arg(short = 'w', long = "wait-frames", value_name = "HEX", value_parser = units::hex_byte)]
    pub(crate) wait_frames: Option<u8>,
    /// Send with this gap whatever the other asks for; a bare number counts nanoseconds
    #[arg(short = 'f', long = "force-stmin", value_name = "TIME", value_parser = units::nanos)]
    pub(crate) forced_gap: Option<Duration>,
    /// Add this to each gap; a bare number counts nanoseconds
    #[arg(short = 't', long = "frame-time", value_name = "TIME", value_parser = units::nanos)]
    pub(crate) frame_time: Option<Duration>,
}

fn bind(text: &str) -> Result<IpAddr, String> {
    if text == "*" {
        return Ok(Ipv4Addr::UNSPECIFIED.into());
    }
    text.parse()
        .map_err(|_| format!("{text:?} is neither an IP address nor *"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_every_address() {
        assert_eq!(bind("*"), Ok(Ipv4Addr::UNSPECIFIED.into()));
        assert_eq!(bind("::1").map(|address| address.to_string()), Ok("::1".into()));
        assert!(bind("localhost").is_err());
    }
}
