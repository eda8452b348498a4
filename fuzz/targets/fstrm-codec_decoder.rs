//! Any stream, cut anyhow, through every face of the parser.
#![no_main]

#[path = "../../crates/fstrm-codec/tests/fuzz/decoder.rs"]
mod decoder;
#[path = "../../crates/fstrm-codec/tests/fuzz/input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoder::run(bytes));
