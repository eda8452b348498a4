//! The page for users of python-can-isotp.

use core::error::Error;
use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;
use can_link::frame::{Dlc, FdFlags};
use can_link::virtual_bus::{VirtualBus, VirtualPort};
use can_link::{CanFrame, ExtendedId, Id, StandardId};
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use isotp::{
    Address, AddressError, BlockSize, BytesChannel, Config, DataLink, Duplex, FrameLength, IgnoreReason,
    IsoTpStream, Network, Padding, PaddingCheck, RateLimit, Role, RxAddress, SendError, StMin, StreamError,
    Target, Timeout, TransferError, TxAddress, TxDl, blocking,
};
use tinwire_sim::ecu::{Ecu, serve};
use tinwire_time::{Instant, Origin};
use tokio::time::timeout;

type Outcome = Result<(), Box<dyn Error>>;

#[test]
fn the_page_is_compiled() {
    let page = include_str!("../../../docs/coming-from/python-can-isotp.md");
    super::compiled(page, include_str!("python_can_isotp.rs"), 120);
}

#[tokio::test(start_paused = true)]
async fn script() -> Outcome {
    let vcan0 = VirtualBus::named("coming-from-python");
    let car = tokio::spawn(serve(Ecu::default(), vcan0.join()));
    let link = can_link::open(&"virtual:coming-from-python".parse()?).await?;
    let address = Address::normal(StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap())?;
    let config = Config::default()
        .st_min(StMin::from_millis(5).unwrap())
        .block_size(BlockSize::from_bits(8))
        .padding(Padding::filled(0xAA));
    let mut stack = IsoTpStream::new(link, address, config)?;

    match timeout(Duration::from_secs(1), stack.send(&b"\x22\xF1\x90"[..])).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => println!("not sent: {failure}"), // with the standard's name and how far it got
        Err(_) => _ = stack.abort_send(),                    // else it goes on
    }
    match timeout(Duration::from_secs(2), stack.recv()).await {
        Ok(Some(Ok(answer))) => println!("{answer:02x?}"),
        Ok(Some(Err(error))) => println!("problem: {error}"), // of this message; the next is not affected
        Ok(None) => println!("the link has ended"),
        Err(_) => println!("no answer"),
    }
    assert_eq!(stack.stats().messages_received, 1);
    car.abort();
    Ok(())
}

#[test]
fn script_without_a_runtime() -> Outcome {
    let network = blocking::Network::open("virtual:coming-from-python-blocking")?;
    let address = Address::normal(StandardId::new(0x7E8).unwrap(), StandardId::new(0x7E0).unwrap())?;
    let echo = network.endpoint(address, Config::default())?;
    let echo = std::thread::spawn(move || {
        let message = echo.recv(None).unwrap().unwrap();
        echo.send(message).unwrap();
    });
    let (address, config) = (address.reversed(), Config::default());
    let network = blocking::Network::open("virtual:coming-from-python-blocking")?;
    let stack = network.endpoint(address, config)?;
    if let Err(failure) = stack.send(&b"\x22\xF1\x90"[..]) {
        println!("not sent: {failure}");
    }
    match stack.recv(Duration::from_secs(2)) {
        Ok(Some(answer)) => println!("{answer:02x?}"),
        Ok(None) => println!("no answer"),
        Err(error) => println!("problem: {error}"),
    }
    assert_eq!(stack.stats().messages_sent, 1);
    echo.join().unwrap();
    Ok(())
}

/// Needs an interface.
fn opened_without_a_runtime() -> Outcome {
    let network = blocking::Network::open("socketcan:vcan0")?;
    Ok(())
}

/// Needs an interface.
async fn opened() -> Outcome {
    let link = can_link::open(&"socketcan:vcan0".parse()?).await?; // or virtual:NAME, bus:NAME
    let _: Option<can_link::Hub> = None;
    Ok(())
}

