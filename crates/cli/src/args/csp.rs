//! `csp ...`: the CubeSat Space Protocol.

pub(crate) mod ask;
pub(crate) mod clock;
pub(crate) mod memory;
pub(crate) mod message;
pub(crate) mod node;
pub(crate) mod ping;
pub(crate) mod route;
pub(crate) mod scan;
pub(crate) mod sniff;

use clap::{Args, Subcommand};

/// `csp ...`
#[derive(Debug, Subcommand)]
pub(crate) enum CspVerb {
    /// Ask a node for echoes: round-trip times and loss
    #[command(after_help = ping::EXAMPLES)]
    Ping(ping::Ping),
    /// Find out who is on a bus
    #[command(after_help = scan::EXAMPLES)]
    Scan(scan::Scan),
    /// Ask a node who it is
    #[command(after_help = ask::IDENT_EXAMPLES)]
    Ident(ask::Request),
    /// Ask a node how long it has been up
    #[command(after_help = ask::UPTIME_EXAMPLES)]
    Uptime(ask::Request),
    /// Ask a node for its free memory
    #[command(visible_alias = "memfree", after_help = ask::MEM_EXAMPLES)]
    Mem(ask::Request),
    /// Ask a node for its free packet buffers
    #[command(visible_alias = "buffree", after_help = ask::BUF_EXAMPLES)]
    Buf(ask::Request),
    /// Ask a node for its list of processes
    #[command(after_help = ask::PS_EXAMPLES)]
    Ps(ask::Ps),
    /// Ask a node for the counters of its interfaces
    #[command(after_help = ask::IFSTAT_EXAMPLES)]
    Ifstat(ask::Ifstat),
    /// Read or set the clock of a node
    #[command(subcommand)]
    Clock(clock::ClockVerb),
    /// Read memory of a node
    #[command(after_help = memory::PEEK_EXAMPLES)]
    Peek(memory::Peek),
    /// Write memory of a node
    #[command(after_help = memory::POKE_EXAMPLES)]
    Poke(memory::Poke),
    /// Tell a node to start again
    #[command(after_help = ask::REBOOT_EXAMPLES)]
    Reboot(ask::Power),
    /// Tell a node to switch off
    #[command(after_help = ask::SHUTDOWN_EXAMPLES)]
    Shutdown(ask::Power),
    /// Tables of routes: set those of a node, or check a text
    #[command(subcommand)]
    Route(route::RouteVerb),
    /// Send to a port of a node
    #[command(after_help = message::SEND_EXAMPLES)]
    Send(message::Send),
    /// Send to a port of a node, and show the reply
    #[command(after_help = message::CALL_EXAMPLES)]
    Call(message::Call),
    /// Receive what comes to a port
    #[command(after_help = message::RECV_EXAMPLES)]
    Recv(message::Recv),
    /// Show the packets of others
    #[command(after_help = sniff::EXAMPLES)]
    Sniff(sniff::Sniff),
    /// Be a node: serve until interrupted
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
