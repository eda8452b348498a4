//! What a sender holds: frames that wait, frames on their way, and frames that a FINISH has yet to cover.
//!
//! ```text
//!  offer ──► queued ──────────► in flight ────────────► sent                 Delivery::Written
//!            bounded  take_batch  until  handle_written
//!                                 written ────► kept ──────────────► sent    Delivery::Confirmed
//!                                               bounded  handle_confirmed
//!            queued ◄──────────── handle_lost ◄──┘
//! ```
//!
//! Sans-IO, and without a clock: whoever drives the queue is told by [`Queue::readiness`] when there is
//! something to write, and decides how long a lone frame may wait. Every frame is at every moment in exactly
//! one place: `offered == sent + dropped + queued + kept`, see [`Stats`].
//!
//! Frames stay together as they came: a run is one piece from its offer to its end, and small payloads are
//! copied side by side into such pieces, so that neither costs a reference count a frame. Not here: the
//! connection ([`sender`](crate::sender)).

mod batch;
mod config;
mod doubt;
mod piece;
mod stats;

use alloc::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

pub use batch::Batch;
pub use config::{
    Config, DEFAULT_COALESCE_BYTES, DEFAULT_MAX_BYTES, DEFAULT_MAX_FRAMES, DEFAULT_WINDOW_BYTES, Delivery,
    Policy,
};
use doubt::{Doubt, Loss};
use piece::Piece;
pub use stats::{Dropped, Stats};

use crate::frame::{DATA_HEADER_LEN, EncodeError, OwnedRun, data_header};

/// Payloads up to this length are copied; longer ones are kept as they are, with a header of their own.
const COPIED: usize = 1024;
/// Bytes of the first piece that small payloads are copied into; each full one doubles the next.
const FIRST_CHUNK: usize = 4 * 1024;
/// Bytes of such a piece at most.
const LAST_CHUNK: usize = 64 * 1024;
/// Bytes at which a batch takes no further piece.
const BATCH: usize = 256 * 1024;

/// Why an offer was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OfferError {
    /// There is no room, and the policy is to wait. Nothing was counted.
    #[error("the queue is full")]
    Full,
    /// The payload cannot be framed. Nothing was counted.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// What an offer led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Frames that the queue has taken.
    pub queued: u64,
    /// Frames that were dropped for it: its own ([`Policy::DropNewest`]) or older ones
    /// ([`Policy::DropOldest`]).
    pub dropped: u64,
}

/// Whether there is something to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Nothing is queued.
    Empty,
    /// Something is, but so little that more may be waited for.
    Lingering,
    /// Take a batch.
    Due,
    /// Something is, but what awaits confirmation has to be confirmed first.
    WindowFull,
}

