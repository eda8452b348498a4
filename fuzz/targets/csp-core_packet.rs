//! Any bytes as a frame: header, trailers, payload.
#![no_main]

#[path = "../../crates/csp-core/tests/fuzz/packet.rs"]
mod packet;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| packet::run(bytes));
