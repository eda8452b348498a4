//! What tinwire's tests share. A dev-dependency only.
//!
//! | module | contents |
//! |---|---|
//! | [`vectors`] | files captured from real peers: where they are, how they are read, what was checked |
//! | [`wire`] | a seeded wire in virtual time that loses, doubles, delays and reorders |
//! | [`snapshot`] | text kept in the repository and compared with what a test prints |
//! | [`fuzz`] | the functions of the fuzzers as ordinary tests |
//! | [`bar`] | speeds that benchmarks have to reach |
//! | [`compat`] | what was measured with somebody else's program, for `docs/COMPATIBILITY.md` |
//! | `peer` (feature of that name) | a Python that takes orders and tells news |
#![forbid(unsafe_code)]
#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests: a failure is a panic with the reason"
)]

pub mod bar;
pub mod compat;
pub mod fuzz;
#[cfg(feature = "peer")]
pub mod peer;
pub mod snapshot;
pub mod vectors;
pub mod wire;

pub use wire::{Faults, Rng, Wire};
