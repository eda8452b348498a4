//! Where the bytes of an outgoing message come from.
//!
//! Whatever has its bytes in memory is a [`Payload`]. Other sources produce them while the message is being
//! sent, a frame's part at a time, so that a long message is never in memory as a whole: an iterator
//! ([`FromIter`]), a function ([`FromFn`]), a reader such as a file (`FromReader`), or a type of your own.

#[cfg(feature = "alloc")]
mod outgoing;
#[cfg(feature = "tokio")]
mod whole;

use core::fmt;

#[cfg(feature = "alloc")]
pub use outgoing::Outgoing;
use thiserror::Error;
#[cfg(feature = "tokio")]
pub(crate) use whole::collect;

/// A source failed; the transfer ends as [`TransferError::SourceFailed`](crate::TransferError::SourceFailed).
///
/// It carries nothing, for it passes through a machine without memory. A source that knows more keeps it
/// where its owner finds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Error)]
#[error("the source of the message failed")]
pub struct SourceFailed;

/// A message to send: its length is known before, its bytes may be produced as they are needed.
///
/// Everything with `AsRef<[u8]>` is one: `Bytes`, `Vec<u8>`, arrays, slices.
///
/// A source is called, and dropped, by whoever moves the endpoint, which may be a task or a lock that other
/// endpoints share: it must not wait for long, must not use the endpoint that it feeds, and must not panic.
pub trait Payload {
    /// The message's length in bytes: what is announced to the receiver. It is asked for before the message
    /// begins, and does not change.
    fn message_len(&self) -> usize;

    /// Writes the bytes from `offset` on into `part`, and tells how many it had.
    ///
    /// Fewer than `part` has room for means that the source has ended before the announced length, which ends
    /// the transfer as failed. `part` is never empty. Calls go through the message in order, without gaps and
    /// repetitions, so a source that counts by itself need not look at `offset`; what it could produce beyond
    /// the announced length is never asked for.
    ///
    /// # Errors
    /// When it cannot produce them; the transfer ends as failed, and it is not called again.
    fn supply(&mut self, offset: usize, part: &mut [u8]) -> Result<usize, SourceFailed>;
}

impl<T: AsRef<[u8]>> Payload for T {
    fn message_len(&self) -> usize {
        self.as_ref().len()
    }

    fn supply(&mut self, offset: usize, part: &mut [u8]) -> Result<usize, SourceFailed> {
        let rest = self.as_ref().get(offset..).unwrap_or_default();
        let bytes = rest.get(..part.len()).unwrap_or(rest);
        for (to, from) in part.iter_mut().zip(bytes) {
            *to = *from;
        }
        Ok(bytes.len())
    }
}

/// The first `len` bytes of an iterator, taken one by one while they are sent.
///
/// # Examples
/// ```
/// use can_link::StandardId;
/// use isotp::payload::FromIter;
/// use isotp::{Address, Channel, Config, SliceBuffer};
/// use tinwire_time::Instant;
///
/// let (us, them) = (StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap());
/// let mut memory = [0; 64];
/// let buffer = SliceBuffer::new(&mut memory);
/// let mut channel = Channel::with_buffer(Address::normal(us, them)?, Config::default(), buffer);
/// channel.send(Instant::ZERO, FromIter::new(1_000_000, (1..=255).cycle()))?;
/// let frame = channel.poll_transmit(Instant::ZERO).unwrap();
/// assert_eq!(frame.payload(), [0x10, 0x00, 0x00, 0x0F, 0x42, 0x40, 1, 2]);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FromIter<I> {
    len: usize,
    bytes: I,
}

impl<I: Iterator<Item = u8>> FromIter<I> {
    /// A message of `len` bytes. An iterator that ends sooner fails the transfer; one that goes on is left
    /// where it is.
    pub fn new(len: usize, bytes: impl IntoIterator<IntoIter = I>) -> Self {
        let bytes = bytes.into_iter();
        Self { len, bytes }
    }
}

impl<I: Iterator<Item = u8>> Payload for FromIter<I> {
    fn message_len(&self) -> usize {
        self.len
    }

    fn supply(&mut self, _offset: usize, part: &mut [u8]) -> Result<usize, SourceFailed> {
        let mut had = 0;
        for to in part {
            let Some(byte) = self.bytes.next() else { break };
            *to = byte;
            had += 1;
        }
        Ok(had)
    }
}

/// A message of a known length whose parts a function produces, as [`Payload::supply`] does.
#[derive(Clone)]
pub struct FromFn<F> {
    len: usize,
    supply: F,
}

impl<F: FnMut(usize, &mut [u8]) -> Result<usize, SourceFailed>> FromFn<F> {
    /// A message of `len` bytes.
    pub const fn new(len: usize, supply: F) -> Self {
        Self { len, supply }
    }
}

impl<F: FnMut(usize, &mut [u8]) -> Result<usize, SourceFailed>> Payload for FromFn<F> {
    fn message_len(&self) -> usize {
        self.len
    }

    fn supply(&mut self, offset: usize, part: &mut [u8]) -> Result<usize, SourceFailed> {
        (self.supply)(offset, part)
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// The next `len` bytes of a reader, read while they are sent.
///
/// A frame's part is a few bytes, so give it a `BufReader`, of something that does not make others wait for
/// long, as files do not.
#[cfg(feature = "std")]
#[derive(Debug)]
pub struct FromReader<R> {
    len: usize,
    reader: R,
}

#[cfg(feature = "std")]
impl<R: std::io::Read> FromReader<R> {
    /// A message of `len` bytes. A reader that ends sooner fails the transfer.
    pub const fn new(len: usize, reader: R) -> Self {
        Self { len, reader }
    }
}

#[cfg(feature = "std")]
impl<R: std::io::Read> Payload for FromReader<R> {
    fn message_len(&self) -> usize {
        self.len
    }

    fn supply(&mut self, _offset: usize, part: &mut [u8]) -> Result<usize, SourceFailed> {
        let mut had = 0;
        while let Some(room) = part.get_mut(had..).filter(|room| !room.is_empty()) {
            match self.reader.read(room) {
                Ok(0) => break,
                Ok(read) => had += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Err(SourceFailed),
            }
        }
        Ok(had)
    }
}
