//! Waiting for a socket in tokio without losing a wake-up.
//!
//! Three facts shape this (can-link specification, chapter 7):
//! - An interface that goes down raises an error without readability, so the receiving side waits for
//!   `READABLE | ERROR`; `READABLE` alone sleeps for ever.
//! - The poll methods of `AsyncFd` do not take the error interest, and the async one has to live as long as
//!   the wait. It is boxed once per wait, not once per frame.
//! - tokio takes "error and writable" for "write side closed" and never forgets it; a sender that meets a
//!   full buffer afterwards would spin. A socket that has recovered is therefore registered anew.

use core::fmt;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker, ready};
use std::boxed::Box;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};
use tokio::task::coop::poll_proceed;

use super::sys;

type Wait = Pin<Box<dyn Future<Output = io::Result<Ready>> + Send>>;

/// Polls within the task's budget, so that one which never has to wait gives way to others all the same.
///
/// Every answer counts, errors too: only between turns does the runtime take in events, and a caller who asks
/// again at once would otherwise never learn that things have changed.
pub(super) fn budgeted<T>(cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    let budget = ready!(poll_proceed(cx));
    let answer = poll(cx);
    if answer.is_ready() {
        budget.made_progress();
    }
    answer
}

/// Whether an operation left something behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress<T> {
    /// There may be more; the next attempt needs no wait.
    More(T),
    /// The socket is drained (or its buffer full): the next attempt waits for a new event.
    Drained(T),
}

/// A descriptor registered for one direction, errors included.
pub(super) struct Readiness {
    fd: Arc<AsyncFd<OwnedFd>>,
    interest: Interest,
    wait: Option<Wait>,
}

impl Readiness {
    /// Registers for receiving.
    pub(super) fn readable(fd: OwnedFd) -> io::Result<Self> {
        Self::register(fd, Interest::READABLE | Interest::ERROR)
    }

    /// Registers for sending.
    pub(super) fn writable(fd: OwnedFd) -> io::Result<Self> {
        Self::register(fd, Interest::WRITABLE | Interest::ERROR)
    }

    fn register(fd: OwnedFd, interest: Interest) -> io::Result<Self> {
        Ok(Self {
            fd: Arc::new(sys::register(fd, interest)?),
            interest,
            wait: None,
        })
    }

    /// Runs `op` when the socket may be ready; `None` means that [`poll_ready`](Self::poll_ready) is next.
    ///
    /// Readiness is cleared when `op` would block or says that it has drained the socket. An event that
    /// arrives while `op` runs is newer than the readiness which is cleared, so it is not lost.
    pub(super) fn attempt<T>(
        &self,
        op: impl FnOnce(BorrowedFd<'_>) -> io::Result<Progress<T>>,
    ) -> io::Result<Option<T>> {
        if self.is_asleep() {
            return Ok(None);
        }
        let ready = pin!(self.fd.ready(self.interest));
        let Poll::Ready(guard) = ready.poll(&mut Context::from_waker(Waker::noop())) else {
            return Ok(None);
        };
        let mut guard = guard?;
        match op(self.fd.as_fd()) {
            Ok(Progress::More(value)) => {
                guard.retain_ready();
                Ok(Some(value))
            }
            Ok(Progress::Drained(value)) => {
                guard.clear_ready();
                Ok(Some(value))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                guard.clear_ready();
                Ok(None)
            }
            Err(error) => {
                guard.retain_ready();
                Err(error)
            }
        }
    }

    /// Whether no event is known, by a glance that takes no lock.
    fn is_asleep(&self) -> bool {
        let direction = if self.interest.is_readable() {
            Interest::READABLE
        } else {
            Interest::WRITABLE
        };
        // This tokio call takes one interest at a time.
        [direction, Interest::ERROR]
            .into_iter()
            .all(|interest| self.fd.try_io(interest, |_fd| Ok(())).is_err())
    }

    /// Waits until an attempt is worth while.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let wait = self.wait.get_or_insert_with(|| {
                let (fd, interest) = (Arc::clone(&self.fd), self.interest);
                Box::pin(async move {
                    let mut guard = fd.ready(interest).await?;
                    guard.retain_ready();
                    Ok(guard.ready())
                })
            });
            let ready = ready!(wait.as_mut().poll(cx));
            self.wait = None;
            let ready = ready?;
            if ready.is_empty() {
                // An attempt has consumed the event that woke this wait: wait for the next.
                continue;
            }
            if !(ready - Ready::READ_CLOSED - Ready::WRITE_CLOSED).is_empty() {
                return Poll::Ready(Ok(()));
            }
            // Only the mark that tokio never clears is left. CAN sockets have no closed side: start afresh.
            *self = Self::register(self.fd.get_ref().try_clone()?, self.interest)?;
        }
    }

    /// Deregisters and gives the descriptor back.
    pub(super) fn into_fd(self) -> Option<OwnedFd> {
        let Self { fd, wait, .. } = self;
        drop(wait);
        Arc::into_inner(fd).map(AsyncFd::into_inner)
    }
}

/// For calls that do not depend on readiness.
impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness")
            .field("fd", &self.fd.get_ref())
            .field("interest", &self.interest)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use core::future::poll_fn;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixDatagram;

    use nix::sys::socket::{MsgFlags, recv};

    use super::*;

    /// Takes one datagram and says that this has drained the socket, as a short batch does.
    async fn receive(readiness: &mut Readiness) {
        poll_fn(|cx| {
            loop {
                let received = readiness.attempt(|fd| {
                    let len = recv(fd.as_raw_fd(), &mut [0; 8], MsgFlags::empty())?;
                    Ok(Progress::Drained(len))
                });
                if received.unwrap().is_some() {
                    return Poll::Ready(());
                }
                ready!(readiness.poll_ready(cx)).unwrap();
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_socket_stays_registered_from_one_receive_to_the_next() {
        let (here, there) = UnixDatagram::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        let mut readiness = Readiness::readable(here.into()).unwrap();
        let registered = (readiness.fd.as_raw_fd(), Arc::as_ptr(&readiness.fd));
        for _ in 0..10 {
            let there = there.try_clone().unwrap();
            let sender = tokio::spawn(async move { there.send(&[1]).unwrap() });
            receive(&mut readiness).await;
            sender.await.unwrap();
            assert_eq!((readiness.fd.as_raw_fd(), Arc::as_ptr(&readiness.fd)), registered);
        }
    }
}
