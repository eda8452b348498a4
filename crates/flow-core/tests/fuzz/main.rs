//! What the fuzzers run, as ordinary tests ([`testkit::fuzz`]).
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod wire;

fn check(name: &str, run: fn(&[u8])) {
    testkit::fuzz::check(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz"), name, run);
}

#[test]
fn whatever_a_process_says_to_another_is_understood_or_an_error() {
    check("wire", wire::run);
}
