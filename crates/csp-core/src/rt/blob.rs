//! Blobs over connections (section 10).

use core::future::poll_fn;
use core::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use super::sender::Turn;
use super::{Connection, ConnectionSender, RecvError};
use crate::sfp::{AssembleError, Assembler, FragmentError, Fragments, Stalled, TRAILER_LEN};
use crate::{Message, SendError};

impl ConnectionSender {
    /// Sends `blob` in as many packets as it needs, by SFP.
    ///
    /// As [`Connection::send_blob`].
    ///
    /// # Errors
    /// It was sent in part or not at all: see [`BlobError`].
    ///
    /// # Cancel safety
    /// A dropped future has sent the blob in part, which its receiver notices.
    pub async fn send_blob(&self, blob: impl AsRef<[u8]>) -> Result<(), BlobError> {
        let room = self.shared.lock().node.max_payload(self.id)?;
        let mut turn = Turn::new(&self.shared, self.id);
        for fragment in Fragments::try_new(blob.as_ref(), room.saturating_sub(TRAILER_LEN), room)? {
            poll_fn(|cx| turn.poll_send_part(|node, now| node.send_fragment(now, self.id, &fragment), cx))
                .await?;
        }
        Ok(())
    }
}

impl Connection {
    /// Sends `blob` in as many packets as it needs, by SFP; done when the last waits for its link.
    ///
    /// The packets are as long as the way to the other node allows. What others send meanwhile waits. Over a
    /// plain connection one lost packet ends the blob, over RDP none does (SFP-6); there
    /// [`flush`](Self::flush) tells whether it arrived. For an empty blob nothing is sent (SFP-2).
    ///
    /// # Errors
    /// It was sent in part or not at all: see [`BlobError`].
    ///
    /// # Cancel safety
    /// A dropped future has sent the blob in part, which its receiver notices.
    pub async fn send_blob(&self, blob: impl AsRef<[u8]>) -> Result<(), BlobError> {
        self.sender.send_blob(blob).await
    }

    /// Receives a blob of at most `limit` bytes, of which some arrive every `quiet`.
    ///
    /// # Errors
    /// It did not arrive whole: see [`BlobError`]. What came of it is lost.
    ///
    /// # Cancel safety
    /// With a dropped future, what came of the blob is lost.
    pub async fn recv_blob(&mut self, limit: u32, quiet: Duration) -> Result<Bytes, BlobError> {
        let mut assembler = Assembler::new(limit, quiet);
        loop {
            let received = self.recv_timeout(quiet).await;
            if let Some(blob) = assemble(&mut assembler, received)? {
                return Ok(blob);
            }
        }
    }
}

/// Takes what was received, or that nothing was for too long.
pub(crate) fn assemble(
    assembler: &mut Assembler,
    received: Result<Message, RecvError>,
) -> Result<Option<Bytes>, BlobError> {
    if let Err(RecvError::Timeout { .. }) = received {
        // Only if a blob has begun.
        assembler.handle_timeout(tinwire_time::Instant::MAX)?;
    }
    let message = received?;
    let flags = message.header.flags;
    Ok(assembler.handle_fragment(message.received_at, flags, &message.payload)?)
}

/// Why a blob was not sent or received whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BlobError {
    /// It cannot be cut into packets.
    #[error(transparent)]
    Cut(#[from] FragmentError),
    /// A packet of it could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// No packet came.
    #[error(transparent)]
    Recv(#[from] RecvError),
    /// A packet came that does not belong there: one was lost, or it is no blob.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// The rest never came.
    #[error(transparent)]
    Stalled(#[from] Stalled),
}

impl From<BlobError> for std::io::Error {
    fn from(error: BlobError) -> Self {
        use std::io::ErrorKind;
        let kind = match error {
            BlobError::Cut(_) => ErrorKind::InvalidInput,
            BlobError::Send(error) => return error.into(),
            BlobError::Recv(error) => return error.into(),
            BlobError::Assemble(_) => ErrorKind::InvalidData,
            BlobError::Stalled(_) => ErrorKind::TimedOut,
        };
        Self::new(kind, error)
    }
}
