//! Any requests to the services of a node, and any replies to its clients.
#![no_main]

#[path = "../../crates/csp-core/tests/fuzz/service.rs"]
mod service;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| service::run(bytes));
