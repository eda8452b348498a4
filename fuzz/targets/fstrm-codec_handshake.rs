//! Any frames, times and faults against the two ends of a stream.
#![no_main]

#[path = "../../crates/fstrm-codec/tests/fuzz/choice.rs"]
mod choice;
#[path = "../../crates/fstrm-codec/tests/fuzz/handshake.rs"]
mod handshake;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| handshake::run(bytes));
