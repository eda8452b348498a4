//! Which kernel modules the guest needs, and in which order they can be loaded.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::process;

/// What the guest itself runs on. Absent ones are built into the kernel.
const MACHINE: [&str; 5] = ["virtio_pci", "virtio_console", "9p", "9pnet_virtio", "overlay"];
/// CAN in all its parts, and the queueing discipline that the tests of back-pressure slow a link with.
const CAN: [&str; 10] = [
    "can",
    "can_raw",
    "can_bcm",
    "can_gw",
    "can_isotp",
    "can_dev",
    "vcan",
    "vxcan",
    "slcan",
    "sch_tbf",
];
/// Driver of the controllers that QEMU emulates.
const CONTROLLERS: [&str; 2] = ["sja1000", "kvaser_pci"];
/// Without this module there is no test run.
const REQUIRED: &str = "vcan";

/// One module, expanded.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
}

/// Reads the modules below `directory` that the guest needs, each after those it depends on.
pub(crate) fn load(directory: &Path, controllers: bool) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    collect(directory, &mut files)?;
    let wanted = MACHINE
        .iter()
        .chain(&CAN)
        .chain(CONTROLLERS.iter().filter(|_| controllers))
        .copied();
    let mut loaded = Vec::new();
    for name in wanted {
        add(name, &files, &mut loaded)?;
    }
    if loaded.iter().any(|module| module.name == REQUIRED) {
        return Ok(loaded);
    }
    Err(Failure::new(format!(
        "no {REQUIRED} module below {}",
        directory.display()
    )))
}

/// Depth first, so that what a module depends on stands before it. The kernel's modules have no cycles.
fn add(name: &str, files: &BTreeMap<String, PathBuf>, loaded: &mut Vec<Module>) -> Result {
    let Some(path) = files
        .get(name)
        .filter(|_| loaded.iter().all(|module| module.name != name))
    else {
        return Ok(());
    };
    let content = expand(path)?;
    for dependency in dependencies(&content) {
        add(&dependency, files, loaded)?;
    }
    loaded.push(Module {
        name: name.to_owned(),
        content,
    });
    Ok(())
}

/// Finds `*.ko` and `*.ko.xz` by module name.
fn collect(directory: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result {
    for entry in fs::read_dir(directory).map_err(|error| Failure::at(directory, &error))? {
        let entry = entry.map_err(|error| Failure::at(directory, &error))?;
        let (path, file_type) = (entry.path(), entry.file_type());
        if file_type.is_ok_and(|kind| kind.is_dir()) {
            collect(&path, files)?;
        } else if let Some(name) = entry.file_name().to_str().and_then(module_name) {
            files.insert(name, path);
        }
    }
    Ok(())
}

/// `can-raw.ko.xz` holds the module `can_raw`.
fn module_name(file: &str) -> Option<String> {
    let stem = file.strip_suffix(".xz").unwrap_or(file).strip_suffix(".ko")?;
    Some(stem.replace('-', "_"))
}

fn expand(path: &Path) -> Result<Vec<u8>> {
    if path.extension().is_none_or(|extension| extension != "xz") {
        return fs::read(path).map_err(|error| Failure::at(path, &error));
    }
    let mut command = Command::new("xz");
    command.arg("--decompress").arg("--stdout").arg(path);
    let output = command
        .output()
        .map_err(|error| process::unstartable(&command, &error))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Failure::new(format!("{}: xz cannot expand it", path.display())))
}

/// Reads `depends=can,can_dev` from a module's `.modinfo` section, which is a list of strings each with
/// its NUL.
fn dependencies(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"depends=";
    module
        .split(|&byte| byte == 0)
        .find_map(|string| string.strip_prefix(KEY))
        .and_then(|list| core::str::from_utf8(list).ok())
        .map(|list| {
            list.split(',')
                .filter(|name| !name.is_empty())
                .map(|name| name.replace('-', "_"))
                .collect()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_after_its_file() {
        assert_eq!(module_name("can-raw.ko").as_deref(), Some("can_raw"));
        assert_eq!(module_name("can-raw.ko.xz").as_deref(), Some("can_raw"));
        assert_eq!(module_name("modules.dep"), None);
    }

    #[test]
    fn dependencies_are_read_from_modinfo() {
        let module = b"\x7fELF...\0license=GPL\0depends=can,can-dev\0name=vxcan\0";
        assert_eq!(dependencies(module), ["can", "can_dev"]);
        assert!(dependencies(b"license=GPL\0depends=\0").is_empty());
        assert!(dependencies(b"not a module").is_empty());
    }

    #[test]
    fn modules_come_after_what_they_depend_on_and_once() {
        let directory = std::env::temp_dir().join(format!("xtask-modules-{}", std::process::id()));
        fs::create_dir_all(directory.join("net")).unwrap();
        for (file, depends) in [
            ("net/vcan.ko", "can-dev"),
            ("can-dev.ko", "can"),
            ("net/can.ko", ""),
        ] {
            fs::write(directory.join(file), format!("\0depends={depends}\0")).unwrap();
        }
        let names: Vec<_> = load(&directory, false)
            .unwrap()
            .into_iter()
            .map(|module| module.name)
            .collect();
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(names, ["can", "can_dev", "vcan"]);
    }

    #[test]
    fn a_kernel_without_vcan_is_refused() {
        let directory = std::env::temp_dir().join(format!("xtask-no-modules-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let failure = load(&directory, false).unwrap_err().to_string();
        fs::remove_dir_all(&directory).unwrap();
        assert!(failure.starts_with("no vcan module below "), "{failure}");
    }
}
