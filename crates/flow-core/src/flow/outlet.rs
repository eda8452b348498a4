//! Where a flow's packets go.

use alloc::sync::Arc;
use core::task::{Context, Poll};

use bytes::Bytes;

use super::fanout::Fanout;
use crate::error::WriteError;
use crate::pipe::{End, Mark, Pipe, SharedPipe};
#[cfg(unix)]
use crate::providers::machine::LinkWriter;

/// Where a flow's packets go.
#[derive(Debug)]
pub(crate) enum Outlet {
    /// To one peer, who is waited for.
    Pipe(Arc<SharedPipe>),
    /// To all members of a broadcast layer but the sender, nobody of whom is waited for.
    Fanout {
        layer: Arc<Fanout>,
        /// Where this member reads; who only writes is a member, too.
        sender: Arc<SharedPipe>,
    },
    /// To a peer in another process, who is waited for.
    #[cfg(unix)]
    Link(LinkWriter),
}

impl Outlet {
    /// The longest packet, where the peer has a limit of its own.
    pub(super) fn max_packet(&self) -> Option<usize> {
        match self {
            Self::Pipe(_) | Self::Fanout { .. } => None,
            #[cfg(unix)]
            Self::Link(link) => Some(link.max_packet()),
        }
    }

    /// Writes `packet`, or waits for room.
    pub(super) fn poll_write(&self, cx: &Context<'_>, packet: &Bytes) -> Poll<Result<(), WriteError>> {
        match self {
            Self::Pipe(pipe) => pipe.poll_as_writer(cx, |pipe| match pipe.write(packet.clone()) {
                Err(WriteError::WouldBlock) => None,
                written => Some(written),
            }),
            Self::Fanout { layer, sender } => Poll::Ready(layer.write(sender.reader(), packet)),
            #[cfg(unix)]
            Self::Link(link) => link.poll_write(cx, packet),
        }
    }

    /// Writes `packet` if there is room.
    pub(super) fn try_write(&self, packet: &Bytes) -> Result<(), WriteError> {
        match self {
            Self::Pipe(pipe) => pipe.as_writer(|pipe| pipe.write(packet.clone())),
            Self::Fanout { layer, sender } => layer.write(sender.reader(), packet),
            #[cfg(unix)]
            Self::Link(link) => link.try_write(packet),
        }
    }

    /// Nothing more will be written.
    pub(super) fn end(&self) {
        match self {
            Self::Pipe(pipe) => pipe.as_writer(|pipe| pipe.end(End::Dealloc)),
            Self::Fanout { .. } => {}
            #[cfg(unix)]
            Self::Link(link) => link.end(),
        }
    }

    pub(super) fn mark(&self, mark: Mark) {
        match self {
            Self::Pipe(pipe) => pipe.as_writer(|pipe| pipe.mark_by_writer(mark)),
            Self::Fanout { .. } => {}
            #[cfg(unix)]
            Self::Link(link) => link.mark(mark),
        }
    }

    /// Packets that the peer has not read.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Pipe(pipe) => pipe.look(Pipe::len),
            Self::Fanout { .. } => 0,
            #[cfg(unix)]
            Self::Link(link) => link.unread(),
        }
    }

    /// Packets that got lost on the way, as far as anybody can tell.
    pub(super) fn lost(&self) -> u64 {
        match self {
            Self::Pipe(pipe) => pipe.look(Pipe::lost_beyond),
            Self::Fanout { .. } => 0,
            #[cfg(unix)]
            Self::Link(_) => 0,
        }
    }

    /// Waits until the peer has read everything (`Ok`), or has let go before that (`Err`).
    pub(super) fn poll_drained(&self, cx: &Context<'_>) -> Poll<Result<(), ()>> {
        match self {
            Self::Pipe(pipe) => pipe.poll_as_writer(cx, |pipe| pipe.drained()),
            Self::Fanout { layer, .. } => layer.poll_drained(cx).map(Ok),
            #[cfg(unix)]
            Self::Link(link) => link.poll_drained(cx),
        }
    }
}
