//! Signals that a capture goes on after.

use std::io;

/// What is asked of a running capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has these signals"))]
pub(super) enum Letter {
    /// SIGHUP: write out what waits.
    Flush,
    /// SIGUSR1: go on in the next file.
    Rotate,
}

#[cfg(unix)]
pub(super) struct Signals {
    flush: tokio::signal::unix::Signal,
    rotate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            flush: signal(SignalKind::hangup())?,
            rotate: signal(SignalKind::user_defined1())?,
        })
    }

    pub(super) async fn next(&mut self) -> Letter {
        tokio::select! {
            Some(()) = self.flush.recv() => Letter::Flush,
            Some(()) = self.rotate.recv() => Letter::Rotate,
            else => core::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) async fn next(&mut self) -> Letter {
        core::future::pending().await
    }
}
