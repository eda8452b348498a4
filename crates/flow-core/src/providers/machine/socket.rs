//! The socket of a flow: read when something comes, written to at any time.
//!
//! tokio's own socket listens for room as well as for bytes, and the kernel tells of room each time the peer
//! has read something: a process that waits for an answer would be woken twice. So the socket is registered
//! for reading alone, as the reading end of a pipe, which it is to `read` and to the poller; only when it
//! takes no more, a second descriptor of it is registered for writing, until there is room.

use core::ffi::c_int;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::net::UnixStream;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio_util::io::poll_read_buf;

/// MSG_NOSIGNAL: a peer that is gone is an error of this call, and no signal to this process.
const FLAGS: c_int = if cfg!(any(target_os = "linux", target_os = "android")) {
    0x4000
} else {
    0
};

/// Whether the socket takes bytes.
#[derive(Debug)]
enum Room {
    /// As far as anybody knows.
    Yes,
    /// No; nobody waits for it yet.
    No,
    /// No; this tells when it does.
    Awaited(Sender),
}

#[derive(Debug)]
pub(super) struct Socket {
    reader: Receiver,
    room: Room,
}

impl Socket {
    /// Takes a connected socket.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        let socket = stream.into_std()?; // does not block, and stays so
        Ok(Self {
            reader: Receiver::from_owned_fd_unchecked(OwnedFd::from(socket))?,
            room: Room::Yes,
        })
    }

    /// Appends what came to `buffer`; 0 at the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        poll_read_buf(Pin::new(&mut self.reader), cx, buffer)
    }

    /// Writes some of these pieces; [`WouldBlock`](io::ErrorKind::WouldBlock) until
    /// [`poll_room`](Self::poll_room) is ready.
    pub(super) fn try_write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.is_full() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let socket = SockRef::from(&self.reader);
        let written = match pieces {
            [piece] => socket.send_with_flags(piece, FLAGS),
            pieces => socket.send_vectored_with_flags(pieces, FLAGS),
        };
        if let Err(error) = &written
            && error.kind() == io::ErrorKind::WouldBlock
        {
            self.room = Room::No;
        }
        written
    }

    /// Whether it took no more when it was written to last.
    pub(super) const fn is_full(&self) -> bool {
        !matches!(self.room, Room::Yes)
    }

    /// Ready when the socket may take bytes.
    ///
    /// # Errors
    ///
    /// When there is no second descriptor to wait with.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.room, Room::No) {
            let second = self.reader.as_fd().try_clone_to_owned()?;
            self.room = Room::Awaited(Sender::from_owned_fd_unchecked(second)?);
        }
        if let Room::Awaited(sender) = &self.room {
            let _an_error_shows_when_it_is_written_to = ready!(sender.poll_write_ready(cx));
            self.room = Room::Yes;
        }
        Poll::Ready(Ok(()))
    }

    /// Supposes that there is room, without having been told.
    pub(super) fn suppose_room(&mut self) {
        self.room = Room::Yes;
    }
}
