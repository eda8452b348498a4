//! `fuzz`: libFuzzer on what `tests/fuzz` of the crates runs on every compiler.
//!
//! A target `CRATE-NAME` is a program of `fuzz/` around `crates/CRATE/tests/fuzz/NAME.rs`. It starts from the
//! inputs kept in `NAME.txt` beside it, one a line in hexadecimal (`#` begins a comment), and from what
//! earlier runs left in `fuzz/corpus`. `--keep` writes back what is worth keeping.

use core::fmt::Write as _;
use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::process;
use crate::workspace::Workspace;

/// How long each target runs.
const DEFAULT_TIME: Duration = Duration::from_secs(60);
/// Bytes of the longest input.
const MAX_LEN: u32 = 600;
/// Megabytes in one piece that no input can be worth.
const MAX_PIECE: u32 = 64;
/// Characters of the inputs kept for one target.
const MAX_KEPT: usize = 48 * 1024;

#[derive(Debug, PartialEq, Eq)]
struct Options {
    /// All without it.
    target: Option<String>,
    time: Duration,
    /// Whether the inputs found are kept in the crate.
    keep: bool,
}

/// One program of `fuzz/`.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    name: String,
    /// The inputs that are kept in the repository.
    kept: PathBuf,
    corpus: PathBuf,
    artifacts: PathBuf,
}

pub(crate) fn run(arguments: &[String]) -> Result {
    let options = Options::parse(arguments)?;
    let workspace = Workspace::load()?;
    let targets: Vec<_> = targets(&workspace)?
        .into_iter()
        .filter(|target| options.target.as_ref().is_none_or(|name| *name == target.name))
        .collect();
    if targets.is_empty() {
        let name = options.target.unwrap_or_default();
        return Err(Failure::usage(format!(
            "no such target: {name}; see fuzz/targets"
        )));
    }
    ready()?;
    targets.iter().try_for_each(|target| target.run(&options))
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            target: None,
            time: DEFAULT_TIME,
            keep: false,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--time" => options.time = duration(arguments.next().map_or("", String::as_str))?,
                "--keep" => options.keep = true,
                flag if flag.starts_with('-') => {
                    return Err(Failure::usage(format!(
                        "fuzz has no option {flag}; see cargo xtask --help"
                    )));
                }
                target if options.target.is_none() => options.target = Some(target.to_owned()),
                more => {
                    return Err(Failure::usage(format!(
                        "one target at most, and {more} is the second"
                    )));
                }
            }
        }
        Ok(options)
    }
}

