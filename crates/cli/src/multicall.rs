//! Started under another tool's name, the command is that tool: `candump can0` is `tinwire can dump can0`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::failure::{Code, Failure, Result};

/// Names of other tools, and the verb that each one is here. No words: the verb does not exist yet.
const NAMES: [(&str, &[&str]); 11] = [
    ("candump", &["can", "dump"]),
    ("cansend", &["can", "send"]),
    ("cangen", &["can", "gen"]),
    ("canplayer", &[]),
    ("isotpsend", &["isotp", "send"]),
    ("isotprecv", &["isotp", "recv"]),
    ("isotpdump", &["isotp", "dump"]),
    ("fstrm_capture", &[]),
    ("fstrm_dump", &[]),
    ("fstrm_replay", &[]),
    ("dnstap", &[]),
];

/// Puts the verb in place of the name that the command was started under.
pub(crate) fn expand(words: Vec<OsString>) -> Result<Vec<OsString>> {
    let name = words
        .first()
        .map(Path::new)
        .and_then(Path::file_stem)
        .unwrap_or_default();
    let Some((name, verb)) = NAMES.iter().find(|(known, _)| OsStr::new(known) == name) else {
        return Ok(words);
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
    Ok(core::iter::once(OsString::from("tinwire"))
        .chain(verb)
        .chain(words.into_iter().skip(1))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(words: &[&str]) -> Result<Vec<OsString>> {
        expand(words.iter().map(OsString::from).collect())
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
        let failure = expanded(&["fstrm_capture", "-t", "x"]).unwrap_err();
        assert_eq!(failure.code().exit(), 2);
        assert!(
            failure
                .text()
                .contains("fstrm_capture, which is not in this version")
        );
    }
}
