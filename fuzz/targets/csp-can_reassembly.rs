//! Any frames at any time for a reassembler.
#![no_main]

#[path = "../../crates/csp-can/tests/fuzz/reassembly.rs"]
mod reassembly;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reassembly::run(bytes));
