//! Settings and where each comes from: flag, then environment, then `./tinwire.toml`, then the user's file,
//! then built in.

mod file;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ColorChoice;

use crate::args::Global;
use crate::failure::{Code, Failure, Result};
use crate::output::Format;

pub(crate) use file::locations;

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag of the command line.
    Flag(&'static str),
    /// An environment variable.
    Environment(&'static str),
    /// A configuration file.
    File(PathBuf),
    /// Nobody said otherwise.
    BuiltIn,
}

impl core::fmt::Display for Origin {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::Environment(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::BuiltIn => f.write_str("built in"),
        }
    }
}

/// A value and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// What a command goes by.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The link where none is named.
    pub(crate) link: Setting<String>,
    /// The CSP interface where none is named; the link when unset.
    pub(crate) csp_iface: Option<Setting<String>>,
    /// Names of CSP nodes.
    pub(crate) csp_hosts: BTreeMap<String, Setting<u16>>,
    pub(crate) format: Setting<Format>,
    pub(crate) color: Setting<ColorChoice>,
}

impl Settings {
    /// Reads the environment and the files that exist. What nobody understands is left out, and told beside.
    pub(crate) fn load(global: &Global) -> (Self, Vec<Failure>) {
        let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (mut files, mut faults) = (Vec::new(), Vec::new());
        for path in locations(environment) {
            match file::read(path) {
                Ok(file) => files.extend(file),
                Err(fault) => faults.push(fault),
            }
        }
        let settings = Self::resolve(global, environment, &files, &mut faults);
        (settings, faults)
    }

    fn resolve(
        global: &Global,
        environment: impl Fn(&str) -> Option<String>,
        files: &[(PathBuf, file::Contents)],
        faults: &mut Vec<Failure>,
    ) -> Self {
        let in_environment = |name: &'static str| {
            environment(name).map(|value| Setting {
                value,
                origin: Origin::Environment(name),
            })
        };
        let link = in_environment("TINWIRE_LINK")
            .or_else(|| first(files, |contents| contents.link.clone()))
            .unwrap_or_else(|| built_in("sim:".to_owned()));
        let csp_iface = in_environment("TINWIRE_CSP_IFACE")
            .or_else(|| first(files, |contents| contents.csp.iface.clone()));
        let mut csp_hosts = BTreeMap::new();
        for (path, contents) in files.iter().rev() {
            for (name, host) in &contents.csp.hosts {
                let (value, origin) = (host.0, Origin::File(path.clone()));
                csp_hosts.insert(name.clone(), Setting { value, origin });
            }
        }
        let format = match global.format_flag() {
            Some((value, flag)) => Setting {
                value,
                origin: Origin::Flag(flag),
            },
            None => understood(in_environment("TINWIRE_FORMAT"), faults)
                .or_else(|| first(files, |contents| contents.format))
                .unwrap_or_else(|| built_in(Format::Text)),
        };
        let color = match global.color {
            Some(value) => Setting {
                value,
                origin: Origin::Flag("--color"),
            },
            None => understood(in_environment("TINWIRE_COLOR"), faults)
                .or_else(|| first(files, |contents| contents.color.map(|color| color.0)))
                .unwrap_or_else(|| built_in(ColorChoice::Auto)),
        };
        Self {
            link,
            csp_iface,
            csp_hosts,
            format,
            color,
        }
    }
}

/// The value of the first file that has one.
fn first<T>(
    files: &[(PathBuf, file::Contents)],
    pick: impl Fn(&file::Contents) -> Option<T>,
) -> Option<Setting<T>> {
    files.iter().find_map(|(path, contents)| {
        pick(contents).map(|value| Setting {
            value,
            origin: Origin::File(path.clone()),
        })
    })
}

const fn built_in<T>(value: T) -> Setting<T> {
    Setting {
        value,
        origin: Origin::BuiltIn,
    }
}

