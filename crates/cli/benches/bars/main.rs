//! What the commands have to reach: as a ratio to the tools they stand in for, in the same run.
//!
//! `cargo xtask bench fstrm` makes a table of the lines. Programs at work count by the clock on the wall, so
//! these want a quiet machine.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

mod files;
mod pipe;
mod text;

use testkit::bar;

fn main() {
    if !bar::is_asked_for() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    pipe::measure(folder.path());
    text::measure(folder.path());
}

/// Prints a figure.
fn told(name: &str, unit: &str, least: f64, figure: f64) {
    bar::Bar::new(name, unit, least).reached(figure);
}
