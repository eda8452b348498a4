//! What README and changelog say about versions and members, against the manifests.

use std::collections::BTreeSet;
use std::fs;

use crate::workspace::{Package, Workspace};

const README_LIMIT: usize = 200;
/// The section of the README whose table lists the members.
const CRATES_HEADING: &str = "## Crates";

pub(crate) fn check(workspace: &Workspace) -> Vec<String> {
    let read =
        |name: &str| fs::read_to_string(workspace.root.join(name)).map_err(|_| format!("{name}: missing"));
    let mut complaints = manifests(&workspace.packages);
    match read("README.md") {
        Ok(text) => complaints.extend(readme(&text, &workspace.packages)),
        Err(missing) => complaints.push(missing),
    }
    match read("CHANGELOG.md") {
        Ok(text) if text.lines().any(|line| line.starts_with("## ")) => {}
        Ok(_) => complaints.push("CHANGELOG.md: no entry (## VERSION)".to_owned()),
        Err(missing) => complaints.push(missing),
    }
    complaints
}

/// All members are of one edition and need the same Rust.
fn manifests(packages: &[Package]) -> Vec<String> {
    let Some(first) = packages.first() else {
        return Vec::new();
    };
    packages
        .iter()
        .filter(|package| (&package.edition, &package.rust_version) != (&first.edition, &first.rust_version))
        .map(|package| format!("{}: edition or rust-version is not the workspace's", package.name))
        .collect()
}

fn readme(text: &str, packages: &[Package]) -> Vec<String> {
    let mut complaints = Vec::new();
    let count = text.lines().count();
    if count >= README_LIMIT {
        complaints.push(format!(
            "README.md: {count} lines, has to stay below {README_LIMIT}"
        ));
    }
    if let Some(package) = packages.first() {
        for (word, value) in [("Rust ", &package.rust_version), ("edition ", &package.edition)] {
            complaints.extend(disagreement(text, word, value));
        }
    }
    let listed = table(text);
    let members: BTreeSet<_> = packages
        .iter()
        .filter(|package| package.published)
        .map(|package| package.name.as_str())
        .collect();
    for name in members.difference(&listed) {
        complaints.push(format!(
            "README.md: {name} is not in the table under {CRATES_HEADING}"
        ));
    }
    for name in listed.difference(&members) {
        complaints.push(format!(
            "README.md: {name} is in the table, but no published member"
        ));
    }
    complaints
}

/// A version is named at least once, and is the manifest's wherever it is.
fn disagreement(text: &str, word: &str, value: &str) -> Option<String> {
    let mut named = text
        .match_indices(word)
        .filter_map(|(at, _)| text.get(at + word.len()..))
        .map(|rest| {
            rest.split(|letter: char| letter != '.' && !letter.is_ascii_digit())
                .next()
        })
        .filter_map(|number| number.map(|number| number.trim_end_matches('.')))
        .filter(|number| !number.is_empty())
        .peekable();
    if named.peek().is_none() {
        return Some(format!("README.md: does not name {word}{value}"));
    }
    let wrong = named.find(|number| *number != value)?;
    Some(format!(
        "README.md: says {word}{wrong}, the manifest says {value}"
    ))
}

/// The names in the first column: "| [`can-link`](crates/can-link) | frames |".
fn table(text: &str) -> BTreeSet<&str> {
    text.lines()
        .skip_while(|line| !line.starts_with(CRATES_HEADING))
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| line.strip_prefix('|')?.split('|').next()?.split('`').nth(1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "# tinwire\nNeeds Rust 1.89 (edition 2024).\n\n## Crates\n\n\
        | crate | what |\n|---|---|\n\
        | [`isotp`](crates/isotp) | transport |\n| `can-link` | links |\n\n## Status\n| `demo` | works |\n";

    fn package(name: &str) -> Package {
        Package {
            name: name.into(),
            edition: "2024".into(),
            rust_version: "1.89".into(),
            published: true,
            ..Package::default()
        }
    }

    #[test]
    fn a_readme_that_agrees_has_no_complaint() {
        assert!(readme(README, &[package("isotp"), package("can-link")]).is_empty());
    }

    #[test]
    fn the_table_lists_the_members_and_nothing_else() {
        let complaints = readme(README, &[package("isotp"), package("csp-core")]);
        assert_eq!(complaints.len(), 2, "{complaints:?}");
    }

    #[test]
    fn a_version_that_drifted_is_found() {
        let members = [package("isotp"), package("can-link")];
        assert_eq!(
            readme(&README.replace("1.89", "1.85"), &members),
            ["README.md: says Rust 1.85, the manifest says 1.89"]
        );
        assert_eq!(readme(&README.replace("edition 2024", ""), &members).len(), 1);
    }

    #[test]
    fn a_readme_of_two_hundred_lines_is_too_long() {
        let long = format!("{README}{}", "more\n".repeat(README_LIMIT));
        assert_eq!(readme(&long, &[package("isotp"), package("can-link")]).len(), 1);
    }

    #[test]
    fn a_member_with_its_own_edition_is_found() {
        let odd = Package {
            edition: "2021".into(),
            ..package("can-link")
        };
        assert_eq!(manifests(&[package("isotp"), odd]).len(), 1);
    }
}
