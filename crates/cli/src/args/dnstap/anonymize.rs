//! `dnstap anonymize`

use core::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

pub(super) const EXAMPLES: &str = "\
Addresses of those who asked are cut to prefixes, or with --key-file replaced so that equal ones
stay equal and prefixes stay prefixes; client subnets (EDNS) in the DNS messages likewise. All
other bytes stay as they are, unless something is left out.

The key is 16 bytes, or 32 hexadecimal digits; who has it can undo the replacement. Names, answers
and cookies are not changed. What is no dnstap message is dropped and counted, for it might hold
anything.

Exit status: as that of dnstap cat.

Examples:
  tinwire dnstap anonymize capture.fstrm public.fstrm
  tinwire dnstap anonymize --v4 16 --no-options --no-ports --no-identity capture.fstrm public.fstrm
  head -c 16 /dev/urandom > key
  tinwire dnstap anonymize --key-file key capture.fstrm public.fstrm";

/// Bits of addresses that are kept.
const V4: u8 = 24;
const V6: u8 = 48;

/// `dnstap anonymize`
#[derive(Args, Debug)]
pub(crate) struct Anonymize {
    /// A file; - is standard input
    #[arg(value_name = "IN")]
    pub(crate) input: String,
    /// A file; - is standard output
    #[arg(value_name = "OUT")]
    pub(crate) to_file: String,
    #[command(flatten)]
    pub(crate) disguise: Disguise,
    /// Go on behind what is in OUT
    #[arg(short = 'a', long)]
    pub(crate) append: bool,
    /// Longest data frame that is read, in bytes; longer ones are an error
    #[arg(long, value_name = "BYTES", default_value = "1048576")]
    pub(crate) max_frame: NonZeroU32,
}

/// What is hidden, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct Disguise {
    /// Bits of an IPv4 address that are kept
    #[arg(long, value_name = "BITS", default_value_t = V4)]
    #[arg(value_parser = clap::value_parser!(u8).range(..=32))]
    pub(crate) v4: u8,
    /// Bits of an IPv6 address that are kept
    #[arg(long, value_name = "BITS", default_value_t = V6)]
    #[arg(value_parser = clap::value_parser!(u8).range(..=128))]
    pub(crate) v6: u8,
    /// Replace addresses under the key in this file, instead of cutting them
    #[arg(long, value_name = "FILE", conflicts_with_all = ["v4", "v6"])]
    pub(crate) key_file: Option<PathBuf>,
    /// Change the addresses of those who answered, too
    #[arg(long)]
    pub(crate) both: bool,
    /// Leave client subnets in the DNS messages as they are
    #[arg(long)]
    pub(crate) keep_subnets: bool,
    /// Fill the other EDNS options with zeros: cookies, and what forwarders add about a client
    #[arg(long)]
    pub(crate) no_options: bool,
    /// Leave the ports out
    #[arg(long)]
    pub(crate) no_ports: bool,
    /// Leave identity, version and extra out
    #[arg(long)]
    pub(crate) no_identity: bool,
}

impl Default for Disguise {
    fn default() -> Self {
        Self {
            v4: V4,
            v6: V6,
            key_file: None,
            both: false,
            keep_subnets: false,
            no_options: false,
            no_ports: false,
            no_identity: false,
        }
    }
}
