//! What the fuzzers run, as ordinary tests ([`testkit::fuzz`]).
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod frct;
mod header;
mod wire;

fn check(name: &str, run: fn(&[u8])) {
    testkit::fuzz::check(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz"), name, run);
}

#[test]
fn whatever_a_process_says_to_another_is_understood_or_an_error() {
    check("wire", wire::run);
}

#[test]
fn any_packet_is_refused_or_encoded_again_as_it_was_and_no_protection_breaks_on_it() {
    check("header", header::run);
}

#[test]
fn no_sequence_of_packets_times_and_calls_makes_a_packet_arrive_twice_or_a_machine_live_on() {
    check("frct", frct::run);
}
