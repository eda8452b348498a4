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
    process::run(&mut cargo)
}
