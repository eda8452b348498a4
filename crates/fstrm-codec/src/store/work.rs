//! What a store writes to its files, and what it does when that fails.

use std::io;
use std::path::Path;

use super::config::Sync;
use super::disk::{Disk, Outlet as _};
use super::event::{Event, StoreError};
use super::{MAX_EVENTS, Store, Trouble};
use crate::frame::Run;
use crate::rotate::{Now, Reason};

/// Length of STOP, in bytes.
const STOP_LEN: u64 = 12;
/// Tries that may fail for no known reason before the next file is tried.
const MAX_FAILURES: u32 = 3;

impl<D: Disk> Store<D> {
    /// Copies `runs` to what waits.
    pub(super) fn keep(&mut self, runs: &[Run<'_>]) {
        for run in runs {
            self.pending.extend_from_slice(run.as_wire());
            self.pending_frames += run.frames();
        }
    }

    /// Writes what waits and `runs`, which are taken in any case.
    pub(super) fn drain(&mut self, now: Now, runs: &[Run<'_>]) {
        let is_plain = self.wanted.is_none() && self.trouble.is_none() && self.has_room(runs);
        let worked = if is_plain {
            self.write(self.pending.len(), runs)
        } else {
            self.keep(runs);
            self.work(now)
        };
        match worked {
            Ok(()) => self.recover(now),
            Err(error) => self.fail(now, error),
        }
    }

    /// Whether all of it fits into the file at hand.
    fn has_room(&self, runs: &[Run<'_>]) -> bool {
        let Some(file) = &self.file else { return false };
        let Some(room) = self.rotator.room(file.len, STOP_LEN) else {
            return true;
        };
        let len: usize = runs.iter().map(|run| run.as_wire().len()).sum();
        u64::try_from(self.pending.len() + len).is_ok_and(|len| len <= room)
    }

    /// Writes what waits, through as many files as it takes, and ends the file where that is wanted.
    pub(super) fn work(&mut self, now: Now) -> Result<(), StoreError> {
        while !self.pending.is_empty() {
            if self.file.is_none() {
                self.open_next(now)?;
            }
            match self.fit() {
                0 => self.end_file(Reason::Size)?,
                len => self.write(len, &[])?,
            }
        }
        if let Some(reason) = self.wanted {
            self.end_file(reason)?;
            self.wanted = None;
        }
        Ok(())
    }

    /// How many of the bytes that wait go into the file at hand.
    fn fit(&self) -> usize {
        let all = self.pending.len();
        let Some((file, room)) = self
            .file
            .as_ref()
            .and_then(|file| Some((file, self.rotator.room(file.len, STOP_LEN)?)))
        else {
            return all;
        };
        if !file.is_file || u64::try_from(all).is_ok_and(|all| all <= room) {
            return all;
        }
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        match whole(self.pending.get(..room).unwrap_or(&self.pending)) {
            // Longer than any file may be, it gets one of its own.
            (0, _) if file.frames == 0 => first(&self.pending),
            (len, _) => len,
        }
    }

    /// Writes the first `len` bytes that wait, and `runs` behind them.
    fn write(&mut self, len: usize, runs: &[Run<'_>]) -> Result<(), StoreError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        self.stats.writes += 1;
        let torn = file.torn;
        let waiting = self.pending.get(..len).unwrap_or(&self.pending);
        let (written, result) = file.write(waiting, runs);
        let written = torn + written;
        match &result {
            Ok(()) => {
                file.failures = 0;
                file.torn = 0;
                let (_, frames) = whole(waiting);
                self.pending_frames -= frames;
                let frames = frames + runs.iter().map(Run::frames).sum::<u64>();
                self.pending.drain(..len);
                self.count(written, frames, 0);
            }
            Err(StoreError::Lost(_)) => {
                self.keep(runs);
                self.stats.rewritten_bytes += u64::try_from(written).unwrap_or(u64::MAX);
                self.abandon();
            }
            Err(StoreError::Io(_)) => {
                self.keep(runs);
                let taken = self.pending.get(..written).unwrap_or(&self.pending);
                let (border, frames) = whole(taken);
                self.pending.drain(..border);
                self.pending_frames -= frames;
                self.count(border, frames, written - border);
            }
        }
        result
    }

    /// So much is in the file now.
    fn count(&mut self, len: usize, frames: u64, torn: usize) {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        self.stats.bytes += len;
        self.stats.frames += frames;
        if let Some(file) = &mut self.file {
            file.settle(len, frames, torn);
        }
    }

    /// Ends the file at hand, if there is one that can be followed by another.
    fn end_file(&mut self, reason: Reason) -> Result<(), StoreError> {
        let Some(file) = self
            .file
            .as_mut()
            .filter(|file| file.is_file || reason == Reason::Closed)
        else {
            return Ok(());
        };
        let is_early = matches!(reason, Reason::Age | Reason::Asked);
        if is_early && file.frames == 0 && file.is_ours {
            let path = file.path.clone();
            self.disk.remove(&path)?;
            self.file = None;
            self.rotator.handle_close();
            self.stats.discarded += 1;
            self.tell(Event::Discarded { path });
            return Ok(());
        }
        file.stop()?;
        if self.config.sync != Sync::Never {
            self.sync_file();
        }
        if let Some(file) = self.file.take() {
            self.rotator.handle_close();
            self.stats.closed += 1;
            let (frames, len) = (file.frames, file.len);
            let path = self.give_name(file);
            self.tell(Event::Closed {
                path,
                reason,
                frames,
                len,
            });
        }
        Ok(())
    }

    /// Leaves the file at hand as it is.
    fn abandon(&mut self) {
        if let Some(file) = self.file.take() {
            if file.is_dirty && self.config.sync != Sync::Never && file.file.sync().is_err() {
                self.doubt();
            }
            self.rotator.handle_close();
            self.stats.abandoned += 1;
            self.tell(Event::Abandoned {
                path: file.path,
                frames: file.frames,
            });
        }
    }

    /// Writing has failed: when to try again, and with which file.
    fn fail(&mut self, now: Now, error: StoreError) {
        self.stats.failures += 1;
        let kind = error.kind();
        let is_passing = matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let path = self.file.as_ref().map(|file| file.path.clone());
        if let Some(file) = self.file.as_mut().filter(|file| file.is_file && !is_passing) {
            file.failures += 1;
            // A file may be as long as the system allows, or on a bad spot; another one need not be.
            if kind == io::ErrorKind::FileTooLarge || file.failures >= MAX_FAILURES {
                self.abandon();
            }
        }
        let first = self.config.retry_first;
        let trouble = self.trouble.get_or_insert(Trouble {
            since: now.at,
            delay: first,
            until: now.at,
            kind: None,
        });
        trouble.until = now.at + trouble.delay;
        trouble.delay = trouble.delay.saturating_mul(2).min(self.config.retry_most);
        self.flush_at = None;
        if trouble.kind.replace(kind) != Some(kind) {
            self.tell(Event::Failed { path, error });
        }
    }

    /// Writing has succeeded.
    pub(super) fn recover(&mut self, now: Now) {
        self.flush_at = None;
        if let Some(trouble) = self.trouble.take() {
            let after = now.at.saturating_since(trouble.since);
            self.tell(Event::Recovered { after });
        }
        if !self.file.as_ref().is_some_and(|file| file.is_dirty) {
            return;
        }
        match self.config.sync {
            Sync::Never | Sync::OnRotate => {}
            Sync::Interval(interval) => self.sync_at = self.sync_at.or(Some(now.at + interval)),
            Sync::EachFlush => self.sync_file(),
        }
    }

    /// Brings the file at hand to the disk.
    pub(super) fn sync_file(&mut self) {
        self.sync_at = None;
        let Some(file) = &mut self.file else { return };
        self.stats.syncs += 1;
        let synced = file.file.sync();
        file.is_dirty = false;
        let written = self.written();
        if let Err(error) = synced {
            // The system has dropped what it could not bring to the disk: asking again would be answered
            // with yes.
            let path = self.path().map(Path::to_path_buf).unwrap_or_default();
            self.doubt();
            self.tell(Event::SyncFailed { path, error });
            self.abandon();
        }
        self.synced = written;
    }

    /// What was written and not confirmed never will be.
    fn doubt(&mut self) {
        let written = self.written();
        self.stats.doubtful_bytes += written - self.synced;
        self.doubt = Some(written);
        self.synced = written;
    }

    pub(super) fn tell(&mut self, event: Event) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
            self.stats.events_lost += 1;
        }
        self.events.push_back(event);
    }
}

/// Length of the whole frames at the front of `bytes`, and how many they are.
fn whole(bytes: &[u8]) -> (usize, u64) {
    Run::walk(bytes, u32::MAX).map_or((0, 0), |run| (run.as_wire().len(), run.frames()))
}

/// Length of the first frame, with its length.
fn first(bytes: &[u8]) -> usize {
    let payload = Run::walk(bytes, u32::MAX).and_then(|run| run.iter().next());
    payload.map_or(bytes.len(), |payload| {
        payload.len() + crate::frame::DATA_HEADER_LEN
    })
}
