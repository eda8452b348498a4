//! What the fuzzers run, as ordinary tests ([`testkit::fuzz`]).
#![cfg(feature = "alloc")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod node;
mod packet;
mod rdp;
mod route;
mod service;
mod sfp;

fn check(name: &str, run: fn(&[u8])) {
    testkit::fuzz::check(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz"), name, run);
}

#[test]
fn any_frame_is_refused_or_says_what_it_is_made_of_and_no_flipped_bit_passes_for_it() {
    check("packet", packet::run);
}

#[test]
fn no_sequence_of_frames_times_and_calls_breaks_a_node_or_keeps_it_from_answering() {
    check("node", node::run);
}

#[test]
fn no_sequence_of_packets_and_times_makes_a_blob_that_was_not_sent() {
    check("sfp", sfp::run);
}

#[test]
fn any_request_to_a_service_is_answered_at_its_length_done_or_dropped_with_a_reason() {
    check("service", service::run);
}

#[test]
fn any_text_of_routes_is_taken_whole_or_not_at_all_and_read_again_when_saved() {
    check("route", route::run);
}

#[test]
fn no_sequence_of_segments_times_and_calls_makes_a_message_arrive_twice_or_a_machine_live_on() {
    check("rdp", rdp::run);
}
