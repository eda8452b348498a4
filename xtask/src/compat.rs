//! `compat`: meets every peer, and writes what was measured to `docs/COMPATIBILITY.md`.

mod row;
mod table;

use std::fs;
use std::process::Command;

use crate::compat::row::Rows;
use crate::failure::{Failure, Result};
use crate::need;
use crate::process;
use crate::setup;
use crate::suite::{self, Executable};
use crate::test;
use crate::vcan::{self, Options, Series};
use crate::workspace::Workspace;

/// The test files that print measured facts; a second word chooses among their tests.
const HERE: [&str; 8] = [
    "peer_dnstap_tools",
    "peer_fstrm_tools",
    "peer_libfstrm",
    "peer_python",
    "peer_python_fstrm",
    "peer_servers",
    "peer_tshark",
    "peer_udsoncan",
];
const IN_MACHINE: [&str; 5] = [
    "vcan_canutils",
    "vcan_isotpserver",
    "vcan_python",
    "vcan_tools isotpdumps",
    "vcan_udsoncan",
];
const PAGE: &str = "docs/COMPATIBILITY.md";
/// Tests keep to themselves what they print, unless they are told otherwise.
const LOUD: (&str, &str) = ("RUST_TEST_NOCAPTURE", "1");

/// The verb.
pub(crate) fn run() -> Result {
    let workspace = Workspace::load()?;
    check_needs(&workspace)?;
    let mut rows = Rows::default();
    for (executable, _) in pick(&workspace, test::PEER_PREFIX, &HERE)? {
        meet_here(&workspace, &executable, &mut rows)?;
    }
    let tests = pick(&workspace, vcan::PREFIX, &IN_MACHINE)?;
    for series in Series::ALL {
        let mut listener = |bytes: &[u8]| rows.push(bytes);
        let options = Options::machine(series);
        vcan::overhear(&workspace, &options, &tests, LOUD, &mut listener)?;
    }
    let page = workspace.root.join(PAGE);
    let (text, count) = (table::page(&rows.finish()?), rows.len());
    fs::write(&page, text).map_err(|error| Failure::at(&page, &error))?;
    println!("{PAGE}: {count} measured facts");
    Ok(())
}

/// A page with fewer peers than there are would look like a complete one.
fn check_needs(workspace: &Workspace) -> Result {
    let files = HERE.iter().chain(&IN_MACHINE).map(|file| words(file).0);
    let needs = files.filter_map(need::of);
    let needs: Vec<_> = needs.flatten().copied().collect();
    need::missing(&needs, workspace).map_or(Ok(()), |why| Err(Failure::new(why)))
}

fn pick(
    workspace: &Workspace,
    prefix: &str,
    files: &[&'static str],
) -> Result<Vec<(Executable, Option<&'static str>)>> {
    let mut executables = suite::build(workspace, prefix)?;
    let mut picked = Vec::new();
    for (file, filter) in files.iter().map(|&file| words(file)) {
        let at = executables
            .iter()
            .position(|executable| executable.target == file);
        let at = at.ok_or_else(|| Failure::new(format!("no member has tests/{file}.rs")))?;
        picked.push((executables.swap_remove(at), filter));
    }
    Ok(picked)
}

fn words(file: &'static str) -> (&'static str, Option<&'static str>) {
    file.split_once(' ')
        .map_or((file, None), |(file, filter)| (file, Some(filter)))
}

fn meet_here(workspace: &Workspace, executable: &Executable, rows: &mut Rows) -> Result {
    let mut test = Command::new(&executable.path);
    test.args(["--ignored", "--test-threads=1"])
        .current_dir(&executable.directory)
        .env("CARGO_MANIFEST_DIR", &executable.directory)
        .env(LOUD.0, LOUD.1)
        .envs(setup::pythons(workspace));
    let status = process::tee(&mut test, |bytes| rows.push(bytes))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} ended with {status}",
        executable.title()
    )))
}
