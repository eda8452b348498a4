//! What the fuzzers run, as ordinary tests ([`testkit::fuzz`]).
#![cfg(feature = "alloc")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod reassembly;

#[test]
fn no_sequence_of_frames_and_times_makes_a_wrong_packet_or_exceeds_a_limit() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz");
    testkit::fuzz::check(kept, "reassembly", reassembly::run);
}
