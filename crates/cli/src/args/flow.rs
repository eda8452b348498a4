//! `flow ...`: flows by name.

pub(crate) mod load;
pub(crate) mod names;
pub(crate) mod ping;
pub(crate) mod talk;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use flow_core::QosSpec;

/// `flow ...`
#[derive(Debug, Subcommand)]
pub(crate) enum FlowVerb {
    /// Packets to an echo service and back: round-trip times and loss; or be that service
    #[command(after_help = ping::EXAMPLES)]
    Ping(ping::Ping),
    /// Give every packet back, or ask who does
    #[command(after_help = talk::ECHO_EXAMPLES)]
    Echo(talk::Echo),
    /// Packets at a constant bit rate; or count them
    #[command(after_help = load::CBR_EXAMPLES)]
    Cbr(load::Cbr),
    /// Throughput, one way or there and back; or be the other end
    #[command(after_help = load::PERF_EXAMPLES)]
    Perf(load::Perf),
    /// Accept flows, and show their packets
    #[command(after_help = talk::LISTEN_EXAMPLES)]
    Listen(talk::Listen),
    /// Standard input and output as a flow
    #[command(after_help = talk::CAT_EXAMPLES)]
    Cat(talk::Cat),
    /// Talk to all members of a broadcast layer
    #[command(after_help = talk::JOIN_EXAMPLES)]
    Join(talk::Join),
    /// The names and layers of this machine, and who is behind them
    #[command(after_help = names::LS_EXAMPLES)]
    Ls(names::Ls),
    /// What the machine's directory knows: names, seats, and those that dead processes left
    #[command(after_help = names::STAT_EXAMPLES)]
    Stat(names::Stat),
    /// Names that stay, whether anybody is bound to them or not
    #[command(subcommand)]
    Name(names::NameVerb),
    /// Bind a program or a process to a name
    #[command(subcommand)]
    Bind(names::BindVerb),
    /// Let a program or a process go from a name
    #[command(subcommand)]
    Unbind(names::UnbindVerb),
}

/// Where a flow goes, or what is bound.
#[derive(Args, Debug)]
pub(crate) struct Whom {
    /// A name of this machine, or an address: sim:echo, csp:5:10, isotp:LINK?tx=7E0&rx=7E8, ...
    #[arg(value_name = "NAME")]
    pub(crate) positional: Option<String>,
    /// The same, as a flag
    #[arg(
        short = 'n',
        long = "server-name",
        alias = "server_apn",
        alias = "name",
        value_name = "NAME"
    )]
    #[arg(conflicts_with = "positional")]
    pub(crate) flag: Option<String>,
}

impl Whom {
    /// What was typed, either way.
    pub(crate) fn text(&self) -> Option<&str> {
        self.positional.as_deref().or(self.flag.as_deref())
    }
}

/// How names and addresses are reached.
#[derive(Args, Debug)]
#[command(next_help_heading = "Ways")]
pub(crate) struct Way {
    /// The directory where the processes of this machine meet [env: TINWIRE_FLOW_DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// For csp: the interface, as for the csp verbs [env: TINWIRE_CSP_IFACE]
    #[arg(long, value_name = "IFACE")]
    pub(crate) iface: Option<String>,
    /// For csp: our own address and network bits
    #[arg(long, value_name = "ADDR[/BITS]")]
    pub(crate) addr: Option<String>,
    /// For csp: authenticate packets with this pass phrase
    #[arg(long, value_name = "PASSPHRASE")]
    pub(crate) hmac: Option<String>,
}

/// What is asked of a flow.
#[derive(Args, Debug)]
pub(crate) struct Quality {
    /// What the flow must be: a preset, fields, or both, as in voice,delay=20
    #[arg(short = 'q', long, value_name = "QOS", default_value = "raw", value_parser = qos)]
    pub(crate) qos: QosSpec,
    /// Only the closing lines, and no notices
    #[arg(short = 'Q', long)]
    pub(crate) quiet: bool,
}

/// A quality; `best` is oping's word for best-effort.
fn qos(text: &str) -> Result<QosSpec, String> {
    match text {
        "best" => Ok(QosSpec::BEST_EFFORT),
        text => text.parse::<QosSpec>().map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests;
