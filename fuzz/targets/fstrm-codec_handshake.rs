//! Any frames, times and faults against the two ends of a stream.
#![no_main]

#[path = "../../crates/fstrm-codec/tests/fuzz/handshake.rs"]
mod handshake;
#[path = "../../crates/fstrm-codec/tests/fuzz/input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| handshake::run(bytes));
