//! The workspace as its manifests describe it (`cargo metadata`).

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::{Failure, Result};
use crate::process;

/// All member packages, and where things are.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One member.
#[derive(Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) edition: String,
    pub(crate) rust_version: String,
    pub(crate) published: bool,
    pub(crate) features: Vec<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

/// One dependency line of a member.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// Which table of the manifest a dependency stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

/// A library, binary, test, benchmark or example of a member.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) kind: String,
    pub(crate) name: String,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self> {
        let text = process::read(process::cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
        Self::parse(&text).ok_or_else(|| Failure::new("cargo metadata: unexpected form"))
    }

    fn parse(text: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(text).ok()?;
        Some(Self {
            root: PathBuf::from(text_of(&json, "workspace_root")?),
            target: PathBuf::from(text_of(&json, "target_directory")?),
            packages: list_of(&json, "packages", Package::parse)?,
        })
    }

    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// The members that have a library and are published: what users see.
    pub(crate) fn libraries(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| package.published && package.has("lib"))
    }

    /// A path as it is written in messages: relative to the workspace where it lies in it.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

impl Package {
    fn parse(json: &Value) -> Option<Self> {
        Some(Self {
            name: text_of(json, "name")?,
            dir: Path::new(&text_of(json, "manifest_path")?)
                .parent()?
                .to_path_buf(),
            edition: text_of(json, "edition")?,
            rust_version: text_of(json, "rust_version").unwrap_or_default(),
            // `publish = false` is an empty list of registries, the default is null.
            published: json.get("publish")?.is_null(),
            features: json.get("features")?.as_object()?.keys().cloned().collect(),
            dependencies: list_of(json, "dependencies", Dependency::parse)?,
            targets: list_of(json, "targets", Target::parse)?,
        })
    }

    /// Whether it has a target of that kind (`lib`, `bin`, `test`, `bench`, `example`).
    pub(crate) fn has(&self, kind: &str) -> bool {
        self.targets.iter().any(|target| target.kind == kind)
    }

    pub(crate) fn has_feature(&self, name: &str) -> bool {
        self.features.iter().any(|feature| feature == name)
    }
}

impl Dependency {
    fn parse(json: &Value) -> Option<Self> {
        let kind = match json.get("kind")?.as_str() {
            None => Kind::Normal,
            Some("build") => Kind::Build,
            Some(_) => Kind::Dev,
        };
        Some(Self {
            name: text_of(json, "name")?,
            kind,
        })
    }
}

impl Target {
    fn parse(json: &Value) -> Option<Self> {
        let kind = json.get("kind")?.as_array()?.first()?.as_str()?.to_owned();
        Some(Self {
            kind,
            name: text_of(json, "name")?,
        })
    }
}

fn text_of(json: &Value, key: &str) -> Option<String> {
    json.get(key)?.as_str().map(str::to_owned)
}

fn list_of<T>(json: &Value, key: &str, parse: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    json.get(key)?.as_array()?.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{
        "workspace_root": "/w", "target_directory": "/w/target",
        "packages": [{
            "name": "isotp", "manifest_path": "/w/crates/isotp/Cargo.toml", "edition": "2024",
            "rust_version": "1.89", "publish": null, "features": {"alloc": [], "default": ["alloc"]},
            "dependencies": [{"name": "bytes", "kind": null}, {"name": "proptest", "kind": "dev"}],
            "targets": [{"kind": ["lib"], "name": "isotp"}, {"kind": ["test"], "name": "vcan_raw"}]
        }, {
            "name": "xtask", "manifest_path": "/w/xtask/Cargo.toml", "edition": "2024",
            "rust_version": null, "publish": [], "features": {}, "dependencies": [],
            "targets": [{"kind": ["bin"], "name": "xtask"}]
        }]
    }"#;

    #[test]
    fn metadata_gives_members_with_their_features_and_targets() {
        let workspace = Workspace::parse(METADATA).unwrap();
        let isotp = workspace.package("isotp").unwrap();
        assert_eq!(isotp.dir, Path::new("/w/crates/isotp"));
        assert!(isotp.has_feature("alloc") && !isotp.has_feature("std"));
        assert!(isotp.has("test") && !isotp.has("bin"));
        assert_eq!(isotp.dependencies[1].kind, Kind::Dev);
        assert_eq!(workspace.relative(&isotp.dir), Path::new("crates/isotp"));
    }

    #[test]
    fn an_unpublished_member_is_no_library_of_ours() {
        let workspace = Workspace::parse(METADATA).unwrap();
        assert_eq!(
            workspace
                .libraries()
                .map(|package| &*package.name)
                .collect::<Vec<_>>(),
            ["isotp"]
        );
    }

    #[test]
    fn metadata_of_another_form_is_refused() {
        assert!(Workspace::parse("{}").is_none());
        assert!(Workspace::parse("not json").is_none());
    }
}
