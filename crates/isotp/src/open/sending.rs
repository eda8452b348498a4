//! One message on its way, whoever does the work.

use core::pin::Pin;
use core::task::{Context, Poll};

use can_link::Link;
use can_link::link::CanLink;
use futures_core::Stream;

use crate::event::{SendState, TransferId};
#[cfg(all(feature = "linux", target_os = "linux"))]
use crate::kernel::KernelSending;
use crate::stream::{Sending, StreamError};

/// A message that was started, as a stream of [`SendState`]s that ends behind `Done` or an error; from
/// [`IsoTp::start`](super::IsoTp::start).
///
/// Whoever looks seldom sees the latest state, not all. The kernel tells no progress. When this is dropped, a
/// message that is still `Queued` behind another one is not sent; otherwise it goes on.
#[derive(Debug)]
pub struct IsoTpSending<'a, L = Link> {
    worker: Inner<'a, L>,
}

#[derive(Debug)]
enum Inner<'a, L> {
    User(Sending<'a, L>),
    #[cfg(all(feature = "linux", target_os = "linux"))]
    Kernel(KernelSending<'a>),
}

impl<'a, L: CanLink> IsoTpSending<'a, L> {
    pub(super) const fn user(sending: Sending<'a, L>) -> Self {
        let worker = Inner::User(sending);
        Self { worker }
    }

    #[cfg(all(feature = "linux", target_os = "linux"))]
    pub(super) const fn kernel(sending: KernelSending<'a>) -> Self {
        let worker = Inner::Kernel(sending);
        Self { worker }
    }

    /// The message's number; `None` while it waits for the message before it, or was refused.
    #[must_use]
    pub const fn id(&self) -> Option<TransferId> {
        match &self.worker {
            Inner::User(sending) => sending.id(),
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Inner::Kernel(sending) => sending.id(),
        }
    }

    /// Ends the message as failed, and tells whether that was possible: what the kernel has begun it ends.
    ///
    /// Nothing tells the receiver; it notices by its N_Cr.
    pub fn abort(&mut self) -> bool {
        match &mut self.worker {
            Inner::User(sending) => {
                sending.abort();
                true
            }
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Inner::Kernel(sending) => sending.abort(),
        }
    }

    /// Waits until the message is through.
    ///
    /// # Errors
    /// When the message cannot be sent, or failed on the way.
    ///
    /// # Cancel safety
    /// As dropping the `IsoTpSending` itself.
    pub async fn done(self) -> Result<(), StreamError> {
        match self.worker {
            Inner::User(sending) => sending.done().await,
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Inner::Kernel(sending) => sending.done().await,
        }
    }
}

impl<L: CanLink> Stream for IsoTpSending<'_, L> {
    type Item = Result<SendState, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.worker {
            Inner::User(sending) => Pin::new(sending).poll_next(cx),
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Inner::Kernel(sending) => Pin::new(sending).poll_next(cx),
        }
    }
}
