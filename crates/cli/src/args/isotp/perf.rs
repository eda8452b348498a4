//! `isotp perf`: how fast, and how evenly.

use core::time::Duration;

use can_link::virtual_bus::BitRate;
use clap::{Args, ValueEnum};
use isotp::StMin;

use super::endpoint::Endpoint;
use crate::units;

pub(super) const EXAMPLES: &str = "\
-s is who sends the measured messages, -d who answers with flow control. By default others are
watched, as isotpperf does; --role makes traffic, and watches it from a place of its own.

With --bitrate the throughput is compared with what the same frames take back to back, stuff bits
included, and gaps are those between frames and not from end to end.

Exit status: 1 when a gap was shorter than asked for, when a message failed, or none was seen.

Examples:
  tinwire isotp perf can0 -s 7E0 -d 7E8 --bitrate 500k
  tinwire isotp perf log:flash.log -s 7E0 -d 7E8 --bitrate 500k:2M --json
  tinwire isotp perf bus:bench --role both -n 20 -b 8 -m 5
  tinwire isotp perf can0 --role send -s 7E0 -d 7E8 -D 4095 -n 100 --backend kernel";

/// `isotp perf`
#[derive(Args, Debug)]
pub(crate) struct Perf {
    #[command(flatten)]
    pub(crate) endpoint: Endpoint,
    /// The link
    #[arg(value_name = "LINK", conflicts_with = "link")]
    pub(crate) named: Option<String>,
    /// What we do: watch others, send, receive, or both
    #[arg(long, value_name = "WHAT", default_value = "watch")]
    pub(crate) role: Role,
    /// Bit rate of the bus, and of the data phase of CAN FD
    #[arg(long, value_name = "RATE[:DATA]", value_parser = bit_rate)]
    pub(crate) bitrate: Option<BitRate>,
    /// Address byte of the destination's frames, where it is not the source's
    #[arg(short = 'X', long = "rx-extended", value_name = "EA", value_parser = units::hex_byte)]
    pub(crate) rx_extended: Option<u8>,
    /// Bytes of each message that is sent
    #[arg(short = 'D', long = "dummy", value_name = "BYTES", default_value = "4095")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) dummy: u32,
    /// How many messages; watching goes on without it
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Block size that our receiver asks for, in hex
    #[arg(short = 'b', long = "block-size", value_name = "HEX", value_parser = units::hex_byte)]
    pub(crate) block_size: Option<u8>,
    /// STmin that our receiver asks for, in hex
    #[arg(short = 'm', long = "stmin", value_name = "HEX", value_parser = super::endpoint::st_min)]
    pub(crate) st_min: Option<StMin>,
    /// Our sender keeps this gap whatever is asked for; a bare number counts nanoseconds
    #[arg(short = 'f', long = "force-stmin", value_name = "TIME", value_parser = units::nanos)]
    pub(crate) forced_gap: Option<Duration>,
    /// Watch this long
    #[arg(long = "for", value_name = "TIME", value_parser = units::duration)]
    pub(crate) duration: Option<Duration>,
}

/// `--role`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Others send and receive
    Watch,
    /// We send, somebody receives
    Send,
    /// Somebody sends, we receive
    Recv,
    /// We do both, each on an end of its own
    Both,
}

fn bit_rate(text: &str) -> Result<BitRate, String> {
    let (nominal, data) = text.split_once(':').unwrap_or((text, text));
    let rate = |text: &str| {
        let (digits, unit) = match text.strip_suffix(['k', 'K']) {
            Some(digits) => (digits, 1e3),
            None => text.strip_suffix('M').map_or((text, 1.0), |digits| (digits, 1e6)),
        };
        let bits = digits.parse::<f64>().ok()? * unit;
        (1.0..=1e8)
            .contains(&bits)
            .then(|| format!("{bits:.0}").parse().ok())?
    };
    rate(nominal)
        .zip(rate(data))
        .and_then(|(nominal, data)| BitRate::with_data(nominal, data))
        .ok_or_else(|| format!("{text:?} is no bit rate; write for example 500k, 1M or 500k:2M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_rates_have_units_and_two_phases() {
        assert_eq!(bit_rate("500k"), Ok(BitRate::new(500_000).unwrap()));
        assert_eq!(bit_rate("83.333k"), Ok(BitRate::new(83_333).unwrap()));
        assert_eq!(
            bit_rate("500k:2M"),
            Ok(BitRate::with_data(500_000, 2_000_000).unwrap())
        );
        for text in ["", "0", "fast", "500k:", "1e12"] {
            assert!(bit_rate(text).is_err(), "{text}");
        }
    }
}
