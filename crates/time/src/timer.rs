//! One deadline, and a table of them.

use core::fmt;
use core::marker::PhantomData;

use crate::Instant;

/// One deadline: stopped, or running until an instant.
///
/// Not `Copy` on purpose: a copied timer would fire twice. A deadline at [`Instant::MAX`] never comes, so it
/// is the same as none.
#[derive(PartialEq, Eq)]
pub struct Timer(Instant);

impl Timer {
    /// A timer that is not running.
    #[must_use]
    pub const fn stopped() -> Self {
        Self(Instant::MAX)
    }

    /// Starts the timer, or moves its deadline.
    pub const fn start(&mut self, deadline: Instant) {
        self.0 = deadline;
    }

    /// Stops the timer; it will not fire.
    pub const fn stop(&mut self) {
        self.0 = Instant::MAX;
    }

    /// When the timer is due, if it is running.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        if self.is_running() { Some(self.0) } else { None }
    }

    /// Whether the timer is running.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.0.as_micros() != Instant::MAX.as_micros()
    }

    /// True exactly once, when the deadline is reached; the timer is stopped by it.
    pub fn fire(&mut self, now: Instant) -> bool {
        let due = self.is_running() && self.0 <= now;
        if due {
            self.0 = Instant::MAX;
        }
        due
    }
}

impl Default for Timer {
    fn default() -> Self {
        Self::stopped()
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timer").field(&self.deadline()).finish()
    }
}

/// A fixed table of [`Timer`]s, one for each value of a small enum `K`.
///
/// `K` converts into its slot number; a slot number of `N` or more is a timer that can be started but does
/// not exist, so size the table from the enum (`TimerTable<Kind, { Kind::COUNT }>`).
/// [`earliest`](Self::earliest) is what a machine returns from `poll_timeout`.
#[derive(Debug)]
pub struct TimerTable<K, const N: usize> {
    timers: [Timer; N],
    kind: PhantomData<fn(K)>,
}

impl<K: Into<usize>, const N: usize> TimerTable<K, N> {
    /// A table in which no timer runs.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            timers: [const { Timer::stopped() }; N],
            kind: PhantomData,
        }
    }

    /// Starts timer `kind`, or moves its deadline.
    pub fn start(&mut self, kind: K, deadline: Instant) {
        if let Some(timer) = self.timers.get_mut(kind.into()) {
            timer.start(deadline);
        }
    }

    /// Stops timer `kind`.
    pub fn stop(&mut self, kind: K) {
        if let Some(timer) = self.timers.get_mut(kind.into()) {
            timer.stop();
        }
    }

    /// Stops every timer.
    pub fn stop_all(&mut self) {
        self.timers.iter_mut().for_each(Timer::stop);
    }

    /// When timer `kind` is due, if it is running.
    pub fn deadline(&self, kind: K) -> Option<Instant> {
        self.timers.get(kind.into()).and_then(Timer::deadline)
    }

    /// True exactly once, when timer `kind` has reached its deadline.
    pub fn fire(&mut self, kind: K, now: Instant) -> bool {
        self.timers
            .get_mut(kind.into())
            .is_some_and(|timer| timer.fire(now))
    }

    /// The earliest deadline of all running timers.
    #[must_use]
    pub fn earliest(&self) -> Option<Instant> {
        self.timers.iter().filter_map(Timer::deadline).min()
    }
}

impl<K: Into<usize>, const N: usize> Default for TimerTable<K, N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    enum Kind {
        Fast,
        Slow,
    }

    impl From<Kind> for usize {
        fn from(kind: Kind) -> Self {
            kind as Self
        }
    }

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn a_timer_fires_once_and_not_before_its_deadline() {
        let mut timer = Timer::stopped();
        assert!(!timer.fire(Instant::MAX), "stopped");
        timer.start(at(10));
        assert!(!timer.fire(at(9)));
        assert!(timer.fire(at(10)));
        assert!(!timer.fire(at(10)));
        timer.start(Instant::MAX);
        assert!(!timer.is_running() && !timer.fire(Instant::MAX), "never");
        assert_eq!(size_of::<Timer>(), size_of::<Instant>());
    }

    #[test]
    fn the_table_reports_the_earliest_running_timer() {
        let mut table = TimerTable::<Kind, 2>::new();
        assert_eq!(table.earliest(), None);
        table.start(Kind::Slow, at(50));
        table.start(Kind::Fast, at(20));
        assert_eq!(table.earliest(), Some(at(20)));
        assert!(table.fire(Kind::Fast, at(30)));
        assert!(!table.fire(Kind::Slow, at(30)));
        assert_eq!(table.earliest(), Some(at(50)));
        table.stop(Kind::Slow);
        assert_eq!(table.earliest(), None);
    }

    #[test]
    fn restarting_moves_the_deadline() {
        let mut table = TimerTable::<Kind, 2>::default();
        table.start(Kind::Slow, at(50));
        table.start(Kind::Slow, at(90));
        assert!(!table.fire(Kind::Slow, at(60)));
        assert_eq!(table.deadline(Kind::Slow), Some(at(90)));
        table.stop_all();
        assert_eq!(table.deadline(Kind::Slow), None);
    }
}
