//! `ci`: what continuous integration runs, in its order; the first red step ends it.

use crate::failure::Result;
use crate::{cross, doc, nostd, process, test, tidy};

pub(crate) fn run() -> Result {
    process::run(process::cargo().args(["fmt", "--all", "--check"]))?;
    clippy()?;
    doc::run()?;
    test::run()?;
    nostd::run()?;
    tidy::run()?;
    cross::run()
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
