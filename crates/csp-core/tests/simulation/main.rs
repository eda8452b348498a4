//! RDP between nodes in virtual time, over links that lose, double, reorder, delay, damage, and go dark.
//!
//! Whatever the links do and the users think of: what is acknowledged has arrived once, in order and
//! unchanged; who finishes well has delivered everything; when one end of a connection is over the other
//! user learns of it in a time that follows from the timeouts; and when all is over nothing is left of it in
//! the nodes: no connection, no port, no timer. A model that sees only the wire watches the segments.
//!
//! Each seed is one story. A failing one prints its family, its seed and its plan, and everything that
//! happens in it. Two variables of the environment run it again or run others: `SIMULATION_SEED` runs one
//! story of each family, `SIMULATION_SEEDS` so many instead of those that a build runs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests, and print"
)]

mod directed;
mod host;
mod judge;
mod network;
mod plan;
mod tally;
mod traffic;
mod user;
mod watch;
mod world;

use std::env;
use std::panic::{catch_unwind, resume_unwind};

use csp_core::rdp::CloseReason;
use plan::{Family, Plan};
use tally::Tally;
use user::End;
use world::{Trace, World};

fn variable(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}: {text:?} is no number")),
    )
}

/// Runs the stories of a family and adds up what became of their connections.
fn run(family: Family, seeds: u64) -> Option<Tally> {
    let one = variable("SIMULATION_SEED");
    let count = variable("SIMULATION_SEEDS").unwrap_or(seeds);
    let seeds = one.map_or(1..=count, |seed| seed..=seed);
    let mut sum = Tally::default();
    for seed in seeds {
        sum += judged(
            &Plan::random(family, seed),
            &format!("{family:?}, SIMULATION_SEED={seed}"),
        );
    }
    println!("{family:?}: {sum}");
    one.is_none().then_some(sum)
}

/// Runs a story; if it fails, runs it again with everything printed, and fails.
fn judged(plan: &Plan, name: &str) -> Tally {
    catch_unwind(|| World::run(plan.clone(), Trace::Silent)).unwrap_or_else(|failure| {
        println!("{name}: {plan:#?}");
        let again = catch_unwind(|| World::run(plan.clone(), Trace::Printed));
        println!("{name}");
        assert!(again.is_err(), "it fails at times only");
        resume_unwind(failure)
    })
}

/// Whether connections ended in all of these ways, and most of them well.
fn assert_varied(tally: Option<Tally>, reasons: &[CloseReason]) {
    let Some(tally) = tally.filter(|_| variable("SIMULATION_SEEDS").is_none()) else {
        return;
    };
    for reason in reasons {
        assert!(
            tally.ends(End::Told(*reason)) > 0,
            "no story with {reason:?}: {tally}"
        );
    }
    let good =
        tally.ends(End::Told(CloseReason::Finished)) + tally.ends(End::Told(CloseReason::ClosedByPeer));
    assert!(good > tally.connections, "few end well: {tally}");
    assert!(tally.delivered * 2 > tally.messages, "little is read: {tally}");
}

#[test]
fn little_room_delays_and_loses_nothing() {
    let tally = run(Family::Narrow, 600);
    assert_varied(tally, &[CloseReason::Unfinished, CloseReason::PeerSilent]);
}

#[test]
fn what_is_acknowledged_over_rough_links_arrived_once_and_in_order() {
    let tally = run(Family::Rough, 800);
    let reasons = [
        CloseReason::Unfinished,
        CloseReason::PeerSilent,
        CloseReason::NoAnswer,
    ];
    assert_varied(tally, &reasons);
}

#[test]
fn packets_that_take_seconds_and_overtake_each_other_arrive_once_and_in_order() {
    let tally = run(Family::Slow, 800);
    let reasons = [
        CloseReason::NoAnswer,
        CloseReason::Refused,
        CloseReason::PeerSilent,
    ];
    assert_varied(tally, &reasons);
}

#[test]
fn dark_links_new_starts_and_strangers_are_reported_to_both_users() {
    let tally = run(Family::Dark, 800);
    let reasons = [CloseReason::NoAnswer, CloseReason::Reset, CloseReason::PeerSilent];
    assert_varied(tally, &reasons);
}

#[test]
fn connections_through_and_to_a_node_in_the_middle_do_not_mix() {
    let tally = run(Family::Crowd, 200);
    assert_varied(tally, &[CloseReason::PeerSilent]);
}
