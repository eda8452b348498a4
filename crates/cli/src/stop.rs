//! What ends a command from outside: a signal, or the time given with `--deadline`.

use core::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::failure::{Code, Failure, Result};

/// What asked the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The system, or whoever supervises us.
    Terminate,
}

impl Signal {
    /// The exit status that shells give a process which the signal ended: 128 and its number.
    pub(crate) const fn exit(self) -> u8 {
        match self {
            Self::Interrupt => 128 + 2,
            Self::Terminate => 128 + 15,
        }
    }
}

/// Why the command should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The user pressed Ctrl-C, or the system asks to terminate.
    Signal(Signal),
    /// `--deadline` is over.
    Deadline,
}

/// Waits for signals and for the deadline. Clones wait for the same.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    deadline: Option<Instant>,
    signalled: watch::Receiver<Option<Signal>>,
}

impl Stop {
    /// Listens from now on. The first signal is for [`wait`](Self::wait); a second one ends the process at
    /// once.
    pub(crate) fn listen(deadline: Option<Duration>) -> Self {
        let (tell, signalled) = watch::channel(None);
        tokio::spawn(async move {
            tell.send_replace(Some(signal().await));
            let second = signal().await;
            std::process::exit(second.exit().into());
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
            signal = first(&mut signalled) => Ended::Signal(signal),
            () = at(self.deadline) => Ended::Deadline,
        }
    }

    /// Runs `work`, which has no result of its own when it is cut short.
    pub(crate) async fn cut<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            done = work => done,
            ended = self.wait() => Err(match ended {
                Ended::Signal(signal) => Failure::new(Code::Interrupted(signal), "interrupted"),
                Ended::Deadline => Failure::new(Code::Deadline, "the deadline passed without a result"),
            }),
        }
    }
}

/// The signal that came, or comes; never where nobody listens any more.
async fn first(signalled: &mut watch::Receiver<Option<Signal>>) -> Signal {
    let Ok(signal) = signalled.wait_for(Option::is_some).await.map(|signal| *signal) else {
        return core::future::pending().await;
    };
    match signal {
        Some(signal) => signal,
        None => core::future::pending().await,
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
async fn signal() -> Signal {
    use tokio::signal::unix::{SignalKind, signal};

    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return core::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => Signal::Interrupt,
        _ = terminate.recv() => Signal::Terminate,
    }
}

/// Completes with the next Ctrl-C; never where it cannot be had.
#[cfg(not(unix))]
async fn signal() -> Signal {
    match tokio::signal::ctrl_c().await {
        Ok(()) => Signal::Interrupt,
        Err(_) => core::future::pending().await,
    }
}
