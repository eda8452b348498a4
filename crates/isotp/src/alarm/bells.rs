//! The thread that wakes tasks at near moments.

use alloc::collections::BTreeMap;
use core::task::Waker;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// A moment, and a number that tells equal ones apart.
type Key = (Instant, u64);

struct Tower {
    bells: Mutex<Bells>,
    /// There is an earlier moment than the thread sleeps for.
    earlier: Condvar,
}

struct Bells {
    waiting: BTreeMap<Key, Waker>,
    hung: u64,
    ringer: Ringer,
}

/// The thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ringer {
    /// Not needed so far.
    NotHired,
    AtWork,
    /// The system gives no thread; tokio's timers have to do.
    NotToBeHad,
}

static TOWER: Tower = Tower {
    bells: Mutex::new(Bells {
        waiting: BTreeMap::new(),
        hung: 0,
        ringer: Ringer::NotHired,
    }),
    earlier: Condvar::new(),
};

/// Wakes a task at a moment, unless it is dropped before.
#[derive(Debug)]
pub(super) struct Bell {
    key: Key,
    waker: Waker,
}

impl Bell {
    pub(super) fn hang(due: Instant, waker: &Waker) -> Self {
        let mut bells = lock();
        bells.hung += 1;
        let key = (due, bells.hung);
        let is_next = bells
            .waiting
            .first_key_value()
            .is_none_or(|(first, _)| key < *first);
        bells.waiting.insert(key, waker.clone());
        if bells.ringer == Ringer::NotHired {
            let hired = thread::Builder::new().name("isotp-gaps".into()).spawn(ring);
            bells.ringer = if hired.is_ok() {
                Ringer::AtWork
            } else {
                Ringer::NotToBeHad
            };
        }
        drop(bells);
        if is_next {
            TOWER.earlier.notify_one();
        }
        Self {
            key,
            waker: waker.clone(),
        }
    }

    pub(super) fn is_for(&self, due: Instant, waker: &Waker) -> bool {
        self.key.0 == due && self.waker.will_wake(waker)
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let unrung = lock().waiting.remove(&self.key);
        // Outside of the lock: dropping a waker may drop its task, and with it another bell.
        drop(unrung);
    }
}

fn lock() -> MutexGuard<'static, Bells> {
    TOWER.bells.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sleeps until the next moment and wakes whose it is, for ever.
fn ring() {
    be_punctual();
    let mut bells = lock();
    loop {
        let next = bells.waiting.first_key_value().map(|(key, _)| *key);
        let Some(key) = next else {
            bells = TOWER.earlier.wait(bells).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let wait = key.0.saturating_duration_since(clock());
        if wait.is_zero() {
            let waker = bells.waiting.remove(&key);
            drop(bells);
            waker.into_iter().for_each(Waker::wake);
            bells = lock();
        } else {
            let woken = TOWER.earlier.wait_timeout(bells, wait);
            bells = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Tells Linux not to save power by waking this thread up to 50 µs late, as it does by default.
fn be_punctual() {
    #[cfg(target_os = "linux")]
    let _refused = nix::sys::prctl::set_timerslack(1);
}

#[expect(clippy::disallowed_methods, reason = "the thread that waits for moments")]
fn clock() -> Instant {
    Instant::now()
}

/// How many moments from `moment` on are waited for.
#[cfg(test)]
pub(super) fn waiting_after(moment: Instant) -> usize {
    lock().waiting.range((moment, 0)..).count()
}
