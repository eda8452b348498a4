//! Any sequence of packets and times against an assembler of blobs.
#![no_main]

#[path = "../../crates/csp-core/tests/fuzz/sfp.rs"]
mod sfp;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sfp::run(bytes));
