//! A running server, a bus that is watched, and clients.

use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use can_link::virtual_bus::VirtualBus;
use can_link::{CanRxExt, CanTxExt};
use isotp::isotpserver::{Listener, Server, ServerEvent};
use isotp::{Address, Config, IsoTpStream, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, WriteHalf};
use tokio::sync::mpsc;

use super::Manner;

/// Longer than every timer.
const LONG: Duration = Duration::from_secs(5);
/// Shorter than every timer.
const SHORT: Duration = Duration::from_millis(10);

/// Clients by pipe.
struct Pipes(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Pipes {
    type Io = DuplexStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(DuplexStream, String)>> {
        self.0.poll_recv(cx).map(|pipe| {
            Ok((
                pipe.ok_or(io::ErrorKind::ConnectionAborted)?,
                String::from("test"),
            ))
        })
    }
}

/// What the other end on the bus does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// It takes messages, and so answers first frames.
    Takes,
    /// It is not there, or a script speaks for it.
    Silent,
}

pub(super) struct Scene {
    bus: VirtualBus,
    address: Address,
    join: mpsc::UnboundedSender<DuplexStream>,
    /// All frames with the server's identifier.
    out: Arc<Mutex<Vec<String>>>,
    /// Messages that arrived at the other end.
    taken: Arc<Mutex<Vec<Bytes>>>,
    events: Arc<Mutex<Vec<ServerEvent>>>,
}

/// A client, and what it got.
pub(super) struct Client {
    pipe: WriteHalf<DuplexStream>,
    got: Arc<Mutex<(String, bool)>>,
}

/// Runs a story in virtual time.
pub(super) fn play<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(story)
}

#[expect(clippy::disallowed_methods, reason = "everybody in a story has a task")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

impl Scene {
    pub(super) fn new(manner: Manner, address: Address, peer: Peer, config: Config) -> Self {
        let bus = VirtualBus::new();
        let (join, pipes) = mpsc::unbounded_channel();
        let scene = Self {
            bus: bus.clone(),
            address,
            join,
            out: Arc::default(),
            taken: Arc::default(),
            events: Arc::default(),
        };
        let (mut watcher, out) = (bus.join(), Arc::clone(&scene.out));
        let id = address.tx().id(Target::Physical);
        spawn(async move {
            while let Ok(Some(received)) = watcher.recv_frame().await {
                if received.frame.id() == id {
                    out.lock().unwrap().push(crate::peer::text(&received.frame));
                }
            }
        });
        if peer == Peer::Takes {
            let taken = Arc::clone(&scene.taken);
            let config = Config::default().max_rx_len(66_000);
            let mut stream = IsoTpStream::new(bus.join(), address.reversed(), config).unwrap();
            spawn(async move {
                while let Some(Ok(message)) = stream.recv().await {
                    taken.lock().unwrap().push(message);
                }
            });
        }
        let open = move || {
            let stream = IsoTpStream::new(bus.join(), address, config);
            async move { Ok(stream?) }
        };
        let mut server = Server::new(Pipes(pipes), open, manner.server());
        let events = Arc::clone(&scene.events);
        spawn(async move {
            loop {
                let event = server.next_event().await;
                events.lock().unwrap().push(event);
            }
        });
        scene
    }

    pub(super) async fn client(&self) -> Client {
        // Room for all that is ever sent.
        let (ours, theirs) = tokio::io::duplex(1 << 17);
        self.join.send(theirs).unwrap();
        let (mut reading, pipe) = tokio::io::split(ours);
        let got = Arc::new(Mutex::new((String::new(), false)));
        let told = Arc::clone(&got);
        spawn(async move {
            let mut piece = vec![0; 4096];
            while let Ok(length @ 1..) = reading.read(&mut piece).await {
                let text = String::from_utf8(piece[..length].to_vec()).unwrap();
                told.lock().unwrap().0.push_str(&text);
            }
            told.lock().unwrap().1 = true;
        });
        tokio::time::sleep(SHORT).await;
        Client { pipe, got }
    }

    /// Puts frames on the bus, one after the other.
    pub(super) async fn inject(&self, frames: impl IntoIterator<Item = can_link::CanFrame>) {
        let mut port = self.bus.join();
        for frame in frames {
            port.send(frame).await.unwrap();
            tokio::time::sleep(SHORT).await;
        }
    }

    /// Sends a message from the other end; whether that worked.
    pub(super) async fn send(&self, message: Bytes) -> bool {
        let mut peer = IsoTpStream::new(self.bus.join(), self.address.reversed(), Config::default()).unwrap();
        peer.send(message).await.is_ok()
    }

    /// Lets everything happen that will.
    pub(super) async fn settle(&self) {
        tokio::time::sleep(LONG).await;
    }

    /// Lets happen what happens at once.
    pub(super) async fn pass(&self) {
        tokio::time::sleep(SHORT).await;
    }

    /// The server's frames since the last call.
    pub(super) fn out(&self) -> Vec<String> {
        core::mem::take(&mut *self.out.lock().unwrap())
    }

    /// The messages at the other end since the last call.
    pub(super) fn taken(&self) -> Vec<Bytes> {
        core::mem::take(&mut *self.taken.lock().unwrap())
    }

    /// The server's events since the last call.
    pub(super) fn events(&self) -> Vec<ServerEvent> {
        core::mem::take(&mut *self.events.lock().unwrap())
    }
}

impl Client {
    pub(super) async fn write(&mut self, text: &str) {
        self.pipe.write_all(text.as_bytes()).await.unwrap();
    }

    /// What it got since the last call.
    pub(super) fn got(&self) -> String {
        core::mem::take(&mut self.got.lock().unwrap().0)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.got.lock().unwrap().1
    }
}
