//! One stack's share of a hub.

use core::task::{Context, Poll};

use super::shared::{PortId, User};
use crate::filter::FilterSet;
use crate::frame::CanFrame;
use crate::link::{CanRx, CanTx, Capabilities, EventBuf, FilterPlace, LinkError, OwnEcho, SendError};
use crate::virtual_bus::Echo;

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

    /// Frames the receive queue holds; 0 counts as 1. Default: 8192. When it is full, the newest is lost and counted.
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

/// A link that is one stack's share of a [`Hub`](super::Hub); leaves it when dropped.
#[derive(Debug)]
pub struct HubPort {
    user: User,
    id: PortId,
    echo: Echo,
}

impl HubPort {
    pub(super) fn join(user: User, config: HubPortConfig) -> Self {
        let id = user.lock().join(config);
        Self {
            user,
            id,
            echo: config.echo,
        }
    }
}

impl Drop for HubPort {
    fn drop(&mut self) {
        self.user.lock().leave(self.id);
    }
}

impl CanRx for HubPort {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        match self.user.lock().recv(self.id, out, max, cx.waker()) {
            Some(moved) => Poll::Ready(Ok(moved)),
            None => Poll::Pending,
        }
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        self.user.lock().set_filters(self.id, filters);
        Ok(FilterPlace::Software)
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = self.user.lock().capabilities;
        let own_echo = match (self.echo, capabilities.own_echo) {
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

impl CanTx for HubPort {
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &[CanFrame]) -> Poll<Result<usize, SendError>> {
        if frames.is_empty() {
            return Poll::Ready(Ok(0));
        }
        match self.user.lock().send(self.id, frames, cx.waker())? {
            0 => Poll::Pending,
            taken => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if self.user.lock().is_flushed(self.id, cx.waker())? {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_flush(cx)
    }
}
