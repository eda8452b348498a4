//! The separation time between the frames of a stream, by the time stamps of a third node.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use core::time::Duration;

use bytes::Bytes;
use can_link::virtual_bus::VirtualPort;
use can_link::{CanRxExt as _, Event, StandardId, VirtualBus};
use isotp::{Address, BlockSize, Config, IsoTpStream, Pci, Prefix, StMin};

/// Consecutive frames of a message.
const FRAMES: usize = 12;

/// When the consecutive frames of one message were on the bus.
async fn moments(mut watcher: VirtualPort) -> Vec<std::time::Instant> {
    let mut moments = Vec::new();
    while moments.len() < FRAMES {
        let Event::Frame(received) = watcher.recv().await.unwrap().unwrap() else {
            continue;
        };
        let decoded = Pci::decode(received.frame.payload(), Prefix::None);
        if let Ok((Pci::ConsecutiveFrame { .. }, _)) = decoded {
            moments.push(received.time.monotonic);
        }
    }
    moments
}

#[tokio::test(start_paused = true)]
async fn no_gap_is_shorter_than_the_separation_time_whatever_it_is() {
    for bits in (0..=0x7F).chain(0xF1..=0xF9) {
        let st_min = StMin::from_bits(bits).unwrap();
        for block_size in [0, 5] {
            let bus = VirtualBus::new();
            let id = |raw| StandardId::new(raw).unwrap();
            let address = Address::normal(id(0x7E0), id(0x7E8)).unwrap();
            let receiver = Config::default()
                .st_min(st_min)
                .block_size(BlockSize::from_bits(block_size));
            let mut a = IsoTpStream::new(bus.join(), address, Config::default()).unwrap();
            let mut b = IsoTpStream::new(bus.join(), address.reversed(), receiver).unwrap();
            let watcher = bus.join();
            let message = Bytes::from(vec![0; 6 + 7 * FRAMES]);
            let (sent, received, moments) = tokio::join!(a.send(message.clone()), b.recv(), moments(watcher));
            sent.unwrap();
            assert_eq!(received.unwrap().unwrap(), message);
            for (at, pair) in (1..).zip(moments.windows(2)) {
                let gap = pair.last().unwrap().duration_since(*pair.first().unwrap());
                // The first frame of a block answers the flow control, and no frame comes late: the clock
                // stands while there is something to do, and tokio's timers have steps of a millisecond.
                let is_first = block_size > 0 && at % usize::from(block_size) == 0;
                let least = if is_first { Duration::ZERO } else { st_min.gap() };
                assert!(
                    gap >= least,
                    "{st_min:?}, BS {block_size}: {gap:?} before frame {at}"
                );
                assert!(
                    gap <= st_min.gap() + Duration::from_millis(1),
                    "{st_min:?}: {gap:?}"
                );
            }
        }
    }
}
