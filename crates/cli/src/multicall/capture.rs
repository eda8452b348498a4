//! The letters of `fstrm_capture`: short ones in clusters, long ones whole or cut short, nothing else.

use core::net::IpAddr;
use std::ffi::OsString;

use super::{asks_for_version, version};
use crate::failure::{Failure, Result};
use crate::output::complain;
use crate::units;

/// The name of the tool.
pub(super) const NAME: &str = "fstrm_capture";

const USAGE: &str = "\
Usage: fstrm_capture
  -h, --help            this text
  -d, --debug           say more; repeatable
  -t, --type STRING     content type
  -u, --unix FILENAME   Unix socket to listen on
  -a, --tcp ADDRESS     TCP address to listen on
  -p, --port PORT       TCP port to listen on
  -b, --buffersize SIZE bytes for a frame with its length (default 262144)
  -c, --maxconns COUNT  most connections at a time
  -w, --write FILENAME  file to write
  -s, --split SECONDS   a new file after so many seconds
      --localtime       -w goes through strftime, local time
      --gmtime          -w goes through strftime, UTC
      --version         the version";

/// Letters, long names, and whether a value follows.
const FLAGS: [(char, &str, bool); 12] = [
    ('h', "help", false),
    ('d', "debug", false),
    ('t', "type", true),
    ('u', "unix", true),
    ('a', "tcp", true),
    ('p', "port", true),
    ('b', "buffersize", true),
    ('c', "maxconns", true),
    ('w', "write", true),
    ('s', "split", true),
    ('\0', "localtime", false),
    ('\0', "gmtime", false),
];

/// What was typed.
#[derive(Debug, Default)]
struct Found(Vec<(&'static str, OsString)>);

impl Found {
    /// The last value of a flag: it is the one that counts.
    fn value(&self, name: &str) -> Option<&OsString> {
        self.0
            .iter()
            .rev()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }
}

/// The words behind the name, as words of `fstrm capture`.
pub(super) fn translate(words: &[OsString]) -> Result<Vec<OsString>> {
    if asks_for_version(words) {
        return Err(version(NAME));
    }
    let found = read(words)?;
    if found.has("help") {
        return Err(Failure::imitated(1, USAGE));
    }
    check(&found)?;
    let number = |name: &str| {
        found
            .value(name)
            .map(|value| base0(&value.to_string_lossy()).unwrap_or(0))
    };
    let mut ours = Vec::new();
    let mut push = |flag: &str, value: &OsString| {
        let mut word = OsString::from(flag);
        word.push("=");
        word.push(value);
        ours.push(word);
    };
    for (name, flag) in [("type", "--type"), ("write", "--write")] {
        if let Some(value) = found.value(name) {
            push(flag, value);
        }
    }
    if let Some(path) = found.value("unix") {
        for ignored in ["tcp", "port"] {
            if found.has(ignored) {
                complain(format_args!("Warning: Ignoring --{ignored} with --unix"));
            }
        }
        push("--unix", path);
    } else if let (Some(address), Some(port)) = (found.value("tcp"), found.value("port")) {
        push("--tcp", address);
        push("--port", port);
    }
    push(
        "--buffersize",
        &number("buffersize").unwrap_or(0).to_string().into(),
    );
    if let Some(count) = number("maxconns").filter(|count| *count > 0) {
        push("--maxconns", &count.to_string().into());
    }
    if let Some(seconds) = number("split").filter(|seconds| *seconds > 0) {
        push("--split", &seconds.to_string().into());
    }
    ours.extend(
        ["localtime", "gmtime"]
            .iter()
            .filter(|name| found.has(name))
            .map(|name| format!("--{name}").into()),
    );
    ours.extend(
        found
            .0
            .iter()
            .filter(|(name, _)| *name == "debug")
            .map(|_| "-d".into()),
    );
    Ok(ours)
}

/// What the flags mean together, in the tool's order.
fn check(found: &Found) -> Result {
    let text = |name: &str| {
        found
            .value(name)
            .map(|value| value.to_string_lossy().into_owned())
    };
    if !found.has("type") {
        return Err(wrong("Frame Streams content type (--type) is not set"));
    }
    if !found.has("unix") {
        match (text("tcp"), text("port")) {
            (None, _) => return Err(wrong("One of --unix or --tcp must be set")),
            (Some(_), None) => return Err(wrong("If --tcp is set, --port must also be set")),
            (Some(address), Some(port)) => {
                if address.parse::<IpAddr>().is_err() {
                    return Err(wrong("Failed to parse TCP listen address"));
                }
                if units::port(&port).is_err() {
                    return Err(wrong("Failed to parse TCP listen port"));
                }
            }
        }
    }
    if !found.has("write") {
        return Err(wrong("File output path (--write) is not set"));
    }
    if found.has("localtime") && found.has("gmtime") {
        return Err(wrong("--localtime and --gmtime are mutually exclusive"));
    }
    if found.has("split") && !found.has("localtime") && !found.has("gmtime") {
        return Err(wrong("--split requires either --localtime or --gmtime"));
    }
    Ok(())
}

fn read(words: &[OsString]) -> Result<Found> {
    let mut found = Found::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if let Some(long) = text.strip_prefix("--").filter(|long| !long.is_empty()) {
            let (name, value) = long
                .split_once('=')
                .map_or((long, None), |(name, value)| (name, Some(value)));
            let (_, name, has_value) = long_flag(name)?;
            let value = match (has_value, value) {
                (false, _) => OsString::new(),
                (true, Some(value)) => value.into(),
                (true, None) => next(&mut words, &format!("--{name}"))?,
            };
            found.0.push((name, numeric(name, value)?));
        } else if let Some(cluster) = text.strip_prefix('-').filter(|cluster| !cluster.is_empty()) {
            let mut letters = cluster.chars();
            while let Some(letter) = letters.next() {
                let flag = FLAGS
                    .iter()
                    .find(|(known, ..)| *known == letter && letter != '\0');
                let Some((_, name, has_value)) = flag else {
                    return Err(problem(&format!("unknown short option '-{letter}'.")));
                };
                if !has_value {
                    found.0.push((name, OsString::new()));
                    continue;
                }
                let value = match letters.as_str() {
                    "" => next(&mut words, &format!("-{letter}"))?,
                    glued => glued.into(),
                };
                found.0.push((name, numeric(name, value)?));
                break;
            }
        } else {
            return Err(problem("1 unwanted additional argument"));
        }
    }
    Ok(found)
}

/// A long name, or the only one that begins so.
fn long_flag(text: &str) -> Result<(char, &'static str, bool)> {
    if let Some(flag) = FLAGS.iter().find(|(_, name, _)| *name == text) {
        return Ok(*flag);
    }
    let mut begin = FLAGS.iter().filter(|(_, name, _)| name.starts_with(text));
    match (begin.next(), begin.next()) {
        (Some(flag), None) => Ok(*flag),
        _ => Err(problem(&format!("unknown long option '--{text}'."))),
    }
}

fn next<'a>(words: &mut impl Iterator<Item = &'a OsString>, flag: &str) -> Result<OsString> {
    words
        .next()
        .cloned()
        .ok_or_else(|| problem(&format!("option '{flag}' needs an argument.")))
}

