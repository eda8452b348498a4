//! `flow ls`, `flow stat`, `flow name`, `flow bind`, `flow unbind`

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

pub(super) const LS_EXAMPLES: &str = "\
For each name: who accepts, who gets a request when several do, which users may ask, and the
programs and processes that are bound to it. For each broadcast layer: its members.

Examples:
  tinwire flow ls
  tinwire flow ls --json";

pub(super) const STAT_EXAMPLES: &str = "\
Flows are those that a process was asked for by other processes, as the kernel lists their sockets
(Linux). A stale seat is the socket of a dead process; who meets it removes it.

Examples:
  tinwire flow stat
  tinwire flow stat --dir /run/flows --json";

const CREATE_EXAMPLES: &str = "\
Examples:
  tinwire flow name create hello
  tinwire flow name create hello --lb spill-over --share everybody";

const DESTROY_EXAMPLES: &str = "Examples:\n  tinwire flow name destroy hello";

const LIST_EXAMPLES: &str = "Examples:\n  tinwire flow name list\n  tinwire flow name list --json";

const BIND_PROGRAM_EXAMPLES: &str = "\
A process accepts for a name when its program has the base name of one that is bound to it. With
auto the program is started, in the background, when a request finds nobody who accepts. The words
`name` and `auto` may stand as the peer's irm has them.

Examples:
  tinwire flow bind program ./server hello
  tinwire flow bind program ./server name hello auto -- --verbose";

const BIND_PROCESS_EXAMPLES: &str = "\
Examples:
  tinwire flow bind process 4242 hello
  tinwire flow bind process 4242 name hello";

const UNBIND_PROGRAM_EXAMPLES: &str = "Examples:\n  tinwire flow unbind program ./server hello";

const UNBIND_PROCESS_EXAMPLES: &str = "Examples:\n  tinwire flow unbind process 4242 hello";

/// Where the processes of this machine meet.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// The directory where the processes of this machine meet [env: TINWIRE_FLOW_DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// `flow ls`
#[derive(Args, Debug)]
pub(crate) struct Ls {
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `flow stat`
#[derive(Args, Debug)]
pub(crate) struct Stat {
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `flow name ...`
#[derive(Debug, Subcommand)]
pub(crate) enum NameVerb {
    /// Make a name that stays
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Create),
    /// Take back all settings of a name
    #[command(after_help = DESTROY_EXAMPLES)]
    Destroy(Destroy),
    /// All names
    #[command(after_help = LIST_EXAMPLES)]
    List(Ls),
}

/// `flow name create`
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// The name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Who gets a request when several processes accept
    #[arg(long, value_name = "POLICY", default_value = "round-robin")]
    pub(crate) lb: Policy,
    /// Which users may ask for it and be bound to it: user (the own one alone), group:NUMBER, everybody
    #[arg(long, value_name = "WHO", default_value = "user", value_parser = share)]
    pub(crate) share: Share,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Who gets a request when several processes accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// They take turns.
    #[value(alias = "rr")]
    RoundRobin,
    /// The youngest that waits.
    #[value(alias = "spillover", alias = "spill")]
    SpillOver,
}

/// Which users may use a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    User,
    Group(u32),
    Everybody,
}

fn share(text: &str) -> Result<Share, String> {
    let wrong = || format!("{text:?}: write user, group:NUMBER or everybody");
    match text.split_once(':') {
        None if text == "user" => Ok(Share::User),
        None if text == "everybody" => Ok(Share::Everybody),
        Some(("group", number)) => number.parse().map(Share::Group).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// `flow name destroy`
#[derive(Args, Debug)]
pub(crate) struct Destroy {
    /// The name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `flow bind ...`
#[derive(Debug, Subcommand)]
pub(crate) enum BindVerb {
    /// Processes of this program accept for the name
    #[command(after_help = BIND_PROGRAM_EXAMPLES)]
    Program(BindProgram),
    /// This process accepts for the name
    #[command(after_help = BIND_PROCESS_EXAMPLES)]
    Process(Process),
}

/// `flow bind program`
#[derive(Args, Debug)]
pub(crate) struct BindProgram {
    /// Its executable file
    #[arg(value_name = "PROGRAM")]
    pub(crate) program: PathBuf,
    /// The name
    #[arg(value_name = "NAME", required = true, num_args = 1..=3)]
    pub(crate) words: Vec<String>,
    /// Start it when a request finds nobody who accepts
    #[arg(long)]
    pub(crate) auto: bool,
    /// Its arguments when it is started
    #[arg(last = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<OsString>,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `flow bind process`, `flow unbind process`
#[derive(Args, Debug)]
pub(crate) struct Process {
    /// Its number
    #[arg(value_name = "PID")]
    pub(crate) pid: u32,
    /// The name
    #[arg(value_name = "NAME", required = true, num_args = 1..=2)]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `flow unbind ...`
#[derive(Debug, Subcommand)]
pub(crate) enum UnbindVerb {
    /// Processes of this program accept for the name no longer
    #[command(after_help = UNBIND_PROGRAM_EXAMPLES)]
    Program(UnbindProgram),
    /// This process accepts for the name no longer
    #[command(after_help = UNBIND_PROCESS_EXAMPLES)]
    Process(Process),
}

/// `flow unbind program`
#[derive(Args, Debug)]
pub(crate) struct UnbindProgram {
    /// Its executable file
    #[arg(value_name = "PROGRAM")]
    pub(crate) program: PathBuf,
    /// The name
    #[arg(value_name = "NAME", required = true, num_args = 1..=2)]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// The name in `NAME`, `name NAME`, and either with `auto`; and whether that was there.
pub(crate) fn named(words: &[String]) -> Option<(&str, bool)> {
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [name] | ["name", name] => Some((name, false)),
        ["auto", "name", name] | ["name", name, "auto"] | [name, "auto"] => Some((name, true)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_irm_may_stand_or_not() {
        let named = |line: &str| {
            let words: Vec<String> = line.split(' ').map(Into::into).collect();
            named(&words).map(|(name, auto)| (name.to_owned(), auto))
        };
        assert_eq!(named("hello"), Some(("hello".into(), false)));
        assert_eq!(named("name hello"), Some(("hello".into(), false)));
        assert_eq!(named("name"), Some(("name".into(), false)));
        for line in ["auto name hello", "name hello auto", "hello auto"] {
            assert_eq!(named(line), Some(("hello".into(), true)), "{line}");
        }
        assert_eq!(named("hello there you"), None);
    }

    #[test]
    fn who_may_use_a_name_is_one_of_three() {
        assert_eq!(share("user"), Ok(Share::User));
        assert_eq!(share("group:5"), Ok(Share::Group(5)));
        assert_eq!(share("everybody"), Ok(Share::Everybody));
        assert!(share("group:x").is_err() && share("me").is_err());
    }
}
