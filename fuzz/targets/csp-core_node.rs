//! Any sequence of frames, times, faults of links and calls against one node.
#![no_main]

#[path = "../../crates/csp-core/tests/fuzz/node.rs"]
mod node;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| node::run(bytes));
