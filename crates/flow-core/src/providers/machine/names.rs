//! Names that stay: their settings, and which programs and processes accept for them.
//!
//! A name is there while a process is bound to it. One that is *created* stays, with its policy and bindings,
//! until it is destroyed. A process accepts for every name that it has bound itself, and for every name that
//! its number or its program is bound to here: a program by the base name of its path, as at the peer.
//!
//! Settings are a user's own: of a name that belongs to another user, only that it is there counts.

mod binding;
mod error;
mod start;

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

pub use binding::Bindings;
pub(super) use binding::PAUSE;
pub use error::NamesError;
pub(super) use start::Begun;

use super::balance::Balance;
use super::config::MachineConfig;
use super::directory::record::Record;
use super::directory::{Directory, Found};
use super::sharing::Sharing;
use crate::error::LayerError;
use crate::name::Name;

/// Whether a program is started when a request finds nobody who accepts within a second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// It is not: somebody starts it.
    #[default]
    ByHand,
    /// Who asks for the name starts it, one at a time, in the background and with nothing at its standard
    /// input and outputs.
    Auto {
        /// Its arguments.
        args: Vec<OsString>,
    },
}

/// A program that is bound to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is started.
    pub start: Start,
}

/// Settings of a new name.
#[derive(Clone, Copy, Debug, Default)]
pub struct NameSettings {
    sharing: Sharing,
    balance: Balance,
}

impl NameSettings {
    /// Which users may use it. Default: the own user alone.
    #[must_use]
    pub const fn sharing(self, sharing: Sharing) -> Self {
        Self { sharing, ..self }
    }

    /// Who gets a request when several accept. Default: they take turns.
    #[must_use]
    pub const fn balance(self, balance: Balance) -> Self {
        Self { balance, ..self }
    }
}

/// A process that is bound to a name and alive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepter {
    /// Its number.
    pub pid: u32,
    /// The base name of its program, where the system tells it (Linux).
    pub program: Option<OsString>,
}

/// A name, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameInfo {
    /// The name.
    pub name: Name,
    /// Whether it stays when nobody is bound to it.
    pub created: bool,
    /// Which users may use it.
    pub sharing: Sharing,
    /// The number of the user to whom it belongs.
    pub owner: u32,
    /// Who gets a request when several accept.
    pub balance: Balance,
    /// Programs that are bound to it.
    pub programs: Vec<Program>,
    /// Processes that are bound to it by their number.
    pub processes: Vec<u32>,
    /// Processes that are bound to it now, the oldest binding first.
    pub accepters: Vec<Accepter>,
}

impl NameInfo {
    fn of(found: Found) -> Self {
        let accepter = |pid| Accepter {
            pid,
            program: binding::program_of(pid),
        };
        Self {
            accepters: found.alive().into_iter().map(accepter).collect(),
            sharing: found.sharing,
            owner: found.owner,
            name: found.record.name,
            created: found.record.created,
            balance: found.record.balance,
            programs: found.record.programs,
            processes: found.record.processes,
        }
    }
}

/// The names of a machine's directory, and their settings. Clones speak of the same.
///
/// Changes are files, so they outlive this process and need none to be running. A process that waits in
/// accept sees them within a second.
#[derive(Clone, Debug)]
pub struct Names(Directory);

impl Names {
    /// The names of the directory that `config` says.
    ///
    /// # Errors
    ///
    /// [`LayerError`] when the directory is not to be had.
    pub fn open(config: &MachineConfig) -> Result<Self, LayerError> {
        Directory::open(config).map(Self)
    }

    /// The names of this directory.
    #[must_use]
    pub const fn new(directory: Directory) -> Self {
        Self(directory)
    }

    /// The broadcast layers of the same directory, as names are listed: a process that takes part in one is
    /// bound to it.
    #[must_use]
    pub fn layers(&self) -> Self {
        Self(self.0.layers())
    }

