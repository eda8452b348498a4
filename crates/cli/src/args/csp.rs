//! `csp ...`: the CubeSat Space Protocol.

use core::time::Duration;

use clap::{Args, Subcommand};

use crate::units;

/// `csp ...`
#[derive(Debug, Subcommand)]
pub(crate) enum CspVerb {
    /// Ask nodes for an echo
    #[command(after_help = PING_EXAMPLES)]
    Ping(Ping),
    /// Be a node: answer pings until interrupted
    #[command(after_help = NODE_EXAMPLES)]
    Node(Node),
}

const PING_EXAMPLES: &str = "\
An interface is a link, with options behind commas: can0, can:can0,addr=10/8, bus:lab,addr=10,v1.
Version 1 headers have addresses from 0 to 31, version 2 (the default) from 0 to 16383.
Names of nodes come from [csp.hosts] in the configuration file; sim: knows obc, eps, adcs, radio
and payload.

Exit status: 0 when at least one reply came, 1 when none did.

Examples:
  tinwire csp ping 5
  tinwire csp ping eps -c 3 --interval 200ms
  tinwire csp ping 2 -i can:can0,addr=10/8 -s 200 -t 500
  tinwire csp ping 2 -i bus:lab --addr 10/8 --json";

/// The interface of our own node.
#[derive(Args, Debug)]
pub(crate) struct Interface {
    /// The interface: a link, and options behind commas [env: TINWIRE_CSP_IFACE]
    #[arg(short = 'i', long = "iface", value_name = "IFACE")]
    pub(crate) iface: Option<String>,
    /// Our own address and network bits, as addr= in the interface
    #[arg(long, value_name = "ADDR[/BITS]")]
    pub(crate) addr: Option<String>,
}

/// `csp ping`
#[derive(Args, Debug)]
pub(crate) struct Ping {
    /// Address or name of the node
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
    /// Least time between requests; each one waits for the reply to the last, or for -t; a bare number counts
    /// seconds
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::seconds)]
    pub(crate) interval: Duration,
    /// Payload bytes
    #[arg(short = 's', long, value_name = "BYTES", default_value = "100")]
    pub(crate) size: usize,
    /// How long to wait for a reply; a bare number counts milliseconds
    #[arg(short = 't', long, value_name = "TIME", default_value = "1s", value_parser = units::millis)]
    pub(crate) timeout: Duration,
    /// Send without a CRC32 trailer; libcsp 2.x does not answer then
    #[arg(long)]
    pub(crate) no_crc: bool,
    /// The answer is no when more than this share of replies is missing, for example 5%
    #[arg(long, value_name = "SHARE", value_parser = units::percent)]
    pub(crate) max_loss: Option<f64>,
}

const NODE_EXAMPLES: &str = "\
Examples:
  tinwire csp node -i bus:lab --addr 2/8
  tinwire csp node -i can:can0,addr=2/8 --json
  tinwire csp node -i sim: --addr 20/8 --deadline 5s";

/// `csp node`
#[derive(Args, Debug)]
pub(crate) struct Node {
    #[command(flatten)]
    pub(crate) interface: Interface,
}
