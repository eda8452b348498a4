//! Where to ask for a flow.

use alloc::vec::Vec;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::balance::Balance;
use super::super::sharing::Sharing;
use super::Directory;
use super::found::{Found, SeatFile};
use super::lock::{self, Locked, Patience, Turn};

/// The sockets of the processes that are bound to a name, in the order in which to ask them. There may be
/// none: a name with settings is known even when nobody is bound to it.
#[derive(Debug)]
pub struct Candidates {
    directory: Directory,
    path: PathBuf,
    balance: Balance,
    sharing: Sharing,
    seats: Vec<SeatFile>,
}

impl Candidates {
    pub(super) fn new(directory: Directory, found: Found, seats: Vec<SeatFile>) -> Self {
        let balance = found.record.balance;
        let last = lock::turn(&found.path).last;
        Self {
            seats: balance.order(seats, last, |seat| seat.number),
            directory,
            balance,
            sharing: found.sharing,
            path: found.path,
        }
    }

    /// The sockets, the first to be asked first.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.seats.iter().map(|seat| &*seat.path)
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Which users may be bound to the name: whom to expect at the other end.
    #[must_use]
    pub const fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// Which user's socket it is. A peer of another user is not the one that was asked.
    #[must_use]
    pub fn owner(&self, path: &Path) -> Option<u32> {
        self.seat(path).map(|seat| seat.owner)
    }

    /// Leaves only those that are older than the seat of this number.
    pub(in super::super) fn retain_older(&mut self, number: u32) {
        self.seats.retain(|seat| seat.number < number);
    }

    fn seat(&self, path: &Path) -> Option<&SeatFile> {
        self.seats.iter().find(|seat| seat.path == path)
    }

    /// This socket refused the connection, so its process is dead: removes it.
    pub fn stale(&mut self, path: &Path) {
        if self.seat(path).is_none() {
            return;
        }
        self.seats.retain(|seat| seat.path != path);
        let _ = fs::remove_file(path); // gone already, or another user's
        if self.seats.is_empty() {
            self.directory.remove_unused(&self.path, Patience::Short);
        }
    }

    /// This one took the request: the next turn is another's.
    pub fn chosen(&self, path: &Path) {
        if self.balance == Balance::SpillOver {
            return;
        }
        let Some(seat) = self.seat(path) else { return };
        // who cannot have the lock leaves the turn where it is: it is only about fairness
        if let Ok(Some(locked)) = Locked::take(&self.path, Patience::Short) {
            let last = seat.number;
            let _ = locked.set_turn(Turn {
                last,
                ..locked.turn()
            });
        }
    }
}
