//! `flow cbr` and `flow perf`

use core::time::Duration;

use clap::{Args, ValueEnum};

use super::{Quality, Way, Whom};
use crate::units;

pub(super) const CBR_EXAMPLES: &str = "\
The letters are those of ocbr: -d, -i and -t count seconds where no unit is written.
The server tells of each flow, per interval, what has come; the client what it has sent.

Exit status: 0 done, 3 when the flow was lost.

Examples:
  tinwire flow cbr -l -n sink
  tinwire flow cbr -n sink -r 10M -s 1000 -d 5
  tinwire flow cbr sink -f -d 500ms --json";

/// `flow cbr`
#[derive(Args, Debug)]
pub(crate) struct Cbr {
    #[command(flatten)]
    pub(crate) whom: Whom,
    /// Be the server
    #[arg(short = 'l', long)]
    pub(crate) listen: bool,
    /// Server: time between reports; a bare number counts seconds
    #[arg(short = 'i', long, value_name = "TIME", default_value = "1s", value_parser = units::seconds)]
    pub(crate) interval: Duration,
    /// Server: how long a flow may be silent before it is let go; a bare number counts seconds
    #[arg(short = 't', long, value_name = "TIME", default_value = "1s", value_parser = units::seconds)]
    pub(crate) timeout: Duration,
    /// For how long to send; a bare number counts seconds
    #[arg(short = 'd', long, value_name = "TIME", default_value = "60s", value_parser = units::seconds)]
    pub(crate) duration: Duration,
    /// Send as fast as there is room
    #[arg(short = 'f', long)]
    pub(crate) flood: bool,
    #[command(flatten)]
    pub(crate) packets: Packets,
    /// Bytes of each packet
    #[arg(short = 's', long, value_name = "BYTES", default_value = "1000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) size: u32,
    #[command(flatten)]
    pub(crate) quality: Quality,
    #[command(flatten)]
    pub(crate) way: Way,
}

/// How packets follow one another.
#[derive(Args, Debug)]
pub(crate) struct Packets {
    /// Bits per second, as in 64k, 10M or 1G
    #[arg(short = 'r', long, value_name = "RATE", default_value = "1M", value_parser = bits)]
    pub(crate) rate: f64,
    /// Sleep between packets; the default
    #[arg(long)]
    pub(crate) sleep: bool,
    /// Spin between packets: more exact, and a processor's whole time
    #[arg(long, conflicts_with = "sleep")]
    pub(crate) spin: bool,
}

pub(super) const PERF_EXAMPLES: &str = "\
The letters are those of operf: -d counts milliseconds where no unit is written, and -r bits per
second. With -t bi the server sends every packet back.

Exit status: 0 done, 1 when of -t bi nothing came back, 3 when the flow was lost.

Examples:
  tinwire flow perf -l -n fast
  tinwire flow perf -n fast -f -d 2s
  tinwire flow perf fast -t bi -s 1500 -r 100M -d 1000 --json";

/// `flow perf`
#[derive(Args, Debug)]
pub(crate) struct Perf {
    #[command(flatten)]
    pub(crate) whom: Whom,
    /// Be the server
    #[arg(short = 'l', long)]
    pub(crate) listen: bool,
    /// One way, or there and back
    #[arg(short = 't', long, value_name = "TEST", default_value = "uni")]
    pub(crate) test: Test,
    /// For how long to send; a bare number counts milliseconds
    #[arg(short = 'd', long, value_name = "TIME", default_value = "60s", value_parser = units::millis)]
    pub(crate) duration: Duration,
    /// Send as fast as there is room
    #[arg(short = 'f', long)]
    pub(crate) flood: bool,
    #[command(flatten)]
    pub(crate) packets: Packets,
    /// Bytes of each packet
    #[arg(short = 's', long, value_name = "BYTES", default_value = "1500")]
    #[arg(value_parser = clap::value_parser!(u32).range(4..))]
    pub(crate) size: u32,
    #[command(flatten)]
    pub(crate) quality: Quality,
    #[command(flatten)]
    pub(crate) way: Way,
}

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Test {
    /// From the client to the server.
    Uni,
    /// There and back.
    Bi,
}

/// Bits per second, more than none.
fn bits(text: &str) -> Result<f64, String> {
    match text.strip_suffix('G') {
        Some(giga) => units::rate(giga).map(|rate| rate * 1e9),
        None => units::rate(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_bits_with_the_peers_letters() {
        let rates = ["500", "64k", "10M", "1G"].map(|text| bits(text).unwrap());
        assert!(
            rates
                .iter()
                .zip([500.0, 64e3, 10e6, 1e9])
                .all(|(rate, expected)| (rate - expected).abs() < 1e-6),
            "{rates:?}"
        );
        assert!(bits("0").is_err() && bits("fast").is_err());
    }
}
