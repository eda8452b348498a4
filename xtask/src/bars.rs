//! `bench csp`: the speeds that CSP has to reach, in one table.

use std::io;
use std::path;

use crate::failure::{Failure, Result};
use crate::process;

/// One line of the table.
struct Row {
    name: String,
    figure: f64,
    unit: String,
    /// What has to be reached; `None`: a figure beside another.
    least: Option<f64>,
}

/// The arguments may name an interpreter that can import csp-py, for the ratio to it.
pub(crate) fn run(arguments: &[String]) -> Result {
    let python = match arguments {
        [] => None,
        [option, python] if option == "--csp-py" => Some(absolute(python)?),
        _ => return Err(Failure::usage("bench csp takes --csp-py PYTHON and nothing else")),
    };
    let mut rows = Vec::new();
    for package in ["csp-core", "csp-can"] {
        let mut cargo = process::cargo();
        cargo.args(["bench", "--package", package, "--all-features", "--bench", "bars"]);
        if let Some(python) = &python {
            cargo.env("TINWIRE_CSP_PY", python);
        }
        rows.extend(process::read(&mut cargo)?.lines().filter_map(Row::read));
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
    rows.extend(process::read(&mut cargo)?.lines().find_map(Row::goodput));
    print!("{}", table(&rows));
    let missed = rows.iter().filter(|row| row.is_missed()).count();
    if missed > 0 {
        return Err(Failure::new(format!(
            "{missed} of {} figures are below their bar",
            rows.len()
        )));
    }
    Ok(())
}

/// A path is one of where the user is; a benchmark runs elsewhere. A bare name is looked up.
fn absolute(python: &str) -> Result<path::PathBuf> {
    if !python.contains(path::MAIN_SEPARATOR) {
        return Ok(python.into());
    }
    let told = |error: io::Error| Failure::new(format!("{python}: {error}"));
    path::absolute(python).map_err(told)
}

impl Row {
    /// A line of a benchmark.
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.strip_prefix("bar\t")?.split('\t');
        let (name, figure, least, unit) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let least: f64 = least.parse().ok()?;
        Some(Self {
            name: name.to_owned(),
            figure: figure.parse().ok()?,
            unit: unit.to_owned(),
            least: (least > 0.0).then_some(least),
        })
    }

    /// What the test of RDP's goodput prints: the test itself wants more.
    fn goodput(line: &str) -> Option<Self> {
        let (before, _) = line.split_once(" %: ")?;
        Some(Self {
            name: "RDP, goodput on a bus of 1 Mbit/s".to_owned(),
            figure: before.split(' ').next_back()?.parse().ok()?,
            unit: "% of what CFP leaves".to_owned(),
            least: Some(85.0),
        })
    }

    fn is_missed(&self) -> bool {
        self.least.is_some_and(|least| self.figure < least)
    }
}

fn table(rows: &[Row]) -> String {
    let width = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (names, units) = (width(|row| row.name.len()), width(|row| row.unit.len()));
    let line = |row: &Row| {
        let (least, verdict) = match row.least {
            Some(least) if row.is_missed() => (number(least), "missed"),
            Some(least) => (number(least), "pass"),
            None => (String::new(), ""),
        };
        let Row {
            name, figure, unit, ..
        } = row;
        let line = format!(
            "{name:names$} {:>10} {unit:units$} {least:>8} {verdict}",
            number(*figure)
        );
        format!("{}\n", line.trim_end())
    };
    let head = format!("{:names$} {:>10} {:units$} {:>8}\n", "", "reached", "", "bar");
    rows.iter().map(line).fold(head, |table, line| table + &line)
}

/// Three or more digits that count.
fn number(value: f64) -> String {
    if value < 1000.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let thousands = digits.as_bytes().rchunks(3).rev();
    let thousands: Vec<_> = thousands.map(String::from_utf8_lossy).collect();
    thousands.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_benchmark_is_a_row_and_others_are_not() {
        let row = Row::read("bar\tping, handles\t452336.19\t300000\texchanges/s").unwrap();
        assert!(!row.is_missed());
        assert_eq!(row.least, Some(300_000.0));
        assert!(Row::read("bar\tping\t1").is_none() && Row::read("ping").is_none());
    }

    #[test]
    fn the_goodput_is_read_beside_the_name_of_its_test() {
        let row = Row::goodput("test some_test ... 84.5 %: 54692 of 56656 byte/s; all").unwrap();
        assert!(row.is_missed() && row.figure == 84.5);
        assert!(Row::goodput("96.5 %: 54692 of 56656 byte/s").is_some());
    }

    #[test]
    fn the_table_tells_what_is_missed() {
        let rows = [
            "bar\ta\t1234567\t300000\tx/s",
            "bar\tbc\t0.5\t1\tGB/s",
            "bar\td\t2\t0\tx/s",
        ];
        let rows: Vec<_> = rows.into_iter().filter_map(Row::read).collect();
        let wanted = "reached bar\na 1,234,567 x/s 300,000 pass\nbc 0.5 GB/s 1.0 missed\nd 2.0 x/s";
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let told: Vec<_> = table(&rows).lines().map(words).collect();
        assert_eq!(told.join("\n"), wanted);
    }
}
