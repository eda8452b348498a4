//! Any sequence of frames, times and calls against many endpoints on one bus.
#![no_main]

#[path = "../../crates/isotp/tests/fuzz/choice.rs"]
mod choice;
#[path = "../../crates/isotp/tests/fuzz/endpoints.rs"]
mod endpoints;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| endpoints::run(bytes));
