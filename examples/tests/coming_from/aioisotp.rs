//! The page for users of aioisotp.

use core::error::Error;
use core::time::Duration;

use bytes::Bytes;
use can_link::virtual_bus::{VirtualBus, VirtualPort};
use can_link::{CanFrame, ExtendedId, StandardId};
use isotp::isotpserver::{Client, ClientConfig};
use isotp::network::{Endpoint, JoinError};
use isotp::{
    Address, Backend, BlockSize, Config, DataLink, Network, OpenError, Padding, Responders, StMin,
    StreamError, TxAddress, blocking,
};

type Outcome = Result<(), Box<dyn Error>>;

#[test]
fn the_page_is_compiled() {
    let page = include_str!("../../../docs/coming-from/aioisotp.md");
    super::compiled(page, include_str!("aioisotp.rs"), 55);
}

#[tokio::test(start_paused = true)]
async fn script() -> Outcome {
    let vcan0 = VirtualBus::named("vcan0");
    let id = |raw| ExtendedId::new(raw).unwrap(); // 29 bits
    let servers = Network::new(can_link::open(&"virtual:vcan0".parse()?).await?);
    let clients = Network::new(can_link::open(&"virtual:vcan0".parse()?).await?);

    // The identifier that we send with comes first; there it comes last.
    let address = Address::normal(id(0x1CDA_F9DC), id(0x1CDA_DCF9))?;
    let server = servers.endpoint(address, Config::default()).await?;
    tokio::spawn(async move {
        while let Some(Ok(message)) = server.recv().await {
            server.send(message).await?;
        }
        Ok::<_, StreamError>(())
    });

    let client = clients.endpoint(address.reversed(), Config::default()).await?;
    client.send(&b"Hello world!"[..]).await?; // done when it is on the bus
    let response = client.recv().await.ok_or("the link has ended")??;
    println!("{}", response.escape_ascii());
    assert_eq!(response, &b"Hello world!"[..]);
    Ok(())
}

#[test]
fn defaults() {
    let config = Config::default();
    assert_ne!(config.block_size(BlockSize::from_bits(16)), config);
    assert_eq!(config.st_min(StMin::from_millis(0).unwrap()), config);
    assert_eq!(config.wft_max(10), config);
    assert_eq!(config.padding(Padding::filled(0xCC)), config);
    assert_ne!(config.padding(Padding::none()), config);
    assert_ne!(config.data_link(DataLink::fd()), config);
    assert_eq!(config.max_rx_len(4095), config);
    assert_eq!(config.n_bs(Duration::from_secs(1)), config);
    assert_eq!(config.n_cr(Duration::from_secs(1)), config);
}

/// Needs an interface.
async fn opened(link: VirtualPort) -> Outcome {
    Network::new(can_link::open(&"socketcan:vcan0".parse()?).await?);
    can_link::open(&"socketcan:vcan0?fd=1".parse()?).await?;
    let (network, driver) = Network::with_driver(link);
    drop(network);
    Ok(())
}

#[test]
fn addresses_of_links_are_some() {
    "socketcan:vcan0?fd=1".parse::<can_link::LinkAddress>().unwrap();
}

