//! DNS servers that send dnstap to `fstrm capture`: what all of them do, and what each does besides.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests"
)]

#[path = "../cli/place.rs"]
mod place;
#[path = "../servers/mod.rs"]
mod servers;

mod knot;
mod named;
mod server;
mod story;
mod unbound;
