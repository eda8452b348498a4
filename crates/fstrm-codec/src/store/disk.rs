//! Where files are: the file system, or what a test puts in its place.

use std::boxed::Box;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::vec::Vec;

use crate::file::Truncate;

/// What became of a file from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Its length, in bytes.
    pub len: u64,
    /// Whether it has a name.
    pub is_linked: bool,
}

/// A file that a store writes.
pub trait Outlet: Read + Write + Seek + Truncate + Send {
    /// Its state; `None` for what has none, as a pipe: it is never cut or followed by another.
    ///
    /// # Errors
    /// When the system does not tell.
    fn state(&self) -> io::Result<Option<State>>;

    /// Waits until the disk has what was written.
    ///
    /// # Errors
    /// When the disk does not confirm.
    fn sync(&self) -> io::Result<()>;
}

/// A place for files.
pub trait Disk: Send {
    /// Its files.
    type File: Outlet;

    /// Creates a file; what is written goes to its end, wherever that is.
    ///
    /// # Errors
    /// `AlreadyExists` when something of the name exists, which is left alone.
    fn create(&mut self, path: &Path) -> io::Result<Self::File>;

    /// Opens a file that exists.
    ///
    /// # Errors
    /// `ResourceBusy` when another process writes it; else as the system says.
    fn open(&mut self, path: &Path) -> io::Result<Self::File>;

    /// Whether something of this name exists.
    ///
    /// # Errors
    /// When that cannot be told.
    fn exists(&mut self, path: &Path) -> io::Result<bool>;

    /// Whether both names are of the same file, as in the middle of a renaming.
    fn is_same(&mut self, one: &Path, other: &Path) -> bool;

    /// The names in the folder that holds `path`.
    ///
    /// # Errors
    /// When the folder cannot be read.
    fn siblings(&mut self, path: &Path) -> io::Result<Vec<OsString>>;

    /// Renames a file.
    ///
    /// # Errors
    /// `AlreadyExists` when something of the new name exists, which is left alone.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn remove(&mut self, path: &Path) -> io::Result<()>;

    /// Waits until the disk has the names of the folder that holds `path`.
    ///
    /// # Errors
    /// When the disk does not confirm.
    fn sync_names(&mut self, path: &Path) -> io::Result<()>;
}

/// The file system. Folders that are missing are made; files are locked against a second store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Folder;

/// A file, or something else that can be written to.
pub enum Sink {
    /// A regular file, opened for appending.
    File(File),
    /// A pipe, a device, standard output.
    Stream(Box<dyn Write + Send>),
}

impl core::fmt::Debug for Sink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::File(file) => file.fmt(f),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl Disk for Folder {
    type File = Sink;

    fn create(&mut self, path: &Path) -> io::Result<Sink> {
        // 0666 less the umask, as every program that says nothing about it.
        let create = || {
            OpenOptions::new()
                .read(true)
                .append(true)
                .create_new(true)
                .open(path)
        };
        let file = create().or_else(|error| match path.parent() {
            Some(parent) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(parent)?;
                create()
            }
            _ => Err(error),
        })?;
        lock(&file)?;
        Ok(Sink::File(file))
    }

    fn open(&mut self, path: &Path) -> io::Result<Sink> {
        let kind = fs::metadata(path)?.file_type();
        if kind.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !kind.is_file() {
            let stream = OpenOptions::new().write(true).open(path)?;
            return Ok(Sink::Stream(Box::new(stream)));
        }
        let file = OpenOptions::new().read(true).append(true).open(path)?;
        lock(&file)?;
        Ok(Sink::File(file))
    }

    fn exists(&mut self, path: &Path) -> io::Result<bool> {
        match fs::symlink_metadata(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn is_same(&mut self, one: &Path, other: &Path) -> bool {
        let places = (fs::metadata(one), fs::metadata(other));
        matches!(places, (Ok(one), Ok(other)) if is_same(&one, &other))
    }

    fn siblings(&mut self, path: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(folder(path))?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        // A second name is refused where one exists, a rename would overwrite it.
        match fs::hard_link(from, to) {
            Ok(()) => fs::remove_file(from),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // Not every file system has second names.
            Err(_) if !self.exists(to)? => fs::rename(from, to),
            Err(error) => Err(error),
        }
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_names(&mut self, path: &Path) -> io::Result<()> {
        if cfg!(unix) {
            File::open(folder(path))?.sync_all()?;
        }
        Ok(())
    }
}

/// The folder that holds `path`.
fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}

/// Two stores in one file would harm each other. Where locks are unknown, nobody is kept out.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another process writes this file",
        )),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

impl Outlet for Sink {
    fn state(&self) -> io::Result<Option<State>> {
        let Self::File(file) = self else { return Ok(None) };
        let metadata = file.metadata()?;
        Ok(Some(State {
            len: metadata.len(),
            is_linked: is_linked(&metadata),
        }))
    }

    fn sync(&self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync_data(),
            Self::Stream(_) => Ok(()),
        }
    }
}

#[cfg(unix)]
fn is_linked(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) > 0
}

#[cfg(unix)]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Elsewhere that cannot be told.
#[cfg(not(unix))]
const fn is_same(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    false
}

/// Elsewhere a file that is open cannot lose its name.
#[cfg(not(unix))]
const fn is_linked(_: &fs::Metadata) -> bool {
    true
}

fn unsupported() -> io::Error {
    io::ErrorKind::Unsupported.into()
}

impl Read for Sink {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Stream(_) => Err(unsupported()),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stream(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write_vectored(slices),
            Self::Stream(stream) => stream.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stream(stream) => stream.flush(),
        }
    }
}

impl Seek for Sink {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Stream(_) => Err(unsupported()),
        }
    }
}

impl Truncate for Sink {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.truncate(len),
            Self::Stream(_) => Err(unsupported()),
        }
    }
}
