//! Any bytes as the data of a frame.
#![no_main]

#[path = "../../crates/isotp/tests/fuzz/pci.rs"]
mod pci;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pci::run(bytes));
