//! `csp peek`, `csp poke`

use std::path::PathBuf;

use clap::Args;

use super::ask::Request;

pub(super) const PEEK_EXAMPLES: &str = "\
More than fits one request is read in several. Addresses above 32 bits need the requests of libcsp
2.2, which are used by themselves then; --64 and --32 decide otherwise.

Nodes answer only where the service is on, which it should not be by itself.

Examples:
  tinwire csp peek obc 0x20000000 64
  tinwire csp peek 2 0x08000000 4096 -i can0 --addr 10/8 --output flash.bin
  tinwire csp peek 2 0x100000000 16 --json";

pub(super) const POKE_EXAMPLES: &str = "\
Examples:
  tinwire csp poke obc 0x20000000 DEADBEEF
  tinwire csp poke 2 0x20000000 @patch.bin -i can0 --addr 10/8";

/// How wide addresses are.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Width {
    /// Requests with 64-bit addresses (libcsp 2.2)
    #[arg(long = "64", conflicts_with = "narrow")]
    pub(crate) wide: bool,
    /// Requests with 32-bit addresses
    #[arg(long = "32")]
    pub(crate) narrow: bool,
}

/// `csp peek`
#[derive(Args, Debug)]
pub(crate) struct Peek {
    #[command(flatten)]
    pub(crate) request: Request,
    /// Where to begin; 0x in front for hex
    #[arg(value_name = "ADDRESS", value_parser = number)]
    pub(crate) address: u64,
    /// How many bytes
    #[arg(value_name = "BYTES", value_parser = number)]
    pub(crate) len: u64,
    #[command(flatten)]
    pub(crate) width: Width,
    /// Write the bytes to this file, - for standard output, in place of a dump
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// `csp poke`
#[derive(Args, Debug)]
pub(crate) struct Poke {
    #[command(flatten)]
    pub(crate) request: Request,
    /// Where to begin; 0x in front for hex
    #[arg(value_name = "ADDRESS", value_parser = number)]
    pub(crate) address: u64,
    /// The bytes in hex, or @FILE
    #[arg(value_name = "HEX..|@FILE", required = true)]
    pub(crate) data: Vec<String>,
    #[command(flatten)]
    pub(crate) width: Width,
}

fn number(text: &str) -> Result<u64, String> {
    let number = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    number.map_err(|_| format!("{text:?} is no number; hex has 0x in front"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_be_hex() {
        assert_eq!(number("0x20000000"), Ok(0x2000_0000));
        assert_eq!(number("64"), Ok(64));
        assert!(number("20h").is_err() && number("-1").is_err());
    }
}