#[test]
fn addresses() -> Outcome {
    let id = |raw| StandardId::new(raw).unwrap(); // 11 bits
    let id29 = |raw| ExtendedId::new(raw).unwrap(); // 29 bits
    Address::normal(id(0x7E0), id(0x7E8))?;
    Address::normal(id29(0x18DA_33F1), id29(0x18DA_F133))?;
    Address::extended(id(0x7E0), id(0x7E8), 0x33, 0xF1)?;
    Address::extended(id29(0x1000), id29(0x1001), 0x33, 0xF1)?;
    Address::mixed(id(0x7E0), id(0x7E8), 0x99)?;
    Address::mixed_fixed(0x33, 0xF1, 0x99)?;
    Address::asymmetric(TxAddress::normal(id(0x7E0)), RxAddress::extended(id(0x7E8), 0xF1))?;
    TxAddress::normal(id(0x7E0)).with_functional_id(id(0x7DF));

    let address = Address::normal_fixed(0x33, 0xF1)?;
    let frame = CanFrame::data(id29(0x18DA_F133), &[0x01, 0x7E]).unwrap();
    assert!(address.rx().matches(&frame).is_some());
    assert!(matches!(address.tx().id(Target::Physical), Id::Extended(_)));
    assert_eq!(
        address.rx().id(Target::Functional),
        Some(id29(0x18DB_F133).into())
    );
    assert_eq!(address.tx().address_byte(), None);
    let present = address.rx().address_byte().is_some();
    assert!(!present);
    assert_eq!(address.rx().prefix().len(), 0);
    address.with_bases(id29(0x18DA_0000), id29(0x18DB_0000));
    address.accepting_functional(id(0x7DF));
    let same: Result<Address, AddressError> = Address::normal(id(1), id(1));
    assert!(same.is_err());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn parameters() -> Outcome {
    let config = Config::default();
    for config in [
        config.st_min(StMin::from_bits(0xF3).unwrap()),
        config.block_size(BlockSize::from_bits(8)),
        config.forced_gap(Some(Duration::from_millis(2))),
        config.padding(Padding::none()),
        config.padding(Padding::at_least(Dlc::exact(16).unwrap(), 0xAA)),
        config.wait_limit(Some(0)),
        config.data_link(DataLink::Fd {
            tx_dl: TxDl::new(32).unwrap(),
            flags: FdFlags::BRS,
        }),
        config.data_link(DataLink::fd()),
        config.rate_limit(Some(RateLimit::new(500_000, Duration::from_millis(200))?)),
        config.role(Role::Listener),
        config.n_br(Duration::from_millis(400)),
        config.duplex(Duplex::Half),
        config.padding_check(PaddingCheck::default().length(FrameLength::Padded)),
    ] {
        assert_eq!(format!("{config:?}").split(' ').next(), Some("Config"));
    }
    // What the page calls the same default is the same.
    assert_eq!(config.st_min(StMin::from_bits(0).unwrap()), config);
    assert_eq!(config.forced_gap(None), config);
    assert_eq!(config.n_bs(Duration::from_millis(1000)), config);
    assert_eq!(config.n_cr(Duration::from_millis(1000)), config);
    assert_eq!(config.max_rx_len(4095), config);
    assert_eq!(config.rate_limit(None), config);
    // And the others are as it says.
    assert_eq!(config.block_size(BlockSize::from_bits(0)), config);
    assert_eq!(config.padding(Padding::filled(0xCC)), config);
    assert_ne!(config.padding(Padding::filled(0xAA)), config);
    assert_eq!(config.wait_limit(None), config);
    assert_eq!(config.wft_max(10), config);
    assert_eq!(config.n_as(Duration::from_millis(1000)), config);
    assert_eq!(config.n_ar(Duration::from_millis(1000)), config);

    let mut stack = stack().await?;
    stack.send(&b"\x3E\x00"[..]).await?;
    stack.send_functional(&b"\x3E\x00"[..]).await?;
    assert!(matches!(stack.next_event(), Some(isotp::Event::Sent { .. })));
    Ok(())
}

async fn stack() -> Result<IsoTpStream<VirtualPort>, Box<dyn Error>> {
    let (address, config) = (Address::normal_fixed(0x33, 0xF1)?, Config::default());
    let link = VirtualBus::new().join();
    Ok(IsoTpStream::new(link, address, config)?)
}

#[tokio::test(start_paused = true)]
async fn classes() -> Outcome {
    let id = |raw| StandardId::new(raw).unwrap(); // 11 bits
    let id29 = |raw| ExtendedId::new(raw).unwrap(); // 29 bits
    let address = Address::normal(id(0x7E0), id(0x7E8))?;
    let (bus, config) = (VirtualBus::new(), Config::default());
    let link = bus.join();
    let network = Network::new(link);
    network.endpoint(address, config).await?;
    let config = Config::default().role(Role::Listener);
    let endpoint = network.endpoint(address.reversed(), config).await?;
    assert!(endpoint.try_recv().is_none() && endpoint.available() == 0);
    let message = Bytes::from_static(b"\x3E\x00");
    let refused = endpoint.start(message).done().await.unwrap_err();
    assert!(matches!(refused, StreamError::NotSent(SendError::Listener)));
    let message = Bytes::new();
    let refused = endpoint.send(message).await.unwrap_err();
    assert!(matches!(
        refused,
        StreamError::NotSent(SendError::Listener | SendError::Empty)
    ));
    assert!(!(endpoint.sending().is_some() || endpoint.queued() > 0));
    let link = bus.join();
    IsoTpStream::new(link, address, config)?;
    BytesChannel::new(address, config);
    CanFrame::data(id(0x7E0), &[0x02, 0x3E, 0x00]);
    CanFrame::data(id29(0x18DA_33F1), &[0x02, 0x3E, 0x00]);
    CanFrame::fd(id(0x7E0), &[0; 12], FdFlags::BRS);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn calls() -> Outcome {
    let (address, config) = (Address::normal_fixed(0x33, 0xF1)?, Config::default());
    let mut stack = stack().await?;
    let message = Bytes::from_static(b"\x3E\x00");
    stack.send(message.clone()).await?;
    stack.feed(message.clone()).await?;
    stack.flush().await?;
    let (generator, size) = (0..=255, 7);
    stack
        .send_from(isotp::payload::FromIter::new(size, generator))
        .await?;
    timeout(Duration::from_secs(1), stack.send(message.clone())).await??;
    drop(stack.start(message));
    assert!(timeout(Duration::from_secs(1), stack.recv()).await.is_err());
    assert!(stack.recv().now_or_never().is_none());
    while stack.recv().now_or_never().is_some() {}
    stack.abort_send();
    stack.abort_receive();
    stack = IsoTpStream::new(stack.into_link(), address, config)?;

    let mut channel = BytesChannel::new(address, config);
    let now = Instant::ZERO;
    let frame = CanFrame::data(StandardId::ZERO, &[]).unwrap();
    channel.handle_frame(now, &frame);
    channel.handle_timeout(now);
    assert_eq!(channel.poll_transmit(now), None);
    assert_eq!(channel.poll_timeout(), None);
    assert_eq!(channel.stats().frames_foreign, 1);
    channel = BytesChannel::new(address, config);
    assert_eq!(channel.stats().frames_foreign, 0);
    Ok(())
}

/// Never ends where nobody sends.
async fn receiving(mut stack: IsoTpStream<VirtualPort>) -> Outcome {
    stack.recv().await;
    stack.recv_with_target().await;
    let message = Bytes::new();
    stack.send(message).await?;
    let message = Bytes::new();
    timeout(Duration::from_secs(1), stack.send(message)).await??;
    let message = Bytes::new();
    stack.feed(message).await?;
    let message = Bytes::new();
    stack.start(message);
    let stack = core::pin::pin!(stack.peekable());
    stack.peek().await;
    Ok(())
}

/// The names of the page's third table, each where it is found.
fn describe(error: &StreamError) -> &'static str {
    let of_transfer = |error: &TransferError| match error {
        TransferError::Timeout(Timeout::NBs) => "flow control timeout",
        TransferError::Timeout(Timeout::NCr) => "consecutive frame timeout",
        TransferError::WrongSequence { expected, got } => "wrong sequence number",
        TransferError::UnexpectedPdu => "interrupted",
        TransferError::TooManyWaits { max } => "wait frames",
        TransferError::Overflow => "overflow",
        TransferError::SourceEnded => "bad generator",
        _ => "not there",
    };
    match error {
        StreamError::SendFailed { error, sent, len, .. } => of_transfer(error),
        StreamError::ReceiveFailed { error, .. } => of_transfer(error),
        StreamError::Refused { len, max } => "frame too long",
        StreamError::NotSent(reason) => "refused",
        _ => "link",
    }
}

fn describe_ignored(reason: &IgnoreReason) -> &'static str {
    match reason {
        IgnoreReason::UnexpectedFlowControl => "unexpected flow control",
        IgnoreReason::UnexpectedConsecutiveFrame => "unexpected consecutive frame",
        IgnoreReason::Malformed(error) => "invalid data",
        IgnoreReason::ConsecutiveFrameLength { need, got } => "changing RXDL",
        _ => "not there",
    }
}

