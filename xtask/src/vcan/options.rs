//! The command line of `cargo xtask vcan`.

use core::time::Duration;
use std::path::PathBuf;

use crate::failure::{Failure, Result};

pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// What to run, where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// Use the machine even where this kernel has CAN.
    pub(crate) vm: bool,
    /// Let QEMU use the processor's virtualisation if that turns out to work.
    pub(crate) kvm: bool,
    /// Two emulated controllers on one bus.
    pub(crate) controllers: Controllers,
    pub(crate) kernel: Source,
    /// For the whole run, boot included.
    pub(crate) timeout: Duration,
    /// Only tests whose name contains this.
    pub(crate) filter: Option<String>,
    /// Run this instead of the tests.
    pub(crate) command: Vec<String>,
}

/// CAN controllers, which the machine emulates; this kernel has none to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Controllers {
    /// In the machine, when that is where the run goes.
    IfInMachine,
    /// The run goes to the machine because of them.
    Wanted,
    Absent,
}

/// Where the machine's kernel comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A Debian kernel, downloaded once and kept under `target/vcan`.
    Debian(Series),
    /// A package file.
    Package(PathBuf),
    /// The unpacked content of a package.
    Directory(PathBuf),
}

/// A kernel series that the tests are run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Series {
    V6_1,
    V6_12,
    V7_2,
}

impl Series {
    pub(crate) const ALL: [Self; 3] = [Self::V6_1, Self::V6_12, Self::V7_2];

    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
            Self::V7_2 => "7.2",
        }
    }

    /// The part of the Debian archive that has it.
    pub(crate) fn suite(self) -> &'static str {
        match self {
            Self::V6_1 => "bookworm",
            Self::V6_12 => "bookworm-backports",
            Self::V7_2 => "trixie-backports",
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            vm: false,
            kvm: false,
            controllers: Controllers::IfInMachine,
            kernel: Source::Debian(Series::V6_1),
            timeout: DEFAULT_TIMEOUT,
            filter: None,
            command: Vec::new(),
        }
    }
}

impl Options {
    /// What `cargo xtask test` runs: all kernel tests there are, with time enough on a busy machine.
    pub(crate) fn everything() -> Self {
        Self {
            controllers: Controllers::Wanted,
            timeout: 2 * DEFAULT_TIMEOUT,
            ..Self::default()
        }
    }

    /// The emulated machine with this kernel, without controllers.
    pub(crate) fn machine(series: Series) -> Self {
        Self {
            vm: true,
            controllers: Controllers::Absent,
            kernel: Source::Debian(series),
            timeout: 2 * DEFAULT_TIMEOUT,
            ..Self::default()
        }
    }

    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let missing = || Failure::usage(format!("{argument} needs a value"));
                arguments.next().cloned().ok_or_else(missing)
            };
            match argument.as_str() {
                "--vm" => options.vm = true,
                "--kvm" => options.kvm = true,
                "--hw" => options.controllers = Controllers::Wanted,
                "--no-hw" => options.controllers = Controllers::Absent,
                "--kernel" => options.kernel = Source::Debian(series(&value()?)?),
                "--kernel-deb" => options.kernel = Source::Package(value()?.into()),
                "--kernel-dir" => options.kernel = Source::Directory(value()?.into()),
                "--timeout" => options.timeout = seconds(&value()?)?,
                "--" => options.command = arguments.by_ref().cloned().collect(),
                flag if flag.starts_with('-') => {
                    return Err(Failure::usage(format!(
                        "vcan has no option {flag}; see cargo xtask --help"
                    )));
                }
                filter if options.filter.is_none() => options.filter = Some(filter.to_owned()),
                more => {
                    return Err(Failure::usage(format!(
                        "one filter at most, and {more} is the second"
                    )));
                }
            }
        }
        Ok(options)
    }
}

fn series(text: &str) -> Result<Series> {
    Series::ALL
        .into_iter()
        .find(|series| series.version() == text)
        .ok_or_else(|| Failure::usage(format!("--kernel {text}: known are 6.1, 6.12 and 7.2")))
}

fn seconds(text: &str) -> Result<Duration> {
    match text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err(Failure::usage(format!(
            "--timeout {text}: whole seconds, 1 to 86400"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn every_option_has_its_place() {
        let options = parse("--vm --kvm --hw --kernel 6.12 --timeout 7 echo").unwrap();
        assert!(options.vm && options.kvm);
        assert_eq!(options.controllers, Controllers::Wanted);
        assert_eq!(options.kernel, Source::Debian(Series::V6_12));
        assert_eq!(options.timeout, Duration::from_secs(7));
        assert_eq!(options.filter.as_deref(), Some("echo"));
    }

    #[test]
    fn all_after_two_dashes_is_a_command_for_the_guest() {
        let options = parse("--vm -- candump -n 1 vcan0").unwrap();
        assert_eq!(options.command, ["candump", "-n", "1", "vcan0"]);
        assert_eq!(options.filter, None);
    }

    #[test]
    fn a_line_that_makes_no_sense_is_refused_with_status_2() {
        for line in [
            "--kernel",
            "--kernel 5.10",
            "--timeout 0",
            "--timeout soon",
            "--cloud",
            "one two",
        ] {
            assert_eq!(parse(line).unwrap_err().status(), 2, "{line}");
        }
    }
}
