//! The directory itself: chosen, checked, and made.

use alloc::string::ToString;
use std::env;
use std::fs::{self, DirBuilder, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use tinwire_place::PlaceError;

use super::super::sharing::Sharing;
use super::{file, next_number};
use crate::error::LayerError;

/// The environment variable that names the directory.
pub(in super::super) const FLOW_DIR: &str = "TINWIRE_FLOW_DIR";

/// One half of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Names,
    Layers,
}

/// The directory where processes meet.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    names: PathBuf,
    layers: PathBuf,
    /// Mode of what is made right in it.
    mode: u32,
}

impl Root {
    pub(super) fn open(directory: Option<&Path>, sharing: Sharing) -> Result<Self, LayerError> {
        let by_hand = directory
            .map(Path::to_path_buf)
            .or_else(|| env::var_os(FLOW_DIR).map(PathBuf::from));
        let path = match by_hand {
            Some(path) => {
                let made = DirBuilder::new().mode(0o700).create(&path);
                if let Err(source) = made
                    && source.kind() != io::ErrorKind::AlreadyExists
                {
                    return Err(LayerError::Directory { path, source });
                }
                path
            }
            None => {
                let runtime = tinwire_place::runtime_dir();
                tinwire_place::make_private(&runtime).map_err(unusable)?;
                let path = runtime.join("flow");
                tinwire_place::make_private(&path).map_err(unusable)?;
                path
            }
        };
        let meta = check(&path, sharing)?;
        if let Err(source) = fs::read_dir(&path) {
            let owner = meta.uid();
            return Err(if owner == tinwire_place::own_uid() {
                LayerError::Directory { path, source }
            } else {
                LayerError::Foreign { path, owner }
            });
        }
        let shared = meta.mode() & 0o077 != 0;
        let root = Self {
            mode: if shared { meta.mode() & 0o7777 } else { 0o700 },
            names: path.join("names"),
            layers: path.join("layers"),
            path,
        };
        let longest = "x".repeat(file::MAX_NAME);
        let longest = root.layers.join(&longest).join("x".repeat(file::MAX_SEAT));
        tinwire_place::check_socket_path(&longest).map_err(unusable)?;
        for part in [&root.names, &root.layers] {
            match root.make(part) {
                // one who may only look finds nothing there, until somebody else comes
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(source) => {
                    let path = part.clone();
                    return Err(LayerError::Directory { path, source });
                }
                Ok(()) => {
                    check(part, sharing)?;
                }
            }
        }
        Ok(root)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where names are, or layers.
    pub(super) fn part(&self, part: Part) -> &Path {
        match part {
            Part::Names => &self.names,
            Part::Layers => &self.layers,
        }
    }

    /// As [`part`](Self::part), made if it is not there.
    pub(super) fn make_part(&self, part: Part) -> io::Result<&Path> {
        self.make(self.part(part))?;
        Ok(self.part(part))
    }

    /// Makes one of the two, with the mode of the whole, unless it is there.
    fn make(&self, part: &Path) -> io::Result<()> {
        if part.is_dir() {
            return Ok(());
        }
        let new = self.path.join(file::temporary(file::NEW, next_number(0)));
        DirBuilder::new().mode(0o700).create(&new)?;
        let made = fs::set_permissions(&new, Permissions::from_mode(self.mode))
            .and_then(|()| fs::rename(&new, part));
        if made.is_err() {
            let _ = fs::remove_dir(&new); // swept if it stays
        }
        if part.is_dir() { Ok(()) } else { made }
    }

    /// Removes what dead processes were making or removing.
    pub(super) fn sweep(&self) {
        for directory in [&self.path, &self.names, &self.layers] {
            let Ok(entries) = fs::read_dir(directory) else {
                continue;
            };
            for entry in entries.filter_map(Result::ok) {
                if file::is_left_over(&entry.file_name()) {
                    let _ = fs::remove_dir_all(entry.path()); // another user's is left to that one
                }
            }
        }
    }
}

/// Why the user's own directory is not to be had.
fn unusable(error: PlaceError) -> LayerError {
    match error {
        PlaceError::Io {
            directory: path,
            source,
        } => LayerError::Directory { path, source },
        PlaceError::NotPrivate { directory } => match check(&directory, Sharing::User) {
            Err(error) => error,
            Ok(meta) => LayerError::Open {
                path: directory,
                mode: meta.mode() & 0o7777,
            },
        },
        error => LayerError::NoDirectory {
            reason: error.to_string().into(),
        },
    }
}

/// Whether others could put something of theirs in the place of what is in there.
fn check(directory: &Path, sharing: Sharing) -> Result<Metadata, LayerError> {
    let path = || directory.to_path_buf();
    let failed = |source| LayerError::Directory { path: path(), source };
    // a link is no directory: whoever laid it could lay it anew
    let meta = fs::symlink_metadata(directory).map_err(failed)?;
    if !meta.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    let owner = meta.uid();
    if owner != 0 && owner != tinwire_place::own_uid() && sharing == Sharing::User {
        return Err(LayerError::Foreign { path: path(), owner });
    }
    let mode = meta.mode() & 0o7777;
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        return Err(LayerError::Open { path: path(), mode });
    }
    Ok(meta)
}

/// Makes a directory for what is shared so.
pub(super) fn make_shared(directory: &Path, sharing: Sharing) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(directory)?;
    if let Sharing::Group(gid) = sharing {
        chown(directory, None, Some(gid))?;
    }
    fs::set_permissions(directory, Permissions::from_mode(sharing.directory_mode()))
}

/// How files are opened where others may put something: links are not followed, and nothing is waited for.
pub(super) fn own_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    options.mode(0o600).custom_flags(flags.bits());
    options
}
