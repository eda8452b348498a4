//! `bench fstrm`: the speeds that Frame Streams and dnstap have to reach, most as ratios in the same run.

use super::{bars, judge, measure};
use crate::failure::{Failure, Result};
use crate::need::{self, Need};
use crate::workspace::Workspace;

/// Who is measured beside us.
const PEERS: [Need; 4] = [
    Need::Program("cc"),
    Need::Program("fstrm_capture"),
    Need::Program("fstrm_replay"),
    Need::Program("dnstap-ldns"),
];

pub(crate) fn run(arguments: &[String]) -> Result {
    if !arguments.is_empty() {
        return Err(Failure::usage("bench fstrm takes no arguments"));
    }
    if let Some(missing) = need::missing(&PEERS, &Workspace::load()?) {
        return Err(Failure::new(missing));
    }
    let mut rows = Vec::new();
    for package in ["fstrm-codec", "dnstap-codec", "tinwire"] {
        rows.extend(measure(&mut bars(package))?);
    }
    judge(&rows)
}
