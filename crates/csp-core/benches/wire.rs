//! What protecting a packet costs: checksum, authentication, and both on a packet of the peers' size.
//!
//! Run with `cargo xtask bench csp-core`. Figures are those of this machine; nothing asserts on time.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

use bytes::Bytes;
use csp_core::seal::Protection;
use csp_core::{Address, Flags, Header, Port, Version, crc, hmac};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

fn main() {
    divan::main();
}

/// Bytes of no pattern.
fn bytes(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[4])
        .collect()
}

#[divan::bench(args = [16, 256, 2042, 65_536])]
fn crc32c(bencher: Bencher<'_, '_>, len: usize) {
    let data = bytes(len);
    bencher
        .counter(BytesCount::new(len))
        .bench(|| crc::checksum(divan::black_box(&data)));
}

#[divan::bench(args = [16, 256, 2042])]
fn hmac_tag(bencher: Bencher<'_, '_>, len: usize) {
    let (key, data) = (hmac::Key::from_pass_phrase(b"key"), bytes(len));
    bencher
        .counter(BytesCount::new(len))
        .bench(|| key.tag(divan::black_box(&data)));
}

/// A full packet sealed, opened, and its payload given back.
#[divan::bench(args = [Flags::NONE, Flags::CRC32, Flags::HMAC, Flags::CRC32.with(Flags::HMAC)])]
fn seal_and_open(bencher: Bencher<'_, '_>, flags: Flags) {
    let key = hmac::Key::from_pass_phrase(b"key");
    let protection = Protection::new(Version::V2, &key);
    let port = Port::new(10).unwrap();
    let mut header = Header::new((Address::new(1).unwrap(), port), (Address::new(2).unwrap(), port));
    header.flags = flags;
    let payload = Bytes::from(bytes(248));
    bencher.counter(ItemsCount::new(1_u32)).bench(|| {
        let sealed = protection.seal(flags, payload.clone(), 0).unwrap();
        protection.open(&header, divan::black_box(sealed)).unwrap()
    });
}
