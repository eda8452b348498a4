//! `ci`: what continuous integration runs, in its order; the first red step ends it. `checks` is the same
//! without the tests.

use crate::failure::Result;
use crate::{cross, doc, nostd, process, test, tidy};

pub(crate) fn run() -> Result {
    fmt()?;
    clippy()?;
    doc::run()?;
    test::run()?;
    nostd::run()?;
    tidy::run()?;
    cross::run()
}

/// For a run that ends with the count of tests.
pub(crate) fn checks() -> Result {
    fmt()?;
    clippy()?;
    doc::run()?;
    nostd::run()?;
    tidy::run()?;
    cross::run()
}

/// The one package that is more than its libraries' features put together.
const COMMAND: &str = "tinwire";

fn fmt() -> Result {
    process::run(process::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result {
    let mut cargo = process::cargo();
    cargo.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ]);
    process::run(&mut cargo)?;
    // What stands in for a part that was left out is compiled in no other set.
    let mut cargo = process::cargo();
    cargo.args(["clippy", "--package", COMMAND, "--no-default-features"]);
    cargo.args(["--all-targets", "--", "-D", "warnings"]);
    process::run(&mut cargo)
}
