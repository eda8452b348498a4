//! What a process is bound to by settings.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process;

use nix::errno::Errno;
use nix::sys::signal;
use nix::unistd::Pid;

use super::super::config::MachineConfig;
use super::super::directory::record::Record;
use super::super::directory::{Directory, Found, Version};
use crate::name::Name;

/// How often a process that waits looks.
pub(in super::super) const PAUSE: Duration = Duration::from_millis(500);

/// The names that this process is bound to by its number or its program, as they change.
///
/// Looking costs one look at each name's file, and reads those that have changed.
#[derive(Debug)]
pub struct Bindings {
    directory: Directory,
    program: Option<OsString>,
    seen: BTreeMap<PathBuf, (Version, Option<Name>)>,
    names: BTreeSet<Name>,
}

impl Bindings {
    /// The bindings of this process, which is the program that `config` says.
    #[must_use]
    pub fn new(directory: &Directory, config: &MachineConfig) -> Self {
        Self {
            directory: directory.clone(),
            program: config.program.clone().or_else(own_program),
            seen: BTreeMap::new(),
            names: BTreeSet::new(),
        }
    }

    /// The names that this process is bound to by settings; `None` when they are what they were at the last
    /// call. At first there are none.
    pub fn poll(&mut self) -> Option<&BTreeSet<Name>> {
        let Ok(versions) = self.directory.versions() else {
            return None; // not to be read for now: all stays as it is
        };
        let mut before = core::mem::take(&mut self.seen);
        for (path, version) in versions {
            let known = before.remove(&path).filter(|(seen, _)| *seen == version);
            let known = known.unwrap_or_else(|| (version, self.look(&path)));
            self.seen.insert(path, known);
        }
        let names: BTreeSet<_> = self.seen.values().filter_map(|(_, name)| name.clone()).collect();
        if names == self.names {
            return None;
        }
        self.names = names;
        Some(&self.names)
    }

    /// Waits until they change; looks twice a second.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no change.
    pub async fn changed(&mut self) -> &BTreeSet<Name> {
        while self.poll().is_none() {
            tokio::time::sleep(PAUSE).await;
        }
        &self.names
    }

    /// What they were when last looked at.
    #[must_use]
    pub const fn names(&self) -> &BTreeSet<Name> {
        &self.names
    }

    /// The name at `path`, if this process is bound to it.
    fn look(&self, path: &Path) -> Option<Name> {
        let found = Found::read(path.to_path_buf()).ok()??;
        (found.is_own() && self.is_bound(&found.record)).then_some(found.record.name)
    }

    fn is_bound(&self, record: &Record) -> bool {
        let own = self.program.as_deref();
        let by_program = |path: &Path| own.is_some() && path.file_name() == own;
        record.processes.contains(&process::id())
            || record.programs.iter().any(|program| by_program(&program.path))
    }
}

/// What this process calls itself: the base name of its first argument, else of its executable file.
fn own_program() -> Option<OsString> {
    let base = |path: &Path| path.file_name().map(OsStr::to_owned);
    let first = env::args_os().next().and_then(|first| base(Path::new(&first)));
    first.or_else(|| base(&env::current_exe().ok()?))
}

/// The base name of another process's first argument, where `/proc` tells it.
pub(super) fn program_of(pid: u32) -> Option<OsString> {
    let line = fs::read(alloc::format!("/proc/{pid}/cmdline")).ok()?;
    let first = line.split(|byte| *byte == 0).next()?;
    Path::new(OsStr::from_bytes(first))
        .file_name()
        .map(OsStr::to_owned)
}

/// Whether no process of that number can be seen.
pub(super) fn is_dead(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else { return true };
    pid == 0 || signal::kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)
}
