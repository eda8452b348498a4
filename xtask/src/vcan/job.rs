//! What runs beside the CAN interfaces, as one shell script: the same in the machine and on this kernel.

use core::fmt::Write as _;
use std::env;
use std::path::PathBuf;

use crate::suite::Executable;

/// Makes the interfaces and tells the tests about them.
const INTERFACES: &str = include_str!("interfaces.sh");
/// Environment variables that are handed on by name, besides all that begin with `TINWIRE_` or `RUST_`.
const HANDED_ON: [&str; 6] = ["PATH", "HOME", "LANG", "CI", "PROPTEST_CASES", "TERM"];
const HANDED_ON_PREFIXES: [&str; 2] = ["TINWIRE_", "RUST_"];

/// Programs to run one after the other. The first status that is not 0 is the job's.
#[derive(Debug, Default)]
pub(crate) struct Job {
    pub(crate) steps: Vec<Step>,
    /// How many times longer than at home a test should wait: an emulated machine is slow.
    pub(crate) slowness: u32,
}

/// One program.
#[derive(Debug)]
pub(crate) struct Step {
    /// Printed above the output of the program, unless empty.
    pub(crate) title: String,
    pub(crate) line: Vec<String>,
    pub(crate) directory: PathBuf,
    pub(crate) environment: Vec<(String, String)>,
}

impl Job {
    pub(crate) fn script(&self) -> String {
        let mut script = String::from("#!/bin/sh\n");
        for (name, value) in env::vars().filter(|(name, _)| is_handed_on(name)) {
            let _infallible = writeln!(script, "export {name}={}", quoted(&value));
        }
        let _infallible = writeln!(script, "export VCAN_SLOW={}\n{INTERFACES}", self.slowness);
        script.push_str("status=0\nkeep() { [ \"$status\" -ne 0 ] || status=$1; }\n");
        for step in &self.steps {
            step.write(&mut script);
        }
        script.push_str("exit \"$status\"\n");
        script
    }
}

impl Step {
    /// A test file, run as cargo would.
    pub(crate) fn test(executable: &Executable, filter: Option<&str>) -> Self {
        let mut line = vec![executable.path.to_string_lossy().into_owned()];
        line.extend(["--ignored", "--test-threads=1"].map(str::to_owned));
        line.extend(filter.map(str::to_owned));
        let directory = executable.directory.to_string_lossy().into_owned();
        Self {
            title: executable.title(),
            line,
            directory: executable.directory.clone(),
            environment: vec![("CARGO_MANIFEST_DIR".to_owned(), directory)],
        }
    }

    fn write(&self, script: &mut String) {
        let line = self
            .line
            .iter()
            .map(|word| quoted(word))
            .collect::<Vec<_>>()
            .join(" ");
        if !self.title.is_empty() {
            let _infallible = writeln!(script, "printf '\\n     Running %s\\n' {}", quoted(&self.title));
        }
        let _infallible = writeln!(script, "(");
        for (name, value) in &self.environment {
            let _infallible = writeln!(script, "export {name}={}", quoted(value));
        }
        let directory = quoted(&self.directory.to_string_lossy());
        let _infallible = writeln!(script, "cd {directory} && exec {line}\n)\nkeep $?");
    }
}

fn is_handed_on(name: &str) -> bool {
    let is_plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_plain
        && (HANDED_ON.contains(&name) || HANDED_ON_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn step(line: &[&str]) -> Step {
        Step {
            title: String::new(),
            line: line.iter().copied().map(str::to_owned).collect(),
            directory: PathBuf::from("/"),
            environment: vec![("GREETING".to_owned(), "it's $HOME".to_owned())],
        }
    }

    /// The script without its interfaces, which this kernel may not be able to make.
    fn run(steps: Vec<Step>) -> (Option<i32>, String) {
        let script = Job { steps, slowness: 1 }.script().replace(INTERFACES, "");
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn the_first_status_that_is_not_zero_is_the_status_of_the_job() {
        let steps = vec![
            step(&["true"]),
            step(&["sh", "-c", "exit 101"]),
            step(&["false"]),
            step(&["true"]),
        ];
        assert_eq!(run(steps).0, Some(101));
        assert_eq!(run(vec![step(&["true"])]).0, Some(0));
    }

    #[test]
    fn a_red_step_does_not_keep_the_next_from_running() {
        let (status, output) = run(vec![step(&["false"]), step(&["echo", "still here"])]);
        assert_eq!((status, output.as_str()), (Some(1), "still here\n"));
    }

    #[test]
    fn words_and_values_arrive_as_they_were_written() {
        let (_, output) = run(vec![step(&["printf", "%s|", "a b", "it's", "$HOME", ""])]);
        assert_eq!(output, "a b|it's|$HOME||");
        let (_, output) = run(vec![step(&["sh", "-c", "printf %s \"$GREETING\""])]);
        assert_eq!(output, "it's $HOME");
    }

    #[test]
    fn a_test_file_runs_its_ignored_tests_one_by_one_in_its_package() {
        let executable = Executable {
            target: "vcan_raw".into(),
            package: "can-link".into(),
            directory: "/w/crates/can-link".into(),
            path: "/t/raw".into(),
        };
        let step = Step::test(&executable, Some("echo"));
        assert_eq!(step.line, ["/t/raw", "--ignored", "--test-threads=1", "echo"]);
        assert_eq!(step.directory, executable.directory);
    }

    #[test]
    fn a_program_that_is_not_there_fails_the_job() {
        assert_eq!(run(vec![step(&["/no/such/program"])]).0, Some(127));
    }
}