/// `60s`, `5m` or plain seconds.
fn duration(text: &str) -> Result<Duration> {
    let (number, unit) = match text.strip_suffix('m') {
        Some(number) => (number, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    match number.parse() {
        Ok(count @ 1..=86_400u64) => Ok(Duration::from_secs(count * unit)),
        _ => Err(Failure::usage(format!("--time {text:?}: 60s or 5m, for example"))),
    }
}

/// Whether the compiler and the driver that this needs are here.
fn ready() -> Result {
    if process::quiet(&mut fuzzer(&["--version"])) {
        return Ok(());
    }
    Err(Failure::new(
        "cargo-fuzz or a nightly compiler is missing: \
         rustup toolchain install nightly; cargo install cargo-fuzz",
    ))
}

fn fuzzer(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz"]).args(arguments);
    // They name the compiler that runs this.
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command
}

fn targets(workspace: &Workspace) -> Result<Vec<Target>> {
    let directory = workspace.root.join("fuzz/targets");
    let mut targets = Vec::new();
    for entry in fs::read_dir(&directory).map_err(|error| Failure::at(&directory, &error))? {
        let file = entry.map_err(|error| Failure::at(&directory, &error))?.path();
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let Some((package, name)) = stem.split_once('_') else {
            continue;
        };
        let target = format!("{package}-{name}");
        targets.push(Target {
            kept: workspace
                .root
                .join(format!("crates/{package}/tests/fuzz/{name}.txt")),
            corpus: workspace.root.join("fuzz/corpus").join(&target),
            artifacts: workspace.root.join("fuzz/artifacts").join(&target),
            name: target,
        });
    }
    targets.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(targets)
}

impl Target {
    fn run(&self, options: &Options) -> Result {
        self.unpack()?;
        // No sanitizer: there is no unsafe code to watch, and it takes half the speed.
        let mut command = fuzzer(&["run", "--sanitizer", "none", &self.name, "--"]);
        command.args([
            format!("-max_total_time={}", options.time.as_secs()),
            format!("-max_len={MAX_LEN}"),
            format!("-malloc_limit_mb={MAX_PIECE}"),
            "-print_final_stats=1".to_owned(),
        ]);
        if let Err(failure) = process::run(&mut command) {
            for (path, line) in lines(&self.artifacts)? {
                println!("{}: for {}:\n{line}", path.display(), self.kept.display());
            }
            return Err(failure);
        }
        if options.keep { self.pack() } else { Ok(()) }
    }

    /// Makes files of the inputs that are kept.
    fn unpack(&self) -> Result {
        fs::create_dir_all(&self.corpus).map_err(|error| Failure::at(&self.corpus, &error))?;
        let text = fs::read_to_string(&self.kept).map_err(|error| Failure::at(&self.kept, &error))?;
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !is_comment(line)) {
            let bytes = bytes(line)
                .ok_or_else(|| Failure::new(format!("{}:{number}: not hexadecimal", self.kept.display())))?;
            let path = self.corpus.join(format!("kept-{number}"));
            fs::write(&path, bytes).map_err(|error| Failure::at(&path, &error))?;
        }
        Ok(())
    }

    /// Keeps the shortest inputs that together reach all, as far as there is room.
    ///
    /// What somebody wrote with comments stays as it is, and the others follow it.
    fn pack(&self) -> Result {
        let mut text = fs::read_to_string(&self.kept).map_err(|error| Failure::at(&self.kept, &error))?;
        if !text.lines().any(is_comment) {
            text.clear();
        }
        process::run(&mut fuzzer(&["cmin", "--sanitizer", "none", &self.name]))?;
        let mut lines: Vec<_> = lines(&self.corpus)?.into_iter().map(|(_, line)| line).collect();
        lines.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        lines.dedup();
        lines.retain(|line| text.lines().all(|known| known != line));
        let found = lines.len();
        let told = text.lines().count();
        for line in lines.iter().take_while(|line| line.len() < MAX_KEPT) {
            if text.len() + line.len() < MAX_KEPT {
                text.push_str(line);
                text.push('\n');
            }
        }
        println!(
            "{}: kept {} of {found} inputs",
            self.kept.display(),
            text.lines().count() - told
        );
        fs::write(&self.kept, text).map_err(|error| Failure::at(&self.kept, &error))
    }
}

/// The files of a directory, which need not exist, with their contents in hexadecimal.
fn lines(directory: &Path) -> Result<Vec<(PathBuf, String)>> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(Vec::new());
    };
    let mut lines = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Failure::at(directory, &error))?.path();
        let bytes = fs::read(&path).map_err(|error| Failure::at(&path, &error))?;
        lines.push((path, hex(&bytes)));
    }
    Ok(lines)
}

fn is_comment(line: &str) -> bool {
    line.starts_with('#')
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut line, byte| {
        let _ = write!(line, "{byte:02x}");
        line
    })
}

fn bytes(line: &str) -> Option<Vec<u8>> {
    (0..line.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(line.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_target_and_a_time_can_be_given() {
        let options = parse("isotp-pci --time 5m --keep").unwrap();
        assert_eq!(options.target.as_deref(), Some("isotp-pci"));
        assert_eq!(options.time, Duration::from_secs(300));
        assert!(options.keep);
        assert_eq!(parse("--time 20s").unwrap().time, Duration::from_secs(20));
        assert_eq!(parse("").unwrap().time, DEFAULT_TIME);
        for line in ["--time", "--time 0", "--time long", "--forever", "one two"] {
            assert_eq!(parse(line).unwrap_err().status(), 2, "{line}");
        }
    }

    #[test]
    fn inputs_are_kept_as_lines() {
        assert_eq!(hex(&[0, 0x1F, 0xFF]), "001fff");
        assert_eq!(bytes("001fff"), Some(vec![0, 0x1F, 0xFF]));
        assert_eq!(bytes(""), Some(vec![]));
        assert_eq!(bytes("1"), None);
        assert_eq!(bytes("xy"), None);
    }

    #[test]
    fn inputs_with_comments_are_unpacked_without_them() {
        let folder = std::env::temp_dir().join(format!("tinwire-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let target = Target {
            name: "any".into(),
            kept: folder.join("any.txt"),
            corpus: folder.join("corpus"),
            artifacts: folder.join("artifacts"),
        };
        fs::write(&target.kept, "# What it is.\n01ff\n").unwrap();
        target.unpack().unwrap();
        let inputs = lines(&target.corpus).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let inputs: Vec<_> = inputs.into_iter().map(|(_, line)| line).collect();
        assert_eq!(inputs, ["01ff"]);
    }
}