#[tokio::test(start_paused = true)]
async fn connections() -> Outcome {
    let id = |raw| StandardId::new(raw).unwrap(); // 11 bits
    let id29 = |raw| ExtendedId::new(raw).unwrap(); // 29 bits
    let (bus, config) = (VirtualBus::new(), Config::default());
    let other = bus.join();
    let link = bus.join();
    let network = Network::new(link);
    let endpoint = network
        .endpoint(Address::normal(id(0x456), id(0x123))?, config)
        .await?;
    Address::normal(id29(0x1CDA_F9DC), id29(0x1CDA_DCF9))?;
    Address::normal_fixed(0x33, 0xF1)?;
    let twice = network
        .endpoint(Address::normal(id(0x456), id(0x123))?, config)
        .await;
    let _: JoinError = twice.unwrap_err();
    let payload = &b"\x3E\x00"[..];
    network
        .send_functional(TxAddress::normal(id(0x7DF)), payload, config)
        .await?;
    network
        .send_frame(CanFrame::data(id(0x123), &[1, 2, 3]).unwrap())
        .await?;
    let mut group = network
        .group(TxAddress::normal(id(0x7DF)), Responders::legislated(), config)
        .await?;
    let mut answers = group.request(payload, Duration::from_secs(1)).await?;
    assert!(answers.recv().await.is_none());
    let message = Bytes::from_static(b"\x3E\x00");
    endpoint.send(message.clone()).await?;
    endpoint.start(message);
    assert_eq!(endpoint.queued(), 0);
    endpoint.close().await?;
    assert!(endpoint.is_closing() && endpoint.sending().is_none());
    assert!(network.next_link_event().is_none());
    assert_eq!(network.stats().frames_taken, 0);
    drop(network);
    Ok(())
}

/// Never ends where nobody sends.
async fn receiving(network: Network, endpoint: Endpoint) -> Outcome {
    let message = Bytes::new();
    endpoint.send(message).await?;
    if let Some(Err(error)) = endpoint.recv().await {
        println!("{error}");
    }
    network.closed().await;
    Ok(())
}

async fn backends(address: Address, config: Config) -> Outcome {
    let endpoint = isotp::open("vcan0", address, config, Backend::Auto).await?;
    println!("{}", endpoint.choice()); // user: the link is no CAN interface of Linux
    isotp::open("vcan0", address, config, Backend::Kernel).await?;
    isotp::open("virtual:vcan0", address, config, Backend::User).await?;
    isotp::open("isotpserver://192.0.2.7:2303", address, config, Backend::Auto).await?;
    Client::connect("192.0.2.7:2303").await?;
    Client::connect_with("192.0.2.7:2303", ClientConfig::default()).await?;
    Ok(())
}

const fn describe(error: &StreamError) -> &'static str {
    match error {
        StreamError::HungUp { .. } => "hung up",
        StreamError::Malformed { .. } => "malformed",
        _ => "another",
    }
}

#[test]
fn without_asyncio() -> Outcome {
    let id = |raw| StandardId::new(raw).unwrap(); // 11 bits
    let (link, config) = (VirtualBus::named("vcan0-sync").join(), Config::default());
    let network = blocking::Network::open_with(async || Ok::<_, OpenError>(link))?;
    let server = network.endpoint(Address::normal(id(0x123), id(0x456))?, config)?;

    let network = blocking::Network::open("virtual:vcan0-sync")?;
    let connection = network.endpoint(Address::normal(id(0x456), id(0x123))?, config)?;
    let payload = &b"1"[..];
    connection.send(payload)?;
    connection.start(payload).done()?;
    connection.send(&b"123456789"[..])?;
    for expected in [b"1", b"1", &b"123456789"[..]] {
        assert_eq!(server.recv(None)?.unwrap(), expected);
    }
    assert!(connection.available() == 0);
    Ok(())
}

/// Never ends where nobody sends.
fn receiving_without_asyncio() -> Outcome {
    let id = |raw| StandardId::new(raw).unwrap(); // 11 bits
    blocking::Network::open("socketcan:vcan0")?;
    let network = blocking::Network::open("virtual:vcan0")?;
    let connection = network.endpoint(Address::normal(id(0x456), id(0x123))?, Config::default())?;
    match connection.recv(Duration::from_secs(1))? {
        Some(message) => println!("{}", message.escape_ascii()),
        None => println!("nothing within a second"),
    }
    connection.recv(Duration::from_secs(1))?;
    connection.recv(None)?;
    Ok(())
}

#[expect(unused_imports, reason = "what the page says to import is there")]
mod imports {
    use can_link::{CanFrame, ExtendedId, StandardId};
    use core::time::Duration;
    use isotp::isotpserver::{Client, ClientConfig};
    use isotp::{
        Address, Backend, BlockSize, Config, Network, Padding, Responders, StMin, StreamError, TxAddress,
        blocking,
    };
}
