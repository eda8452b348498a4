//! What handles ask of the driver.

use core::pin::Pin;
use std::boxed::Box;

use bytes::Bytes;
use tinwire_time::Instant;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::{Connection, Interface, Listener, Socket, Status};
use crate::{
    Address, BindError, Binding, ConnectConfig, ConnectError, ConnectionId, Flags, InterfaceConfig,
    InterfaceError, InterfaceId, Message, Port, Route, RouteError, SendError, SocketConfig, SocketId,
};

/// Commands that wait for the driver, all handles together.
///
/// A handle waits for room.
pub(super) const COMMAND_QUEUE: usize = 64;

/// Sends of one connection that are with the driver.
///
/// What has to wait for its link waits there. Further ones wait in their handles, so that a link that takes
/// nothing keeps no other command from the driver.
pub(super) const CONNECTION_SENDS: usize = 8;

pub(super) type Reply<T, E> = oneshot::Sender<Result<T, E>>;

/// One request to the driver, with the way back for its answer.
pub(super) enum Command {
    Attach {
        config: InterfaceConfig,
        link: Pin<Box<dyn Interface>>,
        reply: Reply<InterfaceId, InterfaceError>,
    },
    Route {
        route: Route,
        reply: Reply<(), RouteError>,
    },
    Connect {
        remote: (Address, Port),
        config: ConnectConfig,
        reply: Reply<Connection, ConnectError>,
    },
    Listen {
        binding: Binding,
        config: SocketConfig,
        reply: Reply<Listener, BindError>,
    },
    Bind {
        binding: Binding,
        config: SocketConfig,
        reply: Reply<Socket, BindError>,
    },
    Send {
        connection: ConnectionId,
        payload: Bytes,
        turn: OwnedSemaphorePermit,
        reply: Reply<Instant, SendError>,
    },
    SendTo {
        socket: SocketId,
        destination: (Address, Port),
        config: ConnectConfig,
        payload: Bytes,
        reply: Reply<(), SendError>,
    },
    Answer {
        request: Message,
        flags: Option<Flags>,
        payload: Bytes,
        reply: Reply<(), SendError>,
    },
    Status {
        reply: oneshot::Sender<Status>,
    },
    Flush {
        reply: oneshot::Sender<()>,
    },
}

/// A way to the driver that does not keep it running.
pub(super) type Weak = mpsc::WeakSender<Command>;

/// Sends a command and waits for its answer; `None` when the driver is gone.
pub(super) async fn call<T>(
    commands: &mpsc::Sender<Command>,
    command: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    commands.send(command(reply)).await.ok()?;
    answer.await.ok()
}

/// As [`call`], from a handle that does not keep the driver running.
pub(super) async fn call_weak<T>(
    commands: &Weak,
    command: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Option<T> {
    // The upgraded sender must not be held while waiting for the answer: it would keep the driver running.
    let (reply, answer) = oneshot::channel();
    commands.upgrade()?.send(command(reply)).await.ok()?;
    answer.await.ok()
}
