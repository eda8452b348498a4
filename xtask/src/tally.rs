//! Counts tests by listening to what libtest prints.

use core::fmt;
use core::ops::AddAssign;

use crate::failure::{Failure, Result};

/// What an ignored test has in its reason when another part of the run does it; it is not skipped. By `tidy`
/// such a test is in a file of that part.
pub(crate) const LEFT_TO_XTASK: &str = "cargo xtask";

/// How many tests ended in which way. Its text is the closing line of a test run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Totals {
    pub(crate) fn ran(self) -> u64 {
        self.passed + self.failed
    }

    /// Green or red by the counts alone.
    pub(crate) fn verdict(self) -> Result {
        if self.failed == 0 {
            Ok(())
        } else {
            Err(Failure::new("there are red tests"))
        }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "tests: {} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// Takes the output of any number of test executables in any cutting, and counts.
///
/// An executable that says `running N tests` and never gives its result (it crashed, or it left early with
/// status 0) counts as one failed test.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    totals: Totals,
    line: Vec<u8>,
    open: bool,
    left_to_others: u64,
}

impl Tally {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                let line = core::mem::take(&mut self.line);
                self.line(&String::from_utf8_lossy(&line));
            } else {
                self.line.push(byte);
            }
        }
    }

    /// Whether the last line is not at its end: what is printed next would stand behind it.
    pub(crate) fn is_within_line(&self) -> bool {
        !self.line.is_empty()
    }

    /// The counts. `success` is what the exit status said: a red status without a red test is one failure.
    pub(crate) fn finish(mut self, success: bool) -> Totals {
        self.push(b"\n");
        self.close();
        if !success && self.totals.failed == 0 {
            self.totals.failed = 1;
        }
        self.totals
    }

    fn close(&mut self) {
        if core::mem::take(&mut self.open) {
            self.totals.failed += 1;
        }
        self.left_to_others = 0;
    }

    fn line(&mut self, line: &str) {
        let line = line.trim_end();
        if is_start(line) {
            self.close();
            self.open = true;
        } else if let Some((_, reason)) = line.rsplit_once(" ... ignored, ") {
            if reason.contains(LEFT_TO_XTASK) {
                self.left_to_others += 1;
            }
        } else if let Some(mut result) = parse_result(line) {
            self.open = false;
            result.skipped = result
                .skipped
                .saturating_sub(core::mem::take(&mut self.left_to_others));
            self.totals += result;
        }
    }
}

/// `running 12 tests`
fn is_start(line: &str) -> bool {
    line.strip_prefix("running ")
        .and_then(|rest| rest.strip_suffix(" tests").or_else(|| rest.strip_suffix(" test")))
        .is_some_and(|count| count.parse::<u64>().is_ok())
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`
fn parse_result(line: &str) -> Option<Totals> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut totals = Totals::default();
    for part in counts.split("; ") {
        let Some((count, word)) = part.split_once(' ') else {
            continue;
        };
        let Ok(count) = count.parse() else { continue };
        match word {
            "passed" => totals.passed = count,
            "failed" => totals.failed = count,
            "ignored" => totals.skipped = count,
            _ => {}
        }
    }
    Some(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "\nrunning 3 tests\ntest a ... ok\ntest b ... FAILED\ntest c ... ignored\n\n\
        test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";

    fn totals(output: &str, success: bool) -> Totals {
        let mut tally = Tally::default();
        tally.push(output.as_bytes());
        tally.finish(success)
    }

    #[test]
    fn results_of_several_executables_add_up() {
        let expected = Totals {
            passed: 2,
            failed: 2,
            skipped: 2,
        };
        assert_eq!(totals(&format!("{RUN}{RUN}"), false), expected);
    }

    #[test]
    fn any_cutting_of_the_output_counts_the_same() {
        for size in 1..RUN.len() {
            let mut tally = Tally::default();
            RUN.as_bytes().chunks(size).for_each(|chunk| tally.push(chunk));
            assert_eq!(
                tally.finish(false),
                Totals {
                    passed: 1,
                    failed: 1,
                    skipped: 1
                }
            );
        }
    }

    #[test]
    fn kernel_and_peer_tests_are_not_skipped_where_another_run_does_them() {
        let run = "running 4 tests\n\
            test a ... ignored, needs vcan: cargo xtask vcan\n\
            test b ... ignored, needs fstrm-bin: cargo xtask setup\n\
            test c ... ignored, takes an hour\n\
            test d ... ok\n\
            test result: ok. 1 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
        assert_eq!(
            totals(run, true),
            Totals {
                passed: 1,
                failed: 0,
                skipped: 1
            }
        );
    }

    #[test]
    fn an_executable_that_gives_no_result_is_a_failure() {
        let crashed = format!("running 7 tests\ntest a ... {RUN}");
        assert_eq!(totals(&crashed, true).failed, 2);
        assert_eq!(totals("running 7 tests\ntest a ... ok\n", true).failed, 1);
    }

    #[test]
    fn a_red_status_without_a_red_test_is_a_failure() {
        assert_eq!(totals("", false).failed, 1);
        assert_eq!(totals("", true), Totals::default());
        assert_eq!(
            totals(RUN, false).failed,
            1,
            "a test that failed explains the status"
        );
    }

    #[test]
    fn the_closing_line_names_all_three_counts() {
        let totals = Totals {
            passed: 41,
            failed: 0,
            skipped: 2,
        };
        assert_eq!(totals.to_string(), "tests: 41 passed, 0 failed, 2 skipped");
    }
}
