//! `isotp ...`: the letters are those of the isotp tools of can-utils.

pub(crate) mod dump;
pub(crate) mod endpoint;
pub(crate) mod perf;
pub(crate) mod recv;
pub(crate) mod scan;
pub(crate) mod send;
pub(crate) mod serve;

use clap::Subcommand;

/// `isotp ...`
#[derive(Debug, Subcommand)]
pub(crate) enum IsotpVerb {
    /// Send a message, and show the answer
    #[command(after_help = send::EXAMPLES)]
    Send(send::Send),
    /// Receive messages
    #[command(after_help = recv::EXAMPLES)]
    Recv(recv::Recv),
    /// Show the frames or messages of others
    #[command(after_help = dump::EXAMPLES)]
    Dump(dump::Dump),
    /// Let clients of the isotpserver protocol send and receive
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::Serve),
    /// Find out who talks to whom
    #[command(after_help = scan::EXAMPLES)]
    Scan(scan::Scan),
    /// Measure throughput, and gaps against the separation time
    #[command(after_help = perf::EXAMPLES)]
    Perf(perf::Perf),
}
