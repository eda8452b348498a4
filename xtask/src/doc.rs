//! `doc`: the documentation of all members, private items too, with warnings denied.

use crate::failure::Result;
use crate::process;

pub(crate) fn run() -> Result {
    let mut cargo = process::cargo();
    cargo.args([
        "doc",
        "--workspace",
        "--all-features",
        "--no-deps",
        "--document-private-items",
    ]);
    process::run(cargo.env("RUSTDOCFLAGS", "-D warnings"))
}
