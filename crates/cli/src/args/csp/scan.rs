//! `csp scan`

use core::time::Duration;

use clap::Args;

use super::{Interface, Protection};
use crate::units;

pub(super) const EXAMPLES: &str = "\
Every address of the range gets a ping of one byte, many at once, and who answers is asked who it
is. Without a range it is our own network; all is every address of the header version.

Exit status: 1 when nobody answered.

Examples:
  tinwire csp scan
  tinwire csp scan all -i can0 --addr 10/8
  tinwire csp scan 1-31,100 -i can0 --addr 10/8 --json
  tinwire csp scan --fast -i bus:lab --addr 10/8";

/// `csp scan`
#[derive(Args, Debug)]
pub(crate) struct Scan {
    /// Addresses to ask: all, or numbers and ranges behind commas [default: our own network]
    #[arg(value_name = "RANGE", value_parser = range)]
    pub(crate) range: Option<Range>,
    #[command(flatten)]
    pub(crate) interface: Interface,
    /// How long to wait for each; a bare number counts milliseconds [default: 200ms; 30ms for more than
    /// 256 addresses]
    #[arg(short = 't', long, value_name = "TIME", value_parser = units::millis)]
    pub(crate) timeout: Option<Duration>,
    /// Addresses that are asked at once
    #[arg(long, value_name = "COUNT", default_value = "64")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) in_flight: u16,
    /// Ask those that are silent so many times more
    #[arg(long, value_name = "COUNT", default_value = "0")]
    pub(crate) retries: u8,
    /// Ask all at once with a broadcast; finds those that answer it
    #[arg(long, conflicts_with_all = ["range", "retries"])]
    pub(crate) fast: bool,
    /// Do not ask who they are
    #[arg(long)]
    pub(crate) no_ident: bool,
    #[command(flatten)]
    pub(crate) protection: Protection,
}

/// Which addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    All,
    Some(Vec<(u16, u16)>),
}

fn range(text: &str) -> Result<Range, String> {
    if text == "all" {
        return Ok(Range::All);
    }
    let part = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let from = from.parse().ok()?;
        let to = to.parse().ok()?;
        (from <= to && to <= 16383).then_some((from, to))
    };
    let parts: Option<Vec<_>> = text.split(',').map(part).collect();
    parts
        .map(Range::Some)
        .ok_or_else(|| format!("{text:?} is no range of addresses; write all, 1-63 or 1,2,5-9"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stand_behind_commas() {
        assert_eq!(range("all"), Ok(Range::All));
        assert_eq!(range("1-3,9"), Ok(Range::Some(vec![(1, 3), (9, 9)])));
        for text in ["", "3-1", "1-", "x", "1-16384"] {
            assert!(range(text).is_err(), "{text:?}");
        }
    }
}
