//! Where a bus lives in the file system, and who may host it.

use alloc::format;
use alloc::string::String;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use tinwire_place::{MAX_SOCKET_PATH, PlaceError, RUNTIME_DIR, make_private, runtime_dir};

use super::host::Home;
use crate::link::LinkError;

/// The files of one bus.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) name: String,
    /// Where the host runs when we are it.
    pub(super) home: Home,
    socket: PathBuf,
    lock: PathBuf,
}

impl Place {
    /// The files of bus `name` in `directory`, or in the user's runtime directory, which is made when it is
    /// not there.
    pub(super) fn new(name: &str, directory: Option<&Path>) -> Result<Self, LinkError> {
        let directory = directory.map_or_else(runtime_dir, Path::to_path_buf);
        make_private(&directory).map_err(|error| unusable(name, error))?;
        let socket = directory.join(format!("{name}.bus"));
        tinwire_place::check_socket_path(&socket).map_err(|error| unusable(name, error))?;
        Ok(Self {
            name: name.into(),
            home: Home::Thread,
            lock: directory.join(format!("{name}.lock")),
            socket,
        })
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Becomes the host, unless another process is: binds the socket after removing what a dead host left
    /// behind.
    pub(super) fn try_claim(&self) -> io::Result<Option<(Claim, UnixListener)>> {
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&self.lock)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Only the holder of the lock gets here, so the socket's owner is dead.
        match fs::symlink_metadata(&self.socket) {
            Ok(meta) if meta.file_type().is_socket() => fs::remove_file(&self.socket)?,
            Ok(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "the path is not a socket",
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(&self.socket)?;
        listener.set_nonblocking(true)?;
        let socket = self.socket.clone();
        Ok(Some((Claim { socket, _lock: lock }, listener)))
    }
}

/// The right to host; given up when dropped, socket first.
#[derive(Debug)]
pub(super) struct Claim {
    socket: PathBuf,
    _lock: File,
}

impl Claim {
    /// Lets nobody join any more; who comes now waits for the next host.
    pub(super) fn close_door(&self) {
        // a socket that is gone already is as good
        let _ = fs::remove_file(&self.socket);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.close_door();
    }
}

/// Why bus `name` cannot live there.
fn unusable(name: &str, error: PlaceError) -> LinkError {
    match error {
        PlaceError::NotPrivate { directory } => {
            let shown = directory.display();
            let link = format!("bus:{name}: {shown} must be a directory of this user alone (chmod 700)");
            LinkError::Permission { link }
        }
        PlaceError::PathTooLong { path, len } => {
            let path = path.display();
            LinkError::unsupported(format!(
                "bus:{name}: the socket's path {path} has {len} bytes, {MAX_SOCKET_PATH} are allowed; \
                 choose a shorter {RUNTIME_DIR}"
            ))
        }
        PlaceError::NothingAbove { directory, source } => {
            let shown = directory.display();
            let context = format!(
                "bus:{name}: making {shown}: the directory above it is not there; \
                 make it, or choose another with {RUNTIME_DIR}"
            );
            LinkError::io(context, source)
        }
        PlaceError::Io { directory, source } => LinkError::io(
            format!("bus:{name}: the directory {}", directory.display()),
            source,
        ),
        error => LinkError::io(format!("bus:{name}"), error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::string::ToString;

    use super::*;

    fn private() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
        directory
    }

    #[test]
    fn only_one_may_host_and_leaves_no_socket_behind() {
        let directory = private();
        let place = Place::new("x", Some(directory.path())).unwrap();
        let claim = place.try_claim().unwrap().unwrap();
        assert!(place.try_claim().unwrap().is_none());
        assert!(place.socket().exists());
        drop(claim);
        assert!(!place.socket().exists());
        assert!(place.try_claim().unwrap().is_some());
    }

    #[test]
    fn a_stale_socket_is_removed_and_anything_else_is_left_alone() {
        let directory = private();
        let place = Place::new("x", Some(directory.path())).unwrap();
        drop(UnixListener::bind(place.socket()).unwrap());
        assert!(place.socket().exists(), "as after a kill");
        drop(place.try_claim().unwrap().unwrap());
        fs::write(place.socket(), "precious").unwrap();
        place.try_claim().unwrap_err();
        assert_eq!(fs::read_to_string(place.socket()).unwrap(), "precious");
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused() {
        let directory = private();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let error = Place::new("x", Some(directory.path())).unwrap_err().to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }

    #[test]
    fn a_symbolic_link_is_refused() {
        let directory = private();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path(), &link).unwrap();
        let error = Place::new("x", Some(&link)).unwrap_err();
        assert!(matches!(error, LinkError::Permission { .. }), "{error}");
    }

    #[test]
    fn a_runtime_directory_that_is_not_there_is_named_with_the_fix() {
        let directory = private();
        let missing = directory.path().join("run");
        let error = Place::new("x", Some(&missing.join("tinwire")))
            .unwrap_err()
            .to_string();
        assert!(error.contains(&*missing.to_string_lossy()), "{error}");
        assert!(error.contains("choose another with XDG_RUNTIME_DIR"), "{error}");
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_named() {
        let directory = private();
        let long = directory.path().join("d".repeat(100));
        let error = Place::new("x", Some(&long)).unwrap_err().to_string();
        assert!(error.contains("103 are allowed"), "{error}");
    }
}
