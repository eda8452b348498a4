//! Which member may depend on which. An arrow is never turned.

use crate::workspace::{Kind, Package, Workspace};

/// Members and what of ours they may build on, in the order of `docs/ARCHITECTURE.md`.
const MAY_USE: [(&str, &[&str]); 12] = [
    ("tinwire-time", &[]),
    ("tinwire-place", &[]),
    ("can-link", &["tinwire-place", "tinwire-time"]),
    ("isotp", &["can-link", "tinwire-time"]),
    ("csp-core", &["tinwire-time"]),
    ("csp-can", &["csp-core", "can-link", "tinwire-time"]),
    ("csp-links", &["csp-core", "tinwire-time"]),
    ("fstrm-codec", &["tinwire-time"]),
    ("dnstap-codec", &["fstrm-codec", "tinwire-time"]),
    (
        "flow-core",
        &[
            "csp-can",
            "csp-core",
            "can-link",
            "isotp",
            "fstrm-codec",
            "tinwire-place",
            "tinwire-time",
        ],
    ),
    ("flow-ouroboros", &["flow-core", "tinwire-time"]),
    ("xtask", &[]),
];
/// Members that may use every published one; nothing but each other may use them.
const ON_TOP: [&str; 5] = [
    "tinwire-sim",
    "tinwire",
    "tinwire-testkit",
    "tinwire-examples",
    "tinwire-flight",
];

pub(crate) fn check(workspace: &Workspace) -> Vec<String> {
    workspace
        .packages
        .iter()
        .flat_map(|package| complain(package, workspace))
        .collect()
}

fn complain(package: &Package, workspace: &Workspace) -> Vec<String> {
    let name = package.name.as_str();
    let allowed = MAY_USE
        .iter()
        .find(|(member, _)| *member == name)
        .map(|(_, allowed)| *allowed);
    if allowed.is_none() && !ON_TOP.contains(&name) {
        return vec![format!(
            "{name}: give it its place in xtask/src/tidy/directions.rs"
        )];
    }
    let is_arrow = |kind: Kind| kind != Kind::Dev;
    let mut complaints = Vec::new();
    for dependency in package
        .dependencies
        .iter()
        .filter(|dependency| is_arrow(dependency.kind))
    {
        let Some(target) = workspace.package(&dependency.name) else {
            continue;
        };
        if allowed.is_some_and(|allowed| !allowed.contains(&dependency.name.as_str())) {
            complaints.push(format!("{name} may not depend on {}", target.name));
        }
        if package.published && !target.published {
            complaints.push(format!(
                "{name} is published and {} is not: a dev-dependency at most",
                target.name
            ));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use crate::workspace::Dependency;

    use super::*;

    fn package(name: &str, published: bool, dependencies: &[(&str, Kind)]) -> Package {
        let dependencies = dependencies
            .iter()
            .map(|&(name, kind)| Dependency {
                name: name.into(),
                kind,
            })
            .collect();
        Package {
            name: name.into(),
            published,
            dependencies,
            ..Package::default()
        }
    }

    fn complaints(packages: Vec<Package>) -> Vec<String> {
        check(&Workspace {
            root: "/w".into(),
            target: "/w/target".into(),
            packages,
        })
    }

    #[test]
    fn an_arrow_that_points_up_is_found() {
        let found = complaints(vec![
            package("can-link", true, &[("isotp", Kind::Normal)]),
            package("isotp", true, &[("can-link", Kind::Normal)]),
        ]);
        assert_eq!(found, ["can-link may not depend on isotp"]);
    }

    #[test]
    fn tests_may_use_what_they_like() {
        let found = complaints(vec![
            package(
                "can-link",
                true,
                &[("tinwire-testkit", Kind::Dev), ("bytes", Kind::Normal)],
            ),
            package("tinwire-testkit", false, &[("can-link", Kind::Normal)]),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn the_unpublished_testkit_is_never_a_normal_dependency() {
        let found = complaints(vec![
            package("tinwire-sim", true, &[("tinwire-testkit", Kind::Normal)]),
            package("tinwire-testkit", false, &[]),
        ]);
        assert_eq!(
            found,
            ["tinwire-sim is published and tinwire-testkit is not: a dev-dependency at most"]
        );
    }

    #[test]
    fn a_new_member_needs_its_place() {
        assert_eq!(complaints(vec![package("csp-over-pigeon", true, &[])]).len(), 1);
    }
}
