//! `fstrm replay`.

use core::num::NonZeroU32;
use core::time::Duration;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::args::streams::TlsArgs;
use crate::units;

pub(super) const EXAMPLES: &str = "\
STREAM is unix:PATH, tcp://HOST:PORT or tls://HOST:PORT, and the last word; -u, or -a and -p, say
the same in the letters of fstrm_replay.

Frames go out as fast as the collector takes them, or by --rate, or by the times that dnstap
messages bear (--speed). A collector that goes away is called again, and what it did not take is
sent again; with --delivery confirmed, what it did not answer with FINISH for.

Started through a link named fstrm_replay, the command takes that tool's words: bad files are
skipped with a warning, the exit status is 1 when there is no collector, and else 0.

Exit status: 1 when a file ends before START or within a frame, 3 when a file cannot be read or the
collector cannot be reached, is lost for good or does not confirm the end, 4 when a file is
malformed; the worst of them.

Examples:
  tinwire fstrm replay capture.fstrm unix:/run/dnstap.sock
  tinwire fstrm replay --speed 10 monday.fstrm tuesday.fstrm tcp://collector:6000
  tinwire fstrm replay --rate 20k --loop 0 --delivery confirmed capture.fstrm tls://collector:6000
  tinwire fstrm replay -t protobuf:dnstap.Dnstap -r capture.fstrm -u /run/dnstap.sock";

/// `fstrm replay`
#[derive(Args, Debug)]
pub(crate) struct Replay {
    /// Files, in order, - is standard input; then where to, unless a letter says it
    #[arg(value_name = "FILE... STREAM")]
    pub(crate) words: Vec<String>,
    /// A file to send; may be repeated
    #[arg(short = 'r', long = "read-file", alias = "read", value_name = "FILE")]
    pub(crate) files: Vec<String>,
    /// Send to this Unix socket
    #[arg(short = 'u', long, value_name = "PATH", conflicts_with = "tcp")]
    pub(crate) unix: Option<PathBuf>,
    /// Send to this machine, with -p
    #[arg(short = 'a', long, value_name = "ADDRESS", requires = "port")]
    pub(crate) tcp: Option<String>,
    /// Port of -a
    #[arg(short = 'p', long, value_name = "PORT", value_parser = port)]
    pub(crate) port: Option<u16>,
    /// Content type; other files are refused [default: that of the first file]
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Frames a second, for example 500 or 20k
    #[arg(long, value_name = "RATE", value_parser = units::rate, conflicts_with = "speed")]
    pub(crate) rate: Option<f64>,
    /// By the times in dnstap messages: 1 as they were, 10 ten times as fast
    #[arg(long, value_name = "FACTOR", value_parser = units::rate)]
    pub(crate) speed: Option<f64>,
    /// How often to send all files; 0 without end
    #[arg(long = "loop", value_name = "TIMES", default_value = "1")]
    pub(crate) rounds: u64,
    /// When a frame is done
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) delivery: Delivery,
    /// How long to wait for a collector that is not there [default: not at first, 10s when it was lost], and
    /// at least for one that confirms nothing [default: five streams]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) wait: Option<Duration>,
    /// Longest data frame that is read, in bytes; longer ones are an error
    #[arg(long, value_name = "BYTES", default_value = "1048576")]
    pub(crate) max_frame: NonZeroU32,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

/// When a frame is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Delivery {
    /// When it is written
    #[default]
    Written,
    /// When the collector has sent FINISH for it
    Confirmed,
}

/// A port as the C tools read it: decimal, 0x hex, or octal behind a 0.
fn port(text: &str) -> Result<u16, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let port = match (digits, text.strip_prefix('0')) {
        (Some(hex), _) => u16::from_str_radix(hex, 16),
        (None, Some(octal)) if !octal.is_empty() => u16::from_str_radix(octal, 8),
        _ => text.parse(),
    };
    port.ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| format!("{text:?} is no port; write a number from 1 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_the_c_tools_read_them() {
        assert_eq!(port("6000"), Ok(6000));
        assert_eq!(port("0x1770"), Ok(6000));
        assert_eq!(port("013560"), Ok(6000));
        for text in ["0", "65536", "-1", "0x", "09", ""] {
            port(text).unwrap_err();
        }
    }
}
