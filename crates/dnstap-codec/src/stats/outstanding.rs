//! Queries whose responses have not been seen.

use alloc::vec;
use alloc::vec::Vec;

use crate::Message;
use crate::dns::Question;

/// Places that a key may be in.
const WAYS: usize = 4;

/// A table of fixed size: a query in a full row takes the place of the oldest there, which is counted.
#[derive(Clone, Debug)]
pub(super) struct Outstanding {
    rows: Vec<[Waiting; WAYS]>,
    pub(super) overflowed: u64,
}

/// A query's key and time; no key stands for nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    key: u64,
    nanos: u64,
}

impl Outstanding {
    pub(super) fn new(queries: usize) -> Self {
        let rows = if queries == 0 {
            0
        } else {
            queries.div_ceil(WAYS).next_power_of_two()
        };
        Self {
            rows: vec![[Waiting::default(); WAYS]; rows],
            overflowed: 0,
        }
    }

    fn row(&mut self, key: u64) -> Option<&mut [Waiting; WAYS]> {
        // The number of rows is a power of two; without rows there is none to take.
        let mask = self.rows.len().checked_sub(1)?;
        let [.., a, b, c, d] = key.to_be_bytes();
        let at = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(0) & mask;
        self.rows.get_mut(at)
    }

    pub(super) fn insert(&mut self, key: u64, nanos: u64) {
        let Some(row) = self.row(key) else { return };
        // The same key again is the same query asked again; its first time counts no longer.
        let same = row.iter().position(|waiting| waiting.key == key);
        let free = || row.iter().position(|waiting| waiting.key == 0);
        let place = same.or_else(free);
        let mut oldest = row.iter_mut().enumerate().min_by_key(|(at, waiting)| {
            let is_place = place == Some(*at);
            (!is_place, waiting.nanos)
        });
        if let Some((_, waiting)) = oldest.as_mut() {
            **waiting = Waiting { key, nanos };
        }
        self.overflowed += u64::from(place.is_none());
    }

    /// The time of the query with this key, which waits no longer.
    pub(super) fn take(&mut self, key: u64) -> Option<u64> {
        let row = self.row(key)?;
        let waiting = row.iter_mut().find(|waiting| waiting.key == key)?;
        Some(core::mem::take(waiting).nanos)
    }

    pub(super) fn len(&self) -> usize {
        self.rows
            .iter()
            .flatten()
            .filter(|waiting| waiting.key != 0)
            .count()
    }
}

/// What a query and its response have in common, never 0.
///
/// FNV-1a of kind, identifier, addresses, port and the name in lower case, its bits mixed once more. Two
/// exchanges with the same key at a time are rare enough for statistics.
pub(super) fn key(message: &Message<'_>, id: u16, question: Option<&Question<'_>>) -> u64 {
    let mut hash = Fnv::new();
    // Numbers of a query and its response differ by one, the query's is odd.
    hash.bytes(&((message.message_type.to_bits().wrapping_add(1)) >> 1).to_le_bytes());
    hash.bytes(&id.to_le_bytes());
    hash.bytes(&message.query_port.unwrap_or(0).to_le_bytes());
    hash.bytes(message.query_address.unwrap_or_default());
    hash.bytes(message.response_address.unwrap_or_default());
    if let Some(question) = question {
        hash.bytes(&question.qtype.0.to_le_bytes());
        for label in question.name.labels() {
            hash.byte(b'.');
            label.iter().for_each(|byte| hash.byte(byte.to_ascii_lowercase()));
        }
    }
    let mixed = (hash.0 ^ (hash.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).max(1)
}

struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    const fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.byte(*byte));
    }
}
