//! A link to the members of another process.

use alloc::sync::Arc;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::station::Inner;
use super::wire::{MAX_PACKET, Message};
use crate::error::ReadError;
use crate::event::FlowId;
use crate::pipe::{Pipe, SharedPipe};

/// Bytes that are written at once.
const BATCH: usize = 64 * 1024;
/// Bytes that one reading may bring.
const CHUNK: usize = 16 * 1024;
/// Who takes nothing for so long is not waited for.
const STALL: Duration = Duration::from_millis(250);

/// What waits for another process. Its place in the layer ends with it.
#[derive(Debug)]
pub(super) struct Link {
    inner: Arc<Inner>,
    pipe: Arc<SharedPipe>,
    /// Of the packets that were dropped here, how many were told.
    told: u64,
}

impl Link {
    /// Begins to keep packets for another process, if there is room for it in the layer.
    pub(super) fn new(inner: &Arc<Inner>) -> Option<Self> {
        let pipe = SharedPipe::new(FlowId(0), inner.queue()); // no flow has that number
        if !inner.fanout.link(&pipe, inner.members) {
            return None;
        }
        inner.stats.count(|stats| stats.links += 1);
        Some(Self {
            inner: Arc::clone(inner),
            pipe,
            told: 0,
        })
    }

    /// Says whether the other process takes nothing at present: then who leaves does not wait for it.
    pub(super) fn set_stalled(&self, stalled: bool) {
        self.inner.fanout.set_stalled(&self.pipe, stalled);
    }

    /// Carries packets both ways until one of the sides leaves; `longest` is the longest that the other
    /// takes, `read` what it has said already.
    pub(super) async fn carry(mut self, stream: UnixStream, longest: u32, read: BytesMut) {
        let (reader, writer) = stream.into_split();
        let inner = Arc::clone(&self.inner);
        let receiving = receive(&inner, reader, read);
        let longest = usize::try_from(longest).unwrap_or(usize::MAX).min(MAX_PACKET);
        let sending = self.send(writer, longest);
        let (mut receiving, mut sending) = (pin!(receiving), pin!(sending));
        let malformed = poll_fn(|cx| {
            if sending.as_mut().poll(cx).is_ready() {
                return Poll::Ready(false); // all was sent after the last member left, or the other is gone
            }
            receiving
                .as_mut()
                .poll(cx)
                .map(|read| read.is_err_and(|error| error.kind() == io::ErrorKind::InvalidData))
        })
        .await;
        if malformed {
            inner.stats.count(|stats| stats.malformed += 1);
        }
    }

    /// Sends what is written here.
    async fn send(&mut self, mut writer: OwnedWriteHalf, longest: usize) -> io::Result<()> {
        let mut out = BytesMut::new();
        loop {
            let pipe = &self.pipe;
            let next = poll_fn(|cx| pipe.poll_as_reader(cx, |pipe| pipe.pop_to_carry().transpose()));
            let ended = match next.await {
                Ok(packet) => self.gather(packet, longest, &mut out),
                Err(_end) => true,
            };
            self.tell_dropped(&mut out);
            self.write(&mut writer, &out).await?;
            out.clear();
            self.pipe.as_reader(Pipe::arrived);
            self.inner.fanout.tell_drained();
            if ended {
                return writer.shutdown().await;
            }
        }
    }

    /// Puts this packet and those that wait behind it into one batch; returns whether none will follow.
    fn gather(&self, first: Bytes, longest: usize, out: &mut BytesMut) -> bool {
        let mut next = Ok(Some(first));
        while let Ok(Some(packet)) = next {
            if packet.len() > longest {
                self.inner.stats.count(|stats| stats.too_long += 1);
                Message::Dropped(1).encode(out);
            } else {
                Message::Packet(packet).encode(out);
            }
            if out.len() >= BATCH {
                return false;
            }
            next = self.pipe.as_reader(Pipe::pop_to_carry);
        }
        matches!(next, Err(ReadError::Deallocated))
    }

    /// Tells the other how many packets it did not take.
    fn tell_dropped(&mut self, out: &mut BytesMut) {
        let dropped = self.pipe.look(|pipe| pipe.stats().dropped);
        let untold = dropped - self.told;
        if untold > 0 {
            self.told = dropped;
            self.inner.stats.count(|stats| stats.dropped += untold);
            Message::Dropped(untold).encode(out);
        }
    }

    async fn write(&self, writer: &mut OwnedWriteHalf, out: &[u8]) -> io::Result<()> {
        let mut writing = pin!(writer.write_all(out));
        if let Ok(written) = tokio::time::timeout(STALL, &mut writing).await {
            return written;
        }
        self.set_stalled(true);
        let written = writing.await;
        self.set_stalled(false);
        written
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.inner.fanout.unlink(&self.pipe);
        self.inner.stats.count(|stats| stats.links -= 1);
    }
}

/// Gives what the other process writes to the members of this one.
async fn receive(inner: &Inner, mut reader: OwnedReadHalf, mut read: BytesMut) -> io::Result<()> {
    let max = inner.longest();
    loop {
        while let Some(message) = Message::decode(&mut read, max)? {
            match message {
                Message::Packet(packet) => inner.fanout.deliver(&packet),
                Message::Dropped(count) => {
                    inner
                        .stats
                        .count(|stats| stats.lost = stats.lost.saturating_add(count));
                    inner.fanout.lose(count);
                }
            }
        }
        read.reserve(CHUNK);
        if reader.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
}
