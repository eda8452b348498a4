//! What the fuzzers run, as ordinary tests ([`testkit::fuzz`]).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod filter;
mod payload;

fn check(name: &str, run: fn(&[u8])) {
    testkit::fuzz::check(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz"), name, run);
}

#[test]
fn any_bytes_as_a_payload_break_nothing() {
    check("payload", payload::run);
}

#[test]
fn any_text_is_a_filter_or_an_error_in_its_columns() {
    check("filter", filter::run);
}
