//! The letters of `fstrm_replay`.

use std::ffi::{OsStr, OsString};

use super::{asks_for_version, version};
use crate::failure::{Failure, Result};

pub(super) const NAME: &str = "fstrm_replay";

const USAGE: &str = "\
Usage: fstrm_replay -t TYPE -r FILE [-r FILE]... (-u PATH | -a ADDRESS -p PORT)
-t (--type)       content type of the files
-r (--read-file)  a file to send
-u (--unix)       send to this Unix socket
-a (--tcp)        send to this address
-p (--port)       port of the address
tinwire fstrm replay --help tells what else it can do.\n";

/// Letters that take a value, and their long names, which may be shortened.
const LETTERS: [(char, &str); 5] = [
    ('t', "type"),
    ('r', "read-file"),
    ('u', "unix"),
    ('a', "tcp"),
    ('p', "port"),
];

/// The words as `fstrm replay` takes them.
pub(super) fn translate(words: &[OsString]) -> Result<Vec<OsString>> {
    if asks_for_version(words) {
        return Err(version(NAME));
    }
    let mut found: Vec<(char, OsString)> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (letter, glued) = read(word)?;
        let value = match glued {
            Some(value) => value,
            None => words
                .next()
                .cloned()
                .ok_or_else(|| wrong(format!("missing argument of -{letter}")))?,
        };
        found.push((letter, value));
    }
    let has = |letter| found.iter().any(|(other, _)| *other == letter);
    if !has('t') || !has('r') {
        return Err(wrong("-t (--type) and -r (--read-file) have to be given"));
    }
    let has_place = has('u') || has('a') && has('p');
    if !has_place {
        return Err(wrong(
            "-u (--unix), or -a (--tcp) and -p (--port) have to be given",
        ));
    }
    let is_unix = has('u');
    let translated = found
        .into_iter()
        .filter(|(letter, _)| !is_unix || !matches!(letter, 'a' | 'p'))
        .map(|(letter, value)| {
            let long = LETTERS.iter().find(|(other, _)| *other == letter);
            let mut word = OsString::from(format!("--{}=", long.map_or("", |(_, long)| long)));
            word.push(value);
            word
        });
    Ok(translated.collect())
}

/// A letter or its long name, and the value that stands in the same word.
fn read(word: &OsStr) -> Result<(char, Option<OsString>)> {
    // Letters are ASCII; a name that is no text is a value of its own word.
    let text = word.to_str().unwrap_or_default();
    if let Some(long) = text.strip_prefix("--") {
        let (name, value) = long
            .split_once('=')
            .map_or((long, None), |(name, value)| (name, Some(value.into())));
        let mut fitting = LETTERS
            .iter()
            .filter(|(_, long)| !name.is_empty() && long.starts_with(name));
        return match (fitting.next(), fitting.next()) {
            (Some((letter, _)), None) => Ok((*letter, value)),
            _ if name == "help" => Err(Failure::imitated(1, USAGE)),
            _ => Err(wrong(format!("unknown long option '{text}'"))),
        };
    }
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some('-'), Some('h')) => Err(Failure::imitated(1, USAGE)),
        (Some('-'), Some(letter)) if LETTERS.iter().any(|(known, _)| *known == letter) => {
            let glued = letters.as_str();
            Ok((letter, (!glued.is_empty()).then(|| glued.into())))
        }
        (Some('-'), Some(letter)) => Err(wrong(format!("unknown option '-{letter}'"))),
        _ => Err(wrong("unwanted additional argument")),
    }
}

fn wrong(what: impl core::fmt::Display) -> Failure {
    Failure::imitated(1, format!("fstrm_replay: usage problem, {what}\n{USAGE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(words: &[&str]) -> Result<Vec<OsString>> {
        translate(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn letters_and_shortened_names_are_read_as_the_tool_reads_them() {
        let words = translated(&["-t", "x", "-ra", "--read", "-b", "--read-file=c", "--unix", "/s"]).unwrap();
        assert_eq!(
            words,
            [
                "--type=x",
                "--read-file=a",
                "--read-file=-b",
                "--read-file=c",
                "--unix=/s"
            ]
        );
        let words = translated(&["-t", "x", "-r", "a", "-a", "::1", "-p", "0x1770"]).unwrap();
        assert_eq!(words, ["--type=x", "--read-file=a", "--tcp=::1", "--port=0x1770"]);
    }

    #[test]
    fn the_version_is_told_whatever_stands_beside_it() {
        for words in [&["--version"][..], &["-x", "--v"], &["-t", "x", "--version"]] {
            let failure = translated(words).unwrap_err();
            assert_eq!(failure.code().exit(), 0, "{words:?}");
            assert!(failure.text().starts_with("fstrm_replay: tinwire "), "{words:?}");
        }
    }

    #[test]
    fn what_is_wrong_or_missing_ends_with_1() {
        for words in [
            &["-t", "x", "-r", "a"][..],
            &["-t", "x", "-u", "s"],
            &["-r", "a", "-u", "s"],
            &["-t", "x", "-r", "a", "-a", "::1"],
            &["-t", "x", "-r", "a", "-u", "s", "stray"],
            &["-t", "x", "-r", "a", "-u"],
            &["--bogus"],
            &["-x"],
            &["-V"],
            &["--", "--version"],
            &["-h"],
            &["--help"],
            &[],
        ] {
            let failure = translated(words).unwrap_err();
            assert_eq!(failure.code().exit(), 1, "{words:?}");
            assert!(failure.text().contains("Usage: fstrm_replay"), "{words:?}");
        }
    }
}
