//! One stack's share of a hub.

use alloc::sync::Arc;
use core::task::{Context, Poll, ready};

use super::seat::PortId;
use super::shared::User;
use crate::filter::FilterSet;
use crate::frame::CanFrame;
use crate::link::{
    CanRx, CanTx, Capabilities, Echo, EventBuf, FilterPlace, Link, LinkError, OwnEcho, SendError, whole_link,
};

/// How a port joins a hub.
#[derive(Clone, Copy, Debug)]
pub struct HubPortConfig {
    pub(super) echo: Echo,
    pub(super) receive_queue: usize,
    pub(super) transmit_queue: usize,
}

impl Default for HubPortConfig {
    fn default() -> Self {
        Self {
            echo: Echo::Off,
            receive_queue: 8_192,
            transmit_queue: 64,
        }
    }
}

impl HubPortConfig {
    /// Whether own frames come back. Default: [`Echo::Off`].
    #[must_use]
    pub const fn echo(self, echo: Echo) -> Self {
        Self { echo, ..self }
    }

    /// Frames the receive queue holds; 0 counts as 1. Default: 8192. When it is full, the newest is lost and
    /// counted.
    #[must_use]
    pub const fn receive_queue(self, frames: usize) -> Self {
        Self {
            receive_queue: if frames == 0 { 1 } else { frames },
            ..self
        }
    }

    /// Frames the transmit queue holds; 0 counts as 1. Default: 64. When it is full, sending waits.
    #[must_use]
    pub const fn transmit_queue(self, frames: usize) -> Self {
        Self {
            transmit_queue: if frames == 0 { 1 } else { frames },
            ..self
        }
    }
}

/// Membership; the port leaves the hub when the last half is dropped.
#[derive(Debug)]
struct Member {
    user: User,
    id: PortId,
    echo: Echo,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.user.lock().leave(self.id);
    }
}

/// The receiving half of a port.
#[derive(Debug)]
pub struct HubRx {
    member: Arc<Member>,
}

/// The sending half of a port.
#[derive(Debug)]
pub struct HubTx {
    member: Arc<Member>,
    closed: bool,
}

/// A link that is one stack's share of a [`Hub`](super::Hub); leaves it when dropped.
#[derive(Debug)]
pub struct HubPort {
    rx: HubRx,
    tx: HubTx,
}

impl HubPort {
    pub(super) fn join(user: User, config: HubPortConfig) -> Self {
        let id = user.lock().join(config);
        let member = Arc::new(Member {
            user,
            id,
            echo: config.echo,
        });
        let rx = HubRx {
            member: Arc::clone(&member),
        };
        Self {
            rx,
            tx: HubTx {
                member,
                closed: false,
            },
        }
    }

    /// The two halves; the port leaves the hub when both are dropped.
    #[must_use]
    pub fn split(self) -> (HubRx, HubTx) {
        (self.rx, self.tx)
    }

    /// The port as a boxed [`Link`].
    #[must_use]
    pub fn into_link(self) -> Link {
        Link::new(self.rx, self.tx)
    }
}

impl CanRx for HubRx {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        let Member { user, id, .. } = &*self.member;
        match user.lock().recv(*id, out, max, cx.waker())? {
            Some(moved) => Poll::Ready(Ok(moved)),
            None => Poll::Pending,
        }
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        let Member { user, id, .. } = &*self.member;
        user.lock().set_filters(*id, filters);
        Ok(FilterPlace::Software)
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = self.member.user.lock().capabilities;
        let own_echo = match (self.member.echo, capabilities.own_echo) {
            (Echo::Off, _) => OwnEcho::None,
            (Echo::On, OwnEcho::None) => OwnEcho::AtQueue,
            (Echo::On, link) => link,
        };
        Capabilities {
            own_echo,
            filter_slots: 0,
            ..capabilities
        }
    }
}

impl CanTx for HubTx {
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &[CanFrame]) -> Poll<Result<usize, SendError>> {
        if self.closed {
            return Poll::Ready(Err(SendError::Closed));
        }
        if frames.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let Member { user, id, .. } = &*self.member;
        match user.lock().send(*id, frames, cx.waker())? {
            0 => Poll::Pending,
            taken => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Member { user, id, .. } = &*self.member;
        if user.lock().is_flushed(*id, cx.waker())? {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let flushed = ready!(self.poll_flush(cx));
        self.closed = true;
        Poll::Ready(flushed)
    }
}

whole_link!(HubPort);