#[tokio::test(start_paused = true)]
async fn errors_are_told_by_name() -> Outcome {
    let stack = &mut stack().await?;
    let error = stack.send(vec![0; 20]).await.unwrap_err();
    assert_eq!(describe(&error), "flow control timeout");
    assert_eq!(describe_ignored(&IgnoreReason::NotData), "not there");
    let limit = timeout(Duration::ZERO, core::future::pending::<()>()).await;
    let limit: Result<(), tokio::time::error::Elapsed> = limit;
    assert_eq!(error.n_result().unwrap().name(), "N_TIMEOUT_Bs");
    assert!(limit.is_err());
    Ok(())
}

/// Hardware with an interface of its own, and an ECU in it.
struct Hardware {
    time: Instant,
    ecu: BytesChannel,
    waiting: VecDeque<CanFrame>,
}

impl Hardware {
    fn send(&mut self, frame: &CanFrame) {
        self.ecu.handle_frame(self.time, frame);
        if self.ecu.take_received(self.time).is_some() {
            self.ecu.send(self.time, Bytes::from_static(&[0x62; 20])).unwrap();
        }
        while let Some(frame) = self.ecu.poll_transmit(self.time) {
            self.ecu.handle_transmitted(self.time, &frame);
            self.waiting.push_back(frame);
        }
    }

