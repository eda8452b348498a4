//! What ends a command from outside: a signal, or the time given with `--deadline`.

use core::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::failure::{Code, Failure, Result};

/// Exit status of a command that had to be interrupted twice: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// Why the command should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The user pressed Ctrl-C, or the system asks to terminate.
    Signal,
    /// `--deadline` is over.
    Deadline,
}

/// Waits for signals and for the deadline. Clones wait for the same.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    deadline: Option<Instant>,
    signalled: watch::Receiver<bool>,
}

impl Stop {
    /// Listens from now on. The first signal is for [`wait`](Self::wait); a second one ends the process at
    /// once.
    pub(crate) fn listen(deadline: Option<Duration>) -> Self {
        let (tell, signalled) = watch::channel(false);
        tokio::spawn(async move {
            signal().await;
            tell.send_replace(true);
            signal().await;
            std::process::exit(INTERRUPTED);
        });
        Self {
            deadline: deadline.and_then(|duration| Instant::now().checked_add(duration)),
            signalled,
        }
    }

    /// Completes when the command should end. May be dropped and called again; no signal is lost between.
    pub(crate) async fn wait(&self) -> Ended {
        let mut signalled = self.signalled.clone();
        tokio::select! {
            Ok(_) = signalled.wait_for(|signalled| *signalled) => Ended::Signal,
            () = at(self.deadline) => Ended::Deadline,
        }
    }

    /// Runs `work`, which has no result of its own when it is cut short.
    pub(crate) async fn cut<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            done = work => done,
            ended = self.wait() => Err(match ended {
                Ended::Signal => Failure::new(Code::Interrupted, "interrupted"),
                Ended::Deadline => Failure::new(Code::Deadline, "the deadline passed without a result"),
            }),
        }
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => core::future::pending().await,
    }
}

/// Completes with the next interrupt or request to terminate; never where signals cannot be had.
#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};

    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return core::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Completes with the next Ctrl-C; never where it cannot be had.
#[cfg(not(unix))]
async fn signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        core::future::pending().await
    }
}
