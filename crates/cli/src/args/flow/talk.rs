//! `flow echo`, `flow listen`, `flow cat`, `flow join`

use clap::Args;

use super::{Quality, Way, Whom};

pub(super) const ECHO_EXAMPLES: &str = "\
With -l or --name this is the service: it gives every packet of every flow back until interrupted.
With a NAME alone it asks that service: one packet there, one back.
With -l and no name the process serves what it, or its program, is bound to: see flow bind.

Exit status: 0 when the reply came, 1 when none did, 3 when the flow was lost.

Examples:
  tinwire flow echo --name hello
  tinwire flow echo hello
  tinwire flow echo hello how are you
  tinwire flow echo -l 'csp:*:10' --iface bus:lab --addr 5/8";

/// `flow echo`
#[derive(Args, Debug)]
pub(crate) struct Echo {
    /// A name of this machine, or an address: sim:echo, csp:5:10, isotp:LINK?tx=7E0&rx=7E8, ...
    #[arg(value_name = "NAME")]
    pub(crate) positional: Option<String>,
    /// What is said to it
    #[arg(value_name = "WORD", conflicts_with_all = ["listen", "name"])]
    pub(crate) words: Vec<String>,
    /// Be the service
    #[arg(short = 'l', long)]
    pub(crate) listen: bool,
    /// Be the service of this name
    #[arg(short = 'n', long, value_name = "NAME", conflicts_with = "positional")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) quality: Quality,
    #[command(flatten)]
    pub(crate) way: Way,
}

pub(super) const LISTEN_EXAMPLES: &str = "\
Text is shown as text and anything else in hex; --raw writes the bytes of packets as they are.
With no name the process serves what it, or its program, is bound to: see flow bind.

Exit status: 0 done, 5 with --strict when packets were dropped on this side.

Examples:
  tinwire flow listen hello
  tinwire flow listen hello --once --json
  tinwire flow listen 'csp:*:10' --iface bus:lab --addr 5/8 --hex
  tinwire flow listen 'fstrm:unix:/run/log.sock?type=text' -c 100";

/// `flow listen`
#[derive(Args, Debug)]
pub(crate) struct Listen {
    #[command(flatten)]
    pub(crate) whom: Whom,
    /// End with the first flow
    #[arg(long)]
    pub(crate) once: bool,
    /// End after so many packets
    #[arg(short = 'c', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Show packets in hex
    #[arg(long)]
    pub(crate) hex: bool,
    /// Write packets as they are
    #[arg(long, conflicts_with_all = ["hex", "json", "format"])]
    pub(crate) raw: bool,
    /// Exit with 5 when packets were dropped on this side
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) way: Way,
}

pub(super) const CAT_EXAMPLES: &str = "\
What is read from standard input goes over the flow in packets as it comes; what comes over the
flow goes to standard output. When the input ends, the other side is told, and what it still says
is waited for. With --lines a packet is a line without its end, either way.

Exit status: 0 when both sides have ended, 3 when the flow was lost.

Examples:
  tinwire flow cat -l hello
  tinwire flow cat hello
  tinwire flow cat --lines 'fstrm:unix:/run/log.sock?type=text'";

/// `flow cat`
#[derive(Args, Debug)]
pub(crate) struct Cat {
    #[command(flatten)]
    pub(crate) whom: Whom,
    /// Wait for one who asks for the name, instead of asking
    #[arg(short = 'l', long)]
    pub(crate) listen: bool,
    /// A packet is a line
    #[arg(long)]
    pub(crate) lines: bool,
    /// Send nothing: standard input is not read
    #[arg(long)]
    pub(crate) no_input: bool,
    #[command(flatten)]
    pub(crate) quality: Quality,
    #[command(flatten)]
    pub(crate) way: Way,
}

pub(super) const JOIN_EXAMPLES: &str = "\
Each line of standard input goes to all other members, and each of their packets to standard
output. The layer is made by whoever comes first. With -m the message is said and that is all, with
-l nothing is said: as obc. At the end of the input the member leaves.

Exit status: 0 done, 5 with --strict when packets were dropped because this side was too slow.

Examples:
  tinwire flow join lab
  tinwire flow join -n lab -l --json
  tinwire flow join -n lab -m 'good morning'";

/// `flow join`
#[derive(Args, Debug)]
pub(crate) struct Join {
    #[command(flatten)]
    pub(crate) whom: Whom,
    /// Only listen
    #[arg(short = 'l', long)]
    pub(crate) listen: bool,
    /// Say this, and leave
    #[arg(short = 'm', long, value_name = "TEXT", conflicts_with = "listen")]
    pub(crate) message: Option<String>,
    /// End after so many packets
    #[arg(short = 'c', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Exit with 5 when packets were dropped on this side
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) way: Way,
}
