//! `version`: which version this is and what it was built for.

use serde::Serialize;

use super::Session;
use crate::failure::Result;

#[derive(Serialize)]
struct Version {
    name: &'static str,
    version: &'static str,
    os: &'static str,
    arch: &'static str,
    /// Links that this build can open; whether this machine has them is for `doctor` to say.
    links: &'static [&'static str],
}

#[cfg(target_os = "linux")]
const LINKS: &[&str] = &["socketcan", "bus", "virtual", "log", "sim"];
#[cfg(all(unix, not(target_os = "linux")))]
const LINKS: &[&str] = &["bus", "virtual", "log", "sim"];
#[cfg(not(unix))]
const LINKS: &[&str] = &["virtual", "log", "sim"];

pub(super) fn run(session: &mut Session) -> Result {
    let version = Version {
        name: "tinwire",
        version: env!("CARGO_PKG_VERSION"),
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
        links: LINKS,
    };
    session.output.either(&version, |version| {
        format!(
            "tinwire {} ({} {}; links: {})",
            version.version,
            version.os,
            version.arch,
            version.links.join(", ")
        )
    })
}
