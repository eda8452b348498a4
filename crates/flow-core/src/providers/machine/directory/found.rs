//! The directory of one name, as it is met: settings, sockets, and who lives.

use alloc::vec::Vec;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::super::sharing::Sharing;
use super::lock::Locked;
use super::record::Record;
use super::{file, seat};

/// The directory of one name, as it was found.
#[derive(Debug)]
pub(in super::super) struct Found {
    pub(super) path: PathBuf,
    pub(in super::super) record: Record,
    pub(in super::super) sharing: Sharing,
    pub(in super::super) owner: u32,
}

impl Found {
    /// The directory at `path`, if there is one.
    pub(in super::super) fn read(path: PathBuf) -> io::Result<Option<Self>> {
        let meta = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            meta => meta?,
        };
        if !meta.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "not a directory"));
        }
        let (sharing, owner) = (Sharing::of(&meta), meta.uid());
        Ok(Record::read(&path)?.map(|record| Self {
            path,
            record,
            sharing,
            owner,
        }))
    }

    /// Whether its settings are this user's: who says what is started here, and who accepts.
    pub(in super::super) fn is_own(&self) -> bool {
        let own = tinwire_place::own_uid();
        self.owner == own && self.record.owner == own
    }

    /// The processes that are bound to it and alive.
    pub(in super::super) fn alive(&self) -> Vec<u32> {
        let mut seats = seats(&self.path).unwrap_or_default();
        seats.sort_by_key(|seat| seat.number);
        seats.retain(|seat| !file::is_dead(seat.pid) || !seat::refuses(&seat.path));
        seats.iter().map(|seat| seat.pid).collect()
    }

    /// Whether it is another user's own.
    pub(super) fn is_foreign(&self) -> bool {
        self.sharing == Sharing::User && self.owner != tinwire_place::own_uid()
    }
}

/// What tells a file from one that was in its place before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Version([i64; 4]);

impl Version {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self([
            meta.ino().cast_signed(),
            meta.size().cast_signed(),
            meta.ctime(),
            meta.ctime_nsec(),
        ])
    }
}

/// A socket in the directory of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeatFile {
    pub(super) path: PathBuf,
    pub(super) pid: u32,
    pub(super) number: u32,
    pub(super) owner: u32,
}

/// The sockets in the directory of a name, dead ones included.
pub(super) fn seats(directory: &Path) -> io::Result<Vec<SeatFile>> {
    let mut seats = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Some((pid, number)) = file::seat(&entry.file_name()) else {
            continue;
        };
        let path = entry.path();
        // what is no socket is nobody's seat; links are not followed
        let socket = |meta: &Metadata| meta.file_type().is_socket();
        if let Some(meta) = fs::symlink_metadata(&path).ok().filter(socket) {
            let owner = meta.uid();
            seats.push(SeatFile {
                path,
                pid,
                number,
                owner,
            });
        }
    }
    Ok(seats)
}

/// Removes what dead processes left in the directory of a name.
pub(super) fn sweep_seats(locked: &Locked) {
    let Ok(entries) = fs::read_dir(locked.directory()) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let (name, path) = (entry.file_name(), entry.path());
        let dead = match file::seat(&name) {
            // a process that is not to be seen may live all the same, in a container of its own
            Some((pid, _)) => file::is_dead(pid) && seat::refuses(&path),
            // made only under the lock that we hold
            None => file::is_temporary(&name),
        };
        if dead {
            let _ = fs::remove_file(&path); // another user's is left to that one
        }
    }
}
