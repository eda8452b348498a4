//! One message on its way through the kernel, as the states it goes through.

use core::future::poll_fn;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use super::KernelIsoTp;
use crate::address::Target;
use crate::error::TransferError;
use crate::event::{SendState, TransferId};
use crate::stream::StreamError;

/// A message that was started, as a stream of [`SendState`]s that ends behind `Done` or an error; from
/// [`KernelIsoTp::start`].
///
/// The kernel tells two things of a long message: that its first frame was handed to the interface, which is
/// [`SendState::Started`], and its end. When this is dropped, a message that is still `Queued` is not sent;
/// otherwise it goes on, and its failure is told by the [`Sink`](futures_sink::Sink) side.
#[derive(Debug)]
#[must_use = "the message waits until this is polled"]
pub struct KernelSending<'a> {
    socket: &'a mut KernelIsoTp,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// It was given to us; `Queued` was told or not.
    Waiting {
        message: Bytes,
        target: Target,
        told: bool,
    },
    /// The kernel has it, and it is longer than one frame.
    Begun,
    /// The kernel has it, and `Started` needs not be told.
    UnderWay,
    /// It failed, and that is not told yet.
    Failed(StreamError),
    /// Its end was told.
    Over,
}

impl<'a> KernelSending<'a> {
    pub(super) const fn new(socket: &'a mut KernelIsoTp, message: Bytes, target: Target) -> Self {
        let step = Step::Waiting {
            message,
            target,
            told: false,
        };
        Self { socket, step }
    }

    /// One that failed before the kernel was asked.
    pub(super) const fn failed(socket: &'a mut KernelIsoTp, failure: StreamError) -> Self {
        let step = Step::Failed(failure);
        Self { socket, step }
    }

    /// The message's number; `None` while the kernel has not taken it, and when it is over.
    #[must_use]
    pub const fn id(&self) -> Option<TransferId> {
        match &self.step {
            Step::Begun | Step::UnderWay => Some(self.socket.id),
            _ => None,
        }
    }

    /// Ends the message as failed while it waits, and tells whether that was possible: what the kernel has
    /// begun it ends.
    pub fn abort(&mut self) -> bool {
        let Step::Waiting { message, .. } = &self.step else {
            return false;
        };
        self.step = Step::Failed(aborted(message));
        true
    }

    /// Waits until the last frame is out.
    ///
    /// # Errors
    /// When the message cannot be sent, or failed on the way.
    ///
    /// # Cancel safety
    /// As dropping the `KernelSending` itself.
    pub async fn done(mut self) -> Result<(), StreamError> {
        while let Some(state) = poll_fn(|cx| self.poll_state(cx)).await {
            state?;
        }
        Ok(())
    }

    fn poll_state(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<SendState, StreamError>>> {
        loop {
            match &mut self.step {
                Step::Waiting { told, .. } if !*told => {
                    *told = true;
                    return Poll::Ready(Some(Ok(SendState::Queued)));
                }
                Step::Waiting { message, target, .. } => {
                    let several = message.len() > self.socket.physical.single_frame_len();
                    self.step = match ready!(self.socket.poll_given(cx, *target, message)) {
                        Ok(()) if several => Step::Begun,
                        Ok(()) => Step::UnderWay,
                        Err(error) => Step::Failed(error),
                    };
                }
                Step::Begun => {
                    self.step = Step::UnderWay;
                    return Poll::Ready(Some(Ok(SendState::Started)));
                }
                Step::UnderWay => match ready!(self.socket.poll_idle(cx)) {
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

impl Drop for KernelSending<'_> {
    fn drop(&mut self) {
        if let Step::Waiting { target, .. } = self.step
            && let Some(socket) = self.socket.socket(target)
        {
            socket.give_up_send();
        }
    }
}

impl Stream for KernelSending<'_> {
    type Item = Result<SendState, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_state(cx)
    }
}

/// The failure of a message that the kernel was not given.
pub(super) fn aborted(message: &Bytes) -> StreamError {
    StreamError::SendFailed {
        id: TransferId::default(),
        error: TransferError::Aborted,
        sent: Some(0),
        len: u32::try_from(message.len()).unwrap_or(u32::MAX),
        cause: None,
    }
}
