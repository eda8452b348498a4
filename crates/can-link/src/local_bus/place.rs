//! Where a bus lives in the file system, and who may host it.

use alloc::format;
use alloc::string::String;
use std::env;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use super::host::Home;
use crate::link::LinkError;

/// Bytes of the longest socket path: what Linux and macOS both take, without the final zero.
const MAX_SOCKET_PATH: usize = 103;
/// The environment variable that names the user's runtime directory.
const RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";

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
        let directory = match directory {
            Some(directory) => directory.to_path_buf(),
            None => default_directory(env::var_os(RUNTIME_DIR).map(PathBuf::from)),
        };
        make_private(&directory, name)?;
        let socket = directory.join(format!("{name}.bus"));
        let len = socket.as_os_str().len();
        if len > MAX_SOCKET_PATH {
            let path = socket.display();
            return Err(LinkError::unsupported(format!(
                "bus:{name}: the socket's path {path} has {len} bytes, {MAX_SOCKET_PATH} are allowed; \
                 choose a shorter {RUNTIME_DIR}"
            )));
        }
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

/// `tinwire` in the runtime directory, else `tinwire-UID` under the temporary one.
fn default_directory(runtime: Option<PathBuf>) -> PathBuf {
    match runtime {
        Some(directory) if directory.is_absolute() => directory.join("tinwire"),
        _ => env::temp_dir().join(format!("tinwire-{}", own_uid())),
    }
}

/// The number of the user whose files this process makes.
fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// Makes the directory when it is not there, and refuses one that others could tamper with.
fn make_private(directory: &Path, name: &str) -> Result<(), LinkError> {
    let shown = directory.display();
    let io = |error| LinkError::io(format!("bus:{name}: the directory {shown}"), error);
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let context = format!(
                "bus:{name}: making {shown}: the directory above it is not there; \
                 make it, or choose another with {RUNTIME_DIR}"
            );
            return Err(LinkError::io(context, error));
        }
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io(error)),
        _ => {}
    }
    let meta = fs::symlink_metadata(directory).map_err(io)?;
    if is_private(&meta, own_uid()) {
        Ok(())
    } else {
        Err(refused(directory, name))
    }
}

fn is_private(meta: &Metadata, own: u32) -> bool {
    meta.is_dir() && meta.uid() == own && meta.mode() & 0o077 == 0
}

fn refused(directory: &Path, name: &str) -> LinkError {
    let link = format!(
        "bus:{name}: {} must be a directory of this user alone (chmod 700)",
        directory.display()
    );
    LinkError::Permission { link }
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
        let place = default_directory(Some(missing.clone()));
        let error = Place::new("x", Some(&place)).unwrap_err().to_string();
        assert!(error.contains(&*missing.to_string_lossy()), "{error}");
        assert!(error.contains("choose another with XDG_RUNTIME_DIR"), "{error}");
    }

    #[test]
    fn without_a_runtime_directory_the_temporary_one_is_used_under_the_users_number() {
        let own = env::temp_dir().join(format!("tinwire-{}", own_uid()));
        assert_eq!(default_directory(None), own);
        assert_eq!(default_directory(Some("relative".into())), own);
        let directory = private();
        assert_eq!(own_uid(), fs::metadata(directory.path()).unwrap().uid());
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_named() {
        let directory = private();
        let long = directory.path().join("d".repeat(100));
        let error = Place::new("x", Some(&long)).unwrap_err().to_string();
        assert!(error.contains("103 are allowed"), "{error}");
    }
}
