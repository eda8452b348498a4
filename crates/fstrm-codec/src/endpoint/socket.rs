//! The file of a Unix socket: taken over from the dead, never from the living, removed by its owner.

use core::time::Duration;
use std::borrow::ToOwned;
use std::format;
use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::string::ToString;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;
use tokio::time::sleep;

use super::EndpointError;

/// How often the lock of the directory is tried.
const LOCK_TRIES: u32 = 100;
/// Pause between tries.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Our socket in the file system; removed when dropped, if it is still ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// What tells one file from another of the same name.
type Identity = (u64, u64);

/// What has become of a socket's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Ours,
    Gone,
    Replaced,
}

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fate(&self) -> Fate {
        match identity(&self.path) {
            Ok(identity) if identity == self.identity => Fate::Ours,
            Ok(_) => Fate::Replaced,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Fate::Gone,
            // Not to be seen for now, a matter of permissions: nothing to be done about it.
            Err(_) => Fate::Ours,
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.fate() == Fate::Ours {
            // A file that is gone already is as good.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

/// Listens at `path` after removing what a dead process left there.
pub(super) async fn bind(
    path: &Path,
    mode: Option<u32>,
    backlog: i32,
) -> Result<(UnixListener, SocketFile), EndpointError> {
    let failed = |what: &str, error| EndpointError::io(format!("{}: {what}", path.display()), error);
    // Two that start at once must not remove each other's socket: one looks after the other.
    let _lock = lock(path).await?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(|error| failed("no socket", error))?;
    let address = SockAddr::unix(path).map_err(|error| failed("no path for a socket", error))?;
    match socket.bind(&address) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            clear(path, &address)?;
            socket
                .bind(&address)
                .map_err(|error| failed("cannot listen", error))?;
        }
        Err(error) => return Err(failed("cannot listen", error)),
    }
    let identity = identity(path).map_err(|error| failed("cannot listen", error))?;
    let file = SocketFile {
        path: path.to_owned(),
        identity,
    };
    if let Some(mode) = mode {
        // Nobody can connect before `listen`, so nobody gets in with the permissions of the umask.
        fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(|error| failed("cannot set the permissions", error))?;
    }
    socket
        .listen(backlog)
        .and_then(|()| socket.set_nonblocking(true))
        .and_then(|()| UnixListener::from_std(net::UnixListener::from(OwnedFd::from(socket))))
        .map(|listener| (listener, file))
        .map_err(|error| failed("cannot listen", error))
}

/// Removes the socket of a dead process, and nothing else.
fn clear(path: &Path, address: &SockAddr) -> Result<(), EndpointError> {
    let shown = || path.display().to_string();
    let failed = |error| EndpointError::io(format!("{}: cannot take over", shown()), error);
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.file_type().is_socket() => {}
        Ok(_) => return Err(EndpointError::NotASocket { path: shown() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    // A collector whose queue of callers is full lives, and must not make us wait.
    probe.set_nonblocking(true).map_err(failed)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(()) => return Err(EndpointError::InUse { path: shown() }),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return Err(EndpointError::InUse { path: shown() });
        }
        // A socket of another kind is somebody's too.
        Err(error) => return Err(failed(error)),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

/// Locks the directory of the socket, which leaves no file behind.
async fn lock(path: &Path) -> Result<Option<File>, EndpointError> {
    let directory = match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    };
    let failed = |error| {
        let what = format!("{}: the directory {}", path.display(), directory.display());
        EndpointError::io(what, error)
    };
    let directory = match File::open(directory) {
        Ok(directory) => directory,
        // One may write into a directory without seeing what is in it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    for _ in 0..LOCK_TRIES {
        match directory.try_lock() {
            Ok(()) => return Ok(Some(directory)),
            Err(TryLockError::WouldBlock) => sleep(LOCK_PAUSE).await,
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
    // Somebody keeps the directory locked for reasons of their own.
    Ok(None)
}
