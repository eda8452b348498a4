//! One message on its way, whoever does the work.

use core::future::poll_fn;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;
use can_link::Link;
use can_link::link::CanLink;
use futures_core::Stream;

use crate::error::TransferError;
use crate::event::{SendState, TransferId};
use crate::isotpserver::Client;
#[cfg(all(feature = "linux", target_os = "linux"))]
use crate::kernel::KernelSending;
use crate::stream::{Sending, StreamError};

/// A message that was started, as a stream of [`SendState`]s that ends behind `Done` or an error; from
/// [`IsoTp::start`](super::IsoTp::start).
///
/// Whoever looks seldom sees the latest state, not all. The kernel tells no progress, a server nothing
/// but that the connection has taken the message. When this is dropped, a message that is still `Queued`
/// behind another one is not sent; otherwise it goes on.
#[derive(Debug)]
pub struct IsoTpSending<'a, L = Link> {
    worker: Inner<'a, L>,
}

#[derive(Debug)]
enum Inner<'a, L> {
    User(Sending<'a, L>),
    #[cfg(all(feature = "linux", target_os = "linux"))]
    Kernel(KernelSending<'a>),
    Server(ServerSending<'a>),
}

/// A message on its way to a server, which tells nothing but that it was taken.
#[derive(Debug)]
struct ServerSending<'a> {
    client: &'a mut Client,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// `Queued` was told or not.
    Waiting { message: Bytes, told: bool },
    /// It is being handed over.
    Given,
    /// It failed, and that is not told yet.
    Failed(StreamError),
    /// Its end was told.
    Over,
}

impl ServerSending<'_> {
    fn abort(&mut self) -> bool {
        let Step::Waiting { message, .. } = &self.step else {
            return false;
        };
        self.step = Step::Failed(StreamError::SendFailed {
            id: TransferId::default(),
            error: TransferError::Aborted,
            sent: Some(0),
            len: u32::try_from(message.len()).unwrap_or(u32::MAX),
            cause: None,
        });
        true
    }

    fn poll_state(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<SendState, StreamError>>> {
        loop {
            let client = &mut *self.client;
            match &mut self.step {
                Step::Waiting { told, .. } if !*told => {
                    *told = true;
                    return Poll::Ready(Some(Ok(SendState::Queued)));
                }
                Step::Waiting { message, .. } => {
                    let free = ready!(client.poll_free(cx));
                    let given = free.and_then(|()| client.give(mem::take(message)));
                    self.step = given.map_or_else(Step::Failed, |()| Step::Given);
                }
                Step::Given => match ready!(client.poll_given(cx)) {
                    Ok(()) => {
                        self.step = Step::Over;
                        return Poll::Ready(Some(Ok(SendState::Done)));
                    }
                    Err(error) => self.step = Step::Failed(error),
                },
                Step::Failed(_) | Step::Over => {
                    return Poll::Ready(match mem::replace(&mut self.step, Step::Over) {
                        Step::Failed(error) => Some(Err(error)),
                        _ => None,
                    });
                }
            }
        }
    }
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

    pub(super) fn server(client: &'a mut Client, message: Result<Bytes, StreamError>) -> Self {
        let step = match message {
            Ok(message) => Step::Waiting { message, told: false },
            Err(error) => Step::Failed(error),
        };
        Self {
            worker: Inner::Server(ServerSending { client, step }),
        }
    }

    /// The message's number; `None` while it waits for the message before it, or was refused, and with a
    /// server.
    #[must_use]
    pub const fn id(&self) -> Option<TransferId> {
        match &self.worker {
            Inner::User(sending) => sending.id(),
            #[cfg(all(feature = "linux", target_os = "linux"))]
            Inner::Kernel(sending) => sending.id(),
            Inner::Server(_) => None,
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
            Inner::Server(sending) => sending.abort(),
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
            Inner::Server(mut sending) => {
                while let Some(state) = poll_fn(|cx| sending.poll_state(cx)).await {
                    state?;
                }
                Ok(())
            }
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
            Inner::Server(sending) => sending.poll_state(cx),
        }
    }
}
