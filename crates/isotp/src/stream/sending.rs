//! One message on its way, as the states it goes through.

use core::fmt;
use core::future::poll_fn;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use can_link::LinkError;
use can_link::link::CanLink;
use futures_core::Stream;

use super::IsoTpStream;
use super::error::StreamError;
use super::wakers::Half;
use crate::address::Target;
use crate::error::{SendError, TransferError};
use crate::event::{Event, SendState, TransferId};
use crate::payload::{Outgoing, Payload as _};

/// A message that was started, as a stream of [`SendState`]s that ends behind `Done` or an error.
///
/// Whoever looks seldom sees the latest state, not all. It borrows the [`IsoTpStream`] and moves it as any
/// other use of it does. When this is dropped, a message that is still `Queued` behind another one is not
/// sent; otherwise it goes on, and its end is an event of the stream.
///
/// # Examples
/// ```
/// use can_link::StandardId;
/// use can_link::virtual_bus::VirtualBus;
/// use futures::TryStreamExt as _;
/// use isotp::{Address, Config, IsoTpStream, SendState};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let bus = VirtualBus::new();
/// # let ids = (StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap());
/// # let address = Address::normal(ids.0, ids.1)?;
/// # let mut ecu = IsoTpStream::new(bus.join(), address.reversed(), Config::default())?;
/// # let mut tester = IsoTpStream::new(bus.join(), address, Config::default())?;
/// let uploading = async {
///     let mut sending = tester.start(vec![0x36; 4000]);
///     while let Some(state) = sending.try_next().await? {
///         if let SendState::Progress { sent, len } = state {
///             eprintln!("{sent} of {len} bytes");
///         }
///     }
///     Ok::<_, isotp::StreamError>(())
/// };
/// # let (uploaded, received) = tokio::join!(uploading, ecu.recv());
/// # uploaded?;
/// # assert_eq!(received.unwrap()?.len(), 4000);
/// # Ok(()) }
/// ```
pub struct Sending<'a, L> {
    stream: &'a mut IsoTpStream<L>,
    step: Step,
    told: Option<SendState>,
}

#[derive(Debug)]
enum Step {
    /// Another message is under way.
    Waiting { message: Outgoing, target: Target },
    /// The channel has it; its fate comes to [`IsoTpStream::tracked`].
    Given(TransferId),
    /// It ended, and that is not told yet.
    Ended(Result<(), StreamError>),
    /// Its end was told.
    Over(Fate),
}

/// How a message ended whose end was told already.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Done,
    Refused(SendError),
    Failed {
        id: TransferId,
        error: TransferError,
        sent: Option<u32>,
        len: u32,
    },
    LinkLost,
}

/// What the handle of the message under way has to be told.
#[derive(Debug)]
pub(super) struct Tracked {
    id: TransferId,
    state: SendState,
    failure: Option<StreamError>,
}

impl Tracked {
    /// Takes note of an event, if it is of its message.
    pub(super) fn note(&mut self, event: &Event) {
        self.state = match *event {
            Event::FirstFrameSent { id } if id == self.id => SendState::Started,
            Event::Progress { id, sent, len } if id == self.id => SendState::Progress { sent, len },
            Event::Sent { id } if id == self.id => SendState::Done,
            _ => return,
        };
    }

    /// Keeps the failure of its message; gives that of another one back.
    pub(super) fn fail(&mut self, id: TransferId, failure: StreamError) -> Option<StreamError> {
        if id != self.id {
            return Some(failure);
        }
        self.failure = Some(failure);
        None
    }
}

impl<'a, L: CanLink> Sending<'a, L> {
    pub(super) fn new(stream: &'a mut IsoTpStream<L>, message: Outgoing, target: Target) -> Self {
        let mut sending = Self {
            stream,
            step: Step::Waiting { message, target },
            told: None,
        };
        sending.give();
        sending
    }

    /// Hands the message to the channel, if that is free.
    fn give(&mut self) {
        let Step::Waiting { message, target } = &self.step else {
            return;
        };
        let stream = &mut *self.stream;
        let len = message.message_len();
        let checked = stream.channel.check(len, *target);
        if !stream.ended && checked == Err(SendError::Busy) {
            return;
        }
        let before = mem::replace(&mut self.step, Step::Over(Fate::LinkLost));
        let Step::Waiting { message, target } = before else {
            return;
        };
        let given = if stream.ended {
            Err(LinkError::Closed.into())
        } else {
            let given = stream.channel.send_to(stream.now, message, target);
            given.map_err(StreamError::from)
        };
        self.step = match given {
            Ok(id) => {
                stream.note_given(len);
                let state = SendState::Queued;
                let failure = None;
                stream.tracked = Some(Tracked { id, state, failure });
                Step::Given(id)
            }
            Err(error) => Step::Ended(Err(error)),
        };
    }

