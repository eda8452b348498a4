//! Any order of segments, times and calls against two RDP machines that talk.
#![no_main]

#[path = "../../crates/csp-core/tests/fuzz/rdp.rs"]
mod rdp;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rdp::run(bytes));
