//! The file at hand.

use core::iter;
use std::io::{self, IoSlice};
use std::path::PathBuf;

use super::disk::{Outlet, State};
use super::event::{Loss, StoreError};
use crate::control::ControlFrame;
use crate::frame::Run;

/// Most pieces that are handed to the system at once.
const MAX_SLICES: usize = 64;

/// A file with START in it, and frames.
pub(super) struct Current<F> {
    pub(super) file: F,
    /// Its name now.
    pub(super) path: PathBuf,
    /// Its name when it is whole.
    pub(super) name: PathBuf,
    /// Bytes up to the end of the last whole frame.
    pub(super) len: u64,
    /// Data frames in it.
    pub(super) frames: u64,
    /// Whether this store has created it.
    pub(super) is_ours: bool,
    /// Whether it can be cut, and followed by another one.
    pub(super) is_file: bool,
    /// Bytes of the next frame that a stream has taken, which cannot be taken back.
    pub(super) torn: usize,
    /// Bytes of STOP that a stream has taken.
    stopped: usize,
    /// Whether bytes behind `len` are to be cut before anything is written.
    has_tail: bool,
    /// Whether something was written since the disk was asked last.
    pub(super) is_dirty: bool,
    /// Tries in a row that failed for no known reason.
    pub(super) failures: u32,
}

impl<F: Outlet> Current<F> {
    /// A file that holds `len` bytes up to the last whole frame.
    pub(super) fn new(file: F, path: PathBuf, name: PathBuf, len: u64, frames: u64) -> io::Result<Self> {
        let is_file = file.state()?.is_some();
        Ok(Self {
            file,
            path,
            name,
            len,
            frames,
            is_ours: false,
            is_file,
            torn: 0,
            stopped: 0,
            has_tail: false,
            is_dirty: false,
            failures: 0,
        })
    }

    /// Begins it: START at once.
    pub(super) fn begin(&mut self, start: &ControlFrame) -> io::Result<()> {
        self.append_whole(start.as_bytes())?;
        self.is_dirty = true;
        self.file.flush()
    }

    /// Writes `first`, without what is torn off it already, and `runs` behind it. How many bytes went out,
    /// and what stopped it.
    pub(super) fn write(&mut self, first: &[u8], runs: &[Run<'_>]) -> (usize, Result<(), StoreError>) {
        if let Err(error) = self.cut_tail() {
            return (0, Err(error.into()));
        }
        if self.stopped > 0 {
            return (0, Err(io::Error::from(io::ErrorKind::BrokenPipe).into()));
        }
        self.is_dirty = true;
        let first = first.get(self.torn..).unwrap_or(&[]);
        let (written, result) = write_slices(&mut self.file, first, runs);
        // What a stream keeps in a buffer of its own is not written yet.
        let result = result.and_then(|()| self.file.flush());
        let result = match result {
            Ok(()) => self.check(written),
            Err(error) => Err(error.into()),
        };
        (written, result)
    }

    /// `whole` bytes of frames are in it, and `torn` bytes of the next one.
    pub(super) fn settle(&mut self, whole: u64, frames: u64, torn: usize) {
        self.len += whole;
        self.frames += frames;
        if self.is_file {
            self.torn = 0;
            self.has_tail |= torn > 0;
            // When that fails too, it is tried before the next write.
            let _ = self.cut_tail();
        } else {
            self.torn = torn;
        }
    }

    /// Writes STOP; where that fails, there is nothing of it.
    pub(super) fn stop(&mut self) -> Result<(), StoreError> {
        self.cut_tail()?;
        self.append_whole(ControlFrame::stop().as_bytes())?;
        self.is_dirty = true;
        self.file.flush()?;
        Ok(())
    }

    /// Whether the file is as this store has made it, after `more` bytes.
    fn check(&self, more: usize) -> Result<(), StoreError> {
        let Some(State { len, is_linked }) = self.file.state()? else {
            return Ok(());
        };
        if !is_linked {
            return Err(Loss::Removed.into());
        }
        let expected = self.len + u64::try_from(more).unwrap_or(u64::MAX);
        if len == expected {
            Ok(())
        } else {
            Err(Loss::Altered { expected, got: len }.into())
        }
    }

    /// Writes all of `bytes`, or leaves none of them; a stream gets the rest next time.
    fn append_whole(&mut self, bytes: &[u8]) -> io::Result<()> {
        let rest = bytes.get(self.stopped..).unwrap_or(&[]);
        let (written, result) = write_slices(&mut self.file, rest, &[]);
        match &result {
            Ok(()) => {
                self.stopped = 0;
                self.len += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            }
            Err(_) if self.is_file => {
                self.has_tail |= written > 0;
                let _ = self.cut_tail();
            }
            Err(_) => self.stopped += written,
        }
        result
    }

    fn cut_tail(&mut self) -> io::Result<()> {
        if self.has_tail {
            self.file.truncate(self.len)?;
            self.has_tail = false;
        }
        Ok(())
    }
}

/// Writes all, in as few calls as it takes.
fn write_slices<W: io::Write>(to: &mut W, first: &[u8], runs: &[Run<'_>]) -> (usize, io::Result<()>) {
    let mut written = 0;
    loop {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut passed = written;
        let parts = iter::once(first).chain(runs.iter().map(Run::as_wire));
        let rest = parts.filter_map(|part| {
            let rest = part.get(passed..);
            passed = passed.saturating_sub(part.len());
            rest.filter(|rest| !rest.is_empty())
        });
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(rest) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        let slices = slices.get(..count).unwrap_or(&[]);
        if slices.is_empty() {
            return (written, Ok(()));
        }
        match to.write_vectored(slices) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(len) => written += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
}
