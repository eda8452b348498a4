//! Configuration files: where they lie and what stands in them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use clap::{ColorChoice, ValueEnum as _};
use csp_core::Address;
use serde::Deserialize;

use crate::failure::{Code, Failure, Result};
use crate::output::Format;

/// What a configuration file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    pub(super) link: Option<String>,
    pub(super) format: Option<Format>,
    pub(super) color: Option<Color>,
    #[serde(default)]
    pub(super) csp: Csp,
}

/// The table `[csp]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Csp {
    pub(super) iface: Option<String>,
    #[serde(default)]
    pub(super) hosts: BTreeMap<String, Host>,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Color(pub(super) ColorChoice);

impl TryFrom<String> for Color {
    type Error = String;

    fn try_from(word: String) -> core::result::Result<Self, String> {
        let choice = ColorChoice::from_str(&word, true);
        choice
            .map(Self)
            .map_err(|_| format!("{word:?} is none of auto, always, never"))
    }
}

/// The address of a node.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u64")]
pub(super) struct Host(pub(super) u16);

impl TryFrom<u64> for Host {
    type Error = String;

    fn try_from(number: u64) -> core::result::Result<Self, String> {
        let address = u16::try_from(number).ok().and_then(Address::new);
        address
            .map(|address| Self(address.to_bits()))
            .ok_or_else(|| format!("{number} is no address of a node, 0 to {}", Address::BROADCAST))
    }
}

/// The files that count, the one that wins first.
pub(crate) fn locations(environment: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::from("tinwire.toml")];
    let home =
        || Some(PathBuf::from(environment("HOME").or_else(|| environment("USERPROFILE"))?).join(".config"));
    let user = environment("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home);
    paths.extend(user.map(|folder| folder.join("tinwire").join("config.toml")));
    paths
}

/// The file's contents, or nothing when there is no such file.
pub(super) fn read(path: PathBuf) -> Result<Option<(PathBuf, Contents)>> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::caused(Code::Config, error).context(format!("reading {}", path.display())));
        }
    };
    let contents = toml::from_str(&text).map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| {
            text.bytes()
                .take(span.start)
                .filter(|&byte| byte == b'\n')
                .count()
                + 1
        });
        let message = format!("{}, line {line}: {}", path.display(), error.message());
        Failure::new(Code::Config, message)
    })?;
    Ok(Some((path, contents)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_file_lies_where_xdg_says() {
        let environment = |name: &str| (name == "XDG_CONFIG_HOME").then(|| "/x".to_owned());
        assert_eq!(
            locations(environment),
            [
                PathBuf::from("tinwire.toml"),
                PathBuf::from("/x/tinwire/config.toml")
            ]
        );
        let environment = |name: &str| (name == "HOME").then(|| "/home/me".to_owned());
        assert_eq!(
            locations(environment).last().unwrap(),
            &PathBuf::from("/home/me/.config/tinwire/config.toml")
        );
    }

    #[test]
    fn a_key_nobody_knows_is_an_error_that_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tinwire.toml");
        fs::write(&path, "link = \"can0\"\nlnk = 1\n").unwrap();
        let failure = read(path).unwrap_err();
        assert!(
            failure.text().contains("line 2: unknown field `lnk`"),
            "{}",
            failure.text()
        );
        assert_eq!(failure.code(), Code::Config);
    }

    #[test]
    fn a_value_out_of_range_is_an_error_that_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tinwire.toml");
        for (text, expected) in [
            (
                "[csp.hosts]\nobc = 1\neps = 20000\n",
                "line 3: 20000 is no address of a node, 0 to 16383",
            ),
            (
                "link = \"can0\"\ncolor = \"pink\"\n",
                "line 2: \"pink\" is none of auto, always, never",
            ),
        ] {
            fs::write(&path, text).unwrap();
            let failure = read(path.clone()).unwrap_err();
            assert!(failure.text().ends_with(expected), "{}", failure.text());
        }
    }

    #[test]
    fn a_file_that_is_not_there_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path().join("tinwire.toml")).unwrap().is_none());
    }
}
