//! What the processes of a machine know of each other: files.
//!
//! ```text
//! <directory>/names/<file name of the name>/      mode 0700, 2770 or 1777, by the name's sharing
//!     name            the name itself, and its settings
//!     <pid>-<n>.sock  one per process that is bound and alive; a higher n is a younger one
//!     started         the process that was started for it last, if any was
//!     turn            who had the last turn, and the highest n so far; also what is locked for a change
//! ```
//!
//! - A name's directory is made under another file name and renamed when it is complete, and renamed again
//!   before its parts are removed: whatever carries a name's file name is whole. What a crash leaves behind
//!   begins with a dot, and the next one who opens the directory removes it.
//! - A socket is bound under another file name and renamed when it listens. So who meets "connection refused"
//!   knows that its process is dead, and may remove it. Numbers are not used twice by one process, hence what
//!   is removed is never another one's new socket.
//! - Sockets come, directories go and settings change under the lock of `turn`, and only if the locked file
//!   is still the one in the directory. A lock ends with its process; one that does not come free within a
//!   second is an error, for a stopped process must not stop others.

mod candidates;
mod file;
mod found;
mod lock;
pub(super) mod record;
mod root;
mod seat;
mod starting;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

pub use candidates::Candidates;
pub(super) use found::{Found, Version};
pub(super) use root::FLOW_DIR;
pub use seat::Seat;

use self::found::{seats, sweep_seats};
use self::lock::{Locked, Patience};
use self::record::Record;
use self::root::{Part, Root};
use super::balance::Balance;
use super::config::MachineConfig;
use super::names::NamesError;
use super::sharing::Sharing;
use crate::error::{AllocError, BindError, LayerError};
use crate::name::Name;

/// Turns in which somebody else may change what we are about to change.
const TURNS: usize = 64;

/// A number for a file that no other file of this process has, and that is above `floor`.
fn next_number(floor: u32) -> u32 {
    static HIGHEST: AtomicU32 = AtomicU32::new(0);
    let next = |highest: u32| Some(highest.max(floor).checked_add(1).unwrap_or(1));
    let before = HIGHEST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    before
        .unwrap_or_else(|same| same)
        .max(floor)
        .checked_add(1)
        .unwrap_or(1)
}

/// The directory where the processes of a machine meet. Clones are the same.
#[derive(Clone, Debug)]
pub struct Directory {
    shared: Arc<Shared>,
    part: Part,
}

#[derive(Debug)]
struct Shared {
    root: Root,
    sharing: Sharing,
    balance: Balance,
    max_names: usize,
}

impl Directory {
    /// Opens the directory, making it when it is not there, and removes what dead processes left in it.
    ///
    /// # Errors
    ///
    /// [`LayerError`] when it cannot be had, others could tamper with it, or its path is too long for the
    /// sockets in it.
    pub fn open(config: &MachineConfig) -> Result<Self, LayerError> {
        let root = Root::open(config.given_directory(), config.sharing)?;
        let shared = Arc::new(Shared {
            root,
            sharing: config.sharing,
            balance: config.balance,
            max_names: config.local.names,
        });
        let part = Part::Names;
        let names = Self { shared, part };
        names.sweep();
        names.layers().sweep();
        Ok(names)
    }

