//! Any order of packets, times and calls against two FRCT machines that talk.
#![no_main]

#[path = "../../crates/flow-core/tests/fuzz/frct.rs"]
mod frct;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| frct::run(bytes));
