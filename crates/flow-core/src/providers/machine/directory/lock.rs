//! `turn`: whose turn it is, and what is locked for a change.
//!
//! Its content is two decimals of ten digits each: the number of the seat that had the last turn, and the
//! highest number of a seat so far. Whatever else is there counts as zeros.

use alloc::format;
use core::time::Duration;
use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use super::super::sharing::Sharing;
use super::root;

const FILE: &str = "turn";
const LEN: usize = 22;

/// How long a lock is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// About 20 ms: what can be left undone.
    Short,
    /// About a second.
    Second,
}

impl Patience {
    /// Pauses between attempts.
    fn pauses(self) -> impl Iterator<Item = Duration> {
        let count = match self {
            Self::Short => 12,
            Self::Second => 400,
        };
        (0..count).map(|at: u64| Duration::from_micros((50 << at.min(6)).min(2_500)))
    }
}

/// What `turn` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    /// The number of the seat that had the last turn; 0 when none had.
    pub(super) last: u32,
    /// The highest number of a seat.
    pub(super) highest: u32,
}

/// The directory of a name, locked.
#[derive(Debug)]
pub(super) struct Locked {
    directory: PathBuf,
    file: File,
}

/// Lays an empty `turn` into a directory that is being made.
pub(super) fn lay(directory: &Path, sharing: Sharing) -> io::Result<()> {
    let file = root::own_file()
        .create_new(true)
        .write(true)
        .open(directory.join(FILE))?;
    file.set_permissions(Permissions::from_mode(sharing.file_mode()))
}

/// What `turn` says; zeros when it says nothing.
pub(super) fn turn(directory: &Path) -> Turn {
    let file = root::own_file().read(true).open(directory.join(FILE));
    file.map_or_else(|_| Turn::default(), |file| Turn::read(&file))
}

impl Turn {
    fn read(file: &File) -> Self {
        let mut text = [0; LEN];
        let read = || {
            file.read_exact_at(&mut text, 0).ok()?;
            let (last, highest) = core::str::from_utf8(&text).ok()?.trim_end().split_once(' ')?;
            Some(Self {
                last: last.parse().ok()?,
                highest: highest.parse().ok()?,
            })
        };
        let mut read = read;
        read().unwrap_or_default()
    }
}

impl Locked {
    /// Locks the directory of a name; `None` when there is none any more.
    pub(super) fn take(directory: &Path, patience: Patience) -> io::Result<Option<Self>> {
        let path = directory.join(FILE);
        let file = match root::own_file().read(true).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut pauses = patience.pauses();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => match pauses.next() {
                    Some(pause) => thread::sleep(pause),
                    None => return Err(io::Error::new(io::ErrorKind::TimedOut, "turn stays locked")),
                },
            }
        }
        let ours = file.metadata()?;
        let same = |there: &fs::Metadata| (there.dev(), there.ino()) == (ours.dev(), ours.ino());
        let still = fs::symlink_metadata(&path).is_ok_and(|there| same(&there));
        let directory = directory.to_path_buf();
        Ok(still.then_some(Self { directory, file }))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn turn(&self) -> Turn {
        Turn::read(&self.file)
    }

    pub(super) fn set_turn(&self, turn: Turn) -> io::Result<()> {
        let Turn { last, highest } = turn;
        let text = format!("{last:010} {highest:010}\n");
        self.file.write_all_at(text.as_bytes(), 0)
    }
}
