//! `cross`: all but the kernel sockets compiles for systems without CAN in their kernel.

use crate::failure::Result;
use crate::process;
use crate::setup::FOREIGN_TARGETS;

/// Only this program, which drives Linux, is left out.
const LINUX_ONLY: &str = "xtask";
/// Built without TLS: its cryptography needs a C compiler for the target.
const COMMAND: &str = "tinwire";

pub(crate) fn run() -> Result {
    for target in FOREIGN_TARGETS {
        let libraries = ["--workspace", "--exclude", LINUX_ONLY, "--exclude", COMMAND];
        let command = ["--package", COMMAND, "--no-default-features", "--features", "tui"];
        for what in [&libraries[..], &command] {
            let mut cargo = process::cargo();
            cargo.args(["check", "--quiet", "--target", target]).args(what);
            process::run(&mut cargo)?;
        }
    }
    Ok(())
}
