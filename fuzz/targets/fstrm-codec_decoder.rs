//! Any stream, cut anyhow, through every face of the parser.
#![no_main]

#[path = "../../crates/fstrm-codec/tests/fuzz/choice.rs"]
mod choice;
#[path = "../../crates/fstrm-codec/tests/fuzz/decoder.rs"]
mod decoder;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decoder::run(bytes));
