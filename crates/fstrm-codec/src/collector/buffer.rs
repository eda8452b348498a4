//! What a session has read and not handed out yet.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::SessionId;
use super::doom::Doom;
use super::memory::{Held, Memory, TooMuch};

/// What every session may hold.
const BASE: usize = 8 * 1024;
/// Most that is read at once.
const MAX_READ: usize = 256 * 1024;
/// Buffers of who has more than that.
const BUFFERS: usize = 2;
/// A read buffer grows by this factor.
const GROWTH: usize = 4;
/// Runs of at most this length are copied: the rest of the buffer can then be used again at once, and nobody
/// keeps 256 KiB alive by a few bytes.
const COPY_MAX: usize = 4 * 1024;
/// With less room than this a read is not worth its while.
const MIN_ROOM: usize = 2 * 1024;

/// A read buffer that is as large as what comes in it deserves.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    bytes: BytesMut,
    /// How large the buffer is that `bytes` lies in.
    size: usize,
    /// The buffer before this one, if it is busy enough to have two: runs of it may still be on their way.
    last: BytesMut,
    memory: Arc<Memory>,
    /// Taken of the memory for reads, for each of the two buffers.
    reads: usize,
    /// Taken of the memory for frames.
    held: Option<Held>,
    /// Bytes read since the last [`settle`](Self::settle).
    recent: usize,
}

impl ReadBuffer {
    pub(super) fn new(memory: Arc<Memory>) -> Self {
        Self {
            bytes: BytesMut::new(),
            size: 0,
            last: BytesMut::new(),
            memory,
            reads: 0,
            held: None,
            recent: 0,
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the next read goes. Has room after [`make_room`](Self::make_room).
    pub(super) const fn spare(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Drops `len` bytes at the front.
    pub(super) fn skip(&mut self, len: usize) {
        let _ = self.bytes.split_to(len.min(self.bytes.len()));
    }

    /// Takes `len` bytes of whole frames off the front.
    pub(super) fn take(&mut self, len: usize) -> Bytes {
        self.held = None;
        let front = self.bytes.split_to(len.min(self.bytes.len()));
        if front.len() > COPY_MAX {
            front.freeze()
        } else {
            Bytes::copy_from_slice(&front)
        }
    }

    /// `len` bytes were read into a buffer that had room for `room`.
    pub(super) fn filled(&mut self, len: usize, room: usize) {
        self.recent = self.recent.saturating_add(len);
        let allowed = BASE + self.reads;
        if len >= room && allowed < MAX_READ {
            let more = (allowed * GROWTH).min(MAX_READ) - allowed;
            if self.memory.take_reads(BUFFERS * more) {
                self.reads += more;
            }
        }
    }

    /// Makes room for the next read, where the frame at the front lacks `missing` bytes.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn make_room(
        &mut self,
        missing: u64,
        session: SessionId,
        doom: &Arc<Doom>,
    ) -> Result<(), TooMuch> {
        let len = self.bytes.len();
        let allowed = BASE + self.reads;
        if len == 0 {
            self.held = None;
            let room = self.bytes.capacity();
            let is_fit = (allowed / 2..=allowed).contains(&room) || self.bytes.try_reclaim(allowed);
            if !is_fit || self.bytes.capacity() > allowed {
                self.change(allowed);
            }
            return Ok(());
        }
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        let room = self.bytes.capacity() - len;
        if room >= missing.min(MIN_ROOM.max(allowed / 4)) && room > 0 {
            return Ok(());
        }
        let whole = len.saturating_add(missing);
        self.hold(whole.saturating_sub(allowed), session, doom).await?;
        // Never far ahead of what has come: a length is a claim.
        let size = whole.min(len.saturating_mul(2)).max(allowed);
        if self.bytes.capacity() < size && !self.bytes.try_reclaim(size - len) {
            self.change(size);
        }
        Ok(())
    }

    /// Goes on in another buffer, of `size` bytes, and takes along what is left in this one.
    ///
    /// It is the one before this, if by now nobody holds what came in that: in turn, two buffers do for a
    /// recorder that keeps up, and their pages stay where they are.
    fn change(&mut self, size: usize) {
        let mut other = core::mem::take(&mut self.last);
        if !other.try_reclaim(size) {
            other = BytesMut::with_capacity(size);
        }
        other.extend_from_slice(&self.bytes);
        let mut last = core::mem::replace(&mut self.bytes, other);
        if self.is_large() && self.size == BASE + self.reads {
            last.clear();
            self.last = last;
        }
        self.size = size;
    }

    /// Has memory for that much of a frame.
    async fn hold(&mut self, bytes: usize, session: SessionId, doom: &Arc<Doom>) -> Result<(), TooMuch> {
        if bytes == 0 {
            self.held = None;
        } else if self.held.as_ref().is_none_or(|held| held.bytes() < bytes) {
            // Giving back first: nobody waits with something in hand.
            self.held = None;
            self.held = Some(self.memory.hold(bytes, session, doom).await?);
        }
        Ok(())
    }

    /// Whether [`settle`](Self::settle) should be called in a while.
    pub(super) const fn is_large(&self) -> bool {
        self.reads > 0
    }

    /// Gives back what the last while did not need; the frame at the front lacks `missing` bytes.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn settle(
        &mut self,
        missing: u64,
        session: SessionId,
        doom: &Arc<Doom>,
    ) -> Result<(), TooMuch> {
        let is_busy = core::mem::take(&mut self.recent) >= (BASE + self.reads) / 4;
        if is_busy || self.reads == 0 {
            return Ok(());
        }
        let len = self.bytes.len();
        if len > BASE {
            let missing = usize::try_from(missing).unwrap_or(usize::MAX);
            let need = len.saturating_add(missing) - BASE;
            self.hold(need, session, doom).await?;
        }
        self.memory.give_reads(BUFFERS * core::mem::take(&mut self.reads));
        self.last = BytesMut::new();
        self.change(if len == 0 { 0 } else { len.max(BASE) });
        Ok(())
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        self.memory.give_reads(BUFFERS * self.reads);
    }
}
