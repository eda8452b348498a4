//! `flow ping`

use core::time::Duration;

use clap::Args;

use super::{Quality, Way, Whom};
use crate::units;

pub(super) const EXAMPLES: &str = "\
The letters are those of oping, and so is what goes over the flow: either end may be oping's.
Packets go out in time whether replies come or not. The times of -i and -d count milliseconds
where no unit is written.

A quality of service is a preset (raw, raw-no-errors, best-effort, video, voice, data), or what is
wanted, as in loss=0,delay=20, or both: voice,delay=20.

With -l and no name the process serves what it, or its program, is bound to: see flow bind.

Exit status: 0 when at least one reply came, 1 when none did, 3 when the flow was lost.

Examples:
  tinwire flow ping sim:echo
  tinwire flow ping sim:echo -c 100 -i 0 -s 1000 -g
  tinwire flow ping -l -n hello
  tinwire flow ping hello -i 10 -d 2s --qos loss=0,in-order --json
  tinwire flow ping csp:5:1 -q raw-no-errors --iface can:can0 --addr 10/8";

/// `flow ping`
#[derive(Args, Debug)]
pub(crate) struct Ping {
    #[command(flatten)]
    pub(crate) whom: Whom,
    /// Be the service: give every packet back, for as many flows as come
    #[arg(short = 'l', long)]
    pub(crate) listen: bool,
    /// How many packets; 0 goes on until interrupted [default: 4, or as many as -d has time for]
    #[arg(short = 'c', long, value_name = "COUNT")]
    pub(crate) count: Option<u32>,
    /// For how long packets go out; a bare number counts milliseconds
    #[arg(short = 'd', long, value_name = "TIME", value_parser = units::millis)]
    pub(crate) duration: Option<Duration>,
    /// Time between packets; 0: the next when the reply is there; a bare number counts milliseconds
    #[arg(short = 'i', long, value_name = "TIME", default_value = "1s", value_parser = units::millis)]
    pub(crate) interval: Duration,
    /// Bytes of each packet, at least 8
    #[arg(short = 's', long, value_name = "BYTES", default_value = "64")]
    #[arg(value_parser = clap::value_parser!(u32).range(8..))]
    pub(crate) size: u32,
    /// The next packet when the reply is there, whatever -i says
    #[arg(short = 'f', long)]
    pub(crate) flood: bool,
    /// As -f, looking for the reply all the time instead of being woken
    #[arg(short = 'F', long, conflicts_with = "flood")]
    pub(crate) flood_busy: bool,
    /// How long to wait for a reply; a bare number counts milliseconds
    #[arg(short = 't', long, value_name = "TIME", default_value = "1s", value_parser = units::millis)]
    pub(crate) timeout: Duration,
    /// The time of day before each line
    #[arg(short = 'D', long)]
    pub(crate) timeofday: bool,
    /// Print how often each time was seen
    #[arg(short = 'g', long)]
    pub(crate) histogram: bool,
    /// With -l: understood for oping's sake; flows are always served as packets come
    #[arg(long, requires = "listen", hide = true)]
    pub(crate) poll: bool,
    /// With -l: as --poll
    #[arg(long, requires = "listen", hide = true)]
    pub(crate) busy: bool,
    #[command(flatten)]
    pub(crate) quality: Quality,
    #[command(flatten)]
    pub(crate) way: Way,
}
