//! Code that is written for a stream and sink of messages runs over all of them. The kernel's is tested with
//! the other kernel tests.
#![cfg(feature = "tokio")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and have tasks"
)]

mod face;

use can_link::StandardId;
use can_link::virtual_bus::{VirtualBus, VirtualPort};
use isotp::isotpserver::{Client, Server, ServerConfig};
use isotp::{Address, Backend, Config, IsoTp, IsoTpStream, Network};
use tokio::net::TcpListener;

use face::talks;

fn address() -> Address {
    let id = |raw| StandardId::new(raw).unwrap();
    Address::normal(id(0x7E0), id(0x7E8)).unwrap()
}

fn peer(bus: &VirtualBus) -> IsoTpStream<VirtualPort> {
    IsoTpStream::new(bus.join(), address().reversed(), Config::default()).unwrap()
}

#[tokio::test]
async fn a_stream_of_its_own_link() {
    let bus = VirtualBus::new();
    let stream = IsoTpStream::new(bus.join(), address(), Config::default()).unwrap();
    talks(stream, &mut peer(&bus)).await;
}

#[tokio::test]
async fn an_endpoint_of_a_network() {
    let bus = VirtualBus::new();
    let network = Network::new(bus.join());
    let endpoint = network.endpoint(address(), Config::default()).await.unwrap();
    talks(endpoint, &mut peer(&bus)).await;
}

#[tokio::test]
async fn what_opening_a_link_gives() {
    let bus = VirtualBus::named("faces");
    let opened = isotp::open("virtual:faces", address(), Config::default(), Backend::User).await;
    talks(opened.unwrap(), &mut peer(&bus)).await;
}

/// Where a server listens that is on the bus in our place.
async fn serve(bus: &VirtualBus) -> String {
    let bus = bus.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    let open = move || {
        let port = bus.join();
        async { Ok(IsoTpStream::new(port, address(), Config::default())?) }
    };
    tokio::spawn(async move {
        let mut server = Server::new(listener, open, ServerConfig::default());
        loop {
            server.next_event().await;
        }
    });
    format!("isotpserver://{place}")
}

#[tokio::test]
async fn a_client_of_a_server() {
    let bus = VirtualBus::new();
    let client = Client::connect(&serve(&bus).await).await.unwrap();
    talks(client, &mut peer(&bus)).await;
}

#[tokio::test]
async fn a_client_of_a_server_behind_the_face_of_all() {
    let bus = VirtualBus::new();
    let client = Client::connect(&serve(&bus).await).await.unwrap();
    talks(IsoTp::<VirtualPort>::from(client), &mut peer(&bus)).await;
}
