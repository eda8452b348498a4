//! `bench csp`: the speeds that CSP has to reach.

use std::io;
use std::path;

use super::{Row, bars, judge, measure};
use crate::failure::{Failure, Result};
use crate::process;

/// The arguments may name an interpreter that can import csp-py, for the ratio to it.
pub(crate) fn run(arguments: &[String]) -> Result {
    let python = match arguments {
        [] => None,
        [option, python] if option == "--csp-py" => Some(absolute(python)?),
        _ => return Err(Failure::usage("bench csp takes --csp-py PYTHON and nothing else")),
    };
    let mut rows = Vec::new();
    for package in ["csp-core", "csp-can"] {
        let mut benchmark = bars(package);
        if let Some(python) = &python {
            benchmark.env("TINWIRE_CSP_PY", python);
        }
        rows.extend(measure(&mut benchmark)?);
    }
    let mut cargo = process::cargo();
    cargo.args([
        "test",
        "--package",
        "csp-can",
        "--all-features",
        "--test",
        "goodput",
        "--",
    ]);
    cargo.args(["--nocapture", "with_default_options"]);
    rows.extend(process::read(&mut cargo)?.lines().find_map(goodput));
    judge(&rows)
}

/// A path is one of where the user is; a benchmark runs elsewhere. A bare name is looked up.
fn absolute(python: &str) -> Result<path::PathBuf> {
    if !python.contains(path::MAIN_SEPARATOR) {
        return Ok(python.into());
    }
    let told = |error: io::Error| Failure::new(format!("{python}: {error}"));
    path::absolute(python).map_err(told)
}

/// What the test of RDP's goodput prints: the test itself wants more.
fn goodput(line: &str) -> Option<Row> {
    let (before, _) = line.split_once(" %: ")?;
    Some(Row {
        name: "RDP, goodput on a bus of 1 Mbit/s".to_owned(),
        figure: before.split(' ').next_back()?.parse().ok()?,
        unit: "% of what CFP leaves".to_owned(),
        least: Some(85.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_goodput_is_read_beside_the_name_of_its_test() {
        let row = goodput("test some_test ... 84.5 %: 54692 of 56656 byte/s; all").unwrap();
        assert!(row.is_missed() && row.figure == 84.5);
        assert!(goodput("96.5 %: 54692 of 56656 byte/s").is_some());
    }
}
