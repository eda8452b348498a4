//! A member's port: what the user holds.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::task::{Context, Poll};
use std::path::PathBuf;

use super::host::{Home, Start};
use super::join::{self, Joined};
use super::limits::QueueLen;
use super::member;
use super::place::Place;
use super::shared::{Shared, Stats};
use super::wire::Message;
use crate::address::is_bus_name;
use crate::filter::FilterSet;
use crate::frame::{CanFrame, MAX_XL_LEN};
use crate::link::{
    CanRx, CanTx, Capabilities, EventBuf, FilterPlace, Link, LinkError, OwnEcho, SendError, whole_link,
};
use crate::virtual_bus::Echo;

/// How a member joins.
#[derive(Clone, Debug)]
pub struct BusConfig {
    echo: Echo,
    queue: QueueLen,
    directory: Option<PathBuf>,
    home: Home,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            echo: Echo::Off,
            queue: QueueLen::default(),
            directory: None,
            home: Home::Thread,
        }
    }
}

impl BusConfig {
    /// Whether own frames come back, when the host has put them in order. Default: [`Echo::Off`].
    #[must_use]
    pub fn echo(self, echo: Echo) -> Self {
        Self { echo, ..self }
    }

    /// Frames that wait for this member at the host before it loses some. Default: 8192. Beside them the
    /// member's socket holds what the system gives it, some hundreds.
    #[must_use]
    pub fn queue(self, queue: QueueLen) -> Self {
        Self { queue, ..self }
    }

    /// The directory of the socket, which must be the user's alone. Default: the user's runtime directory.
    #[must_use]
    pub fn directory(self, directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: Some(directory.into()),
            ..self
        }
    }

    /// Where the host runs when this member is it.
    #[cfg(test)]
    pub(super) fn home(self, home: Home) -> Self {
        Self { home, ..self }
    }
}

/// Joins the bus `name`, or hosts it when nobody does.
///
/// # Errors
/// As [`open`](super::open), and [`LinkError::Unsupported`] for a name that cannot be a file's.
///
/// # Cancel safety
/// When the future is dropped the bus is not joined; a host that was started for it leaves in good order.
///
/// # Panics
/// Outside of a tokio runtime with I/O and time enabled.
pub async fn join(name: &str, config: BusConfig) -> Result<LocalPort, LinkError> {
    if !is_bus_name(name) {
        return Err(LinkError::unsupported(format!(
            "bus: \"{name}\" is not a bus name; take 1 to 32 of A-Z a-z 0-9 . _ -, not starting with a dot"
        )));
    }
    let mut place = Place::new(name, config.directory.as_deref())?;
    place.home = config.home;
    let hello = Message::Hello {
        own_echo: config.echo == Echo::On,
        queue: config.queue,
    };
    let joined: Joined = join::join(&place, &hello, Start::First).await?;
    let shared = Arc::new(Shared::new());
    shared.lock().stats.hosting = joined.hosting.is_some();
    // Boxed once, so that the task's future does not live in the spawning frame.
    tokio::spawn(Box::pin(member::run(Arc::clone(&shared), place, hello, joined)));
    let rx = LocalRx {
        shared: Arc::clone(&shared),
        link: format!("bus:{name}"),
        echo: config.echo,
    };
    Ok(LocalPort {
        rx,
        tx: LocalTx { shared },
    })
}

/// The receiving half of a [`LocalPort`].
#[derive(Debug)]
pub struct LocalRx {
    shared: Arc<Shared>,
    link: String,
    echo: Echo,
}

/// The sending half of a [`LocalPort`].
#[derive(Debug)]
pub struct LocalTx {
    shared: Arc<Shared>,
}

/// A member of a bus between processes; it leaves when both halves are dropped.
///
/// Dropping lets frames that were taken be written in the background. Closing waits for that, and until the
/// host has passed them on, so that the process may end, even if it hosts; for members that are slow, a host
/// that is stopped, or one that is lost, it waits one second. Closing the sending half when the receiving one
/// was dropped waits until the port has left, and a host has handed over.
#[derive(Debug)]
pub struct LocalPort {
    rx: LocalRx,
    tx: LocalTx,
}

impl LocalPort {
    /// The two halves.
    #[must_use]
    pub fn split(self) -> (LocalRx, LocalTx) {
        (self.rx, self.tx)
    }

    /// The port as a boxed [`Link`].
    #[must_use]
    pub fn into_link(self) -> Link {
        Link::new(self.rx, self.tx)
    }

    /// Counts since the port was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.rx.stats()
    }
}

impl LocalRx {
    /// Counts since the port was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.lock().stats
    }
}

impl Drop for LocalRx {
    fn drop(&mut self) {
        self.shared.lock().close_rx();
    }
}

impl Drop for LocalTx {
    fn drop(&mut self) {
        self.shared.lock().close_tx();
    }
}

impl CanRx for LocalRx {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        self.shared.lock().poll_recv(cx, out, max, &self.link)
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        self.shared.lock().set_filters(filters);
        Ok(FilterPlace::Software)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            max_data: MAX_XL_LEN,
            own_echo: match self.echo {
                Echo::On => OwnEcho::OnWire,
                Echo::Off => OwnEcho::None,
            },
            ..Capabilities::default()
        }
    }
}

impl CanTx for LocalTx {
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &[CanFrame]) -> Poll<Result<usize, SendError>> {
        self.shared.lock().poll_send(cx, frames)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.shared.lock().poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.shared.lock().poll_close(cx)
    }
}

whole_link!(LocalPort);
