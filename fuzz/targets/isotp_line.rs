//! Any bytes, cut anyhow, as the text of isotpserver's protocol.
#![no_main]

#[path = "../../crates/isotp/tests/fuzz/line.rs"]
mod line;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| line::run(bytes));
