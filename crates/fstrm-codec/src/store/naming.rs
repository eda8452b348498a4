//! Which file a store opens next, and what it is called.

use std::borrow::ToOwned as _;
use std::io;
use std::path::{Path, PathBuf};

use super::config::{Existing, InProgress, Sync};
use super::disk::{Disk, Outlet as _};
use super::event::Event;
use super::outlet::Current;
use super::{OpenError, Store};
use crate::file::{AppendError, append};
use crate::rotate::{Now, NumberedBy, numbered, part};

impl<D: Disk> Store<D> {
    /// The file that the store begins with.
    pub(super) fn open_first(&mut self, now: Now) -> Result<(), OpenError> {
        let name = self.names.name(now.wall);
        let failed = |path: &Path, error| OpenError::Io {
            path: path.to_owned(),
            error,
        };
        // A folder named as . or .. has no name that a number could follow.
        if name.file_name().is_none() {
            return Err(failed(&name, io::ErrorKind::IsADirectory.into()));
        }
        let last = self.last_number(&name).map_err(|error| failed(&name, error))?;
        if let Some(last) = last {
            let name = numbered(&name, last);
            let in_progress = part(&name);
            // Killed in the middle of the renaming: to go on under the one name would change what is whole
            // under the other.
            if self.disk.is_same(&in_progress, &name) {
                let removed = self.disk.remove(&in_progress);
                removed.map_err(|error| failed(&in_progress, error))?;
            }
        }
        let Some(last) = last.filter(|_| self.config.existing == Existing::Append) else {
            return self.open_next(now).map_err(|error| failed(&name, error));
        };
        let name = numbered(&name, last);
        let in_progress = part(&name);
        let path = match self.disk.exists(&in_progress) {
            Ok(true) => in_progress,
            Ok(false) if self.config.in_progress == InProgress::FinalName => name.clone(),
            // The file of this name is whole.
            Ok(false) => return self.open_next(now).map_err(|error| failed(&name, error)),
            Err(error) => return Err(failed(&in_progress, error)),
        };
        let mut file = self.disk.open(&path).map_err(|error| failed(&path, error))?;
        match file.state() {
            Ok(Some(_)) => {}
            Ok(None) => {
                let begun = self.begin(file, path.clone(), name, now);
                return begun.map_err(|error| failed(&path, error));
            }
            Err(error) => return Err(failed(&path, error)),
        }
        let found = append(&mut file, self.config.content_type.as_ref(), self.config.limits);
        let found = found.map_err(|error| match error {
            AppendError::Io(error) => failed(&path, error),
            error => OpenError::Append {
                path: path.clone(),
                error,
            },
        })?;
        let current = Current::new(file, path.clone(), name, found.len, found.frames);
        self.file = Some(current.map_err(|error| failed(&path, error))?);
        self.stats.resumed += 1;
        self.stats.cut_bytes += found.cut_bytes;
        let names = &self.names;
        self.rotator.handle_open(now, |wall| names.utc_offset(wall));
        self.tell(Event::Opened {
            path,
            resumed: Some(found),
        });
        Ok(())
    }

    /// The highest number among the files of `name`; `None` when there is none.
    fn last_number(&mut self, name: &Path) -> io::Result<Option<u64>> {
        if !self.disk.exists(name)? && !self.disk.exists(&part(name))? {
            return Ok(None);
        }
        let numbers = NumberedBy::new(name);
        let siblings = self.disk.siblings(name)?;
        Ok(siblings.iter().filter_map(|name| numbers.number(name)).max())
    }

    /// The next file, of a name that no other has.
    pub(super) fn open_next(&mut self, now: Now) -> io::Result<()> {
        let wanted = self.names.name(now.wall);
        let mut number = self.last_number(&wanted)?.map_or(0, |last| last + 1);
        loop {
            let name = numbered(&wanted, number);
            let path = match self.config.in_progress {
                InProgress::FinalName => name.clone(),
                InProgress::Part => part(&name),
            };
            match self.disk.create(&path) {
                Ok(file) => return self.create(file, path, name, now),
                // Somebody was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn create(&mut self, file: D::File, path: PathBuf, name: PathBuf, now: Now) -> io::Result<()> {
        let begun = self.begin(file, path.clone(), name, now);
        if begun.is_err() {
            // It is empty, and would stand in the way of the next try.
            let _ = self.disk.remove(&path);
        } else if self.config.sync != Sync::Never {
            self.disk.sync_names(&path)?;
        }
        begun
    }

    /// Writes START to a file without content, and goes on with it.
    pub(super) fn begin(&mut self, file: D::File, path: PathBuf, name: PathBuf, now: Now) -> io::Result<()> {
        let mut current = Current::new(file, path.clone(), name, 0, 0)?;
        current.begin(&self.start)?;
        current.is_ours = current.is_file;
        self.file = Some(current);
        self.stats.created += 1;
        let names = &self.names;
        self.rotator.handle_open(now, |wall| names.utc_offset(wall));
        self.tell(Event::Opened { path, resumed: None });
        Ok(())
    }

    /// Gives a whole file its name; which name it has.
    pub(super) fn give_name(&mut self, file: Current<D::File>) -> PathBuf {
        let (path, wanted) = (file.path, file.name);
        drop(file.file);
        if path == wanted {
            return path;
        }
        let mut name = wanted.clone();
        let mut number = 0;
        loop {
            let renamed = self.disk.rename(&path, &name);
            match renamed {
                Ok(()) if self.config.sync == Sync::Never => return name,
                Ok(()) => {
                    let _ = self.disk.sync_names(&name);
                    return name;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    number = self
                        .last_number(&wanted)
                        .ok()
                        .flatten()
                        .unwrap_or(number)
                        .max(number)
                        + 1;
                    name = numbered(&wanted, number);
                }
                Err(error) => {
                    self.tell(Event::NotRenamed {
                        path: path.clone(),
                        error,
                    });
                    return path;
                }
            }
        }
    }
}
