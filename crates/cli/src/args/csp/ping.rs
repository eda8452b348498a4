//! `csp ping`

use core::time::Duration;

use clap::Args;

use super::{Interface, Protection};
use crate::units;

pub(super) const EXAMPLES: &str = "\
An interface is a link, with options behind commas: can0, can:can0,addr=10/8, bus:lab,addr=10,v1.
Version 1 headers have addresses from 0 to 31, version 2 (the default) from 0 to 16383.
Names of nodes come from [csp.hosts] in the configuration file; sim: knows obc, eps, adcs, radio
and payload.

Requests go out in time whether replies come or not; a lost one holds up nothing. Interrupted, the
command prints what it has counted.

Exit status: 0 when at least one reply came, 1 when none did, 3 when the link was lost.

Examples:
  tinwire csp ping 5
  tinwire csp ping eps -c 3 --interval 200ms
  tinwire csp ping 2 -i can:can0,addr=10/8 -s 200 -t 500
  tinwire csp ping 2 -i can0 --addr 10/8 -c 1000 --flood -g
  tinwire csp ping 2 -i bus:lab --addr 10/8 --json";

/// `csp ping`
#[derive(Args, Debug)]
pub(crate) struct Ping {
    /// Address or name of the node; a broadcast asks all
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) interface: Interface,
    /// How many requests; 0 goes on until interrupted
    #[arg(
        short = 'c',
        short_alias = 'n',
        long,
        value_name = "COUNT",
        default_value = "4"
    )]
    pub(crate) count: u64,
    /// Time between requests; 0: the next as soon as there is room for it; a bare number counts seconds
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::seconds)]
    pub(crate) interval: Duration,
    /// Payload bytes
    #[arg(short = 's', long, value_name = "BYTES", default_value = "100")]
    pub(crate) size: usize,
    /// How long to wait for a reply; a bare number counts milliseconds
    #[arg(short = 't', long, value_name = "TIME", default_value = "1s", value_parser = units::millis)]
    pub(crate) timeout: Duration,
    /// As fast as replies come, without a line for each
    #[arg(short = 'f', long, conflicts_with = "interval")]
    pub(crate) flood: bool,
    /// Most requests without a reply at once [default: 64, or 16 without an interval]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=128))]
    pub(crate) in_flight: Option<u8>,
    /// Print how often each time was seen
    #[arg(short = 'g', long)]
    pub(crate) histogram: bool,
    /// Over RDP, which repeats what is lost: for services of libcsp 1.x; those of 2.x have none
    #[arg(long)]
    pub(crate) rdp: bool,
    #[command(flatten)]
    pub(crate) protection: Protection,
    /// The answer is no when more than this share of replies is missing, for example 5%
    #[arg(long, value_name = "SHARE", value_parser = units::percent)]
    pub(crate) max_loss: Option<f64>,
}
