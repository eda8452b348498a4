//! The letters of golang-dnstap's `dnstap`, read as its language reads flags: one hyphen or two, a value as
//! the next word or behind `=`, and nothing is a flag any more behind the first word that is none.

use core::time::Duration;
use std::ffi::OsString;

use crate::failure::{Failure, Result};

/// The name of the tool.
pub(super) const NAME: &str = "dnstap";

const USAGE: &str = "\
Usage: dnstap [OPTION]...
  -r FILE        read this file (repeatable)
  -u SOCKET      listen on a Unix socket (repeatable)
  -l HOST:PORT   listen on a TCP port (repeatable)
  -w FILE        write to this file: frames, or with -q, -y, -j text
  -U SOCKET      send to a Unix socket (repeatable)
  -T HOST:PORT   send to a TCP port (repeatable)
  -q, -y, -j     lines, YAML or JSON
  -a             append to the file of -w
  -t DURATION    I/O timeout of sockets, for example 5s
More is in: tinwire dnstap --help";

/// Flags with a value, and what they are here.
const VALUES: [(&str, &str); 6] = [
    ("r", "--read"),
    ("u", "--unix"),
    ("l", "--listen"),
    ("w", "--write"),
    ("U", "--to-unix"),
    ("T", "--to-tcp"),
];
/// Flags without one.
const SWITCHES: [(&str, &str); 4] = [("q", "-q"), ("y", "-y"), ("j", "-j"), ("a", "--append")];
/// Flags of which one is needed.
const INPUTS: [&str; 3] = ["--read", "--unix", "--listen"];

/// The words behind the name, as words of `dnstap cat`.
pub(super) fn translate(words: &[OsString]) -> Result<Vec<OsString>> {
    let mut found = Vec::new();
    // A switch may be given twice, and the last one counts.
    let mut switches = [false; SWITCHES.len()];
    let mut has_input = false;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(flag) = flag(&word.to_string_lossy())? else {
            break;
        };
        let Flag { name, value } = flag;
        if let Some(at) = SWITCHES.iter().position(|(known, _)| *known == name) {
            let is_on = value.as_deref().map_or(Ok(true), |value| boolean(&name, value))?;
            if let Some(switch) = switches.get_mut(at) {
                *switch = is_on;
            }
            continue;
        }
        let ours = VALUES.iter().find(|(known, _)| *known == name);
        if ours.is_none() && name != "t" {
            return Err(match &*name {
                "h" | "help" => Failure::imitated(0, USAGE),
                _ => wrong(format_args!("flag provided but not defined: -{name}")),
            });
        }
        let value = value.map(OsString::from).or_else(|| words.next().cloned());
        let value = value.ok_or_else(|| wrong(format_args!("flag needs an argument: -{name}")))?;
        let (ours, value) = match ours {
            Some((_, ours)) => (*ours, value),
            None => {
                let text = value.to_string_lossy();
                let duration = duration(&text)
                    .ok_or_else(|| wrong(format_args!("invalid value {text:?} for flag -t: parse error")))?;
                if duration.is_zero() {
                    // There, none means that nothing is too long.
                    continue;
                }
                ("--connect-timeout", format!("{}ns", duration.as_nanos()).into())
            }
        };
        has_input |= INPUTS.contains(&ours);
        let mut word = OsString::from(ours);
        word.push("=");
        word.push(value);
        found.push(word);
    }
    let [quiet, yaml, json, _] = switches;
    if u8::from(quiet) + u8::from(yaml) + u8::from(json) > 1 {
        return Err(error("specify at most one of -q, -y, or -j."));
    }
    if !has_input {
        return Err(error("no inputs specified."));
    }
    let switches = SWITCHES
        .iter()
        .zip(switches)
        .filter(|(_, is_on)| *is_on)
        .map(|((_, ours), _)| OsString::from(ours));
    Ok(switches.chain(found).collect())
}

struct Flag {
    name: String,
    value: Option<String>,
}

/// What a word says; none where the flags end.
fn flag(word: &str) -> Result<Option<Flag>> {
    let Some(body) = word.strip_prefix('-').filter(|body| !body.is_empty()) else {
        return Ok(None);
    };
    let body = body.strip_prefix('-').unwrap_or(body);
    if body.is_empty() {
        return Ok(None);
    }
    if body.starts_with(['-', '=']) {
        return Err(wrong(format_args!("bad flag syntax: {word}")));
    }
    let (name, value) = match body.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (body, None),
    };
    let name = name.to_owned();
    Ok(Some(Flag { name, value }))
}

fn boolean(name: &str, value: &str) -> Result<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(wrong(format_args!(
            "invalid boolean value {value:?} for -{name}: parse error"
        ))),
    }
}

/// Numbers with units, one behind the other: `1m30s`, `1.5h`; and `0`.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() || text.is_empty() {
        let unit = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, tail) = rest.split_at(unit);
        let end = tail
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let scale = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * scale).ok()?;
        sum = sum.checked_add(part)?;
        rest = tail;
    }
    Some(sum)
}

/// A wrong flag.
fn wrong(complaint: impl core::fmt::Display) -> Failure {
    Failure::imitated(2, format_args!("{complaint}\n{USAGE}"))
}

/// Flags that make no sense.
fn error(complaint: &str) -> Failure {
    Failure::imitated(1, format_args!("{NAME}: Error: {complaint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(words: &[&str]) -> Result<Vec<OsString>> {
        translate(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn flags_have_one_hyphen_or_two_and_values_in_either_place() {
        let words = translated(&[
            "-r", "a", "--r=b", "-q=true", "-u", "-x", "-t", "1m30s", "rest", "-y",
        ]);
        assert_eq!(
            words.unwrap(),
            [
                "-q",
                "--read=a",
                "--read=b",
                "--unix=-x",
                "--connect-timeout=90000000000ns"
            ]
        );
        assert_eq!(
            translated(&["-q", "-q=0", "-r", "a", "--", "-j"]).unwrap(),
            ["--read=a"]
        );
    }

    #[test]
    fn what_is_wrong_ends_as_there() {
        for (words, status) in [
            (&["-h"][..], 0),
            (&["--help"], 0),
            (&["-x"], 2),
            (&["-r"], 2),
            (&["---r", "a"], 2),
            (&["-r", "a", "-t", "5"], 2),
            (&["-r", "a", "-t", ""], 2),
            (&["-r", "a", "-q=yes"], 2),
            (&[], 1),
            (&["-q"], 1),
            (&["-r", "a", "-q", "-y"], 1),
        ] {
            let failure = translated(words).unwrap_err();
            assert_eq!(failure.code().exit(), status, "{words:?}: {}", failure.text());
        }
    }

    #[test]
    fn durations_are_sums() {
        assert_eq!(duration("1h0.5s"), Some(Duration::from_millis(3_600_500)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        for wrong in ["5", "s", "1.2.3s", "5 s", "-1s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
