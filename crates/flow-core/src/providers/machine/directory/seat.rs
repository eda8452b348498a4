//! The socket of a process that is bound to a name.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process;

use socket2::{Domain, SockAddr, Socket, Type};

use super::super::sharing::Sharing;
use super::found::seats;
use super::lock::{Locked, Patience, Turn};
use super::{Directory, file, next_number, unfinished};

/// A name that is bound by this process: a socket that listens. Dropping it lets go of the name.
#[derive(Debug)]
pub struct Seat {
    listener: UnixListener,
    path: PathBuf,
    number: u32,
    sharing: Sharing,
    directory: Directory,
    /// A fork has the same files, which are not its own to remove.
    pid: u32,
}

impl Seat {
    /// Takes a seat in the directory of a name.
    pub(super) fn take(directory: Directory, locked: &Locked, sharing: Sharing) -> io::Result<Self> {
        let turn = locked.turn();
        let there = seats(locked.directory())?;
        let floor = there.iter().map(|seat| seat.number).fold(turn.highest, u32::max);
        let highest = next_number(floor);
        let new = locked.directory().join(unfinished(highest));
        let path = locked.directory().join(file::of_seat(highest));
        let listener = UnixListener::bind(&new)?;
        let listening = listener
            .set_nonblocking(true)
            .and_then(|()| fs::set_permissions(&new, Permissions::from_mode(sharing.file_mode())))
            .and_then(|()| locked.set_turn(Turn { highest, ..turn }))
            .and_then(|()| fs::rename(&new, &path));
        if let Err(error) = listening {
            let _ = fs::remove_file(&new); // swept if it stays
            return Err(error);
        }
        Ok(Self {
            listener,
            path,
            number: highest,
            sharing,
            directory,
            pid: process::id(),
        })
    }

    /// The socket; it does not block.
    #[must_use]
    pub const fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its number: higher than that of every older seat.
    pub(in super::super) const fn number(&self) -> u32 {
        self.number
    }

    /// Which users may connect.
    #[must_use]
    pub const fn sharing(&self) -> Sharing {
        self.sharing
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.pid != process::id() {
            return;
        }
        let _ = fs::remove_file(&self.path); // gone already is as good
        if let Some(directory) = self.path.parent() {
            self.directory.remove_unused(directory, Patience::Short);
        }
    }
}

/// Whether nobody listens at the socket any more. Does not wait for one who does.
pub(super) fn refuses(path: &Path) -> bool {
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    connect().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
