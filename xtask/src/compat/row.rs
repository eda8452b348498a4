//! The facts that tests print, as lines `compat: {json}`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::failure::{Failure, Result};

/// How a line with a fact begins, wherever in the output that is: the name of a test may stand before it.
const MARK: &str = "compat: {";
const VERSION: u64 = 1;

/// One measured fact, wherever it was measured.
///
/// The order of the fields is that of the page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fact {
    pub(crate) peer: String,
    pub(crate) version: String,
    pub(crate) feature: String,
    pub(crate) direction: String,
    pub(crate) result: String,
    pub(crate) remark: String,
}

/// Facts, and what carried the frames when they were measured.
pub(crate) type Facts = BTreeMap<Fact, BTreeSet<String>>;

/// Takes the output of tests in any cutting.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    line: Vec<u8>,
    facts: Facts,
    /// Lines that are not what they should be.
    bad: Vec<String>,
}

impl Rows {
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

    fn line(&mut self, line: &str) {
        let Some(at) = line.find(MARK) else { return };
        let json = line.get(at + MARK.len() - 1..).unwrap_or_default();
        match parse(json) {
            Some((fact, over)) => {
                self.facts.entry(fact).or_default().insert(over);
            }
            None => self.bad.push(json.to_owned()),
        }
    }

    /// How many facts there are.
    pub(crate) fn len(&self) -> usize {
        self.facts.len()
    }

    /// All of them, if every line made sense.
    pub(crate) fn finish(&mut self) -> Result<Facts> {
        self.push(b"\n");
        match self.bad.first() {
            Some(bad) => Err(Failure::new(format!("a line that tells no fact: {bad}"))),
            None if self.facts.is_empty() => Err(Failure::new("the tests told no fact")),
            None => Ok(self.facts.clone()),
        }
    }
}

fn parse(json: &str) -> Option<(Fact, String)> {
    let json: Value = serde_json::from_str(json).ok()?;
    let text = |key: &str| Some(json.get(key)?.as_str()?.to_owned());
    if json.get("v")?.as_u64()? != VERSION {
        return None;
    }
    let fact = Fact {
        peer: text("peer")?,
        version: text("version")?,
        feature: text("feature")?,
        direction: text("direction")?,
        result: text("result")?,
        remark: text("remark")?,
    };
    Some((fact, text("over")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(over: &str) -> String {
        let fact = serde_json::json!({
            "v": 1, "peer": "p", "version": "1", "over": over, "direction": "to peer", "feature": "f",
            "result": "works", "remark": "",
        });
        format!("test a ... compat: {fact}")
    }

    #[test]
    fn facts_that_agree_are_one_wherever_they_were_measured() {
        let output = format!("{}\n{}\nok\n", line("bus:"), line("vcan, Linux 6.1"));
        for size in 1..40 {
            let mut rows = Rows::default();
            output.as_bytes().chunks(size).for_each(|chunk| rows.push(chunk));
            let facts = rows.finish().unwrap();
            assert_eq!(facts.len(), 1);
            assert_eq!(facts.values().next().unwrap().len(), 2);
        }
    }

    #[test]
    fn a_line_that_is_cut_or_of_another_version_is_an_error() {
        let whole = line("bus:");
        for bad in [&whole[..whole.len() - 3], &whole.replace("\"v\":1", "\"v\":2")] {
            let mut rows = Rows::default();
            rows.push(bad.as_bytes());
            assert!(rows.finish().unwrap_err().to_string().contains("tells no fact"));
        }
    }

    #[test]
    fn no_fact_at_all_is_an_error() {
        let mut rows = Rows::default();
        rows.push(b"test a ... ok\n");
        rows.finish().unwrap_err();
    }
}
