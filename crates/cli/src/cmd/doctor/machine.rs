//! What can be seen of this machine. Nothing is changed; one empty file comes and goes.

use std::fs;
use std::path::{Path, PathBuf};

/// Programs whose absence closes a door: the peers of can-utils and fstrm.
pub(super) const TOOLS: [&str; 4] = ["candump", "isotprecv", "fstrm_capture", "fstrm_dump"];
/// Kernel modules that matter.
pub(super) const MODULES: [&str; 4] = ["can_raw", "vcan", "can_isotp", "vxcan"];

/// Whether the kernel can do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Module {
    /// It is loaded or built in.
    Ready,
    /// It can be loaded.
    Loadable,
    /// This kernel was installed without it.
    Missing,
}

/// A CAN interface of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) is_up: bool,
    pub(super) mtu: u32,
    /// Frames its transmit queue holds.
    pub(super) queue: u32,
}

/// What was seen.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) is_linux: bool,
    /// Whether this build has links between processes.
    pub(super) has_buses: bool,
    pub(super) kernel: String,
    pub(super) modules: Vec<(&'static str, Module)>,
    pub(super) interfaces: Vec<Interface>,
    pub(super) tools: Vec<(&'static str, bool)>,
    /// The folder for the sockets of `bus:` links, and why it cannot be used.
    pub(super) runtime: (PathBuf, Option<String>),
    /// Whether this process may configure interfaces.
    pub(super) net_admin: bool,
    /// Bytes a program may ask for as a receive buffer.
    pub(super) receive_buffer: Option<u64>,
}

pub(super) fn look() -> Machine {
    let kernel = read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let modules = MODULES
        .iter()
        .map(|&name| (name, module(name, &kernel)))
        .collect();
    Machine {
        is_linux: cfg!(target_os = "linux"),
        has_buses: cfg!(unix),
        modules,
        interfaces: interfaces(),
        tools: TOOLS.iter().map(|&name| (name, in_path(name))).collect(),
        runtime: runtime(),
        net_admin: net_admin(&read("/proc/self/status").unwrap_or_default()),
        receive_buffer: read("/proc/sys/net/core/rmem_max").and_then(|text| text.parse().ok()),
        kernel,
    }
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn module(name: &str, kernel: &str) -> Module {
    if Path::new("/sys/module").join(name).exists() {
        return Module::Ready;
    }
    let folder = Path::new("/lib/modules").join(kernel);
    let lists = |file: &str| read(folder.join(file)).is_some_and(|text| names_module(&text, name));
    if lists("modules.builtin") {
        Module::Ready
    } else if lists("modules.dep") {
        Module::Loadable
    } else {
        Module::Missing
    }
}

/// Whether a list such as `kernel/net/can/can-raw.ko.xz: ...` names the module; `-` and `_` are the same in
/// names.
fn names_module(list: &str, name: &str) -> bool {
    list.lines()
        .filter_map(|line| line.split(':').next()?.rsplit('/').next()?.split('.').next())
        .any(|module| module.replace('-', "_") == name)
}

/// Interfaces whose link type is CAN (280).
fn interfaces() -> Vec<Interface> {
    let Ok(entries) = fs::read_dir("/sys/class/net") else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| read(path.join("type")).as_deref() == Some("280"))
        .map(|path| {
            let number = |file: &str| read(path.join(file)).and_then(|text| text.parse().ok());
            let flags = read(path.join("flags")).unwrap_or_default();
            let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or_default();
            Interface {
                name: path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                is_up: flags & 1 == 1,
                mtu: number("mtu").unwrap_or_default(),
                queue: number("tx_queue_len").unwrap_or_default(),
            }
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn in_path(program: &str) -> bool {
    let program = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(&program).is_file()))
}

/// Where `bus:` puts its sockets: a folder in the user's runtime directory, else in the temporary one.
fn runtime() -> (PathBuf, Option<String>) {
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    // Rights alone do not tell whether a folder can be written; a file does.
    let probe = folder.join(format!(".tinwire-doctor-{}", std::process::id()));
    let problem = fs::write(&probe, []).err().map(|error| error.to_string());
    // It is gone when it was never there.
    let _ = fs::remove_file(&probe);
    (folder, problem)
}

/// CAP_NET_ADMIN is bit 12 of the effective set.
fn net_admin(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .is_some_and(|set| set >> 12 & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_found_in_either_spelling_and_packing() {
        let list =
            "kernel/net/can/can-raw.ko.xz: kernel/net/can/can.ko.xz\nkernel/drivers/net/can/vcan.ko:\n";
        assert!(names_module(list, "can_raw"));
        assert!(names_module(list, "vcan"));
        assert!(
            !names_module(list, "can"),
            "a dependency is not a module of its own line"
        );
        assert!(!names_module(list, "can_isotp"));
    }

    #[test]
    fn the_right_to_configure_interfaces_is_bit_twelve() {
        assert!(net_admin("Name:\tx\nCapEff:\t0000000000001000\n"));
        assert!(!net_admin("CapEff:\t0000000000000fff\n"));
        assert!(!net_admin(""));
    }
}
