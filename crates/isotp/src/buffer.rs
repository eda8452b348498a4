//! Where a message is put together.

/// Memory for one incoming message.
///
/// With `alloc`, `BytesMut` is one that grows with the data; [`SliceBuffer`] is one for callers without an
/// allocator.
pub trait Buffer {
    /// The longest message it can ever hold.
    fn capacity(&self) -> usize;

    /// Forgets the content.
    fn clear(&mut self);

    /// Appends `data`; never more in total than [`capacity`](Self::capacity).
    fn append(&mut self, data: &[u8]);

    /// What was appended since it was cleared.
    fn filled(&self) -> &[u8];
}

/// A message buffer in memory that the caller supplies; its length is the longest message.
#[derive(Debug)]
pub struct SliceBuffer<'a> {
    memory: &'a mut [u8],
    len: usize,
}

impl<'a> SliceBuffer<'a> {
    /// A buffer in `memory`.
    #[must_use]
    pub const fn new(memory: &'a mut [u8]) -> Self {
        Self { memory, len: 0 }
    }
}

impl Buffer for SliceBuffer<'_> {
    fn capacity(&self) -> usize {
        self.memory.len()
    }

    fn clear(&mut self) {
        self.len = 0;
    }

    fn append(&mut self, data: &[u8]) {
        let free = self.memory.get_mut(self.len..).unwrap_or_default();
        let taken = data.len().min(free.len());
        if let (Some(room), Some(data)) = (free.get_mut(..taken), data.get(..taken)) {
            room.copy_from_slice(data);
        }
        self.len += taken;
    }

    fn filled(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }
}

#[cfg(feature = "alloc")]
impl Buffer for bytes::BytesMut {
    fn capacity(&self) -> usize {
        usize::MAX
    }

    /// Gives the memory up, so that an idle channel has none.
    fn clear(&mut self) {
        *self = Self::new();
    }

    fn append(&mut self, data: &[u8]) {
        self.extend_from_slice(data);
    }

    fn filled(&self) -> &[u8] {
        self
    }
}
