//! Stories about the command, told by running it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod can;
mod convert;
mod csp;
mod demo;
mod dnstap;
mod dump;
mod errors;
mod flow;
mod fstrm;
#[cfg(unix)]
mod fstrm_capture;
mod fstrm_dump;
mod general;
mod isotp;
mod mending;
mod messages;
mod numbers;
mod pcapng;
mod perf;
mod place;
#[cfg(unix)]
mod relay;
mod replay;
mod scan;
mod serve;
#[cfg(unix)]
mod service;
mod services;
mod sniff;
mod sweep;
#[cfg(all(unix, feature = "tls"))]
mod tls;
mod top;
