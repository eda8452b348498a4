//! FRCT between two machines in virtual time, over links that lose, double, reorder, delay, damage, and go
//! dark.
//!
//! Whatever the links do: what one user wrote the other reads once, in order and unchanged, or an end says by
//! name why not; ordered flows have gaps and never stand still; nothing grows beyond its limits.
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
mod network;
mod plan;
mod states;
mod tally;
mod world;

use std::env;
use std::panic::{catch_unwind, resume_unwind};

use plan::{Family, Plan};
use tally::Tally;
use world::{Trace, World};

fn variable(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}: {text:?} is no number")),
    )
}

/// Runs the stories of a family and adds up what became of them.
fn run(family: Family, seeds: u64) -> Tally {
    let count = variable("SIMULATION_SEEDS").unwrap_or(seeds);
    let seeds = variable("SIMULATION_SEED").map_or(1..=count, |seed| seed..=seed);
    let mut sum = Tally::default();
    for seed in seeds {
        sum += judged(
            &Plan::random(family, seed),
            &format!("{family:?}, SIMULATION_SEED={seed}"),
        );
    }
    println!("{family:?}: {sum}");
    sum
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

/// Whether everything arrived, and next to all ends know it.
fn assert_whole(tally: Tally) {
    assert_eq!((tally.got, tally.expired + tally.reset), (tally.written, 0));
    assert!(tally.unsure * 15 <= tally.stories, "{tally}");
}

#[test]
fn over_rough_links_everything_arrives_once_and_in_order() {
    let tally = run(Family::Rough, 700);
    assert_whole(tally);
}

#[test]
fn packets_that_take_seconds_and_overtake_each_other_arrive_once_and_in_order() {
    let tally = run(Family::Slow, 300);
    assert_whole(tally);
}

#[test]
fn dark_links_end_a_flow_by_name_or_not_at_all() {
    let tally = run(Family::Dark, 300);
    assert!(tally.expired + tally.reset < tally.stories / 10, "{tally}");
}

#[test]
fn a_stream_that_goes_one_way_never_stands_still() {
    let tally = run(Family::OneWay, 200);
    assert_eq!(tally.expired + tally.reset, 0);
}

#[test]
fn readers_that_stall_end_no_flow() {
    let tally = run(Family::Narrow, 300);
    assert_whole(tally);
    assert!(tally.rendezvous > 1000, "windows were closed: {tally}");
}

#[cfg(feature = "seal")]
#[test]
fn sealed_flows_lose_no_key_however_many_packets_they_lose() {
    let tally = run(Family::Sealed, 100);
    assert_whole(tally);
    assert!(tally.epochs > 2 * tally.stories, "keys changed: {tally}");
}

#[test]
fn ordered_flows_have_gaps_and_never_stand_still() {
    let tally = run(Family::Ordered, 500);
    assert!(
        tally.got < tally.written && tally.got * 2 > tally.written,
        "{tally}"
    );
}
