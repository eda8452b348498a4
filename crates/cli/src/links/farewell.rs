//! Links are closed in good order before the process ends.
//!
//! A link may be owned by a task that ends at its own time, as the interface of a CSP node is, and this
//! process may host a bus that others are on. So a link that is dropped is not gone yet: it comes here, and
//! the end of the command waits until it has handed on what it took.

use core::task::{Context, Poll};
use core::time::Duration;

use can_link::link::{
    CanRx, CanTx, CanTxExt as _, Capabilities, EventBuf, FilterPlace, Link, LinkError, SendError,
};
use can_link::{CanFrame, FilterSet};
use tokio::sync::mpsc;

use super::AnyLink;

/// How long all links together may take to close.
const LIMIT: Duration = Duration::from_secs(2);

/// Where dropped links go.
#[derive(Clone, Debug)]
pub(crate) struct Door(mpsc::UnboundedSender<Link>);

/// Waits for links at the door. There are never more of them than the command has opened.
#[derive(Debug)]
pub(crate) struct Farewell(mpsc::UnboundedReceiver<Link>);

pub(crate) fn farewell() -> (Door, Farewell) {
    let (door, farewell) = mpsc::unbounded_channel();
    (Door(door), Farewell(farewell))
}

impl Door {
    /// The link, which will come here when it is dropped.
    pub(super) fn watch(&self, link: Link) -> AnyLink {
        Box::new(Watched {
            link: Some(link),
            door: self.clone(),
        })
    }
}

impl Farewell {
    /// Closes links until the last one is gone. Every [`Door`] has to be dropped by then, or the limit
    /// passes.
    pub(crate) async fn close(mut self) {
        let all = async {
            while let Some(link) = self.0.recv().await {
                // Without its receiving half a port leaves: one that hosts a bus hands it over.
                let (rx, mut tx) = link.split();
                drop(rx);
                // Nobody is left to do anything about it, and what was lost is counted elsewhere.
                let _ = tx.close().await;
            }
        };
        // A link that cannot be closed in time is dropped for good.
        let _ = tokio::time::timeout(LIMIT, all).await;
    }
}

struct Watched {
    /// Taken only when it is dropped.
    link: Option<Link>,
    door: Door,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            // Without anybody at the door the link is dropped here.
            let _ = self.door.0.send(link);
        }
    }
}

impl CanRx for Watched {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        match &mut self.link {
            Some(link) => link.poll_recv(cx, out, max),
            None => Poll::Ready(Err(LinkError::Closed)),
        }
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        self.link
            .as_mut()
            .map_or(Err(LinkError::Closed), |link| link.set_filters(filters))
    }

    fn capabilities(&self) -> Capabilities {
        self.link
            .as_ref()
            .map_or_else(Capabilities::default, |link| link.capabilities())
    }
}

impl CanTx for Watched {
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &[CanFrame]) -> Poll<Result<usize, SendError>> {
        match &mut self.link {
            Some(link) => link.poll_send(cx, frames),
            None => Poll::Ready(Err(SendError::Closed)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        match &mut self.link {
            Some(link) => link.poll_flush(cx),
            None => Poll::Ready(Err(SendError::Closed)),
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        match &mut self.link {
            Some(link) => link.poll_close(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use can_link::virtual_bus::{BitRate, BusConfig};
    use can_link::{CanRxExt as _, StandardId, VirtualBus};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_a_dropped_link_has_taken_still_goes_out() {
        let rate = BitRate::new(10_000).unwrap();
        let bus = VirtualBus::with_config(BusConfig::default().bit_rate(rate));
        let mut listener = bus.join();
        let (door, farewell) = farewell();
        let mut link = door.watch(bus.join().into_link());
        let frame = CanFrame::data(StandardId::ZERO, &[1; 8]).unwrap();
        for _ in 0..3 {
            link.send(frame.clone()).await.unwrap();
        }
        drop((link, door));
        farewell.close().await;
        for _ in 0..3 {
            listener.recv_frame().await.unwrap().unwrap();
        }
        assert_eq!(bus.stats().lost_in_queue, 0);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_bus_that_was_hosted_is_left_and_not_only_closed() {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
        let config = can_link::local_bus::BusConfig::default().directory(directory.path());
        let port = can_link::local_bus::join("x", config).await.unwrap();
        let socket = directory.path().join("x.bus");
        assert!(socket.exists(), "it hosts");
        let (door, farewell) = farewell();
        drop(door.watch(port.into_link()));
        drop(door);
        farewell.close().await;
        assert!(!socket.exists());
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_in_another_task_is_waited_for() {
        let bus = VirtualBus::new();
        let (door, farewell) = farewell();
        let link = door.watch(bus.join().into_link());
        drop(door);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(link);
        });
        let start = tokio::time::Instant::now();
        farewell.close().await;
        assert_eq!(start.elapsed(), Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_ends_does_not_hold_the_command() {
        let (_door, farewell) = farewell();
        let start = tokio::time::Instant::now();
        farewell.close().await;
        assert_eq!(start.elapsed(), LIMIT);
    }
}
