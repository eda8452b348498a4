//! Finds the tests that need more than this machine's own: builds the test files of a name, and takes the
//! executables from cargo's messages.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::failure::{Failure, Result};
use crate::process;
use crate::workspace::{Package, Workspace};

/// One built test file, `tests/<target>.rs` of a member. All its tests are marked as ignored.
#[derive(Debug)]
pub(crate) struct Executable {
    pub(crate) target: String,
    pub(crate) package: String,
    /// Where it runs, as cargo would run it.
    pub(crate) directory: PathBuf,
    pub(crate) path: PathBuf,
}

impl Executable {
    /// How many tests a run would have.
    pub(crate) fn count(&self, filter: Option<&str>) -> Result<u64> {
        let mut list = Command::new(&self.path);
        list.args(["--list", "--ignored", "--format=terse"]).args(filter);
        let count = process::read(&mut list)?
            .lines()
            .filter(|line| line.ends_with(": test"))
            .count();
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    /// The name it is known by in the output.
    pub(crate) fn title(&self) -> String {
        format!("{} tests/{}.rs", self.package, self.target)
    }
}

/// Builds and lists the test files whose name begins with `prefix`.
///
/// The whole workspace is selected, so that features, and with them the build, are those of the other tests.
pub(crate) fn build(workspace: &Workspace, prefix: &str) -> Result<Vec<Executable>> {
    let is_wanted = |package: &Package| {
        package
            .targets
            .iter()
            .any(|target| target.kind == "test" && target.name.starts_with(prefix))
    };
    if !workspace.packages.iter().any(is_wanted) {
        return Ok(Vec::new());
    }
    println!("==> building the tests {prefix}*");
    let mut cargo = process::cargo();
    cargo.args([
        "test",
        "--no-run",
        "--workspace",
        "--all-features",
        "--test",
        &format!("{prefix}*"),
    ]);
    cargo.arg("--message-format=json-render-diagnostics");
    let messages = process::read(&mut cargo)?;
    let mut executables = parse(&messages, workspace, prefix)
        .ok_or_else(|| Failure::new("cargo test --no-run: messages of an unexpected form"))?;
    executables.sort_by(|a, b| (&a.package, &a.target).cmp(&(&b.package, &b.target)));
    Ok(executables)
}

fn parse(messages: &str, workspace: &Workspace, prefix: &str) -> Option<Vec<Executable>> {
    let mut executables = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).ok()?;
        let Some(path) = message.get("executable").and_then(Value::as_str) else {
            continue;
        };
        let target = message.get("target")?.get("name")?.as_str()?;
        let directory = Path::new(message.get("manifest_path")?.as_str()?).parent()?;
        // The binaries that integration tests start are built and reported as well.
        if !target.starts_with(prefix) {
            continue;
        }
        let package = workspace
            .packages
            .iter()
            .find(|package| package.dir == directory)?;
        executables.push(Executable {
            target: target.to_owned(),
            package: package.name.clone(),
            directory: directory.to_path_buf(),
            path: PathBuf::from(path),
        });
    }
    Some(executables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_executables_are_picked_from_cargos_messages() {
        let workspace = Workspace {
            root: "/w".into(),
            target: "/w/target".into(),
            packages: vec![Package {
                name: "isotp".into(),
                dir: "/w/crates/isotp".into(),
                ..Package::default()
            }],
        };
        let built = |executable: &str, package: &str, target: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","executable":"{executable}",
                "manifest_path":"/w/crates/{package}/Cargo.toml","target":{{"name":"{target}"}}}}"#
            )
            .replace('\n', "")
        };
        let messages = [
            r#"{"reason":"compiler-artifact","executable":null,"target":{"name":"isotp"}}"#.to_owned(),
            built("/t/cli", "cli", "cli"),
            built("/t/raw", "isotp", "vcan_raw"),
            built("/t/hw", "isotp", "vcan_hw"),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ]
        .join("\n");
        let executables = parse(&messages, &workspace, "vcan_").unwrap();
        assert_eq!(executables.len(), 2);
        assert_eq!(executables[0].path, Path::new("/t/raw"));
        assert_eq!(executables[0].directory, Path::new("/w/crates/isotp"));
        assert_eq!(executables[1].title(), "isotp tests/vcan_hw.rs");
    }
}
