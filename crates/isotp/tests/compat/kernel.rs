//! The kernel's socket, by our own hands.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use isotp::{BlockSize, Config, KernelIsoTp, Padding, StMin, StreamError};
use testkit::compat::Report;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::{Bench, Bus, Peer, Setup, Told, soon};

/// What every kernel receives.
const LIMIT: usize = 8200;

#[derive(Debug)]
pub(crate) struct Kernel {
    interface: String,
    socket: Option<Socket>,
}

/// A socket that is moved by tasks of its own, as a program of its own would.
#[derive(Debug)]
struct Socket {
    orders: UnboundedSender<Bytes>,
    sent: UnboundedReceiver<Result<(), StreamError>>,
    received: UnboundedReceiver<Result<Bytes, StreamError>>,
    tasks: JoinSet<()>,
}

impl Socket {
    fn start(socket: KernelIsoTp) -> Self {
        let (mut sink, mut source) = socket.split();
        let (orders, mut ordered) = unbounded_channel();
        let (tell_sent, sent) = unbounded_channel();
        let (tell_received, received) = unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Some(message) = ordered.recv().await {
                let _gone = tell_sent.send(sink.send(message).await);
            }
        });
        tasks.spawn(async move {
            while let Some(item) = source.next().await {
                let _gone = tell_received.send(item);
            }
        });
        Self {
            orders,
            sent,
            received,
            tasks,
        }
    }
}

impl Kernel {
    pub(crate) fn on(bus: Bus) -> Bench<Self> {
        let report = Report {
            peer: String::from("Linux CAN_ISOTP socket"),
            version: String::from("of each kernel"),
            over: bus.over(),
        };
        let peer = Self {
            interface: bus.place(),
            socket: None,
        };
        Bench { bus, peer, report }
    }

    fn socket(&mut self) -> &mut Socket {
        self.socket.as_mut().unwrap()
    }
}

impl Peer for Kernel {
    fn overflow(&self) -> Told {
        Told::As("N_BUFFER_OVFLW")
    }

    fn no_flow_control(&self) -> Told {
        Told::As("N_TIMEOUT_Bs")
    }

    fn no_rest(&self) -> Told {
        Told::As("N_TIMEOUT_Cr")
    }

    async fn open(&mut self, setup: &Setup) {
        // Its timeouts cannot be set, nor can more than its own limit.
        let max_len = u32::try_from(setup.max_len.min(LIMIT)).unwrap();
        let config = Config::default()
            .max_rx_len(max_len)
            .data_link(setup.data_link())
            .padding(setup.padding.map_or_else(Padding::none, Padding::filled))
            .block_size(BlockSize::from_bits(setup.block_size))
            .st_min(StMin::from_bits(setup.st_min).unwrap());
        let address = setup.mode.ours.reversed();
        let socket = KernelIsoTp::open(&self.interface, &address, &config).unwrap();
        self.socket = Some(Socket::start(socket));
    }

    async fn send(&mut self, message: &[u8]) {
        let message = Bytes::copy_from_slice(message);
        self.socket().orders.send(message).unwrap();
    }

    async fn sent(&mut self) -> Result<(), String> {
        let sent = soon("the kernel", self.socket().sent.recv()).await.unwrap();
        sent.map_err(|error| error.n_result().unwrap().to_string())
    }

    async fn received(&mut self) -> Vec<u8> {
        let received = soon("the kernel", self.socket().received.recv()).await.unwrap();
        received.unwrap().to_vec()
    }

    async fn trouble(&mut self) -> String {
        let received = soon("the kernel", self.socket().received.recv()).await.unwrap();
        received.unwrap_err().n_result().unwrap().to_string()
    }

    async fn close(&mut self) {
        let mut socket = self.socket.take().unwrap();
        socket.tasks.shutdown().await;
    }
}
