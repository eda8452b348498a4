//! Any bytes as the content of a data frame.
#![no_main]

#[path = "../../crates/dnstap-codec/tests/fuzz/payload.rs"]
mod payload;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| payload::run(bytes));
