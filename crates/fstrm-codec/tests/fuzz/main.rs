//! What the fuzzers run, as ordinary tests ([`testkit::fuzz`]).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod choice;
mod decoder;
mod handshake;

fn check(name: &str, run: fn(&[u8])) {
    testkit::fuzz::check(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz"), name, run);
}

#[test]
fn any_stream_cut_anyhow_is_the_same_to_every_face() {
    check("decoder", decoder::run);
}

#[test]
fn no_frames_times_or_faults_break_the_two_ends() {
    check("handshake", handshake::run);
}
