//! What nobody can do without: the reads, the writes, the walk over the lengths.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

const PIECE: usize = 256 << 10;

/// What every reader is asked to do with a payload.
pub(crate) fn touch(payload: &[u8]) -> u64 {
    payload.len() as u64 + u64::from(payload[0])
}

/// Reads in pieces and walks the lengths; control frames are passed over unread.
pub(crate) fn read(path: &Path) -> u64 {
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; 2 * PIECE];
    let (mut held, mut sum) = (0, 0);
    loop {
        let got = file.read(&mut buffer[held..held + PIECE]).unwrap();
        if got == 0 {
            return sum;
        }
        let mut rest = &buffer[..held + got];
        while let Some((len, body)) = length(rest) {
            let header = if len == 0 { 4 } else { 0 };
            let len = if len == 0 {
                length(body).map_or(usize::MAX, |(len, _)| len)
            } else {
                len
            };
            let Some(payload) = body.get(header..).and_then(|body| body.get(..len)) else {
                break;
            };
            if header == 0 {
                sum += touch(payload);
            }
            rest = &body[header + len..];
        }
        held = rest.len();
        let from = buffer.len().min(buffer_start(&buffer, rest));
        buffer.copy_within(from..from + held, 0);
    }
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*len) as usize, rest))
}

fn buffer_start(buffer: &[u8], rest: &[u8]) -> usize {
    rest.as_ptr() as usize - buffer.as_ptr() as usize
}

/// As many bytes as the frames have, in pieces.
pub(crate) fn write(path: &Path, size: usize, count: usize) {
    let mut file = File::create(path).unwrap();
    let piece = vec![b'x'; PIECE];
    let mut left = (size + 4) * count;
    while left > 0 {
        let len = left.min(PIECE);
        file.write_all(&piece[..len]).unwrap();
        left -= len;
    }
}