    /// Creates a name, which stays until it is destroyed. One that processes have bound themselves meanwhile
    /// gets these settings.
    ///
    /// # Errors
    ///
    /// [`NamesError`]: [`Exists`](NamesError::Exists) when it was created before, or is bound with another
    /// sharing.
    pub fn create(&self, name: &Name, settings: NameSettings) -> Result<(), NamesError> {
        if self
            .0
            .find(name)
            .is_ok_and(|found| found.is_some_and(|found| found.record.created))
        {
            return Err(NamesError::Exists { name: name.clone() });
        }
        let mut record = Record::new(name.clone(), settings.balance);
        record.created = true;
        self.0.create(&record, settings.sharing)
    }

    /// Takes back all settings of a name. It goes with the last process that has bound it itself.
    ///
    /// # Errors
    ///
    /// [`NamesError`]: [`UnknownName`](NamesError::UnknownName) when there is no such name.
    pub fn destroy(&self, name: &Name) -> Result<(), NamesError> {
        self.0.change(name, |record| {
            let (name, balance) = (record.name.clone(), record.balance);
            *record = Record::new(name, balance);
        })
    }

    /// All names, in their order.
    ///
    /// # Errors
    ///
    /// [`NamesError::Layer`] when the directory cannot be read.
    pub fn list(&self) -> Result<Vec<NameInfo>, NamesError> {
        let found = self.0.all().map_err(|error| NamesError::Layer {
            reason: error.to_string().into(),
        })?;
        let mut list: Vec<_> = found.into_iter().map(NameInfo::of).collect();
        // what is about to go is not there
        list.retain(|info| {
            info.created
                || !(info.accepters.is_empty() && info.programs.is_empty() && info.processes.is_empty())
        });
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }

    /// Binds a program to a name: processes whose program has the same base name accept for it. Binding it
    /// again changes how it is started.
    ///
    /// # Errors
    ///
    /// [`NamesError`]: [`Program`](NamesError::Program) when `path` is not a regular file that this process
    /// may execute.
    pub fn bind_program(&self, path: &Path, name: &Name, start: Start) -> Result<(), NamesError> {
        let path = executable(path)?;
        self.0.change(name, |record| {
            let (path, start) = (path.clone(), start.clone());
            record.programs.retain(|program| program.path != path);
            record.programs.push(Program { path, start });
        })
    }

    /// Lets a program go from a name, and returns whether it was bound to it.
    ///
    /// # Errors
    ///
    /// [`NamesError`].
    pub fn unbind_program(&self, path: &Path, name: &Name) -> Result<bool, NamesError> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        self.0.change(name, |record| {
            let before = record.programs.len();
            record.programs.retain(|program| program.path != path);
            record.programs.len() != before
        })
    }

    /// Binds a process to a name: it accepts for it.
    ///
    /// # Errors
    ///
    /// [`NamesError`]: [`Process`](NamesError::Process) when there is none of that number.
    pub fn bind_process(&self, pid: u32, name: &Name) -> Result<(), NamesError> {
        if binding::is_dead(pid) {
            return Err(NamesError::Process { pid });
        }
        self.0.change(name, |record| {
            record.processes.retain(|bound| *bound != pid);
            record.processes.push(pid);
        })
    }

    /// Lets a process go from a name, and returns whether it was bound to it.
    ///
    /// # Errors
    ///
    /// [`NamesError`].
    pub fn unbind_process(&self, pid: u32, name: &Name) -> Result<bool, NamesError> {
        self.0.change(name, |record| {
            let before = record.processes.len();
            record.processes.retain(|bound| *bound != pid);
            record.processes.len() != before
        })
    }
}

/// The whole path of a regular file that this process may execute.
fn executable(path: &Path) -> Result<PathBuf, NamesError> {
    let fault = |reason: Box<str>| NamesError::Program {
        path: path.to_path_buf(),
        reason,
    };
    let failed = |error: io::Error| fault(error.to_string().into());
    let whole = std::path::absolute(path).map_err(failed)?;
    if !fs::metadata(&whole).map_err(failed)?.is_file() {
        return Err(fault("not a regular file".into()));
    }
    // to the superuser everything is allowed but executing what nobody may
    match access(&whole, AccessFlags::X_OK) {
        Ok(()) => Ok(whole),
        Err(error) => Err(failed(error.into())),
    }
}

#[cfg(test)]
mod tests;
