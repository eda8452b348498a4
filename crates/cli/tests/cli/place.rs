//! A folder of its own for each story: working directory, configuration and runtime directory at once, so
//! that no story meets another one or the settings of whoever runs it.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use core::time::Duration;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

/// No story takes longer; one that does hangs, and is killed.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Place {
    folder: TempDir,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("tw").tempdir().unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, contents).unwrap();
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.prepared(Command::new(env!("CARGO_BIN_EXE_tinwire")), words)
    }

    /// The command as `"$0" "$@"` of a shell's script.
    #[cfg(unix)]
    pub(crate) fn script(&self, script: &str, words: &[&str]) -> Command {
        let shell = ["-c", script, env!("CARGO_BIN_EXE_tinwire")];
        self.prepared(Command::new("sh"), &[&shell, words].concat())
    }

    /// Somebody else's program.
    #[cfg(unix)]
    pub(crate) fn foreign(&self, program: &str, words: &[&str]) -> Command {
        self.prepared(Command::new(program), words)
    }

    /// The command under another tool's name.
    #[cfg(unix)]
    pub(crate) fn tool(&self, name: &str, words: &[&str]) -> Command {
        let link = self.path().join(name);
        // Made by the first of several.
        let _ = std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tinwire"), &link);
        self.prepared(Command::new(link), words)
    }

    fn prepared(&self, mut command: Command, words: &[&str]) -> Command {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TINWIRE_") {
                command.env_remove(name);
            }
        }
        command
            .args(words)
            .current_dir(self.path())
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("XDG_RUNTIME_DIR", self.path())
            .env_remove("CLICOLOR_FORCE")
            .env_remove("NO_COLOR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        finish(self.command(words).spawn().unwrap())
    }

    /// Runs a command to its end with something on standard input.
    pub(crate) fn run_with_input(&self, words: &[&str], input: &[u8]) -> Ran {
        let mut child = self.command(words).stdin(Stdio::piped()).spawn().unwrap();
        // A command that does not read all of it has its reasons.
        let _ = child.stdin.take().unwrap().write_all(input);
        finish(child)
    }

    /// Waits until somebody hosts the bus, but not for ever.
    #[cfg(unix)]
    pub(crate) fn wait_for_bus(&self, name: &str) {
        let socket = self.path().join("tinwire").join(format!("{name}.bus"));
        let start = Instant::now();
        while !socket.exists() && start.elapsed() < LIMIT {
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(socket.exists(), "nobody made {}", socket.display());
    }

    /// Runs a command to its end; its standard input stays open behind `input`.
    pub(crate) fn run_with_open_input(&self, words: &[&str], input: &[u8]) -> Ran {
        let mut child = self.command(words).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let _ = stdin.write_all(input);
        let ran = finish(child);
        drop(stdin);
        ran
    }

    /// Starts a command, writes to its standard input, and waits for its first line; the input stays open
    /// as long as what comes with it.
    pub(crate) fn start_with_open_input(&self, words: &[&str], input: &[u8]) -> (Running, ChildStdin) {
        let mut child = self.command(words).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input).unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, line) = mpsc::channel();
        std::thread::spawn(move || {
            let mut first = String::new();
            let _ = stdout.read_line(&mut first);
            // Nobody listens any more when it came too late.
            let _ = tell.send((first, stdout));
        });
        let Ok((first, stdout)) = line.recv_timeout(LIMIT) else {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("no line came while the input was open");
        };
        (Running { child, stdout, first }, stdin)
    }

    /// Starts a command, and waits for its first line on standard output.
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        Running::of(self.command(words))
    }

    /// As [`start`](Self::start), with a hangup meaning what it means in a terminal; on Linux also when these
    /// tests run under `nohup`.
    #[cfg(unix)]
    pub(crate) fn start_in_terminal(&self, words: &[&str]) -> Running {
        if cfg!(target_os = "linux") {
            let env = ["--default-signal=HUP", env!("CARGO_BIN_EXE_tinwire")];
            Running::of(self.foreign("env", &[&env, words].concat()))
        } else {
            self.start(words)
        }
    }
}

/// A command that goes on; killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) first: String,
}

impl Running {
    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let _limit = Limit::of(&child);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        Self { child, stdout, first }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its next line.
    pub(crate) fn line(&mut self) -> String {
        let _limit = Limit::of(&self.child);
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// Kills it the hard way, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal by name.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        signal_to(&self.child, name);
    }

    /// Waits for its end, but not for ever; the lines after the first one.
    pub(crate) fn end(mut self) -> Ran {
        let limit = Limit::of(&self.child);
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).unwrap();
        let mut stderr = String::new();
        if let Some(mut pipe) = self.child.stderr.take() {
            pipe.read_to_string(&mut stderr).unwrap();
        }
        let status = self.child.wait().unwrap().code();
        drop(limit);
        Ran {
            status,
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by name.
#[cfg(unix)]
pub(crate) fn signal_to(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Kills a command that is waited for too long, so that the wait ends.
struct Limit {
    done: Option<mpsc::Sender<()>>,
    guard: Option<JoinHandle<()>>,
}

impl Limit {
    fn of(child: &Child) -> Self {
        let id = child.id();
        let (done, is_done) = mpsc::channel::<()>();
        let guard = std::thread::spawn(move || {
            if is_done.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
            }
        });
        Self {
            done: Some(done),
            guard: Some(guard),
        }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        drop(self.done.take());
        let _ = self.guard.take().map(JoinHandle::join);
    }
}

/// Waits for the end of a command, but not for ever.
pub(crate) fn finish(child: Child) -> Ran {
    let limit = Limit::of(&child);
    let output = child.wait_with_output().unwrap();
    drop(limit);
    Ran {
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn status(self, expected: i32) -> Self {
        assert_eq!(self.status, Some(expected), "{self:#?}");
        self
    }

    /// Every line on standard output as JSON; each has its version.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        json_lines(&self.stdout)
    }

    /// Every line on standard error as JSON.
    #[track_caller]
    pub(crate) fn json_errors(&self) -> Vec<Value> {
        json_lines(&self.stderr)
    }
}

#[track_caller]
fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
            assert_eq!(value["v"], 1, "{line}");
            value
        })
        .collect()
}
