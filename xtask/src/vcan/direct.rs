//! Runs a job on this kernel, in a network namespace of its own: nothing of the host is touched.

use core::time::Duration;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::process;
use crate::vcan::Outcome;
use crate::vcan::job::Job;
use crate::vcan::qemu::{Ending, run_limited};

/// Loaded if we may; a kernel that has them built in or loaded needs nothing.
const MODULES: [&str; 6] = ["vcan", "vxcan", "can-raw", "can-bcm", "can-isotp", "sch_tbf"];

/// Here the clock runs as at home.
pub(crate) const SLOWNESS: u32 = 1;

/// Whether vcan interfaces can be made here.
pub(crate) fn is_possible() -> bool {
    if let Some(modprobe) = process::find("modprobe") {
        for module in MODULES {
            process::quiet(Command::new(&modprobe).args(["--quiet", module]));
        }
    }
    process::quiet(namespace().args(["sh", "-c", "ip link add probe type vcan"]))
}

/// Runs the job with its output going to `listener`.
pub(crate) fn run(
    job: &Job,
    limit: Duration,
    cache: &Path,
    listener: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<Outcome> {
    let directory = cache.join(format!("run-{}", std::process::id()));
    fs::create_dir_all(&directory).map_err(|error| Failure::at(&directory, &error))?;
    let (script, status, errors) = (
        directory.join("job.sh"),
        directory.join("status"),
        directory.join("errors"),
    );
    fs::write(&script, job.script()).map_err(|error| Failure::at(&script, &error))?;
    let mut command = namespace();
    command
        .args(["sh", "-c", "sh \"$1\" 2>&1; echo $? >\"$2\"", "sh"])
        .arg(&script)
        .arg(&status);
    command.process_group(0);
    let ending = run_limited(&mut command, &errors, limit, listener)?;
    let reported = fs::read_to_string(&status)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    fs::remove_dir_all(&directory).map_err(|error| Failure::at(&directory, &error))?;
    Ok(match (ending, reported) {
        (_, Some(status)) => Outcome::Status(status),
        (Ending::Killed, None) => Outcome::OutOfTime(limit),
        (Ending::OnItsOwn, None) => Outcome::Died,
    })
}

/// `unshare` with what this user needs: root makes a network namespace right away, anybody else within a
/// user namespace.
fn namespace() -> Command {
    let mut unshare = Command::new("unshare");
    if !process::is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.arg("--net");
    unshare
}
