//! Any text as the routes of a node.
#![no_main]

#[path = "../../crates/csp-core/tests/fuzz/route.rs"]
mod route;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| route::run(bytes));
