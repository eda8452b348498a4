//! What ends a command from outside: a signal, or the time given with `--deadline`.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

#[cfg(unix)]
use tokio::signal::unix;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::failure::{Code, Failure, Result};

/// How long a farewell may keep a process that is to end at once.
const FAREWELL: Duration = Duration::from_millis(500);

/// What asked the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The system, or whoever supervises us.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has signals beside Ctrl-C"))]
    Terminate,
    /// The terminal is gone.
    Hangup,
}

impl Signal {
    /// The exit status that shells give a process which the signal ended: 128 and its number.
    pub(crate) const fn exit(self) -> u8 {
        match self {
            Self::Hangup => 128 + 1,
            Self::Interrupt => 128 + 2,
            Self::Terminate => 128 + 15,
        }
    }
}

/// Why the command should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Somebody sent a signal.
    Signal(Signal),
    /// `--deadline` is over.
    Deadline,
}

/// What a hangup means to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hangup {
    /// To end.
    Heed,
    /// Something else, and the verb listens for it: to write out what waits.
    Leave,
}

/// Waits for signals and for the deadline. Clones wait for the same.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    deadline: Option<Instant>,
    /// Whether hangups have come to mean something else.
    leaves_hangups: Arc<AtomicBool>,
    signalled: watch::Receiver<Option<Signal>>,
    #[cfg_attr(
        not(feature = "tui"),
        expect(dead_code, reason = "only a screen has something to put back")
    )]
    farewell: Arc<Farewell>,
}

/// What has to be put back however the process ends: the terminal, as it was.
#[derive(Debug, Default)]
struct Farewell {
    restore: Mutex<Option<fn()>>,
}

impl Farewell {
    /// Puts it back, once; who comes second waits until that is done.
    fn bid(&self) {
        let mut restore = self.restore.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(restore) = restore.take() {
            restore();
        }
    }

    /// The same, and waits no longer for it than [`FAREWELL`]: a terminal may take nothing.
    fn bid_in_time(self: Arc<Self>) {
        let (tell, done) = mpsc::channel();
        std::thread::spawn(move || {
            self.bid();
            // Who waits no longer has ended the process.
            let _ = tell.send(());
        });
        let _ = done.recv_timeout(FAREWELL);
    }
}

impl Stop {
    /// Listens from now on. The first signal is for [`wait`](Self::wait); a second one ends the process at
    /// once, but for what `before_exit` was told.
    ///
    /// With [`Hangup::Heed`] a hangup is such a signal; otherwise it is somebody else's.
    pub(crate) fn listen(deadline: Option<Duration>, hangup: Hangup) -> Self {
        let (tell, signalled) = watch::channel(None);
        // From this line on, not from whenever the task has its first turn.
        let mut signals = Signals::listen(hangup);
        let leaves_hangups = Arc::new(AtomicBool::new(false));
        let leaves = Arc::clone(&leaves_hangups);
        let mut next = async move || loop {
            let signal = signals.next().await;
            if signal != Signal::Hangup || !leaves.load(Ordering::Relaxed) {
                return signal;
            }
        };
        let farewell = Arc::new(Farewell::default());
        let last = Arc::clone(&farewell);
        tokio::spawn(async move {
            tell.send_replace(Some(next().await));
            let second = next().await;
            last.bid_in_time();
            std::process::exit(second.exit().into());
        });
        Self {
            farewell,
            leaves_hangups,
            deadline: deadline.and_then(|duration| Instant::now().checked_add(duration)),
            signalled,
        }
    }

    /// From now on a hangup is somebody else's: whoever calls this listens for it.
    #[cfg(unix)]
    pub(crate) fn leave_hangups(&self) {
        self.leaves_hangups.store(true, Ordering::Relaxed);
    }

    /// What a second signal leaves time for; in the place of what was told before.
    #[cfg(feature = "tui")]
    pub(crate) fn before_exit(&self, restore: fn()) {
        let mut told = self
            .farewell
            .restore
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *told = Some(restore);
    }

    /// Does now what [`before_exit`](Self::before_exit) was told, unless that is done.
    #[cfg(feature = "tui")]
    pub(crate) fn restore(&self) {
        self.farewell.bid();
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

/// Completes at that moment, if there is one.
pub(crate) async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => core::future::pending().await,
    }
}

/// The signals that are listened for.
#[cfg(unix)]
#[derive(Debug)]
struct Signals {
    interrupt: Option<unix::Signal>,
    terminate: Option<unix::Signal>,
    /// Absent where it was ignored when we were started, as nohup does: then it stays so.
    hangup: Option<unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn listen(means: Hangup) -> Self {
        let listen = |kind| unix::signal(kind).ok();
        Self {
            interrupt: listen(unix::SignalKind::interrupt()),
            terminate: listen(unix::SignalKind::terminate()),
            hangup: (means == Hangup::Heed && hears_hangups())
                .then(|| listen(unix::SignalKind::hangup()))
                .flatten(),
        }
    }

    /// Completes with the next signal; never where none can be had.
    async fn next(&mut self) -> Signal {
        async fn of(signal: &mut Option<unix::Signal>) -> Option<()> {
            signal.as_mut()?.recv().await
        }
        tokio::select! {
            Some(()) = of(&mut self.interrupt) => Signal::Interrupt,
            Some(()) = of(&mut self.terminate) => Signal::Terminate,
            Some(()) = of(&mut self.hangup) => Signal::Hangup,
            else => core::future::pending().await,
        }
    }
}

/// Whether a hangup is for us to hear. Who is told by nobody leaves hangups to the system.
#[cfg(unix)]
fn hears_hangups() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| !ignores_hangups(&status))
}

/// Whether SIGHUP, the lowest bit, stands in the mask `SigIgn` of `/proc/self/status`.
#[cfg(unix)]
fn ignores_hangups(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

/// The signals that are listened for: Ctrl-C.
#[cfg(not(unix))]
#[derive(Debug)]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    const fn listen(_: Hangup) -> Self {
        Self
    }

    /// Completes with the next Ctrl-C; never where it cannot be had.
    async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            Err(_) => core::future::pending().await,
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_hangup_is_the_lowest_bit_of_the_mask() {
        assert!(ignores_hangups("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangups(
            "SigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\n"
        ));
        assert!(!ignores_hangups(""));
    }
}
