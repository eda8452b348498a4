//! `csp node`

use clap::Args;

use super::Interface;

pub(super) const EXAMPLES: &str = "\
Examples:
  tinwire csp node -i bus:lab --addr 2/8
  tinwire csp node -i can:can0,addr=2/8 --json
  tinwire csp node -i sim: --addr 20/8 --deadline 5s";

/// `csp node`
#[derive(Args, Debug)]
pub(crate) struct Node {
    #[command(flatten)]
    pub(crate) interface: Interface,
}
