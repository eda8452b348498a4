//! `setup`: installs what the tests need and this machine lacks.

use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::process;
use crate::workspace::Workspace;

/// What the emulated machine and the peers come in, on Debian.
const DEBIAN: [&str; 11] = [
    "qemu-system-x86",
    "busybox-static",
    "xz-utils",
    "zstd",
    "iproute2",
    "kmod",
    "procps",
    "can-utils",
    "fstrm-bin",
    "python3",
    "python3-venv",
];
/// The Python peers: package, version and the module whose import shows that it is there.
const PYTHON: [(&str, &str, &str); 2] = [("python-can", "4.6.1", "can"), ("can-isotp", "2.0.7", "isotp")];
/// The bare target that the cores are built for.
pub(crate) const BARE_TARGET: &str = "thumbv7em-none-eabi";
/// Systems without CAN in their kernel, for which all else has to compile.
pub(crate) const FOREIGN_TARGETS: [&str; 2] = ["x86_64-pc-windows-gnu", "x86_64-apple-darwin"];

/// The verb. Does what it can of each part before it reports what it could not do.
pub(crate) fn run() -> Result {
    let workspace = Workspace::load()?;
    let results = [targets(), debian_packages(), python_packages(&workspace)];
    let failures: Vec<_> = results
        .into_iter()
        .filter_map(Result::err)
        .map(|failure| failure.to_string())
        .collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(failures.join("\nxtask: ")))
    }
}

/// The interpreter that has the Python peers.
pub(crate) fn python(workspace: &Workspace) -> PathBuf {
    workspace.target.join("venv/bin/python")
}

fn targets() -> Result {
    let wanted = [BARE_TARGET].into_iter().chain(FOREIGN_TARGETS);
    if process::find("rustup").is_none() {
        return Err(Failure::new(format!(
            "no rustup here; the toolchain has to bring the targets {}",
            wanted.collect::<Vec<_>>().join(" ")
        )));
    }
    let installed = process::read(Command::new("rustup").args(["target", "list", "--installed"]))?;
    let missing: Vec<_> = wanted
        .filter(|target| installed.lines().all(|line| line != *target))
        .collect();
    let components = process::read(Command::new("rustup").args(["component", "list", "--installed"]))?;
    for component in ["rustfmt", "clippy"] {
        if !components.lines().any(|line| line.starts_with(component)) {
            process::run(Command::new("rustup").args(["component", "add", component]))?;
        }
    }
    if missing.is_empty() {
        println!("Rust targets: all there");
        return Ok(());
    }
    process::run(Command::new("rustup").args(["target", "add"]).args(missing))
}

fn debian_packages() -> Result {
    if process::find("dpkg-query").is_none() {
        return Err(Failure::new(format!(
            "no Debian here; install what corresponds to: {}",
            DEBIAN.join(" ")
        )));
    }
    let missing: Vec<_> = DEBIAN
        .into_iter()
        .filter(|package| !is_installed(package))
        .collect();
    if missing.is_empty() {
        println!("Debian packages: all there");
        return Ok(());
    }
    if !process::is_root() {
        return Err(Failure::new(format!(
            "missing packages; as root: apt-get install --no-install-recommends {}",
            missing.join(" ")
        )));
    }
    process::run(apt_get().args(["--quiet", "update"]))?;
    process::run(
        apt_get()
            .args(["--quiet", "--yes", "--no-install-recommends", "install"])
            .args(missing),
    )
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]);
    query.output().is_ok_and(|output| output.stdout == b"installed")
}

fn apt_get() -> Command {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

fn python_packages(workspace: &Workspace) -> Result {
    let python = python(workspace);
    let imports = PYTHON.map(|(_, _, module)| format!("import {module}")).join("; ");
    if process::quiet(Command::new(&python).args(["-c", &imports])) {
        println!("Python packages: all there");
        return Ok(());
    }
    let directory = workspace.target.join("venv");
    process::run(Command::new("python3").args(["-m", "venv"]).arg(&directory))?;
    let packages = PYTHON.map(|(name, version, _)| format!("{name}=={version}"));
    process::run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet"])
            .args(packages),
    )
}
