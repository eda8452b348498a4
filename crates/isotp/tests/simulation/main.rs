//! Every combination of faults of the wire, block size and separation time, in virtual time.
//!
//! Whatever the wire does, each message is delivered once and intact, or its failure is reported by the
//! standard's name on the side that can know of it; and the next message passes. What a sequence number of
//! 4 bits cannot notice is told apart by watching the wire; `docs/isotp.md` says what that is.
//!
//! A failing cell prints its number, the seed, and all frames as candump writes them. Two variables of the
//! environment run it again or run others: `SIMULATION_CELL` picks a cell of every grid by its number,
//! `SIMULATION_SEED` takes another seed than 1.
#![cfg(feature = "alloc")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests, and print"
)]

mod cell;
mod limits;
mod watch;
mod world;

use core::fmt::Write as _;
use core::time::Duration;
use std::env;
use std::panic::{catch_unwind, resume_unwind};

use cell::{Axes, Cell, fd};
use isotp::DataLink;
use testkit::Faults;
use testkit::snapshot::assert_snapshot;
use watch::Tally;
use world::{Trace, World};

fn variable(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}: {text:?} is no number")),
    )
}

/// Runs the cells of a grid and adds up what became of their messages, by the faults of the wire.
///
/// Prints the table, and compares it with the file `name` unless the environment chose cells or a seed.
fn run(name: &str, axes: &Axes<'_>) -> Tally {
    let (seed, chosen) = (variable("SIMULATION_SEED"), variable("SIMULATION_CELL"));
    let mut rows: Vec<(Faults, Tally)> = Vec::new();
    for cell in axes.cells() {
        if chosen.is_some_and(|number| number != cell.number) {
            continue;
        }
        let tally = judged(cell, seed.unwrap_or(1).wrapping_mul(1_000_003) + cell.number);
        match rows.last_mut() {
            Some((faults, sum)) if same(faults, &cell.faults) => *sum += tally,
            _ => rows.push((cell.faults, tally)),
        }
    }
    let text = table(&rows);
    println!("{text}");
    if seed.or(chosen).is_none() {
        let path = format!("{}/tests/simulation/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        assert_snapshot(path, &text);
    }
    let mut sum = Tally::default();
    rows.iter().for_each(|(_, tally)| sum += *tally);
    sum
}

fn same(a: &Faults, b: &Faults) -> bool {
    (a.loss, a.duplication, a.reordering) == (b.loss, b.duplication, b.reordering)
}

/// Runs a cell; if it fails, runs it again with everything printed, and fails.
fn judged(cell: Cell, seed: u64) -> Tally {
    catch_unwind(|| World::run(cell, seed, Trace::Silent)).unwrap_or_else(|failure| {
        println!("{cell}, seed {seed}");
        World::run(cell, seed, Trace::Printed);
        resume_unwind(failure)
    })
}

fn table(rows: &[(Faults, Tally)]) -> String {
    let mut text = String::from("loss dup reorder");
    for (title, _) in Tally::default().columns() {
        write!(text, "  {title}").unwrap();
    }
    for (faults, tally) in rows {
        let (loss, duplication, reordering) = (faults.loss, faults.duplication, faults.reordering);
        write!(text, "\n{loss:>3}% {duplication:>2}% {reordering:>6}%").unwrap();
        for (title, count) in tally.columns() {
            write!(text, "  {count:>width$}", width = title.len()).unwrap();
        }
    }
    text + "\n"
}

const PERCENTAGES: Axes<'_> = Axes {
    loss: &[0, 1, 5, 20],
    duplication: &[0, 5, 20],
    reordering: &[0, 5, 20],
    block_sizes: &[],
    st_mins: &[],
    links: &[],
    digestion: &[Duration::ZERO],
};

#[test]
fn classic_messages_arrive_once_and_intact_or_fail_by_name() {
    let sum = run(
        "classic",
        &Axes {
            block_sizes: &[0, 1, 2, 8, 15, 16],
            st_mins: &[0, 0xF1, 1, 10],
            links: &[DataLink::Classic],
            ..PERCENTAGES
        },
    );
    // The grid is harsh enough to show what it is about.
    assert!(sum.messages > 15_000 && sum.delivered > 5_000, "{sum:?}");
    assert!(
        sum.timeout_bs
            .min(sum.wrong_sn)
            .min(sum.timeout_cr)
            .min(sum.unexp_pdu)
            > 500,
        "{sum:?}"
    );
    assert!(sum.doubled > 0 && sum.confused > 0 && sum.unheard > 0, "{sum:?}");
}

#[test]
fn fd_messages_arrive_once_and_intact_or_fail_by_name() {
    let sum = run(
        "fd",
        &Axes {
            block_sizes: &[0, 1, 8],
            st_mins: &[0, 0xF9, 5],
            links: &[fd(8), fd(12), fd(64)],
            ..PERCENTAGES
        },
    );
    assert!(sum.messages > 15_000 && sum.delivered > 5_000, "{sum:?}");
}

#[test]
fn a_slow_user_makes_senders_wait_and_loses_nothing_in_silence() {
    let sum = run(
        "slow",
        &Axes {
            loss: &[0, 10],
            duplication: &[0, 10],
            reordering: &[0, 10],
            block_sizes: &[0, 8],
            st_mins: &[0, 1],
            links: &[DataLink::Classic, fd(64)],
            // Within one WAIT, within some, and beyond WFTmax.
            digestion: &[100, 700, 2000].map(Duration::from_millis),
        },
    );
    assert!(sum.refused > 500 && sum.overflow > 100, "{sum:?}");
}
