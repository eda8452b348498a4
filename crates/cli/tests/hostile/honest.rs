//! The sender that does as it should.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use fstrm_codec::file::Sequences;
use fstrm_codec::{Config, FileReader};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::collector::{TYPE, connect};

/// Frames of a round.
pub(crate) const FRAMES: u64 = 15_000;
/// What an honest payload begins with; its number follows.
const MARK: &[u8] = b"honest frame ";
const PAYLOAD_LEN: usize = 256;

const STOP: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x03";
const FINISH: &[u8] = b"\0\0\0\0\0\0\0\x04\0\0\0\x05";

/// A control frame that names the type.
fn control(kind: u8) -> Vec<u8> {
    let len = u8::try_from(TYPE.len()).unwrap();
    let head = [
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        12 + len,
        0,
        0,
        0,
        kind,
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        len,
    ];
    [&head, TYPE.as_bytes()].concat()
}

pub(crate) fn ready() -> Vec<u8> {
    control(4)
}

pub(crate) fn start() -> Vec<u8> {
    control(2)
}

/// Frames of these numbers.
pub(crate) fn frames(numbers: core::ops::Range<u64>) -> Vec<u8> {
    let mut wire = Vec::new();
    for number in numbers {
        let mut payload = [MARK, &number.to_be_bytes()].concat();
        payload.resize(PAYLOAD_LEN, 7);
        wire.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
        wire.extend(payload);
    }
    wire
}

/// Sends a round of numbered frames from `first` on and waits for FINISH; frames a second.
pub(crate) async fn round(path: &Path, first: u64) -> f64 {
    let begin = Instant::now();
    let mut stream = connect(path).await;
    stream.write_all(&[ready(), start()].concat()).await.unwrap();
    let mut next = first;
    while next < first + FRAMES {
        let end = (next + 200).min(first + FRAMES);
        stream.write_all(&frames(next..end)).await.unwrap();
        next = end;
    }
    finish(stream).await;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let speed = FRAMES as f64 / begin.elapsed().as_secs_f64();
    speed
}

/// Ends a stream, and sees that all of it is where it should be.
pub(crate) async fn finish(mut stream: UnixStream) {
    stream.write_all(STOP).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(FINISH));
}

/// The numbers of the honest frames in the file, in order.
pub(crate) fn numbers(path: &Path) -> Vec<u64> {
    let reader = FileReader::new(File::open(path).unwrap(), Config::new()).unwrap();
    let mut reader = reader.sequences(Sequences::Concatenated);
    let mut numbers = Vec::new();
    while let Some(payload) = reader.next_frame().unwrap() {
        if let Some(rest) = payload.strip_prefix(MARK) {
            numbers.push(u64::from_be_bytes(rest[..8].try_into().unwrap()));
        }
    }
    numbers
}
