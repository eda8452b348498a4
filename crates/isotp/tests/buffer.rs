//! A buffer that the caller supplies, against the length of what arrives.
#![cfg(feature = "alloc")]
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use bytes::Bytes;
use can_link::StandardId;
use isotp::{Address, BytesChannel, Config, SliceBuffer};
use proptest::prelude::*;
use tinwire_time::Instant;

fn address() -> Address {
    let id = |raw| StandardId::new(raw).unwrap();
    Address::normal(id(0x7E0), id(0x7E8)).unwrap()
}

proptest! {
    #[test]
    fn a_fixed_buffer_receives_what_fits_and_refuses_what_does_not(len in 8..200usize, room in 1..200usize) {
        let mut memory = vec![0; room];
        let buffer = SliceBuffer::new(&mut memory);
        let mut channel: isotp::Channel<&[u8], _> =
            isotp::Channel::with_buffer(address().reversed(), Config::default(), buffer);
        let mut sender = BytesChannel::new(address(), Config::default());
        let payload: Bytes = (0..len).map(|i| u8::try_from(i).unwrap()).collect();
        let now = Instant::ZERO;
        sender.send(now, payload.clone()).unwrap();
        loop {
            let mut quiet = true;
            while let Some(frame) = sender.poll_transmit(now) {
                quiet = false;
                sender.handle_transmitted(now, &frame);
                channel.handle_frame(now, &frame);
            }
            while let Some(frame) = channel.poll_transmit(now) {
                quiet = false;
                channel.handle_transmitted(now, &frame);
                sender.handle_frame(now, &frame);
            }
            if quiet {
                break;
            }
        }
        let received = channel.received().map(|(_, message)| message);
        prop_assert_eq!(received, (len <= room).then_some(&payload[..]));
        prop_assert_eq!(channel.stats().messages_refused, u64::from(len > room));
    }
}
