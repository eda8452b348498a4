//! `bench`: the members' benchmarks on this machine, and the throughput of kernel sockets beside the CAN
//! interfaces of `vcan`. It prints and judges nothing.

use crate::failure::Result;
use crate::process;
use crate::setup::PYTHON;
use crate::vcan::{self, Options};
use crate::workspace::{Package, Workspace};

/// Examples with this prefix measure what needs CAN in the kernel.
const KERNEL: &str = "vcan_";

/// The first argument may be a member, whose benchmarks then run alone; the others go to every benchmark,
/// where they choose by name.
pub(crate) fn run(arguments: &[String]) -> Result {
    let workspace = Workspace::load()?;
    let (member, words) = match arguments.split_first() {
        Some((name, rest)) if workspace.package(name).is_some() => (Some(name), rest),
        _ => (None, arguments),
    };
    let chosen = |package: &&Package| member.is_none_or(|name| *name == package.name);
    for package in workspace
        .packages
        .iter()
        .filter(chosen)
        .filter(|package| package.has("bench"))
    {
        let mut cargo = process::cargo();
        cargo.args(["bench", "--package", &package.name, "--all-features"]);
        // By name: `--benches` would take the library along, whose tests do not know these arguments.
        for target in package.targets.iter().filter(|target| target.kind == "bench") {
            cargo.args(["--bench", &target.name]);
        }
        if PYTHON.is_there(&workspace) {
            cargo.env("TINWIRE_PYTHON", PYTHON.interpreter(&workspace));
        }
        cargo.arg("--").args(words);
        process::run(&mut cargo)?;
    }
    for package in workspace.packages.iter().filter(chosen) {
        let examples = package.targets.iter().filter(|target| target.kind == "example");
        for example in examples.filter(|example| example.name.starts_with(KERNEL)) {
            throughput(&workspace, package, &example.name)?;
        }
    }
    Ok(())
}

fn throughput(workspace: &Workspace, package: &Package, example: &str) -> Result {
    let mut cargo = process::cargo();
    cargo.args(["build", "--release", "--package", &package.name, "--all-features"]);
    process::run(cargo.args(["--example", example]))?;
    let program = workspace.target.join("release/examples").join(example);
    let line = vec![program.to_string_lossy().into_owned()];
    vcan::command(workspace, &Options::default(), line, package.dir.clone())
}