/// A sender's queue. See the [module](self).
#[derive(Debug)]
pub struct Queue {
    config: Config,
    /// Small payloads on their way to becoming a piece behind `queued`.
    open: BytesMut,
    open_frames: u64,
    chunk: usize,
    queued: VecDeque<Piece>,
    flight: VecDeque<Piece>,
    /// Bytes of the first piece in flight that the transport has taken.
    written: usize,
    kept: VecDeque<Piece>,
    kept_bytes: u64,
    /// Frames ever taken, which is the number of the next one.
    taken: u64,
    /// Frames below this number do not wait for others.
    urgent: u64,
    /// Frames below this number are to be confirmed soon.
    confirm: u64,
    doubt: Doubt,
    stats: Stats,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            open: BytesMut::new(),
            open_frames: 0,
            chunk: FIRST_CHUNK,
            queued: VecDeque::new(),
            flight: VecDeque::new(),
            written: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
            taken: 0,
            urgent: 0,
            confirm: 0,
            doubt: Doubt::new(),
            stats: Stats::default(),
        }
    }

    /// Offers one payload.
    ///
    /// # Errors
    /// When the payload is empty or too long; when there is no room, under [`Policy::Block`].
    pub fn offer(&mut self, payload: &Bytes) -> Result<Receipt, OfferError> {
        let header = data_header(payload, self.config.max_data)?;
        let len = DATA_HEADER_LEN + payload.len();
        let receipt = self.admit(1, len)?;
        if receipt.queued == 0 {
            return Ok(receipt);
        }
        if payload.len() <= COPIED {
            self.reserve(len);
            self.open.put_slice(&header);
            self.open.put_slice(payload);
            self.open_frames += 1;
        } else {
            self.close_open();
            self.queued
                .push_back(Piece::frame(self.taken, header, payload.clone()));
        }
        self.taken += 1;
        Ok(receipt)
    }

    /// Offers a run, all of it or nothing; its frames are written as they stand, whatever their length.
    ///
    /// # Errors
    /// When there is no room, under [`Policy::Block`].
    pub fn offer_run(&mut self, run: &OwnedRun) -> Result<Receipt, OfferError> {
        let (wire, frames) = (run.as_wire(), run.frames());
        let receipt = self.admit(frames, wire.len())?;
        if receipt.queued > 0 {
            self.close_open();
            self.queued
                .push_back(Piece::run(self.taken, frames, wire.clone()));
            self.taken += frames;
        }
        Ok(receipt)
    }

    /// Whether there is something to write, and whether now.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        if self.stats.queued == 0 {
            Readiness::Empty
        } else if !self.has_window() {
            Readiness::WindowFull
        } else if self.stats.queued_bytes >= self.config.coalesce_bytes
            || !self.has_room()
            || self.first_queued() < self.urgent
        {
            Readiness::Due
        } else {
            Readiness::Lingering
        }
    }

    /// Lets nothing that is queued now wait for more.
    pub const fn expedite(&mut self) {
        self.urgent = self.taken;
    }

    /// Asks for everything taken so far to be written without delay and, under [`Delivery::Confirmed`],
    /// confirmed. Gives the mark at which it is done, see [`is_done`](Self::is_done).
    pub const fn expedite_all(&mut self) -> u64 {
        self.expedite();
        self.confirm = self.taken;
        self.taken
    }

    /// Asks for what has been written to be confirmed, without waiting for what is queued.
    pub fn ask_confirmation(&mut self) {
        let written = self.flight.front().or_else(|| self.queued.front());
        self.confirm = self
            .confirm
            .max(written.map_or_else(|| self.first_open(), |piece| piece.first));
    }

    /// Whether every frame taken before `mark` has been sent or dropped.
    #[must_use]
    pub fn is_done(&self, mark: u64) -> bool {
        let held = self.kept.front().or_else(|| self.flight.front());
        held.map_or_else(|| self.first_queued(), |piece| piece.first) >= mark
    }

    /// Takes pieces to write, in order; an empty batch when there are none or the window is full.
    ///
    /// What it holds is in flight from now on: tell what becomes of it with
    /// [`handle_written`](Self::handle_written) and [`handle_lost`](Self::handle_lost).
    pub fn take_batch(&mut self) -> Batch {
        self.close_open();
        let mut batch = Batch::default();
        while batch.len() < BATCH && self.has_window() {
            let Some(piece) = self.pop_queued() else {
                break;
            };
            self.stats.unqueue(piece.frames, piece.len());
            self.stats.keep(piece.frames, piece.len());
            batch.push(piece.clone());
            self.flight.push_back(piece);
        }
        batch
    }

    /// The transport has taken the next `len` bytes of what is in flight.
    pub fn handle_written(&mut self, len: usize) {
        self.written += len;
        while let Some(piece) = self.flight.front()
            && self.written >= piece.len()
        {
            self.written -= piece.len();
            let Some(piece) = self.flight.pop_front() else {
                return;
            };
            match self.config.delivery {
                Delivery::Written => self.stats.done(piece.frames, piece.len()),
                Delivery::Confirmed => {
                    self.kept_bytes += wide(piece.len());
                    self.kept.push_back(piece);
                }
            }
        }
    }

    /// A FINISH covers everything that was written.
    pub fn handle_confirmed(&mut self) {
        for piece in self.kept.drain(..) {
            self.stats.done(piece.frames, piece.len());
        }
        self.kept_bytes = 0;
        self.doubt.handle_confirmed();
    }

    /// The collector has not sent FINISH in time: as [`handle_lost`](Self::handle_lost), and under
    /// [`Delivery::Confirmed`] streams get shorter from time to time, down to a single frame, so that a slow
    /// collector comes to the end of one. No frame is given up.
    pub fn handle_unconfirmed(&mut self) {
        if let Some(loss) = self.lose() {
            self.doubt.handle_unconfirmed(loss);
        }
    }

    /// The collector has closed the connection: as [`handle_unconfirmed`](Self::handle_unconfirmed), but
    /// perhaps it was for a frame that it will never take. Gives the number of frames that were given up for
    /// that.
    ///
    /// One of over 64 KiB that is lost alone eight times in a row is dropped, and counted under
    /// [`Dropped::refused`]. Shorter ones are never given up: there is no reader that refuses them.
    pub fn handle_refused(&mut self) -> u64 {
        let (Some(loss), Some(front)) = (self.lose(), self.queued.front_mut()) else {
            return 0;
        };
        self.doubt.handle_refused(loss);
        if !self.doubt.is_hopeless(loss.first, front.payload_len()) {
            return 0;
        }
        let (left, len) = (front.frames, front.pop_frame());
        if left == 1 {
            self.queued.pop_front();
        }
        self.stats.unqueue(1, len);
        self.stats.dropped.refused += 1;
        self.stats.dropped.bytes += wide(len);
        1
    }

    /// As [`handle_lost`](Self::handle_lost); gives what had been begun, if anything.
    fn lose(&mut self) -> Option<Loss> {
        let begun: u64 = self.flight.front().map_or(0, |piece| {
            let whole = piece.boundary(self.written);
            u64::from(whole.bytes < self.written)
                + match self.config.delivery {
                    Delivery::Written => 0,
                    Delivery::Confirmed => whole.frames,
                }
        });
        let frames = begun + self.kept.iter().map(|piece| piece.frames).sum::<u64>();
        self.handle_lost();
        let first = self.queued.front()?.first;
        (frames > 0).then_some(Loss { first, frames })
    }

    /// The connection is lost: what is not done goes back to the front of the queue, from a frame boundary.
    pub fn handle_lost(&mut self) {
        let written = core::mem::take(&mut self.written);
        if let Some(torn) = self.flight.front_mut() {
            let whole = torn.boundary(written);
            self.stats.resent += u64::from(whole.bytes < written);
            match self.config.delivery {
                Delivery::Written => {
                    torn.advance(whole);
                    self.stats.done(whole.frames, whole.bytes);
                }
                Delivery::Confirmed => self.stats.resent += whole.frames,
            }
        }
        self.stats.resent += self.kept.iter().map(|piece| piece.frames).sum::<u64>();
        self.kept_bytes = 0;
        for piece in self.flight.drain(..).rev().chain(self.kept.drain(..).rev()) {
            self.stats.unkeep(piece.frames, piece.len());
            self.stats.queue(piece.frames, piece.len());
            self.queued.push_front(piece);
        }
    }

    /// Gives up everything that is held; counted under [`Dropped::shutdown`]. Gives the number of frames.
    pub fn abandon(&mut self) -> u64 {
        self.handle_lost();
        let (frames, bytes) = (self.stats.queued, self.stats.queued_bytes);
        self.queued.clear();
        self.open.clear();
        self.open_frames = 0;
        self.stats.queued = 0;
        self.stats.queued_bytes = 0;
        self.stats.dropped.shutdown += frames;
        self.stats.dropped.bytes += bytes;
        frames
    }

    /// Whether STOP should be sent now, so that FINISH confirms what has been written.
    ///
    /// That is so when the window is half full, or as much as one dares to send was written, or what
    /// [`expedite_all`](Self::expedite_all) or [`ask_confirmation`](Self::ask_confirmation) asked for has
    /// been written and no more.
    #[must_use]
    pub fn wants_confirmation(&self) -> bool {
        let Some(first) = self.kept.front().filter(|_| self.flight.is_empty()) else {
            return false;
        };
        self.kept_bytes >= self.config.window_bytes / 2
            || self.stats.kept >= self.doubt.limit()
            || first.first < self.confirm && self.first_queued() >= self.confirm
    }

    /// Whether frames await confirmation.
    #[must_use]
    pub fn is_unconfirmed(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Whether nothing is held.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stats.queued == 0 && self.stats.kept == 0
    }

    /// Whether at least half of the room is free: the moment to let in who waits for some.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.stats.queued <= self.config.max_frames.get() / 2
            && self.stats.queued_bytes <= self.config.max_bytes.get() / 2
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The counters.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Counts an offer in and applies the policy. Receipts of nothing queued: the offer is to be dropped.
    fn admit(&mut self, frames: u64, len: usize) -> Result<Receipt, OfferError> {
        let mut dropped = 0;
        if !self.fits(frames, len) {
            match self.config.policy {
                Policy::Block => {
                    // Somebody is about to wait for room: nothing waits for company.
                    self.expedite();
                    return Err(OfferError::Full);
                }
                Policy::DropNewest => {
                    self.stats.offer(frames, len);
                    self.stats.dropped.newest += frames;
                    self.stats.dropped.bytes += wide(len);
                    return Ok(Receipt {
                        queued: 0,
                        dropped: frames,
                    });
                }
                Policy::DropOldest => dropped = self.drop_oldest(frames, len),
            }
        }
        self.stats.offer(frames, len);
        self.stats.queue(frames, len);
        Ok(Receipt {
            queued: frames,
            dropped,
        })
    }

    /// Whatever comes fits into an empty queue.
    const fn fits(&self, frames: u64, len: usize) -> bool {
        self.stats.queued == 0
            || self.stats.queued.saturating_add(frames) <= self.config.max_frames.get()
                && self.stats.queued_bytes.saturating_add(wide(len)) <= self.config.max_bytes.get()
    }

    /// Drops the oldest queued frames until the offer fits; never a frame that is partly written.
    fn drop_oldest(&mut self, frames: u64, len: usize) -> u64 {
        self.close_open();
        let before = self.stats.queued;
        while !self.fits(frames, len) {
            let Some(piece) = self.queued.front_mut() else {
                break;
            };
            let (first, gone) = (piece.frames, piece.pop_frame());
            self.stats.unqueue(1, gone);
            self.stats.dropped.bytes += wide(gone);
            if first == 1 {
                self.queued.pop_front();
            }
        }
        let dropped = before - self.stats.queued;
        self.stats.dropped.oldest += dropped;
        dropped
    }

    /// Whether another piece may be written before a confirmation.
    fn has_window(&self) -> bool {
        self.config.delivery == Delivery::Written
            || self.stats.kept_bytes < self.config.window_bytes && self.stats.kept < self.doubt.limit()
    }

    /// The next piece to write, or as much of it as one dares to send.
    fn pop_queued(&mut self) -> Option<Piece> {
        let dared = match self.config.delivery {
            Delivery::Written => u64::MAX,
            Delivery::Confirmed => self.doubt.limit().saturating_sub(self.stats.kept),
        };
        match self.queued.front_mut() {
            Some(piece) if piece.frames > dared => Some(piece.split_front(dared)),
            _ => self.queued.pop_front(),
        }
    }

    fn first_open(&self) -> u64 {
        self.taken - self.open_frames
    }

    fn first_queued(&self) -> u64 {
        self.queued
            .front()
            .map_or_else(|| self.first_open(), |piece| piece.first)
    }

    /// Room for `len` bytes in `open`.
    fn reserve(&mut self, len: usize) {
        if self.open.len() + len > self.chunk && self.open_frames > 0 {
            self.close_open();
            self.chunk = (self.chunk * 2).min(LAST_CHUNK);
        }
        if self.open.capacity() - self.open.len() < len {
            self.open.reserve(self.chunk.max(len));
        }
    }

    fn close_open(&mut self) {
        let frames = core::mem::take(&mut self.open_frames);
        if frames > 0 {
            let wire = self.open.split().freeze();
            self.queued
                .push_back(Piece::run(self.taken - frames, frames, wire));
        }
    }
}

/// Lengths are counted in 64 bits.
const fn wide(len: usize) -> u64 {
    len as u64
}

#[cfg(test)]
mod tests;