    /// The message's number; `None` while it waits for the message before it, or was refused.
    #[must_use]
    pub const fn id(&self) -> Option<TransferId> {
        match &self.step {
            Step::Given(id) | Step::Over(Fate::Failed { id, .. }) => Some(*id),
            _ => None,
        }
    }

    /// Ends the message as failed, unless it is through; the stream of states then ends with that error.
    ///
    /// Nothing tells the receiver; it notices by its N_Cr.
    pub fn abort(&mut self) {
        match &self.step {
            Step::Waiting { message, .. } => {
                let len = u32::try_from(message.message_len()).unwrap_or(u32::MAX);
                self.step = Step::Ended(Err(StreamError::SendFailed {
                    id: TransferId::default(),
                    error: TransferError::Aborted,
                    sent: Some(0),
                    len,
                    cause: None,
                }));
            }
            Step::Given(_) => _ = self.stream.abort_send(),
            Step::Ended(_) | Step::Over(_) => {}
        }
    }

    /// Waits until every frame is confirmed.
    ///
    /// # Errors
    /// When the message cannot be sent, or failed on the way.
    ///
    /// # Cancel safety
    /// As dropping the `Sending` itself.
    pub async fn done(mut self) -> Result<(), StreamError> {
        while let Some(state) = poll_fn(|cx| self.poll_state(cx)).await {
            state?;
        }
        match self.step {
            Step::Over(fate) => fate.again(),
            _ => Ok(()),
        }
    }

    fn poll_state(&mut self, cx: &Context<'_>) -> Poll<Option<Result<SendState, StreamError>>> {
        if self.told.is_none() && matches!(self.step, Step::Waiting { .. } | Step::Given(_)) {
            self.told = Some(SendState::Queued);
            return Poll::Ready(Some(Ok(SendState::Queued)));
        }
        if let Step::Waiting { .. } = self.step {
            self.stream.drive(Half::Writer, cx);
            self.give();
        }
        if let Step::Given(id) = self.step {
            self.stream.drive(Half::Writer, cx);
            match self.poll_given(id) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(state)) => {
                    self.told = Some(state);
                    return Poll::Ready(Some(Ok(state)));
                }
                Poll::Ready(None) => {}
            }
        }
        match mem::replace(&mut self.step, Step::Over(Fate::Done)) {
            Step::Ended(Ok(())) => Poll::Ready(Some(Ok(SendState::Done))),
            Step::Ended(Err(error)) => {
                self.step = Step::Over(Fate::of(&error));
                Poll::Ready(Some(Err(error)))
            }
            Step::Over(fate) => {
                self.step = Step::Over(fate);
                Poll::Ready(None)
            }
            before => {
                self.step = before;
                Poll::Pending
            }
        }
    }

    /// The next state of a message that the channel has; `None` when it has ended.
    fn poll_given(&mut self, id: TransferId) -> Poll<Option<SendState>> {
        let Some(tracked) = self.stream.tracked.as_mut().filter(|tracked| tracked.id == id) else {
            return Poll::Pending;
        };
        if let Some(failure) = tracked.failure.take() {
            self.step = Step::Ended(Err(failure));
        } else if tracked.state == SendState::Done {
            self.step = Step::Ended(ready!(self.stream.poll_link_flushed()));
        } else if self.told != Some(tracked.state) {
            return Poll::Ready(Some(tracked.state));
        } else {
            return Poll::Pending;
        }
        Poll::Ready(None)
    }
}

impl Fate {
    pub(crate) fn of(error: &StreamError) -> Self {
        match *error {
            StreamError::NotSent(error) => Self::Refused(error),
            StreamError::SendFailed {
                id, error, sent, len, ..
            } => Self::Failed { id, error, sent, len },
            _ => Self::LinkLost,
        }
    }

    pub(crate) fn again(self) -> Result<(), StreamError> {
        match self {
            Self::Done => Ok(()),
            Self::Refused(error) => Err(error.into()),
            Self::Failed { id, error, sent, len } => Err(StreamError::SendFailed {
                id,
                error,
                sent,
                len,
                cause: None,
            }),
            Self::LinkLost => Err(LinkError::Closed.into()),
        }
    }
}

impl<L: CanLink> Stream for Sending<'_, L> {
    type Item = Result<SendState, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_state(cx)
    }
}

impl<L> Drop for Sending<'_, L> {
    fn drop(&mut self) {
        self.stream.tracked = None;
    }
}

impl<L> fmt::Debug for Sending<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending")
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
