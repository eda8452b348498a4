//! Any bytes against the FRCT header and the protection of a flow.
#![no_main]

#[path = "../../crates/flow-core/tests/fuzz/header.rs"]
mod header;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| header::run(bytes));