/// The value, unless it is none of its words: then that is told.
fn understood<T: clap::ValueEnum>(
    setting: Option<Setting<String>>,
    faults: &mut Vec<Failure>,
) -> Option<Setting<T>> {
    parsed(setting?).map_err(|fault| faults.push(fault)).ok()
}

/// A value that has to be one of a few words.
fn parsed<T: clap::ValueEnum>(setting: Setting<String>) -> Result<Setting<T>> {
    let value = T::from_str(&setting.value, true).map_err(|_| {
        let words: Vec<_> = T::value_variants()
            .iter()
            .filter_map(|variant| variant.to_possible_value())
            .map(|word| word.get_name().to_owned())
            .collect();
        let message = format!(
            "{}: {:?} is none of {}",
            setting.origin,
            setting.value,
            words.join(", ")
        );
        Failure::new(Code::Config, message)
    })?;
    Ok(Setting {
        value,
        origin: setting.origin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> (PathBuf, file::Contents) {
        (PathBuf::from(name), toml::from_str(text).unwrap())
    }

    fn nothing(_: &str) -> Option<String> {
        None
    }

    fn resolved(
        global: &Global,
        environment: impl Fn(&str) -> Option<String>,
        files: &[(PathBuf, file::Contents)],
    ) -> Settings {
        let mut faults = Vec::new();
        let settings = Settings::resolve(global, environment, files, &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
        settings
    }

    #[test]
    fn without_any_word_the_link_is_the_simulation() {
        let settings = resolved(&Global::default(), nothing, &[]);
        assert_eq!(settings.link, built_in("sim:".into()));
        assert_eq!(settings.format.value, Format::Text);
        assert_eq!(settings.csp_iface, None);
    }

    #[test]
    fn the_environment_wins_over_files_and_the_first_file_over_the_second() {
        let files = [
            file("a.toml", "link = \"can0\""),
            file("b.toml", "link = \"can1\"\nformat = \"json\""),
        ];
        let settings = resolved(&Global::default(), nothing, &files);
        assert_eq!(settings.link.value, "can0");
        assert_eq!(settings.link.origin, Origin::File("a.toml".into()));
        assert_eq!(settings.format.origin, Origin::File("b.toml".into()));

        let environment = |name: &str| (name == "TINWIRE_LINK").then(|| "bus:x".to_owned());
        let settings = resolved(&Global::default(), environment, &files);
        assert_eq!(settings.link.value, "bus:x");
        assert_eq!(settings.link.origin, Origin::Environment("TINWIRE_LINK"));
    }

    #[test]
    fn a_flag_wins_over_everything() {
        let global = Global {
            json: true,
            ..Global::default()
        };
        let environment = |name: &str| (name == "TINWIRE_FORMAT").then(|| "text".to_owned());
        let settings = resolved(&global, environment, &[]);
        assert_eq!(settings.format.value, Format::Json);
        assert_eq!(settings.format.origin, Origin::Flag("--json"));
    }

    #[test]
    fn node_names_of_all_files_count_and_the_first_file_wins() {
        let files = [
            file("a.toml", "[csp.hosts]\neps = 2"),
            file("b.toml", "[csp.hosts]\neps = 9\nobc = 1"),
        ];
        let settings = resolved(&Global::default(), nothing, &files);
        let hosts: Vec<_> = settings
            .csp_hosts
            .iter()
            .map(|(name, node)| (name.as_str(), node.value))
            .collect();
        assert_eq!(hosts, [("eps", 2), ("obc", 1)]);
    }

    #[test]
    fn a_wrong_word_in_the_environment_names_the_variable_and_the_words() {
        let environment = |name: &str| (name == "TINWIRE_FORMAT").then(|| "yaml".to_owned());
        let mut faults = Vec::new();
        let settings = Settings::resolve(&Global::default(), environment, &[], &mut faults);
        assert_eq!(
            faults.pop().unwrap().text(),
            "error: TINWIRE_FORMAT: \"yaml\" is none of text, json"
        );
        assert_eq!(settings.format.value, Format::Text, "as if it had not been said");
    }
}