    fn receive(&mut self, until: Option<Instant>) -> Option<CanFrame> {
        let frame = self.waiting.pop_front();
        if frame.is_none() {
            self.time = until.unwrap_or(self.time);
        }
        frame
    }
}

#[test]
fn a_loop_of_your_own() -> Outcome {
    let (address, config) = (Address::normal_fixed(0x33, 0xF1)?, Config::default());
    let mut hardware = Hardware {
        time: Instant::ZERO,
        ecu: BytesChannel::new(Address::normal_fixed(0xF1, 0x33)?, config),
        waiting: VecDeque::new(),
    };
    let origin = Origin::new(std::time::Instant::now());
    let now = || origin.at(std::time::Instant::now());
    let mut layer = BytesChannel::new(address, config);
    layer.send(now(), Bytes::from_static(b"\x22\xF1\x90"))?;
    let answer = loop {
        while let Some(frame) = layer.poll_transmit(now()) {
            hardware.send(&frame);
            layer.handle_transmitted(now(), &frame); // it left; or handle_not_transmitted
        }
        // Waits for a frame, but no longer than until something is due.
        if let Some(frame) = hardware.receive(layer.poll_timeout()) {
            layer.handle_frame(now(), &frame);
        }
        layer.handle_timeout(now());
        while let Some(event) = layer.poll_event() {
            println!("{event:?}");
        }
        if let Some((_, message)) = layer.take_received(now()) {
            break message;
        }
    };
    assert_eq!(answer, [0x62; 20][..]);
    Ok(())
}

#[cfg(target_os = "linux")]
mod kernel {
    use can_link::linux::{Broadcast, FlowControl, IsoTpOptions, LinkLayer, PaddingCheck, TxDl};
    use isotp::{Backend, KernelIsoTp};

    use super::*;

    async fn open(address: Address, config: Config) -> Outcome {
        let mut socket = isotp::open("vcan0", address, config, Backend::Auto).await?;
        println!("{}", socket.choice()); // kernel: the kernel can do all that is asked for
        let message = Bytes::new();
        socket.send(message).await?;
        let socket = KernelIsoTp::open("vcan0", &address, &config)?;
        socket.limits();
        drop(socket);
        Ok(())
    }

    async fn bind(mut socket: KernelIsoTp, options: IsoTpOptions) -> Outcome {
        let id = |raw| StandardId::new(raw).unwrap(); // 11 bits
        socket.recv().await;
        timeout(Duration::from_secs(1), socket.recv()).await;
        KernelIsoTp::bind("vcan0", options, id(0x7DF))?;
        Ok(())
    }

    #[test]
    fn options_of_the_kernel_can_be_built() {
        let id = |raw| StandardId::new(raw).unwrap(); // 11 bits
        let options = || IsoTpOptions::new(id(0x7E8), id(0x7E0));
        let each = |change: fn(IsoTpOptions) -> IsoTpOptions| change(options()).check().unwrap();
        each(|options| options.ext_address(0x99));
        each(|options| options.ext_addresses(0x33, 0xF1));
        each(|options| options.tx_padding(0xAA));
        each(|options| options.rx_padding(0xAA, PaddingCheck::LengthAndContent));
        each(|options| options.listen_only());
        each(|options| options.half_duplex());
        each(|options| options.force_tx_st_min(Duration::from_millis(1)));
        each(|options| options.force_rx_st_min(Duration::from_millis(1)));
        each(|options| options.broadcast(Broadcast::SingleFrame));
        each(|options| options.broadcast(Broadcast::ConsecutiveFrames));
        each(|options| options.dynamic_flow_control());
        each(|options| {
            options.flow_control(FlowControl {
                block_size: 10,
                st_min: 5,
            })
        });
        each(|options| {
            options.link_layer(LinkLayer::Fd {
                tx_dl: TxDl::MAX,
                flags: FdFlags::BRS,
            })
        });
        let options = options();
        let plain = format!("{options:?}");
        println!("{options:?}");
        let options = options.frame_txtime(Duration::from_micros(50));
        assert_eq!(format!("{options:?}"), plain, "the same default");
    }
}

#[expect(unused_imports, reason = "what the page says to import is there")]
mod imports {
    use can_link::{CanFrame, ExtendedId, Id, StandardId};
    use core::time::Duration;
    use isotp::{Address, BlockSize, Config, IsoTpStream, Network, Padding, StMin, StreamError, blocking};
    use tokio::time::timeout;

    mod of_the_loop {
        use bytes::Bytes;
        use isotp::{Address, BytesChannel, Config};
        use tinwire_time::Origin;
    }
}
