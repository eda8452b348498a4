//! What the tests against DNS servers have in common: the server, who asks it, and who collects.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod collector;
pub(crate) mod daemon;
pub(crate) mod dns;
pub(crate) mod zone;

use core::time::Duration;
use std::process::Command;
use std::time::Instant;

/// Generous, because the machine may be busy; nothing waits so long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(outcome) = attempt() {
            return outcome;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: it never came to that");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The version of a Debian package, for those that tell none themselves.
pub(crate) fn debian_version(package: &str) -> String {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${Version}", package]);
    let told = query.output().ok().filter(|output| output.status.success());
    told.map_or_else(
        || String::from("of unknown version"),
        |output| format!("Debian {}", String::from_utf8_lossy(&output.stdout)),
    )
}
