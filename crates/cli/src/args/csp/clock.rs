//! `csp clock`

use clap::{Args, Subcommand};

use super::ask::Request;

const GET_EXAMPLES: &str = "\
Examples:
  tinwire csp clock get eps
  tinwire csp clock get 2 -i can0 --addr 10/8 --json";

const SET_EXAMPLES: &str = "\
Nodes answer only where the service is on, which it should not be by itself.

Examples:
  tinwire csp clock set eps now
  tinwire csp clock set 2 2026-11-20T12:00:00Z -i can0 --addr 10/8";

/// `csp clock ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ClockVerb {
    /// Read a node's clock, and by how much it differs from ours
    #[command(after_help = GET_EXAMPLES)]
    Get(Request),
    /// Set a node's clock
    #[command(after_help = SET_EXAMPLES)]
    Set(Set),
}

/// `csp clock set`
#[derive(Args, Debug)]
pub(crate) struct Set {
    #[command(flatten)]
    pub(crate) request: Request,
    /// now, a time as 2026-11-20T12:00:00Z, or seconds since 1970
    #[arg(value_name = "TIME", value_parser = time)]
    pub(crate) time: Time,
}

/// What a clock is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    /// Our time when the request is sent.
    Now,
    At(jiff::Timestamp),
}

fn time(text: &str) -> Result<Time, String> {
    if text == "now" {
        return Ok(Time::Now);
    }
    let seconds = text.parse().ok().map(jiff::Timestamp::from_second);
    let time = match seconds {
        Some(time) => time.ok(),
        None => text.parse().ok(),
    };
    time.map(Time::At)
        .ok_or_else(|| format!("{text:?} is no time; write now, 2026-11-20T12:00:00Z, or seconds since 1970"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_now_a_date_or_seconds() {
        assert_eq!(time("now"), Ok(Time::Now));
        let at = jiff::Timestamp::from_second(1_000_000_000).unwrap();
        assert_eq!(time("1000000000"), Ok(Time::At(at)));
        assert_eq!(time("2001-09-09T01:46:40Z"), Ok(Time::At(at)));
        assert!(time("soon").is_err());
    }
}
