//! What systemd and its like want to know of a service, and what they hand over.
//!
//! Where nobody asked, nothing is said: without `NOTIFY_SOCKET` and `LISTEN_FDS` all of this does nothing.

use core::time::Duration;

use fstrm_codec::endpoint::{ListenConfig, Listener};
use tokio::time::Instant;

use crate::failure::Result;

/// Sockets that were handed over, listened on.
#[cfg(unix)]
pub(crate) fn sockets(config: &ListenConfig) -> Result<Vec<Listener>> {
    use std::os::fd::OwnedFd;

    use crate::failure::{Code, Failure};

    let mut handed = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..handed.len() {
        let socket = match handed.take_unix_listener(index) {
            Ok(socket) => socket.map(OwnedFd::from),
            // It is of the other kind, or none of ours.
            Err(_) => handed
                .take_tcp_listener(index)
                .map_err(|error| failed(index, error))?
                .map(OwnedFd::from),
        };
        let Some(socket) = socket else { continue };
        let listener = Listener::adopt(socket, config.clone()).map_err(|error| failed(index, error))?;
        listeners.push(listener);
    }
    return Ok(listeners);

    fn failed(index: usize, error: std::io::Error) -> Failure {
        Failure::caused(Code::CannotOpen, error)
            .context(format_args!("socket {index} of those that were handed over"))
            .hint("ListenStream= of the socket unit makes sockets that fit")
    }
}

/// Elsewhere nobody hands sockets over.
#[cfg(not(unix))]
pub(crate) fn sockets(_: &ListenConfig) -> Result<Vec<Listener>> {
    Ok(Vec::new())
}

/// Who supervises us, if anybody does.
#[derive(Debug)]
pub(crate) struct Supervisor {
    /// How often it wants to hear that we live, with time to spare.
    interval: Option<Duration>,
    /// When it was last told.
    told: Instant,
}

impl Supervisor {
    pub(crate) fn new() -> Self {
        #[cfg(unix)]
        let interval = sd_notify::watchdog_enabled().map(|limit| limit / 3);
        #[cfg(not(unix))]
        let interval = None;
        Self {
            interval,
            told: Instant::now(),
        }
    }

    /// What we were started for works.
    #[cfg_attr(not(unix), expect(clippy::unused_self, reason = "there is nobody to tell"))]
    pub(crate) fn ready(&self, status: &str) {
        #[cfg(unix)]
        tell(&[
            sd_notify::NotifyState::Ready,
            sd_notify::NotifyState::Status(status),
        ]);
        #[cfg(not(unix))]
        let _ = status;
    }

    /// We are about to end.
    #[cfg_attr(not(unix), expect(clippy::unused_self, reason = "there is nobody to tell"))]
    pub(crate) fn stopping(&self) {
        #[cfg(unix)]
        tell(&[
            sd_notify::NotifyState::Stopping,
            sd_notify::NotifyState::Status("taking what has come"),
        ]);
    }

    /// Completes when it is time to say that we live; never where nobody wants to hear it. Belongs into the
    /// loop that does the work, so that silence means that the work has stopped.
    pub(crate) async fn due(&self) {
        match self.interval {
            Some(interval) => tokio::time::sleep_until(self.told + interval).await,
            None => core::future::pending().await,
        }
    }

    /// We live, and this is how we are.
    pub(crate) fn alive(&mut self, status: &str) {
        self.told = Instant::now();
        #[cfg(unix)]
        tell(&[
            sd_notify::NotifyState::Watchdog,
            sd_notify::NotifyState::Status(status),
        ]);
        #[cfg(not(unix))]
        let _ = status;
    }
}

/// A supervisor that cannot be told is none of our troubles.
#[cfg(unix)]
fn tell(states: &[sd_notify::NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}
