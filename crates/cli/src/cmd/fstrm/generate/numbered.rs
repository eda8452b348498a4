//! Frames that hold their number.
//!
//! ```text
//! "tinw"  run(4)  number(8)  filling: the lowest byte of the number
//! ```

use core::ops::RangeInclusive;

/// What such a payload begins with.
const MARK: [u8; 4] = *b"tinw";

/// Makes frames of one run.
pub(super) struct Numbered {
    run: u32,
    sizes: RangeInclusive<u32>,
    random: u64,
    frames: u64,
    bytes: u64,
}

impl Numbered {
    pub(super) fn new(run: u32, sizes: RangeInclusive<u32>) -> Self {
        Self {
            run,
            sizes,
            random: u64::from(run) * 2 + 1,
            frames: 0,
            bytes: 0,
        }
    }

    /// Frames made so far.
    pub(super) const fn frames(&self) -> u64 {
        self.frames
    }

    /// Their payload bytes.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Up to so many frames as they stand on the wire, no more once so many bytes are reached.
    pub(super) fn piece(&mut self, frames: u64, len: usize) -> Vec<u8> {
        let mut wire = Vec::with_capacity(len + 64);
        let last = self.frames.saturating_add(frames);
        while self.frames < last && (wire.len() < len) {
            self.frame(&mut wire);
        }
        wire
    }

    fn frame(&mut self, wire: &mut Vec<u8>) {
        let len = self.len();
        let [.., filling] = self.frames.to_be_bytes();
        wire.extend_from_slice(&len.to_be_bytes());
        let begin = wire.len();
        wire.extend_from_slice(&MARK);
        wire.extend_from_slice(&self.run.to_be_bytes());
        wire.extend_from_slice(&self.frames.to_be_bytes());
        wire.resize(begin + usize::try_from(len).unwrap_or(usize::MAX), filling);
        self.frames += 1;
        self.bytes += u64::from(len);
    }

    fn len(&mut self) -> u32 {
        let (shortest, longest) = (*self.sizes.start(), *self.sizes.end());
        if shortest == longest {
            return shortest;
        }
        // Xorshift: the same lengths for the same run, and good enough.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let span = u64::from(longest - shortest) + 1;
        let more = (self.random >> 16) % span;
        shortest + u32::try_from(more).unwrap_or_default()
    }
}

/// Run and number of such a payload; `None` when it is none, or is damaged.
pub(super) fn read(payload: &[u8]) -> Option<(u32, u64)> {
    let (mark, rest) = payload.split_first_chunk::<4>()?;
    let (run, rest) = rest.split_first_chunk::<4>()?;
    let (number, filling) = rest.split_first_chunk::<8>()?;
    let [.., byte] = *number;
    let is_whole = *mark == MARK && filling.iter().all(|filled| *filled == byte);
    is_whole.then(|| (u32::from_be_bytes(*run), u64::from_be_bytes(*number)))
}

#[cfg(test)]
mod tests {
    use fstrm_codec::Run;
    use fstrm_codec::frame::FrameConfig;

    use super::*;

    #[test]
    fn frames_hold_their_run_and_number_and_a_damaged_one_is_found() {
        let mut numbered = Numbered::new(7, 16..=40);
        let wire = numbered.piece(600, 100_000);
        let run = Run::decode(&wire, FrameConfig::new()).unwrap();
        let read_all: Vec<_> = run.iter().map(read).collect();
        assert!((0..600).map(|number| Some((7, number))).eq(read_all));
        assert_eq!((numbered.frames(), numbered.bytes()), (600, run.payload_bytes()));
        let lengths: std::collections::BTreeSet<_> = run.iter().map(<[u8]>::len).collect();
        assert_eq!(lengths.len(), 25, "every length comes up");
        let mut payload = run.iter().max_by_key(|payload| payload.len()).unwrap().to_vec();
        *payload.last_mut().unwrap() ^= 1;
        assert_eq!(read(&payload), None);
    }

    #[test]
    fn a_piece_ends_with_the_frame_that_fills_it() {
        let mut numbered = Numbered::new(0, 60..=60);
        assert_eq!(numbered.piece(100, 100).len(), 128);
        assert_eq!(numbered.piece(1, 100).len(), 64);
    }
}
