//! What a writer in another process knows of the reader here.

/// Packets and bytes since a flow began, modulo 2^32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u32,
    /// Their bytes.
    pub bytes: u32,
}

impl Count {
    /// So many; what does not fit 32 bits is as many as do.
    pub(crate) fn new(packets: usize, bytes: usize) -> Self {
        Self {
            packets: u32::try_from(packets).unwrap_or(u32::MAX),
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        }
    }

    /// How much more this is than `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            packets: self.packets.wrapping_sub(earlier.packets),
            bytes: self.bytes.wrapping_sub(earlier.bytes),
        }
    }

    /// With one packet of `len` bytes more.
    pub(crate) fn with_packet(self, len: usize) -> Self {
        let more = Self::new(1, len);
        Self {
            packets: self.packets.wrapping_add(more.packets),
            bytes: self.bytes.wrapping_add(more.bytes),
        }
    }

    /// Whether either number reaches that of `other`.
    const fn reaches(self, other: Self) -> bool {
        self.packets >= other.packets || self.bytes >= other.bytes
    }
}

/// Whether a side reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// It does.
    #[default]
    Yes,
    /// Not now: it is write-only.
    No,
    /// Never again: it let go.
    Never,
}

/// How soon the writer should know what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// When it is a part of the window that is worth a message.
    Usual,
    /// As much as is known.
    Now,
    /// As now; and when nothing is, of the next that is read.
    Next,
}

/// What is to be told to the writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// What was read so far.
    pub(crate) read: Option<Count>,
    /// Whether the reader reads.
    pub(crate) reads: Option<Reads>,
    /// There is, or can be, more to tell without anything else arriving.
    pub(crate) more: bool,
}

/// What was told to the writer.
#[derive(Debug)]
pub(crate) struct Credit {
    told: Count,
    told_reads: Reads,
    /// What is worth a message.
    worth: Count,
    /// The writer is to be told of the next packet that is read.
    eager: bool,
}

/// A message is worth a quarter of the window.
const PARTS: usize = 4;

impl Credit {
    /// For a queue of so many packets and bytes.
    pub(crate) fn new(packets: usize, bytes: usize) -> Self {
        Self {
            told: Count::default(),
            told_reads: Reads::Yes,
            worth: Count::new(packets.div_ceil(PARTS), bytes.div_ceil(PARTS)),
            eager: false,
        }
    }

    /// Whether there is something to tell.
    pub(super) fn is_due(&self, taken: Count, reads: Reads) -> bool {
        let untold = taken.since(self.told);
        reads != self.told_reads || untold.reaches(self.worth) || (self.eager && untold != Count::default())
    }

    pub(super) fn take_news(&mut self, taken: Count, reads: Reads, queued: bool, urgency: Urgency) -> News {
        let untold = taken != self.told;
        let tells = untold && (urgency != Urgency::Usual || self.is_due(taken, reads));
        if tells {
            self.told = taken;
            self.eager = false;
        } else if urgency == Urgency::Next {
            self.eager = true;
        }
        let changed = reads != self.told_reads;
        self.told_reads = reads;
        News {
            read: tells.then_some(taken),
            reads: changed.then_some(reads),
            more: reads != Reads::Never && ((untold && !tells) || (queued && !self.eager)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn count(packets: u32, bytes: u32) -> Count {
        Count { packets, bytes }
    }

    fn credit() -> Credit {
        Credit::new(8, 1_000)
    }

    fn read(credit: &mut Credit, taken: Count, urgency: Urgency) -> Option<Count> {
        credit.take_news(taken, Reads::Yes, true, urgency).read
    }

    #[test]
    fn a_quarter_of_packets_or_of_bytes_is_worth_a_message() {
        let mut credit = credit();
        assert_eq!(read(&mut credit, count(1, 249), Urgency::Usual), None);
        assert!(!credit.is_due(count(1, 249), Reads::Yes));
        assert!(credit.is_due(count(2, 2), Reads::Yes));
        assert_eq!(
            read(&mut credit, count(1, 250), Urgency::Usual),
            Some(count(1, 250))
        );
        assert_eq!(
            read(&mut credit, count(1, 250), Urgency::Now),
            None,
            "known already"
        );
    }

    #[test]
    fn who_asks_is_told_of_the_next_packet_at_the_latest() {
        let mut credit = credit();
        assert_eq!(read(&mut credit, count(0, 0), Urgency::Next), None);
        assert!(credit.is_due(count(1, 1), Reads::Yes));
        assert_eq!(read(&mut credit, count(1, 1), Urgency::Usual), Some(count(1, 1)));
        assert!(!credit.is_due(count(2, 2), Reads::Yes), "once");
    }

    #[test]
    fn a_reader_that_lets_go_is_told_with_what_it_has_read() {
        let mut credit = credit();
        assert!(credit.is_due(count(0, 0), Reads::Never));
        let news = credit.take_news(count(1, 1), Reads::Never, false, Urgency::Usual);
        assert_eq!((news.read, news.reads), (Some(count(1, 1)), Some(Reads::Never)));
        assert!(!news.more);
    }

    #[test]
    fn counters_run_over() {
        let mut credit = credit();
        credit.told = count(u32::MAX, u32::MAX - 9);
        assert!(!credit.is_due(count(0, 90), Reads::Yes));
        assert!(credit.is_due(count(1, 90), Reads::Yes));
    }
}
