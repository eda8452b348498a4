//! `demo`: the walk through all protocols on a simulated bus, as a user would start it.

use crate::failure::Result;
use crate::process;

pub(crate) fn run(arguments: &[String]) -> Result {
    let mut cargo = process::cargo();
    cargo.args(["run", "--quiet", "--release", "--bin", "tinwire", "--", "demo"]);
    process::run(cargo.args(arguments))
}
