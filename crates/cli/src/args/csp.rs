//! `csp ...`: the CubeSat Space Protocol.

pub(crate) mod node;
pub(crate) mod ping;

use clap::{Args, Subcommand};

/// `csp ...`
#[derive(Debug, Subcommand)]
pub(crate) enum CspVerb {
    /// Ask a node for echoes: round-trip times and loss
    #[command(after_help = ping::EXAMPLES)]
    Ping(ping::Ping),
    /// Be a node: answer pings until interrupted
    #[command(after_help = node::EXAMPLES)]
    Node(node::Node),
}

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

/// What packets carry to be checked by.
#[derive(Args, Debug)]
pub(crate) struct Protection {
    /// Send without a CRC32 trailer; the services of libcsp 2.x do not answer then
    #[arg(long)]
    pub(crate) no_crc: bool,
    /// Send with an authentication code, made with this pass phrase
    #[arg(long, value_name = "PASSPHRASE")]
    pub(crate) hmac: Option<String>,
}
