//! The bounded way from the driver to one handle.

use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use std::sync::Arc;

use tokio::sync::mpsc;

/// How many items are on their way to a handle.
///
/// What does not fit waits in the node, whose queues have their own bounds.
const ON_THE_WAY: usize = 8;

/// Wakes the driver: some outlet has room again, or lost its inbox.
pub(super) type Attention = mpsc::Sender<()>;

/// The handle's end. Dropping it tells the driver.
#[derive(Debug)]
pub(super) struct Inbox<T> {
    items: mpsc::Receiver<T>,
    stalled: Arc<AtomicBool>,
    attention: Attention,
}

/// The driver's end.
#[derive(Debug)]
pub(super) struct Outlet<T> {
    items: mpsc::Sender<T>,
    stalled: Arc<AtomicBool>,
}

pub(super) fn channel<T>(attention: &Attention) -> (Outlet<T>, Inbox<T>) {
    let (sender, receiver) = mpsc::channel(ON_THE_WAY);
    let stalled = Arc::new(AtomicBool::new(false));
    let outlet = Outlet {
        items: sender,
        stalled: Arc::clone(&stalled),
    };
    (
        outlet,
        Inbox {
            items: receiver,
            stalled,
            attention: attention.clone(),
        },
    )
}

impl<T> Inbox<T> {
    /// The next item; `None` when the driver is gone.
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn recv(&mut self) -> Option<T> {
        core::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let item = self.items.poll_recv(cx);
        if item.is_ready() && self.stalled.swap(false, Ordering::SeqCst) {
            // A full attention channel already wakes the driver.
            let _ = self.attention.try_send(());
        }
        item
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        self.items.close();
        let _ = self.attention.try_send(());
    }
}

impl<T> Outlet<T> {
    /// Room for one item.
    ///
    /// `None` when there is none, and then the driver is woken once there is.
    pub(super) fn room(&self) -> Option<mpsc::Permit<'_, T>> {
        self.items.try_reserve().ok().or_else(|| {
            self.stalled.store(true, Ordering::SeqCst);
            // The handle may have taken an item between the two: then nobody would wake us.
            self.items.try_reserve().ok()
        })
    }

    /// Whether the handle is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.items.is_closed()
    }
}
