//! A collector under load that means ill: senders that attack it, senders that say nothing, and more of them
//! than it can open files for. In each case one sender that does as it should.
//!
//! Prints the process's memory and the honest sender's speed; asserts that memory stays within what the
//! limits add up to, and that every honest frame is in the file, once and in order.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests, and figures are for people"
)]

#[path = "../cli/place.rs"]
mod place;

mod attack;
mod collector;
mod descriptors;
mod honest;
mod idle;

use core::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::Mutex;

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(120);
/// One test at a time: each measures.
static TURN: Mutex<()> = Mutex::const_new(());

/// As many of these connections as this machine allows a process; half of its descriptors are left to others.
fn within_limits(wanted: u64) -> u64 {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most.min(16_384), most).unwrap();
    wanted.min(most.saturating_sub(200) / 2)
}
