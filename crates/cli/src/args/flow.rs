//! `flow ...`: flows by name.

use core::time::Duration;

use clap::{Args, Subcommand};
use flow_core::QosSpec;

use crate::units;

/// `flow ...`
#[derive(Debug, Subcommand)]
pub(crate) enum FlowVerb {
    /// Send packets over a flow to an echo service
    #[command(after_help = PING_EXAMPLES)]
    Ping(Ping),
}

const PING_EXAMPLES: &str = "\
A quality of service is a preset (raw, raw-no-errors, best-effort, video, voice, data), or what is
wanted, as in loss=0,delay=20, or both: voice,delay=20.

Exit status: 0 when at least one reply came, 1 when none did.

Examples:
  tinwire flow ping sim:echo
  tinwire flow ping sim:echo -c 100 --interval 0 -s 1000
  tinwire flow ping sim:echo --qos loss=0,in-order --json";

/// `flow ping`
#[derive(Args, Debug)]
pub(crate) struct Ping {
    /// The name of the service; sim:echo is the simulated one
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// How many packets; 0 goes on until interrupted
    #[arg(
        short = 'c',
        short_alias = 'n',
        long,
        value_name = "COUNT",
        default_value = "4"
    )]
    pub(crate) count: u64,
    /// Time between packets; a bare number counts seconds
    #[arg(short = 'i', long, value_name = "TIME", default_value = "1s", value_parser = units::seconds)]
    pub(crate) interval: Duration,
    /// Bytes of each packet, at least 8
    #[arg(short = 's', long, value_name = "BYTES", default_value = "64")]
    #[arg(value_parser = clap::value_parser!(u32).range(8..))]
    pub(crate) size: u32,
    /// How long to wait for a reply; a bare number counts milliseconds
    #[arg(short = 't', long, value_name = "TIME", default_value = "1s", value_parser = units::millis)]
    pub(crate) timeout: Duration,
    /// What the flow must be
    #[arg(long, value_name = "QOS", default_value = "raw")]
    pub(crate) qos: QosSpec,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_named_in_the_help_and_every_name_there_is_one() {
        let (_, names) = PING_EXAMPLES.split_once("a preset (").unwrap();
        let (names, _) = names.split_once(')').unwrap();
        let named: Vec<QosSpec> = names.split(", ").map(|name| name.parse().unwrap()).collect();
        assert_eq!(named, QosSpec::PRESETS.map(|(_, preset)| preset));
        "voice,delay=20".parse::<QosSpec>().unwrap();
    }
}
