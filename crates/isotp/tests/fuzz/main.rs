//! What the fuzzers run, on the compiler at hand: the inputs that were kept, and some thousand new ones.
//!
//! Each target is a function of bytes. The fuzzer's programs in `fuzz/` call the same functions, and `cargo
//! xtask fuzz` runs them; `tests/fuzz/TARGET.txt` keeps one input a line, in hexadecimal, such as reach
//! something that the others do not, or that failed once.
#![cfg(feature = "alloc")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may panic like tests, and print"
)]

mod bystander;
mod channel;
mod endpoints;
mod input;
#[cfg(feature = "tokio")]
mod line;
mod pci;

use core::fmt::Write as _;
use std::panic::{catch_unwind, resume_unwind};

use testkit::Rng;

/// Inputs made up for each target.
const RANDOM: usize = 3000;
/// Length of the longest of them.
const MAX_LEN: u64 = 600;

fn check(name: &str, run: fn(&[u8])) {
    let path = format!("{}/tests/fuzz/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut count = 0;
    for line in kept.lines().filter(|line| !line.starts_with('#')) {
        judged(&bytes(line), run);
        count += 1;
    }
    assert!(count > 0, "{path} keeps nothing");
    let mut rng = Rng::new(1);
    for _ in 0..RANDOM {
        let len = rng.below(MAX_LEN);
        let input: Vec<u8> = (0..len).map(|_| rng.next_u64().to_be_bytes()[0]).collect();
        judged(&input, run);
    }
    println!("{name}: {count} kept inputs, {RANDOM} new ones");
}

fn judged(input: &[u8], run: fn(&[u8])) {
    if let Err(failure) = catch_unwind(|| run(input)) {
        let mut line = String::new();
        input.iter().for_each(|byte| write!(line, "{byte:02x}").unwrap());
        println!("failing input: {line}");
        resume_unwind(failure);
    }
}

fn bytes(line: &str) -> Vec<u8> {
    let pairs = (0..line.len())
        .step_by(2)
        .map(|at| line.get(at..at + 2).unwrap_or(line));
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("{line:?} is not hexadecimal")))
        .collect()
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
