//! Whatever one process says to another, cut anyhow.
#![no_main]

#[path = "../../crates/flow-core/tests/fuzz/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wire::run(bytes));
