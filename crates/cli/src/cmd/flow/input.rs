//! Standard input in packets: as it comes, or line by line.

use std::io::{BufRead as _, Read as _};

use bytes::Bytes;
use tokio::sync::mpsc;

/// Pieces that were read and not sent yet.
const AHEAD: usize = 64;
/// The longest piece.
const LONGEST: usize = 64 * 1024;

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// What one read gives.
    Pieces,
    /// A line, without its end.
    Lines,
}

/// Standard input, read by a thread; at its end, or when it cannot be read, nothing more comes. A line longer
/// than `max` is cut.
pub(super) fn packets(cut: Cut, max: usize) -> mpsc::Receiver<Bytes> {
    let (give, packets) = mpsc::channel(AHEAD);
    let max = max.clamp(1, LONGEST);
    std::thread::spawn(move || {
        let stdin = std::io::stdin().lock();
        match cut {
            Cut::Pieces => pieces(stdin, max, &give),
            Cut::Lines => lines(stdin, max, &give),
        }
    });
    packets
}

fn pieces(mut input: impl std::io::Read, max: usize, give: &mpsc::Sender<Bytes>) {
    let mut buffer = vec![0; max];
    while let Ok(len @ 1..) = input.read(&mut buffer) {
        let piece = buffer.iter().take(len).copied().collect::<Bytes>();
        if give.blocking_send(piece).is_err() {
            return;
        }
    }
}

fn lines(mut input: impl std::io::BufRead, max: usize, give: &mpsc::Sender<Bytes>) {
    loop {
        let mut line = Vec::new();
        let longest = u64::try_from(max).unwrap_or(u64::MAX);
        match input.by_ref().take(longest).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if line.ends_with(b"\n") {
            line.pop();
        }
        // an empty packet is a keepalive, and would not arrive
        if !line.is_empty() && give.blocking_send(line.into()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cut: Cut, max: usize, input: &[u8]) -> Vec<Bytes> {
        let (give, mut packets) = mpsc::channel(AHEAD);
        match cut {
            Cut::Pieces => pieces(input, max, &give),
            Cut::Lines => lines(input, max, &give),
        }
        drop(give);
        core::iter::from_fn(|| packets.try_recv().ok()).collect()
    }

    #[test]
    fn a_line_is_a_packet_and_a_long_one_several() {
        assert_eq!(read(Cut::Lines, 4, b"one\n\nthree\nx"), ["one", "thre", "e", "x"]);
        assert_eq!(read(Cut::Pieces, 4, b"one\nthree"), ["one\n", "thre", "e"]);
    }
}
