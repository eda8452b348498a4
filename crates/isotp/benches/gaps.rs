//! How well a sender keeps the separation time, in real time on the virtual bus.
//!
//! Run with `cargo xtask bench isotp`. A third port watches: its time stamps are those of the moments at
//! which frames were sent.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]
#![allow(missing_docs, reason = "benchmarks are not an interface")]

mod report;

use core::time::Duration;
use std::env;

use can_link::virtual_bus::VirtualPort;
use can_link::{CanRxExt as _, Event, EventBuf, StandardId, VirtualBus};
use isotp::{Address, Config, IsoTpStream, Pci, Prefix, StMin};
use report::Gaps;

fn main() {
    if env::args()
        .skip(1)
        .any(|word| !word.starts_with('-') && !"gaps".contains(&*word))
    {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for (micros, frames) in [(0, 3000), (100, 3000), (500, 2000), (1_000, 1000), (10_000, 200)] {
        println!(
            "{}",
            runtime.block_on(measure(Duration::from_micros(micros), frames))
        );
    }
}

async fn measure(asked: Duration, frames: usize) -> Gaps {
    let bus = VirtualBus::new();
    let id = |raw| StandardId::new(raw).unwrap();
    let address = Address::normal(id(0x7E0), id(0x7E8)).unwrap();
    let receiver = Config::default()
        .max_rx_len(1 << 20)
        .st_min(StMin::at_least(asked));
    let mut a = IsoTpStream::new(bus.join(), address, Config::default()).unwrap();
    let mut b = IsoTpStream::new(bus.join(), address.reversed(), receiver).unwrap();
    let watcher = bus.join();
    let message = vec![0; 6 + 7 * frames];
    let (sent, received, gaps) = tokio::join!(a.send(message), b.recv(), watch(watcher, asked, frames));
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap().len(), 6 + 7 * frames);
    gaps
}

async fn watch(mut port: VirtualPort, asked: Duration, frames: usize) -> Gaps {
    let mut gaps = Gaps::new(asked);
    let mut before = None;
    let mut events = EventBuf::new();
    let mut seen = 0;
    while seen < frames {
        port.recv_many(&mut events, 64).await.unwrap();
        for event in events.drain(..) {
            let Event::Frame(received) = event else { continue };
            let decoded = Pci::decode(received.frame.payload(), Prefix::None);
            if let Ok((Pci::ConsecutiveFrame { .. }, _)) = decoded {
                let now = received.time.monotonic;
                if let Some(before) = before.replace(now) {
                    gaps.add(now.duration_since(before));
                }
                seen += 1;
            }
        }
    }
    gaps
}
