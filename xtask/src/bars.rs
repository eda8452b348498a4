//! `bench csp`, `bench flow`, `bench fstrm`: the speeds that have to be reached, in one table.

pub(crate) mod csp;
pub(crate) mod flow;
pub(crate) mod fstrm;

use std::process::Command;

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

/// The benchmark `bars` of a package.
fn bars(package: &str) -> Command {
    let mut cargo = process::cargo();
    cargo.args(["bench", "--package", package, "--all-features", "--bench", "bars"]);
    cargo
}

/// Runs a benchmark and keeps its figures.
fn measure(benchmark: &mut Command) -> Result<Vec<Row>> {
    Ok(process::read(benchmark)?.lines().filter_map(Row::read).collect())
}

/// Prints the table; fails where a figure is below its bar.
fn judge(rows: &[Row]) -> Result {
    print!("{}", table(rows));
    let missed = rows.iter().filter(|row| row.is_missed()).count();
    if missed > 0 {
        return Err(Failure::new(format!(
            "{missed} of {} figures are below their bar",
            rows.len()
        )));
    }
    Ok(())
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
