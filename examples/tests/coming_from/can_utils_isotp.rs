//! The page for users of can-utils' isotp tools.

use core::error::Error;
use core::time::Duration;

use bytes::Bytes;
use can_link::frame::FdFlags;
use can_link::{StandardId, VirtualBus};
use isotp::isotpserver::{Client, Failures, Reading, Server, ServerConfig};
use isotp::{
    Address, Backend, BlockSize, Config, DataLink, Duplex, FlowParameters, Follower, FrameLength,
    IsoTpStream, Padding, PaddingCheck, PciCodec, Role, StMin, TxDl,
};
use tokio::net::TcpListener;

type Outcome = Result<(), Box<dyn Error>>;

#[test]
fn the_page_is_compiled() {
    let page = include_str!("../../../docs/coming-from/can-utils-isotp.md");
    super::compiled(page, include_str!("can_utils_isotp.rs"), 30);
}

/// Needs an interface.
async fn script() -> Outcome {
    let address = Address::normal(StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap())?;
    let config = Config::default()
        .block_size(BlockSize::from_bits(8))
        .st_min(StMin::from_bits(0x0A).unwrap())
        .padding(Padding::filled(0xAA));
    let mut endpoint = isotp::open("vcan0", address, config, Backend::Auto).await?;
    endpoint.send(&b"\x22\xF1\x90"[..]).await?;
    let answer = endpoint.recv().await.ok_or("the interface is gone")??;
    println!("{answer:02X?}");

    let message = Bytes::new();
    endpoint.send(message).await?;
    let message = Bytes::new();
    endpoint.send_functional(message).await?;
    endpoint.recv().await;
    Client::connect("192.0.2.7:2303").await?;
    let _: Option<(PciCodec, Follower<bytes::BytesMut>)> = None;
    Ok(())
}

#[tokio::test]
async fn server() -> Outcome {
    let (bus, address) = (VirtualBus::new(), Address::normal_fixed(0x33, 0xF1)?);
    let open = || {
        let stream = IsoTpStream::new(bus.join(), address, Config::default());
        core::future::ready(stream.map_err(Into::into))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Server::new(listener, open, ServerConfig::default());
    for same in [
        ServerConfig::default().max_len(6000),
        ServerConfig::default().max_clients(64),
        ServerConfig::default().max_queued(256 * 1024),
    ] {
        assert_eq!(same, ServerConfig::default());
    }
    for other in [
        ServerConfig::default().failures(Failures::HangUp),
        ServerConfig::default().reading(Reading::Tolerant),
    ] {
        assert_ne!(other, ServerConfig::default());
    }
    Ok(())
}

#[test]
fn options() -> Outcome {
    let id = |raw| StandardId::new(raw).unwrap(); // 11 bits
    Address::normal(id(0x7E0), id(0x7E8))?;
    Address::extended(id(0x7E0), id(0x7E8), 0x99, 0x99)?;
    Address::extended(id(0x7E0), id(0x7E8), 0x33, 0xF1)?;
    Address::normal_fixed(0x33, 0xF1)?;
    let config = Config::default();
    for config in [
        config.padding(Padding::filled(0xAA)),
        config.padding_check(PaddingCheck::default().fill(Some(0xAA))),
        config.padding_check(PaddingCheck::default().length(FrameLength::Padded)),
        config.padding_check(
            PaddingCheck::default()
                .length(FrameLength::Padded)
                .fill(Some(0xAA)),
        ),
        config.data_link(DataLink::Fd {
            tx_dl: TxDl::new(32).unwrap(),
            flags: FdFlags::BRS,
        }),
        config.forced_gap(Some(Duration::from_millis(2))),
        config.forced_rx_gap(Some(Duration::from_millis(2))),
        config.extra_gap(Duration::from_micros(50)),
        config.block_size(BlockSize::from_bits(8)),
        config.st_min(StMin::from_bits(0x0A).unwrap()),
        config.max_rx_len(1_000_000),
        config.role(Role::Listener),
        config.duplex(Duplex::Half),
    ] {
        assert_ne!(config, Config::default());
    }
    // What the page calls a default is one.
    assert_eq!(config.wft_max(10), config);
    assert_eq!(config.max_rx_len(4095), config);
    assert_eq!(config.flow_parameters(FlowParameters::EachCts), config);
    assert_eq!(config.extra_gap(Duration::ZERO), config);
    assert_eq!(config.block_size(BlockSize::from_bits(0)), config);
    assert_eq!(config.st_min(StMin::from_bits(0).unwrap()), config);
    assert_eq!(config.padding(Padding::filled(0xCC)), config);
    Ok(())
}

#[expect(unused_imports, reason = "what the page says to import is there")]
mod imports {
    use can_link::StandardId;
    use isotp::{Address, Backend, BlockSize, Config, Padding, StMin};
}
