//! Running other programs: echoed, captured, or both at once.

use std::env;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use crate::failure::{Failure, Result};

/// The cargo that started us, so that every step uses one toolchain.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.stdin(Stdio::null());
    command
}

/// Looks a program up in `PATH` and in the two directories where Debian keeps administrators' tools.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

/// Runs a step to its end with its output on the terminal; anything but success is a failure.
pub(crate) fn run(command: &mut Command) -> Result {
    announce(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| unstartable(command, &error))?;
    succeeded(command, status)
}

/// Runs a program for what it prints; its standard error goes to the terminal.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| unstartable(command, &error))?;
    succeeded(command, output.status)?;
    String::from_utf8(output.stdout)
        .map_err(|_| Failure::new(format!("{} printed something that is not text", shown(command))))
}

/// Runs a program that may fail, for its status alone.
pub(crate) fn quiet(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs a step, passing its standard output on unchanged, as it comes, and to `listener` as well.
pub(crate) fn tee(command: &mut Command, mut listener: impl FnMut(&[u8])) -> Result<ExitStatus> {
    announce(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| unstartable(command, &error))?;
    if let Some(mut output) = child.stdout.take() {
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            let bytes = buffer.get(..count).unwrap_or_default();
            show(bytes);
            listener(bytes);
        }
    }
    child.wait().map_err(|error| unstartable(command, &error))
}

/// Bytes of another program, to our standard output; a reader who went away is no error.
pub(crate) fn show(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _gone = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

/// A program and its arguments in one line, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program
        .file_name()
        .unwrap_or_else(|| command.get_program())
        .to_string_lossy()
        .into_owned();
    command.get_args().fold(name, |line, argument| {
        format!("{line} {}", argument.to_string_lossy())
    })
}

pub(crate) fn unstartable(command: &Command, error: &std::io::Error) -> Failure {
    Failure::new(format!(
        "cannot run {}: {error}",
        command.get_program().to_string_lossy()
    ))
}

fn announce(command: &Command) {
    println!("==> {}", shown(command));
}

fn succeeded(command: &Command, status: ExitStatus) -> Result {
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("{} ended with {status}", shown(command))).with_status(code(status)))
}

/// The status to pass on; a program ended by a signal counts as 128 and up, as in a shell.
pub(crate) fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// Whether the user may install things and make namespaces.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
