//! What the fuzzers run, as ordinary tests ([`testkit::fuzz`]).
#![cfg(feature = "alloc")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod bystander;
mod channel;
mod choice;
mod endpoints;
#[cfg(feature = "tokio")]
mod line;
mod pci;

fn check(name: &str, run: fn(&[u8])) {
    testkit::fuzz::check(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz"), name, run);
}

#[test]
fn any_bytes_as_a_pci_decode_to_themselves_or_an_error() {
    check("pci", pci::run);
}

#[test]
fn no_sequence_of_frames_times_and_calls_breaks_a_channel_or_disturbs_another() {
    check("channel", channel::run);
}

#[test]
fn no_sequence_makes_an_endpoint_differ_from_a_channel_that_is_alone() {
    check("endpoints", endpoints::run);
}

#[cfg(feature = "tokio")]
#[test]
fn any_text_cut_anyhow_gives_the_same_messages() {
    check("line", line::run);
}
