//! Waking a driver at a moment, to within tens of microseconds.
//!
//! tokio's timers count whole milliseconds and round up: a gap of 100 µs becomes one or two milliseconds, and
//! a transfer ten times as long. So a near moment is also given to a thread, one for the process, which
//! sleeps until the next of them and wakes whose it is. It is started at first need and costs nothing while
//! nobody waits; it never spins.
//!
//! tokio's timer is set all the same. It serves the moments that are not near, rings when the thread cannot
//! be had, and is the one that rings under tokio's stopped clock, where the thread is only an early riser:
//! whoever is woken looks at the clock.

mod bells;

use alloc::boxed::Box;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use bells::Bell;
use tokio::time::{Instant, Sleep, sleep_until};

/// How near a moment is that deserves the thread: no separation time is longer.
const NEAR: Duration = Duration::from_millis(128);

/// Wakes one task at one moment.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    bell: Option<Bell>,
}

impl Alarm {
    /// Wakes the task at `due` and at no earlier moment it was set to; ready when that has come already.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, now: Instant, due: Instant) -> Poll<()> {
        let wait = due.saturating_duration_since(now);
        if wait.is_zero() {
            self.bell = None;
            return Poll::Ready(());
        }
        if wait > NEAR {
            self.bell = None;
        } else {
            let moment = due.into_std();
            let hangs = self
                .bell
                .as_ref()
                .is_some_and(|bell| bell.is_for(moment, cx.waker()));
            if !hangs {
                self.bell = Some(Bell::hang(moment, cx.waker()));
            }
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleep.deadline() != due {
            sleep.as_mut().reset(due);
        }
        sleep.as_mut().poll(cx)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests of what a clock does")]
mod tests {
    use core::future::poll_fn;
    use core::task::Waker;

    use super::*;

    async fn ring(alarm: &mut Alarm, due: Instant) -> Instant {
        poll_fn(|cx| alarm.poll(cx, Instant::now(), due)).await;
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_clock_is_advanced_to_each_moment_exactly() {
        let (mut alarm, mut due) = (Alarm::default(), Instant::now());
        for micros in [1_000, 5_000, 127_000, 2_000_000, 1_000] {
            due += Duration::from_micros(micros);
            assert_eq!(ring(&mut alarm, due).await, due);
        }
    }

    #[tokio::test]
    async fn it_never_rings_early() {
        let mut alarm = Alarm::default();
        for micros in [0, 1, 100, 250, 900, 1_000, 1_100] {
            let due = Instant::now() + Duration::from_micros(micros);
            assert!(ring(&mut alarm, due).await >= due, "{micros}");
        }
    }

    #[tokio::test]
    async fn the_thread_alone_rings_too() {
        let (due, mut bell) = (Instant::now() + Duration::from_millis(1), None);
        poll_fn(|cx| {
            bell.get_or_insert_with(|| Bell::hang(due.into_std(), cx.waker()));
            if Instant::now() < due {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    #[test]
    fn a_bell_that_nobody_waits_for_is_taken_down() {
        let far = Instant::now().into_std() + Duration::from_secs(3600);
        let hung: std::vec::Vec<_> = (0..10).map(|_| Bell::hang(far, Waker::noop())).collect();
        assert!(bells::waiting_after(far) >= 10);
        drop(hung);
        assert_eq!(bells::waiting_after(far), 0);
    }
}
