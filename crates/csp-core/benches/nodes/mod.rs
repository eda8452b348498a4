//! Two nodes of one process: with handles on an interface pair, and as machines alone.

use bytes::Bytes;
use csp_core::rt::{self, pair};
use csp_core::{
    Address, Config, ConnectConfig, ConnectionId, Flags, InterfaceConfig, InterfaceId, InterfaceName,
    ListenerId, Netmask, Node, Port, SocketConfig,
};
use tinwire_time::Instant;
use tokio::runtime::{Builder, Runtime};

/// Bytes of a request, as csp-py's and libcsp's ping.
pub(super) const SIZE: usize = 100;

pub(super) fn address(bits: u16) -> Address {
    Address::new(bits).unwrap()
}

fn interface(own: u16) -> InterfaceConfig {
    let name = InterfaceName::new("PAIR").unwrap();
    InterfaceConfig::new(name, address(own), Netmask::new(8).unwrap())
}

fn echo_port() -> Port {
    Port::new(10).unwrap()
}

fn request() -> Bytes {
    Bytes::from(vec![0x55; SIZE])
}

pub(super) fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Nodes 1 and 2 on an interface pair; port 10 of node 2 sends back what it gets.
pub(super) fn two_nodes() -> (rt::Node, rt::Node) {
    let (left, right) = pair();
    let (one, two) = (
        rt::Node::spawn(Config::default()),
        rt::Node::spawn(Config::default()),
    );
    one.attach(interface(1), left).unwrap();
    two.attach(interface(2), right).unwrap();
    let mut listener = two.listen(echo_port(), SocketConfig::default()).unwrap();
    tokio::spawn(async move {
        while let Ok(mut connection) = listener.accept().await {
            tokio::spawn(async move {
                while let Ok(request) = connection.recv().await {
                    connection.send(request.payload).await.unwrap();
                }
            });
        }
    });
    (one, two)
}

/// A client that keeps its connection: so many requests and replies, one after the other.
pub(super) async fn exchange(one: &rt::Node, flags: Flags, count: u32) {
    let config = ConnectConfig::default().flags(flags);
    let mut connection = one.connect(address(2), echo_port(), config).await.unwrap();
    let request = request();
    for _ in 0..count {
        connection.send(request.clone()).await.unwrap();
        let reply = connection.recv().await.unwrap();
        assert_eq!(reply.payload.len(), SIZE);
    }
}

/// The machines alone: what the handles and the tasks have to carry.
pub(super) struct Machines {
    one: (Node, InterfaceId),
    two: (Node, InterfaceId),
    client: ConnectionId,
    listener: ListenerId,
    server: Option<ConnectionId>,
}

const NOW: Instant = Instant::ZERO;

impl Machines {
    pub(super) fn new() -> Self {
        let [mut one, mut two] = [1, 2].map(|own| {
            let mut node = Node::new(Config::default(), 1);
            let id = node.add_interface(interface(own)).unwrap();
            (node, id)
        });
        let listener = two.0.listen(echo_port().into(), SocketConfig::default());
        let client = one
            .0
            .connect(NOW, address(2), echo_port(), ConnectConfig::default());
        Self {
            one,
            two,
            client: client.unwrap(),
            listener: listener.unwrap(),
            server: None,
        }
    }

    /// So many requests and replies, one after the other.
    pub(super) fn exchange(&mut self, count: u32) {
        let request = request();
        for _ in 0..count {
            self.one.0.send(NOW, self.client, request.clone()).unwrap();
            carry(&mut self.one.0, &mut self.two);
            let two = &mut self.two.0;
            let server = *self
                .server
                .get_or_insert_with(|| two.accept(self.listener).unwrap());
            let message = two.recv(server).unwrap();
            two.send(NOW, server, message.payload).unwrap();
            carry(&mut self.two.0, &mut self.one);
            assert_eq!(self.one.0.recv(self.client).unwrap().payload.len(), SIZE);
        }
    }
}

fn carry(from: &mut Node, (to, on): &mut (Node, InterfaceId)) {
    while let Some(transmit) = from.poll_transmit() {
        to.handle_packet(NOW, *on, transmit.packet);
    }
    while to.poll_event().is_some() {}
}
