//! Started under another tool's name, the command is that tool: `candump can0` is `tinwire can dump can0`.
//!
//! The tools of kernel ISO-TP have their letters checked here, for some mean something else to clap (`-h` of
//! isotpsniffer), and for a wrong one they have exit statuses of their own. What of their behaviour differs
//! from the verb's is asked of the [`Guise`].

mod capture;
mod golang;
mod letters;
mod replay;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use self::letters::Tool;
use crate::failure::{Code, Failure, Result};

/// Names of other tools, and the verb that each one is here. No words: the verb does not exist yet.
const NAMES: [(&str, &[&str]); 4] = [
    ("candump", &["can", "dump"]),
    ("cansend", &["can", "send"]),
    ("cangen", &["can", "gen"]),
    ("canplayer", &[]),
];

/// A tool whose manners the command takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guise {
    Isotpsend,
    Isotprecv,
    Isotpserver,
    Isotpdump,
    Isotpsniffer,
    Isotpperf,
    FstrmDump,
    Dnstap,
    FstrmCapture,
    FstrmReplay,
}

/// The words as ours, and the tool whose they were.
#[derive(Debug)]
pub(crate) struct Expanded {
    pub(crate) words: Vec<OsString>,
    pub(crate) guise: Option<Guise>,
}

/// Puts the verb in place of the name that the command was started under.
pub(crate) fn expand(words: Vec<OsString>) -> Result<Expanded> {
    let name = words
        .first()
        .map(Path::new)
        .and_then(Path::file_stem)
        .unwrap_or_default();
    if let Some(tool) = letters::TOOLS.iter().find(|tool| OsStr::new(tool.name) == name) {
        return in_guise(tool, words.get(1..).unwrap_or_default());
    }
    if name == "fstrm_dump" {
        return fstrm_dump(words.get(1..).unwrap_or_default());
    }
    if OsStr::new(golang::NAME) == name {
        let words = golang::translate(words.get(1..).unwrap_or_default())?;
        let verb = ["tinwire", "dnstap", "cat"].map(OsString::from);
        return Ok(Expanded {
            words: verb.into_iter().chain(words).collect(),
            guise: Some(Guise::Dnstap),
        });
    }
    if name == capture::NAME {
        let verb = ["tinwire", "fstrm", "capture"].map(OsString::from);
        let found = capture::translate(words.get(1..).unwrap_or_default())?;
        return Ok(Expanded {
            words: verb.into_iter().chain(found).collect(),
            guise: Some(Guise::FstrmCapture),
        });
    }
    if name == replay::NAME {
        let verb = ["tinwire", "fstrm", "replay"].map(OsString::from);
        let words = replay::translate(words.get(1..).unwrap_or_default())?;
        return Ok(Expanded {
            words: verb.into_iter().chain(words).collect(),
            guise: Some(Guise::FstrmReplay),
        });
    }
    let guise = None;
    let Some((name, verb)) = NAMES.iter().find(|(known, _)| OsStr::new(known) == name) else {
        return Ok(Expanded { words, guise });
    };
    if verb.is_empty() {
        let message = format!(
            "tinwire was started as {name}, which is not in this version ({})",
            env!("CARGO_PKG_VERSION")
        );
        return Err(Failure::new(Code::NotInThisVersion, message)
            .hint("tinwire --help lists what is; remove the link to get the original tool back"));
    }
    let verb = verb.iter().map(OsString::from);
    let words = core::iter::once(OsString::from("tinwire"))
        .chain(verb)
        .chain(words.into_iter().skip(1))
        .collect();
    Ok(Expanded { words, guise })
}

/// Whether the tools of fstrm would tell their version: they look for `--version`, whole or cut short, before
/// they look at anything else.
fn asks_for_version(words: &[OsString]) -> bool {
    let mut words = words.iter().take_while(|word| *word != "--");
    words.any(|word| {
        let word = word.to_string_lossy();
        let Some(long) = word.strip_prefix("--") else {
            return false;
        };
        let name = long.split_once('=').map_or(long, |(name, _)| name);
        !name.is_empty() && "version".starts_with(name)
    })
}

/// The version as those tools tell it, with their exit status.
fn version(name: &str) -> Failure {
    Failure::imitated(0, format_args!("{name}: tinwire {}", env!("CARGO_PKG_VERSION")))
}

