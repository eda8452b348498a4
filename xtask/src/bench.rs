//! `bench`: the members' benchmarks on this machine, and the throughput of kernel sockets beside the CAN
//! interfaces of `vcan`. It prints and judges nothing.

use crate::failure::Result;
use crate::process;
use crate::vcan::{self, Options};
use crate::workspace::{Package, Workspace};

/// Measures raw sockets against the peers' tools, in one run on the same kernel.
const THROUGHPUT: &str = "vcan_throughput";

/// Arguments go to every benchmark, where they choose by name.
pub(crate) fn run(arguments: &[String]) -> Result {
    let workspace = Workspace::load()?;
    for package in workspace.packages.iter().filter(|package| package.has("bench")) {
        let mut cargo = process::cargo();
        cargo.args(["bench", "--package", &package.name, "--all-features"]);
        // By name: `--benches` would take the library along, whose tests do not know these arguments.
        for target in package.targets.iter().filter(|target| target.kind == "bench") {
            cargo.args(["--bench", &target.name]);
        }
        cargo.arg("--").args(arguments);
        process::run(&mut cargo)?;
    }
    let measures_kernel = |package: &&Package| {
        package
            .targets
            .iter()
            .any(|t| t.kind == "example" && t.name == THROUGHPUT)
    };
    workspace
        .packages
        .iter()
        .filter(measures_kernel)
        .try_for_each(|package| throughput(&workspace, package))
}

fn throughput(workspace: &Workspace, package: &Package) -> Result {
    let mut cargo = process::cargo();
    cargo.args(["build", "--release", "--package", &package.name, "--all-features"]);
    process::run(cargo.args(["--example", THROUGHPUT]))?;
    let program = workspace.target.join("release/examples").join(THROUGHPUT);
    let line = vec![program.to_string_lossy().into_owned()];
    vcan::command(workspace, &Options::default(), line, package.dir.clone())
}
