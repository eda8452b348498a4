#![doc = include_str!("../README.md")]
#![cfg(unix)]
#![forbid(unsafe_code)]

use std::env;
use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Bytes of the longest socket path: what Linux and macOS both take, without the final zero.
pub const MAX_SOCKET_PATH: usize = 103;
/// The environment variable that names the user's runtime directory.
pub const RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";

/// Why sockets cannot live there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// The directory above it is not there, and making that is not ours.
    #[error("making {}: the one above it is not there; make it, or choose another", directory.display())]
    NothingAbove {
        /// The directory that was to be made.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a symbolic link, not a directory, another user's, or open to others.
    #[error("{} must be a directory of this user alone (chmod 700)", directory.display())]
    NotPrivate {
        /// The directory.
        directory: PathBuf,
    },
    /// The path does not fit a socket's address.
    #[error(
        "the socket's path {} has {len} bytes, {MAX_SOCKET_PATH} are allowed; choose a shorter one",
        path.display()
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        len: usize,
    },
    /// The directory could not be made, or not be looked at.
    #[error("the directory {}", directory.display())]
    Io {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<PlaceError> for io::Error {
    fn from(error: PlaceError) -> Self {
        let kind = match &error {
            PlaceError::NothingAbove { .. } => io::ErrorKind::NotFound,
            PlaceError::NotPrivate { .. } => io::ErrorKind::PermissionDenied,
            PlaceError::PathTooLong { .. } => io::ErrorKind::InvalidInput,
            PlaceError::Io { source, .. } => source.kind(),
        };
        Self::new(kind, error)
    }
}

/// `tinwire` in the user's runtime directory, else `tinwire-UID` in the temporary one. Nothing is made yet.
///
/// A relative `$XDG_RUNTIME_DIR` does not count, as the XDG rule has it.
#[must_use]
pub fn runtime_dir() -> PathBuf {
    under(env::var_os(RUNTIME_DIR).map(PathBuf::from))
}

fn under(runtime: Option<PathBuf>) -> PathBuf {
    match runtime {
        Some(directory) if directory.is_absolute() => directory.join("tinwire"),
        _ => env::temp_dir().join(format!("tinwire-{}", own_uid())),
    }
}

/// The number of the user whose files this process makes.
#[must_use]
pub fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// Makes the directory, closed to others, when it is not there, and refuses one that others could tamper
/// with. Those above it are not made.
///
/// # Errors
///
/// [`PlaceError`]: [`NotPrivate`](PlaceError::NotPrivate) when it is a symbolic link, belongs to another
/// user, or lets others in.
pub fn make_private(directory: &Path) -> Result<(), PlaceError> {
    let owned = || directory.to_path_buf();
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            let directory = owned();
            return Err(PlaceError::NothingAbove { directory, source });
        }
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            let directory = owned();
            return Err(PlaceError::Io { directory, source });
        }
        _ => {}
    }
    let meta = fs::symlink_metadata(directory).map_err(|source| PlaceError::Io {
        directory: owned(),
        source,
    })?;
    if is_private(&meta) {
        Ok(())
    } else {
        let directory = owned();
        Err(PlaceError::NotPrivate { directory })
    }
}

fn is_private(meta: &Metadata) -> bool {
    meta.is_dir() && meta.uid() == own_uid() && meta.mode() & 0o077 == 0
}

/// Whether a socket can have this path.
///
/// # Errors
///
/// [`PlaceError::PathTooLong`] when it has more than [`MAX_SOCKET_PATH`] bytes.
pub fn check_socket_path(path: &Path) -> Result<(), PlaceError> {
    let len = path.as_os_str().len();
    if len > MAX_SOCKET_PATH {
        let path = path.to_path_buf();
        return Err(PlaceError::PathTooLong { path, len });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn private() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
        directory
    }

    #[test]
    fn a_directory_that_is_not_there_is_made_for_this_user_alone() {
        let above = private();
        let directory = above.path().join("new");
        make_private(&directory).unwrap();
        let meta = fs::metadata(&directory).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.uid()), (0o700, own_uid()));
        make_private(&directory).unwrap();
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused() {
        let directory = private();
        for mode in [0o755, 0o710, 0o701, 0o1777] {
            fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
            let error = make_private(directory.path()).unwrap_err();
            assert!(error.to_string().contains("chmod 700"), "{mode:o}: {error}");
        }
    }

    #[test]
    fn a_symbolic_link_and_a_file_are_refused() {
        let directory = private();
        let (link, file) = (directory.path().join("link"), directory.path().join("file"));
        std::os::unix::fs::symlink(directory.path(), &link).unwrap();
        fs::write(&file, "").unwrap();
        for path in [link, file] {
            let error = make_private(&path).unwrap_err();
            assert!(matches!(error, PlaceError::NotPrivate { .. }), "{error}");
        }
    }

    #[test]
    fn a_missing_directory_above_is_told_and_not_made() {
        let directory = private();
        let missing = directory.path().join("run");
        let error = make_private(&missing.join("tinwire")).unwrap_err();
        assert!(
            matches!(error, PlaceError::NothingAbove { .. }) && !missing.exists(),
            "{error}"
        );
    }

    #[test]
    fn without_a_runtime_directory_the_temporary_one_is_used_under_the_users_number() {
        let own = env::temp_dir().join(format!("tinwire-{}", own_uid()));
        assert_eq!(under(None), own);
        assert_eq!(under(Some("relative".into())), own);
        assert_eq!(
            under(Some("/run/user/7".into())),
            Path::new("/run/user/7/tinwire")
        );
        let directory = private();
        assert_eq!(own_uid(), fs::metadata(directory.path()).unwrap().uid());
    }

    #[test]
    fn the_longest_path_for_a_socket_is_taken_and_one_byte_more_is_not() {
        check_socket_path(Path::new(&"p".repeat(103))).unwrap();
        let error = check_socket_path(Path::new(&"p".repeat(104)))
            .unwrap_err()
            .to_string();
        assert!(error.contains("104 bytes, 103 are allowed"), "{error}");
    }
}
