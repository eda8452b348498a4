//! What a long message takes of memory; alone in its process, for that is what is measured.
#![cfg(all(feature = "alloc", target_os = "linux"))]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use can_link::{CanFrame, StandardId};
use isotp::payload::{FromIter, Outgoing};
use isotp::{Address, Config, DataLink, Event, SourceChannel};
use tinwire_time::Instant;

/// The most memory that this process ever had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

#[test]
fn a_message_of_100_megabytes_is_never_in_memory() {
    const LEN: usize = 100_000_000;
    let (us, them) = (StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap());
    let address = Address::normal(us, them).unwrap();
    let before = peak();
    let mut channel = SourceChannel::new(address, Config::default().data_link(DataLink::fd()));
    let now = Instant::ZERO;
    let bytes = (0..=u8::MAX).cycle();
    let id = channel
        .send(now, Outgoing::from_source(FromIter::new(LEN, bytes)))
        .unwrap();
    let head = channel.poll_transmit(now).unwrap();
    channel.handle_transmitted(now, &head);
    channel.handle_frame(now, &CanFrame::data(them, &[0x30, 0, 0]).unwrap());
    let mut sent = false;
    let mut len = head.payload().len() - 6;
    while let Some(frame) = channel.poll_transmit(now) {
        // The last byte of a full frame tells that no byte was left out or doubled.
        len += frame.payload().len() - 1;
        if len <= LEN {
            assert_eq!(usize::from(*frame.payload().last().unwrap()), (len - 1) % 256);
        }
        channel.handle_transmitted(now, &frame);
        while let Some(event) = channel.poll_event() {
            sent |= event == Event::Sent { id };
        }
    }
    assert!(sent && len >= LEN);
    let grown = peak() - before;
    assert!(grown < 10_000_000, "{grown} bytes more");
}
