//! `nostd`: builds every core for a target without an operating system, alone, with and without `alloc`, and
//! with what else it has that needs no operating system; and the firmware among the examples.
//!
//! A build of the workspace proves nothing here: it unifies features, so one member's `std` reaches all.

use crate::failure::{Failure, Result};
use crate::process;
use crate::setup::BARE_TARGET;
use crate::workspace::{Package, Workspace};

/// A member that has this feature has a form without it.
const ALLOC: &str = "alloc";
/// For old peers; works on every target.
const LEGACY: &str = "legacy-xtea";
/// The example that is firmware.
const FIRMWARE: &str = "tinwire-flight";

pub(crate) fn run() -> Result {
    let workspace = Workspace::load()?;
    let cores: Vec<_> = workspace
        .libraries()
        .filter(|package| package.has_feature(ALLOC))
        .collect();
    if cores.is_empty() {
        return Err(Failure::usage("no member has the feature alloc"));
    }
    for package in &cores {
        build(package, &[])?;
        build(package, &["--features", ALLOC])?;
        if package.has_feature(LEGACY) {
            build(package, &["--features", LEGACY])?;
        }
    }
    if let Some(package) = workspace.package(FIRMWARE) {
        build(package, &[])?;
    }
    let names: Vec<_> = cores.iter().map(|package| package.name.as_str()).collect();
    println!(
        "nostd: {} for {BARE_TARGET}, without and with {ALLOC}: {}",
        names.len(),
        names.join(", ")
    );
    Ok(())
}

fn build(package: &Package, features: &[&str]) -> Result {
    let mut cargo = process::cargo();
    cargo.args([
        "build",
        "--quiet",
        "--package",
        &package.name,
        "--target",
        BARE_TARGET,
    ]);
    cargo.arg("--no-default-features").args(features);
    process::run(cargo.env("RUSTFLAGS", "-D warnings"))
}