fn in_guise(tool: &Tool, words: &[OsString]) -> Result<Expanded> {
    let found = tool.read(words)?;
    let verb = ["tinwire", "isotp", tool.verb].map(OsString::from);
    Ok(Expanded {
        words: verb.into_iter().chain(tool.translate(found)).collect(),
        guise: Some(tool.guise),
    })
}

/// It has no letters: every word is a file's name.
fn fstrm_dump(words: &[OsString]) -> Result<Expanded> {
    if !matches!(words, [_] | [_, _]) {
        let usage = "Usage: fstrm_dump <INPUT FILE> [<OUTPUT FILE>]\n\
                     Dumps a Frame Streams formatted input file.\n";
        return Err(Failure::imitated(1, usage));
    }
    let verb = ["tinwire", "fstrm", "dump", "--force", "--"].map(OsString::from);
    Ok(Expanded {
        words: verb.into_iter().chain(words.iter().cloned()).collect(),
        guise: Some(Guise::FstrmDump),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(words: &[&str]) -> Result<Vec<OsString>> {
        expand(words.iter().map(OsString::from).collect()).map(|expanded| expanded.words)
    }

    #[test]
    fn under_its_own_name_nothing_changes() {
        let words = expanded(&["/usr/bin/tinwire", "can", "dump"]).unwrap();
        assert_eq!(words, ["/usr/bin/tinwire", "can", "dump"]);
        assert!(expanded(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_known_name_becomes_its_verb() {
        let words = expanded(&["/usr/local/bin/candump", "-L", "can0"]).unwrap();
        assert_eq!(words, ["tinwire", "can", "dump", "-L", "can0"]);
    }

    #[test]
    fn a_tool_of_a_later_version_is_refused_in_one_sentence() {
        let failure = expanded(&["canplayer", "-I", "x"]).unwrap_err();
        assert_eq!(failure.code().exit(), 2);
        assert!(failure.text().contains("canplayer, which is not in this version"));
    }

    #[test]
    fn words_of_fstrm_dump_are_files() {
        let words = expanded(&["fstrm_dump", "--help", "-q"]).unwrap();
        assert_eq!(
            words,
            ["tinwire", "fstrm", "dump", "--force", "--", "--help", "-q"]
        );
        for words in [&["fstrm_dump"][..], &["fstrm_dump", "a", "b", "c"]] {
            let failure = expanded(words).unwrap_err();
            assert_eq!(failure.code().exit(), 1);
            assert!(failure.text().starts_with("Usage: fstrm_dump <INPUT FILE>"));
        }
    }

    #[test]
    fn letters_of_the_isotp_tools_are_read_as_they_read_them() {
        let words = expanded(&["isotpdump", "-as123", "-d", "321", "can0"]).unwrap();
        assert_eq!(
            words,
            ["tinwire", "isotp", "dump", "-a", "-s123", "-d321", "--", "can0"]
        );
        let words = expanded(&[
            "isotpsniffer",
            "can0",
            "-s",
            "123",
            "-d",
            "321",
            "-h8",
            "-ci",
            "-x",
            "11",
        ])
        .unwrap();
        assert_eq!(
            words,
            [
                "tinwire",
                "isotp",
                "dump",
                "--reassemble",
                "-s123",
                "-d321",
                "--head=8",
                "-c",
                "-x11",
                "-X11",
                "--",
                "can0"
            ]
        );
    }

    #[test]
    fn wrong_letters_end_as_the_tools_do() {
        for (words, status) in [
            (&["isotpsend", "-q", "can0"][..], 0),
            (&["isotpsend", "-s", "123", "can0"], 1),
            (&["isotpsend", "-s", "123", "-d", "321"], 1),
            (&["isotprecv", "-s", "123", "-d", "321", "can0", "can1"], 1),
            (&["isotpdump", "can0"], 0),
            (&["isotpsniffer", "can0"], 1),
        ] {
            let failure = expanded(words).unwrap_err();
            assert_eq!(failure.code().exit(), status, "{words:?}");
            assert!(failure.text().contains("Usage: isotp"), "{}", failure.text());
        }
        expanded(&["isotpsend", "-s", "7DF", "-S", "can0"]).unwrap();
    }
}
