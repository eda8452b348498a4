//! How many crates a user of a library builds.

use std::collections::BTreeSet;

use crate::failure::Result;
use crate::process;
use crate::workspace::Workspace;

/// Crates in the tree of normal dependencies with default features, the library itself included.
const BUDGETS: [(&str, usize); 9] = [
    ("tinwire-time", 25),
    ("tinwire-place", 25),
    ("can-link", 25),
    ("isotp", 25),
    ("fstrm-codec", 25),
    ("dnstap-codec", 25),
    ("csp-core", 40),
    ("csp-can", 40),
    ("flow-core", 40),
];

/// Prints every library's count.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    println!("crates in the tree, default features:");
    for package in workspace.libraries() {
        let mut cargo = process::cargo();
        cargo.args([
            "tree",
            "--package",
            &package.name,
            "--edges",
            "normal",
            "--prefix",
            "none",
        ]);
        let count = count(&process::read(&mut cargo)?);
        let budget = BUDGETS
            .iter()
            .find(|(name, _)| package.name == *name)
            .map(|(_, budget)| *budget);
        match budget {
            Some(budget) => println!("  {:15} {count:3} of {budget}", package.name),
            None => println!("  {:15} {count:3}", package.name),
        }
        if budget.is_some_and(|budget| count > budget) {
            complaints.push(format!(
                "{}: {count} crates in its tree, more than its budget",
                package.name
            ));
        }
    }
    Ok(complaints)
}

/// Counts names and versions once: `bytes v1.12.1`, `bytes v1.12.1 (*)`, `paste v1.0.15 (proc-macro)`.
fn count(tree: &str) -> usize {
    let key = |line: &'_ str| -> Option<(String, String)> {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    tree.lines().filter_map(key).collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_counts_once_and_two_versions_of_it_twice() {
        let tree =
            "isotp v0.1.0 (/w/crates/isotp)\nbytes v1.12.1\nsyn v2.0.1\nbytes v1.12.1 (*)\nsyn v1.0.9\n\n";
        assert_eq!(count(tree), 4);
    }
}
