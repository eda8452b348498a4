//! Any text as a filter.
#![no_main]

#[path = "../../crates/dnstap-codec/tests/fuzz/filter.rs"]
mod filter;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| filter::run(bytes));
