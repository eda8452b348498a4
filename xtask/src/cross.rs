//! `cross`: all but the kernel sockets compiles for systems without CAN in their kernel.

use crate::failure::Result;
use crate::process;
use crate::setup::FOREIGN_TARGETS;

/// Only this program, which drives Linux, is left out.
const LINUX_ONLY: &str = "xtask";

pub(crate) fn run() -> Result {
    for target in FOREIGN_TARGETS {
        let mut cargo = process::cargo();
        cargo.args([
            "check",
            "--quiet",
            "--workspace",
            "--exclude",
            LINUX_ONLY,
            "--target",
            target,
        ]);
        process::run(&mut cargo)?;
    }
    Ok(())
}
