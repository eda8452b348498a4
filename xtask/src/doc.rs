//! `doc`: the documentation of all members, private items too, and of each library without features, with
//! warnings denied.

use crate::failure::Result;
use crate::process;
use crate::workspace::Workspace;

pub(crate) fn run() -> Result {
    document(&["--workspace", "--all-features", "--document-private-items"])?;
    // A link to what a feature brings is broken for who has not got it.
    for package in Workspace::load()?.libraries() {
        document(&["--package", &package.name, "--no-default-features"])?;
    }
    Ok(())
}

fn document(what: &[&str]) -> Result {
    let mut cargo = process::cargo();
    cargo.args(["doc", "--no-deps"]).args(what);
    process::run(cargo.env("RUSTDOCFLAGS", "-D warnings"))
}
