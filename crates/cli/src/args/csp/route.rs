//! `csp route`

use clap::{Args, Subcommand};

use super::ask::Request;

const SET_EXAMPLES: &str = "\
Routes are written as for libcsp: ADDRESS[/BITS] INTERFACE [VIA], several behind commas. INTERFACE
is the name that the other node has for it. Nodes answer only where the service is on, which it
should not be by itself.

Examples:
  tinwire csp route set obc '8/10 KISS'
  tinwire csp route set 2 '0/0 CAN 5, 64/8 KISS' -i can0 --addr 10/8
  tinwire csp route set 2 '8 KISS' --old -i can0,v1,addr=10";

const CHECK_EXAMPLES: &str = "\
The interfaces that are named are taken to be there. What libcsp would read over is told.

Examples:
  tinwire csp route check '0/0 CAN 5, 8 KISS'
  tinwire csp route check '8/2 KISS 3' --v1 --json";

/// `csp route ...`
#[derive(Debug, Subcommand)]
pub(crate) enum RouteVerb {
    /// Add routes to a node
    #[command(after_help = SET_EXAMPLES)]
    Set(Set),
    /// Read a table of routes and print what it means
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
}

/// `csp route set`
#[derive(Args, Debug)]
pub(crate) struct Set {
    #[command(flatten)]
    pub(crate) request: Request,
    /// The routes
    #[arg(value_name = "ROUTES")]
    pub(crate) routes: String,
    /// In the form of libcsp 1.6, with addresses of one byte and without network bits
    #[arg(long)]
    pub(crate) old: bool,
}

/// `csp route check`
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// The routes
    #[arg(value_name = "ROUTES")]
    pub(crate) routes: String,
    /// Addresses are those of version 1 headers
    #[arg(long)]
    pub(crate) v1: bool,
}
