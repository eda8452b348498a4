//! A third node on the bus, which sees what the other two do.

use core::time::Duration;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use can_link::link::Received;
use can_link::{CanFrame, CanRxExt};
use isotp::{Address, FlowStatus, Pci};
use tokio::task::JoinHandle;

use super::{Bus, soon};

/// Whose messages are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Us,
    Peer,
}

#[derive(Debug)]
pub(crate) struct Watch {
    address: Address,
    sender: Sender,
    seen: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

/// When the frames of a transfer were on the bus.
#[derive(Debug, Default)]
pub(crate) struct Transfer {
    pub(crate) controls: Vec<(SystemTime, FlowStatus)>,
    pub(crate) consecutive: Vec<SystemTime>,
    /// How many bytes the shortest of its frames and flow controls had.
    pub(crate) shortest: usize,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    /// Sees what `sender` sends, and the flow controls for it; `address` is ours.
    #[expect(clippy::disallowed_methods, reason = "an observer has a task of its own")]
    pub(crate) async fn start(bus: &Bus, address: Address, sender: Sender) -> Self {
        let mut link = bus.join().await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let store = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok(Some(received)) = link.recv_frame().await {
                store.lock().unwrap().push(received);
            }
        });
        Self {
            address,
            sender,
            seen,
            task,
        }
    }

    /// The last transfer, once it has this many consecutive frames.
    pub(crate) async fn transfer(&self, count: usize) -> Transfer {
        soon("the frames of a transfer", async {
            loop {
                let transfer = self.so_far();
                if transfer.consecutive.len() >= count {
                    return transfer;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
    }

    /// How often the receiver has said this in the last transfer.
    pub(crate) fn count(&self, status: FlowStatus) -> usize {
        let controls = self.so_far().controls;
        controls.iter().filter(|(_, said)| *said == status).count()
    }

    fn so_far(&self) -> Transfer {
        let mut transfer = Transfer::default();
        for received in self.seen.lock().unwrap().iter() {
            let (frame, at) = (&received.frame, received.time.host);
            let (from_us, from_peer) = self.pci(frame);
            let (data, control) = match self.sender {
                Sender::Us => (from_us, from_peer),
                Sender::Peer => (from_peer, from_us),
            };
            match (data, control) {
                (Some(Pci::FirstFrame { .. }), _) => {
                    transfer = Transfer {
                        shortest: usize::MAX,
                        ..Transfer::default()
                    };
                }
                (Some(Pci::ConsecutiveFrame { .. }), _) => transfer.consecutive.push(at),
                (_, Some(Pci::FlowControl(control))) => transfer.controls.push((at, control.status)),
                _ => continue,
            }
            transfer.shortest = transfer.shortest.min(frame.payload().len());
        }
        transfer
    }

    fn pci(&self, frame: &CanFrame) -> (Option<Pci>, Option<Pci>) {
        let (tx, rx) = (self.address.tx(), self.address.rx());
        let decode = |matched: Option<(_, &[u8])>, prefix| {
            let (_, rest) = matched?;
            Pci::decode(rest, prefix).ok().map(|(pci, _)| pci)
        };
        (
            decode(tx.matches(frame), tx.prefix()),
            decode(rx.matches(frame), rx.prefix()),
        )
    }
}

impl Transfer {
    /// From the first flow control to the last frame.
    pub(crate) fn duration(&self) -> Duration {
        let first = self.controls.first().map(|(at, _)| *at);
        let last = self.consecutive.last();
        let duration = first.zip(last).map(|(first, last)| last.duration_since(first));
        duration.and_then(Result::ok).unwrap_or_default()
    }
}
