//! The verbs that ask a service of another node: what they have in common, and those that need no more.

use core::time::Duration;

use clap::Args;

use super::{Interface, Protection};
use crate::units;

/// Whom to ask, and how.
#[derive(Args, Debug)]
pub(crate) struct Request {
    /// Address or name of the node
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) way: Way,
}

/// How to ask.
#[derive(Args, Debug)]
pub(crate) struct Way {
    #[command(flatten)]
    pub(crate) interface: Interface,
    /// How long to wait for the answer; a bare number counts milliseconds
    #[arg(short = 't', long, value_name = "TIME", default_value = "1s", value_parser = units::millis)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) protection: Protection,
}

pub(super) const IDENT_EXAMPLES: &str = "\
A broadcast address asks every node; the answers are collected for as long as -t says.

Exit status: 1 when nothing answered.

Examples:
  tinwire csp ident eps
  tinwire csp ident 2 -i can0 --addr 10/8 --json
  tinwire csp ident 16383 -t 300";

pub(super) const UPTIME_EXAMPLES: &str = "\
Examples:
  tinwire csp uptime eps
  tinwire csp uptime 2 -i can0 --addr 10/8 --json";

pub(super) const MEM_EXAMPLES: &str = "\
Examples:
  tinwire csp mem eps
  tinwire csp mem 2 -i can0 --addr 10/8 --json";

pub(super) const BUF_EXAMPLES: &str = "\
Examples:
  tinwire csp buf eps
  tinwire csp buf 2 -i can0 --addr 10/8 --json";

pub(super) const PS_EXAMPLES: &str = "\
Nothing in the packets of a list says which is the last: it is complete when nothing more has come
for --quiet-time.

Examples:
  tinwire csp ps obc
  tinwire csp ps 1 -i can0 --addr 10/8 --json";

/// `csp ps`
#[derive(Args, Debug)]
pub(crate) struct Ps {
    #[command(flatten)]
    pub(crate) request: Request,
    /// How long nothing more must come for the list to be complete; a bare number counts milliseconds
    #[arg(long, value_name = "TIME", default_value = "250ms", value_parser = units::millis)]
    pub(crate) quiet_time: Duration,
}

pub(super) const IFSTAT_EXAMPLES: &str = "\
A node tells the counters of an interface by its exact name. Where none is given, the names that
are usual in libcsp and here are all asked for.

Examples:
  tinwire csp ifstat eps
  tinwire csp ifstat 2 CAN -i can0 --addr 10/8 --json";

/// `csp ifstat`
#[derive(Args, Debug)]
pub(crate) struct Ifstat {
    #[command(flatten)]
    pub(crate) request: Request,
    /// Names of interfaces of that node
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

pub(super) const REBOOT_EXAMPLES: &str = "\
There is no reply, so nothing tells whether the node did it; csp uptime may. Where standard input
is a terminal, it is asked first.

Examples:
  tinwire csp reboot eps --yes
  tinwire csp reboot 2 -i can0 --addr 10/8 --yes --hmac secret";

pub(super) const SHUTDOWN_EXAMPLES: &str = "\
There is no reply, so nothing tells whether the node did it. Where standard input is a terminal,
it is asked first.

Examples:
  tinwire csp shutdown eps --yes
  tinwire csp shutdown 2 -i can0 --addr 10/8 --yes";

/// `csp reboot`, `csp shutdown`
#[derive(Args, Debug)]
pub(crate) struct Power {
    #[command(flatten)]
    pub(crate) request: Request,
    /// Do it without asking
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
}