    /// Where the members of broadcast layers meet, by the same rules: a layer is a name, a member's process a
    /// seat.
    pub(super) fn layers(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            part: Part::Layers,
        }
    }

    fn part(&self) -> &Path {
        self.shared.root.part(self.part)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.shared.root.path()
    }

    /// Binds a name for this process: a socket that listens in the name's directory.
    ///
    /// # Errors
    ///
    /// [`BindError`]: [`Denied`](BindError::Denied) when the name is another user's,
    /// [`Full`](BindError::Full) when there are as many names as may be, [`Layer`](BindError::Layer) when the
    /// files cannot be had.
    pub fn publish(&self, name: &Name) -> Result<Seat, BindError> {
        self.publish_among(name, usize::MAX)
    }

    /// As [`publish`](Self::publish), unless `max` processes are bound to the name already.
    pub(super) fn publish_among(&self, name: &Name, max: usize) -> Result<Seat, BindError> {
        for _ in 0..TURNS {
            let found = self.find(name).map_err(|error| refused(name, &error))?;
            let Some(found) = found else {
                self.make(
                    Record::new(name.clone(), self.shared.balance),
                    self.shared.sharing,
                )?;
                continue;
            };
            if found.is_foreign() {
                return Err(BindError::Denied { name: name.clone() });
            }
            let locked = Locked::take(&found.path, Patience::Second);
            let Some(locked) = locked.map_err(|error| refused(name, &error))? else {
                continue; // it went meanwhile
            };
            sweep_seats(&locked);
            if max != usize::MAX && seats(&found.path).is_ok_and(|seats| seats.len() >= max) {
                return Err(BindError::Full { max });
            }
            let seat = Seat::take(self.clone(), &locked, found.sharing);
            return seat.map_err(|error| refused(name, &error));
        }
        Err(files("the name's directory comes and goes"))
    }

    /// Where to ask for a flow to `name`, in the order in which it is to be done.
    ///
    /// # Errors
    ///
    /// [`AllocError`]: [`UnknownName`](AllocError::UnknownName), [`Denied`](AllocError::Denied) when it is
    /// another user's, [`Unreachable`](AllocError::Unreachable) when its files cannot be read.
    pub fn candidates(&self, name: &Name) -> Result<Candidates, AllocError> {
        let failed = |error: &io::Error| match error.kind() {
            io::ErrorKind::PermissionDenied => AllocError::Denied { name: name.clone() },
            _ => AllocError::Unreachable {
                name: name.clone(),
                reason: error.to_string().into(),
            },
        };
        let found = self.find(name).map_err(|error| failed(&error))?;
        let Some(found) = found else {
            return Err(AllocError::UnknownName { name: name.clone() });
        };
        if found.is_foreign() {
            return Err(AllocError::Denied { name: name.clone() });
        }
        match seats(&found.path) {
            // somebody is about to remove it
            Ok(seats) if seats.is_empty() && found.record.is_unused() => {
                Err(AllocError::UnknownName { name: name.clone() })
            }
            Ok(seats) => Ok(Candidates::new(self.clone(), found, seats)),
            // it went meanwhile
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(AllocError::UnknownName { name: name.clone() })
            }
            Err(error) => Err(failed(&error)),
        }
    }

    /// Which users may use the name: what it has if it is there, else what this layer would give it.
    #[must_use]
    pub fn sharing(&self, name: &Name) -> Sharing {
        match self.find(name) {
            Ok(Some(found)) => found.sharing,
            Ok(None) | Err(_) => self.shared.sharing,
        }
    }

    /// Every name that this process may look at.
    pub(super) fn all(&self) -> io::Result<Vec<Found>> {
        let entries = match fs::read_dir(self.part()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let whole = entries
            .filter_map(Result::ok)
            .filter(|entry| !file::is_temporary(&entry.file_name()));
        // what is another user's, or goes meanwhile, or is no name, is not listed
        Ok(whole
            .filter_map(|entry| Found::read(entry.path()).ok()?)
            .collect())
    }

    /// What tells the file of a name's settings from an earlier one, for every name.
    pub(super) fn versions(&self) -> io::Result<BTreeMap<PathBuf, Version>> {
        let entries = match fs::read_dir(self.part()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            entries => entries?,
        };
        let version = |entry: fs::DirEntry| {
            let meta = fs::symlink_metadata(record::path(&entry.path())).ok()?;
            Some((entry.path(), Version::of(&meta)))
        };
        Ok(entries.filter_map(|entry| version(entry.ok()?)).collect())
    }

    /// Makes a name with these settings, or gives them to one that is there and has none.
    pub(super) fn create(&self, record: &Record, sharing: Sharing) -> Result<(), NamesError> {
        let name = &record.name;
        for _ in 0..TURNS {
            let Some(found) = self.find(name).map_err(|error| NamesError::io(name, error))? else {
                self.make(record.clone(), sharing)?;
                continue;
            };
            if found.record == *record && found.sharing == sharing {
                return Ok(()); // just made
            }
            if found.record.created || found.sharing != sharing {
                return Err(NamesError::Exists { name: name.clone() });
            }
            self.change(name, |there| {
                there.created = true;
                there.balance = record.balance;
            })?;
        }
        Err(NamesError::io(name, io::ErrorKind::ResourceBusy.into()))
    }

    /// Changes the settings of a name, and removes it when nothing is left of it.
    pub(super) fn change<T>(
        &self,
        name: &Name,
        mut edit: impl FnMut(&mut Record) -> T,
    ) -> Result<T, NamesError> {
        let failed = |error| NamesError::io(name, error);
        for _ in 0..TURNS {
            let Some(found) = self.find(name).map_err(failed)? else {
                return Err(NamesError::UnknownName { name: name.clone() });
            };
            if found.owner != tinwire_place::own_uid() {
                return Err(NamesError::Denied { name: name.clone() });
            }
            let locked = Locked::take(&found.path, Patience::Second).map_err(failed)?;
            let Some(locked) = locked else { continue };
            let Some(mut record) = Record::read(&found.path).map_err(failed)? else {
                continue;
            };
            let before = record.clone();
            let edited = edit(&mut record);
            // numbers are given anew, and then to strangers
            record.processes.retain(|pid| !file::is_dead(*pid));
            if record.is_unused() && seats(&found.path).is_ok_and(|seats| seats.is_empty()) {
                self.remove(locked);
            } else if record != before {
                record.write(&found.path, found.sharing).map_err(failed)?;
            }
            return Ok(edited);
        }
        Err(failed(io::ErrorKind::ResourceBusy.into()))
    }

    /// The directory of a name, if it is there.
    pub(super) fn find(&self, name: &Name) -> io::Result<Option<Found>> {
        let path = self.part().join(file::name_of(name));
        let found = Found::read(path)?;
        if found.as_ref().is_some_and(|found| found.record.name != *name) {
            let reason = "the file name of this name is another one's";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, reason));
        }
        Ok(found)
    }

    /// Makes the directory of a name; it may be there when this returns even if another made it.
    fn make(&self, record: Record, sharing: Sharing) -> Result<(), BindError> {
        let name = record.name.clone();
        let refused = |error: io::Error| refused(&name, &error);
        let names = self.shared.root.make_part(self.part).map_err(refused)?;
        if self.is_full(names).map_err(refused)? {
            self.sweep();
            if self.is_full(names).map_err(refused)? {
                let max = self.shared.max_names;
                return Err(BindError::Full { max });
            }
        }
        let new = names.join(file::temporary(file::NEW, next_number(0)));
        let path = names.join(file::name_of(&name));
        let made = root::make_shared(&new, sharing)
            .and_then(|()| record.write(&new, sharing))
            .and_then(|()| lock::lay(&new, sharing))
            .and_then(|()| fs::rename(&new, &path));
        match made {
            Ok(()) => Ok(()),
            Err(error) => {
                // of no use any more, and swept if it stays
                let _ = fs::remove_dir_all(&new);
                match error.kind() {
                    // another was faster; or somebody swept ours, and the next turn makes it anew
                    io::ErrorKind::DirectoryNotEmpty
                    | io::ErrorKind::AlreadyExists
                    | io::ErrorKind::NotFound => Ok(()),
                    _ if path.exists() => Ok(()),
                    _ => Err(refused(error)),
                }
            }
        }
    }

    fn is_full(&self, names: &Path) -> io::Result<bool> {
        let count = fs::read_dir(names)?
            .filter_map(Result::ok)
            .filter(|entry| !file::is_temporary(&entry.file_name()))
            .take(self.shared.max_names)
            .count();
        Ok(count >= self.shared.max_names)
    }

    /// Removes what dead processes left behind, where that is ours to do.
    fn sweep(&self) {
        self.shared.root.sweep();
        let Ok(entries) = fs::read_dir(self.part()) else {
            return; // nothing there
        };
        for entry in entries.filter_map(Result::ok) {
            if file::is_temporary(&entry.file_name()) {
                continue;
            }
            let path = entry.path();
            if seats(&path).is_ok_and(|seats| seats.iter().all(|seat| file::is_dead(seat.pid))) {
                self.remove_unused(&path, Patience::Short);
            }
        }
    }

    /// Removes the directory of a name with neither a living process nor settings. Whatever hinders that is
    /// left to the next one.
    fn remove_unused(&self, path: &Path, patience: Patience) {
        let Ok(Some(locked)) = Locked::take(path, patience) else {
            return;
        };
        sweep_seats(&locked);
        let unused = seats(path).is_ok_and(|seats| seats.is_empty())
            && Record::read(path).is_ok_and(|record| record.is_none_or(|record| record.is_unused()));
        if unused {
            self.remove(locked);
        }
    }

    /// Removes the directory of a name with all that is in it.
    fn remove(&self, locked: Locked) {
        let old = self.part().join(file::temporary(file::OLD, next_number(0)));
        if fs::rename(locked.directory(), &old).is_ok() {
            drop(locked);
            let _ = fs::remove_dir_all(&old); // swept if it stays
        }
    }
}

fn files(reason: impl core::fmt::Display) -> BindError {
    BindError::Layer {
        reason: reason.to_string().into(),
    }
}

fn refused(name: &Name, error: &io::Error) -> BindError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => BindError::Denied { name: name.clone() },
        _ => files(error),
    }
}

/// The file name under which this process makes something numbered `number` that is not whole yet.
fn unfinished(number: u32) -> alloc::string::String {
    format!(".{}-{number}", process::id())
}

#[cfg(test)]
mod tests;
