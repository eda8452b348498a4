//! Any sequence of frames, times and calls against one channel.
#![no_main]

#[path = "../../crates/isotp/tests/fuzz/bystander.rs"]
mod bystander;
#[path = "../../crates/isotp/tests/fuzz/channel.rs"]
mod channel;
#[path = "../../crates/isotp/tests/fuzz/choice.rs"]
mod choice;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| channel::run(bytes));
