//! What the fuzzers run, on the compiler at hand: the inputs that were kept, and some thousand new ones.
//!
//! Each target is a function of bytes. The fuzzer's programs in `fuzz/` call the same functions, and `cargo
//! xtask fuzz` runs them; `TARGET.txt` beside the function keeps one input a line, in hexadecimal, such as
//! reach something that the others do not, or that failed once.

mod input;

pub use input::Input;

use core::fmt::Write as _;
use core::panic::RefUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};

use crate::Rng;

/// Inputs made up for each target.
const RANDOM: usize = 3000;
/// Length of the longest of them.
const MAX_LEN: u64 = 600;

/// Gives `run` the inputs kept in `folder/NAME.txt`, and new ones, the same each time.
///
/// # Panics
/// When `run` does; the input is printed, as a line for the file. When nothing is kept.
pub fn check(folder: &str, name: &str, run: impl Fn(&[u8]) + RefUnwindSafe) {
    let path = format!("{folder}/{name}.txt");
    let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut count = 0;
    for line in kept.lines().filter(|line| !line.starts_with('#')) {
        judged(&bytes(line), &run);
        count += 1;
    }
    assert!(count > 0, "{path} keeps nothing");
    let mut rng = Rng::new(1);
    for _ in 0..RANDOM {
        let len = rng.below(MAX_LEN);
        let input: Vec<u8> = (0..len)
            .filter_map(|_| rng.next_u64().to_be_bytes().first().copied())
            .collect();
        judged(&input, &run);
    }
    println!("{name}: {count} kept inputs, {RANDOM} new ones");
}

fn judged(input: &[u8], run: &(impl Fn(&[u8]) + RefUnwindSafe)) {
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