/// Numbers are checked where they are read.
fn numeric(name: &str, value: OsString) -> Result<OsString> {
    let is_number = matches!(name, "buffersize" | "maxconns" | "split");
    if is_number && base0(&value.to_string_lossy()).is_none() {
        let value = value.to_string_lossy();
        return Err(problem(&format!("'{value}' is not a number, for --{name}.")));
    }
    Ok(value)
}

/// A number as C reads it: decimal, `0x` hex, or octal behind a 0.
fn base0(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let lower = digits.to_ascii_lowercase();
    let number = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(hex), _) => i64::from_str_radix(hex, 16),
        (_, Some(octal)) if !octal.is_empty() => i64::from_str_radix(octal, 8),
        _ => lower.parse(),
    };
    number.ok().map(|number| sign * number)
}

fn wrong(words: &str) -> Failure {
    Failure::imitated(1, format!("fstrm_capture: Usage error: {words}\n{USAGE}"))
}

fn problem(words: &str) -> Failure {
    Failure::imitated(1, format!("fstrm_capture: usage problem, {words}\n{USAGE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(words: &[&str]) -> Result<Vec<OsString>> {
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        translate(&words)
    }

    #[test]
    fn letters_long_names_and_beginnings_of_them_mean_the_same() {
        let ours = ["--type=x", "--write=f", "--unix=s", "--buffersize=0", "-d", "-d"].map(OsString::from);
        for words in [
            &["-t", "x", "-u", "s", "-w", "f", "-dd"][..],
            &["-tx", "-us", "-wf", "-d", "-d"],
            &["--type=x", "--unix", "s", "--write=f", "--debug", "--debug"],
            &["--ty", "x", "--un", "s", "--wr", "f", "--de", "-d"],
        ] {
            assert_eq!(translated(words).unwrap(), ours, "{words:?}");
        }
    }

    #[test]
    fn a_unix_socket_wins_over_a_port() {
        let words = translated(&["-tx", "-us", "-wf", "-a", "::1", "-p", "1"]).unwrap();
        assert!(words.contains(&"--unix=s".into()) && !words.iter().any(|word| word == "--tcp=::1"));
    }

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        let words = translated(&["-tx", "-wf", "-a", "::1", "-p", "0x1F90", "-b", "010", "-c", "2"]).unwrap();
        for word in ["--port=0x1F90", "--buffersize=8", "--maxconns=2"] {
            assert!(words.contains(&word.into()), "{words:?}");
        }
    }

    #[test]
    fn usage_errors_and_help_end_with_1_and_the_version_with_0() {
        for words in [
            &["-h"][..],
            &["-q"],
            &["extra"],
            &["-t", "x"],
            &["-u", "s", "-w", "f"],
            &["-t", "x", "-u", "s"],
            &["-tx", "-wf", "-a", "::1"],
            &["-tx", "-wf", "-a", "localhost", "-p", "1"],
            &["-tx", "-wf", "-us", "-s", "5"],
            &["-tx", "-wf", "-us", "--gmtime", "--localtime"],
            &["-tx", "-wf", "-us", "--json"],
            &["-tx", "-wf", "-us", "-n", "5"],
            &["-tx", "-wf", "-us", "-b", "many"],
            &["-t"],
        ] {
            assert_eq!(translated(words).unwrap_err().code().exit(), 1, "{words:?}");
        }
        for words in [
            &["--version"][..],
            &["-q", "--ver"],
            &["-t", "--version=x", "stray"],
        ] {
            assert_eq!(translated(words).unwrap_err().code().exit(), 0, "{words:?}");
        }
        for words in [&["-V"][..], &["--", "--version"], &["--versions"]] {
            assert_eq!(translated(words).unwrap_err().code().exit(), 1, "{words:?}");
        }
    }
}
