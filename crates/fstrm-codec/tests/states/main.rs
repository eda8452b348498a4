//! What each end does in each state with each input, and what a file is that begins, goes on or ends in each
//! way: the tables beside this file, made anew by every run and compared as a whole.
//!
//! The rows are those of the specification's tables of states, content types and malformed input.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod files;
mod machines;
mod names;

use core::fmt::Write as _;

/// Lines of cells that stand below each other.
#[derive(Default)]
struct Table(Vec<Vec<String>>);

impl Table {
    fn row<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) {
        self.0.push(cells.into_iter().map(str::to_owned).collect());
    }
}

impl core::fmt::Display for Table {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column| {
            let cells = self.0.iter().filter_map(|row: &Vec<String>| row.get(column));
            cells.map(String::len).max().unwrap_or_default()
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        for row in &self.0 {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                write!(line, "{cell:width$}  ")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[track_caller]
fn assert_table(made: &str, recorded: &str) {
    assert!(made == recorded, "the table is now:\n{made}");
}

#[test]
fn every_state_of_a_reader_has_an_outcome_for_every_input() {
    assert_table(&machines::readers(), include_str!("readers.txt"));
}

#[test]
fn every_state_of_a_writer_has_an_outcome_for_every_input() {
    assert_table(&machines::writers(), include_str!("writers.txt"));
}

#[test]
fn content_types_meet_as_the_table_says() {
    assert_table(&names::tables(), include_str!("names.txt"));
}

#[test]
fn every_way_a_file_can_go_wrong_has_an_outcome() {
    assert_table(&files::table(), include_str!("files.txt"));
}
