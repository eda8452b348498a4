//! `isotp serve`: an end of a conversation for clients of the isotpserver protocol.

mod report;

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;
use can_link::LinkError;
use can_link::address::LinkAddress;
use can_link::virtual_bus::{VirtualBus, VirtualPort};
use futures::{Sink, Stream};
use isotp::backend::Worker;
use isotp::isotpserver::{Failures, OpenFailure, Reading, Server, ServerConfig, ServerEvent};
use isotp::{Address, Backend, BlockSize, Config, IsoTp, Network, OpenError, StreamError};
use serde::Serialize;
use tinwire_sim::World;
use tokio::net::TcpListener;

use self::report::Report;
use super::endpoint::{self, End};
use crate::args::isotp::serve::Serve;
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::links::{self, Opened};
use crate::multicall::Guise;

/// The longest message that any kernel takes by default: isotpserver hangs up on what is longer than its
/// lines, once it has it.
const AS_THE_KERNEL: u32 = 66_000;

/// How long a message that is on its way may go on when we are told to end.
const GRACE: Duration = Duration::from_secs(1);

/// Printed once clients may come, so that scripts know when and where.
#[derive(Serialize)]
struct Ready {
    r#type: &'static str,
    listen: String,
    link: String,
}

/// Where endpoints come from.
enum Source {
    /// Each is a socket of the kernel's.
    Kernel,
    /// Each is on the link that was opened once.
    Network(Network),
}

impl Source {
    /// Why the link has ended, once it has; the kernel tells it to endpoints only.
    async fn closed(&self) -> LinkError {
        match self {
            Self::Kernel => core::future::pending().await,
            Self::Network(network) => network.closed().await,
        }
    }
}

/// A stream and sink of messages, whoever does the work.
trait Messages:
    Stream<Item = core::result::Result<Bytes, StreamError>> + Sink<Bytes, Error = StreamError> + Unpin
{
}

impl<T> Messages for T where
    T: Stream<Item = core::result::Result<Bytes, StreamError>> + Sink<Bytes, Error = StreamError> + Unpin
{
}

pub(super) async fn run(session: &mut Session, args: Serve) -> Result {
    let is_original = session.guise == Some(Guise::Isotpserver);
    let imitates = args.imitate || is_original;
    let address = endpoint::address(&args.endpoint, End::Tester)?;
    let config = endpoint::configure(session.guise, &args.endpoint, config(&args, imitates))?;
    let link = endpoint::link(session, &args.endpoint, args.named.as_deref())?;
    let stop = session.stop.clone();
    let opening = open(session, &args, &link, address, config);
    let (source, _world) = stop.cut(opening).await?;
    let listener = listen(&args, is_original).await?;
    let place = listener
        .local_addr()
        .map_err(|error| Failure::caused(Code::CannotOpen, error).context("asking where we listen"))?;

    let name = links::name(&link);
    let ready = Ready {
        r#type: "ready",
        listen: place.to_string(),
        link: name.clone(),
    };
    // The original says nothing.
    if session.guise.is_none() {
        session.output.either(&ready, |ready| {
            format!("clients of {} may connect to {}", ready.link, ready.listen)
        })?;
        session.output.flush()?;
    }

    let endpoints = async || -> core::result::Result<Box<dyn Messages>, OpenFailure> {
        let messages: Box<dyn Messages> = match &source {
            Source::Kernel => Box::new(ask(&link, address, config, Backend::Kernel).await?),
            Source::Network(network) => Box::new(network.endpoint(address, config).await?),
        };
        Ok(messages)
    };
    let mut server = Server::new(listener, endpoints, server_config(&args, imitates, is_original));
    let mut report = Report::new(&name, args.endpoint.verbose > 0);
    let ended = tokio::select! {
        ended = attend(&mut server, &mut report, session) => ended,
        error = source.closed() => Err(links::trouble(error, &name)),
        _ = stop.wait() => finish(&mut server, &mut report, session).await,
    };
    let lost = match &source {
        Source::Network(network) => network.stats().frames_lost,
        Source::Kernel => 0,
    };
    if session.guise.is_none() {
        report.close(session, server.stats(), u64::from(server.is_sending()), lost);
    }
    ended
}

/// Serves until the endpoint ends.
async fn attend<E, F, O>(
    server: &mut Server<TcpListener, E, F, O>,
    report: &mut Report<'_>,
    session: &mut Session,
) -> Result
where
    E: Messages,
    F: FnMut() -> O,
    O: Future<Output = core::result::Result<E, OpenFailure>>,
{
    loop {
        let event = server.next_event().await;
        report.tell(session, &event)?;
        session.output.flush()?;
        if let ServerEvent::EndpointEnded(error) = event {
            return Err(match error {
                Some(StreamError::Link(error)) => links::trouble(error, report.link()),
                _ => Failure::new(Code::Lost, format!("{}: the link has ended", report.link())),
            });
        }
    }
}

/// Gives the message that is on its way some more time; one that takes longer is cut short.
async fn finish<E, F, O>(
    server: &mut Server<TcpListener, E, F, O>,
    report: &mut Report<'_>,
    session: &mut Session,
) -> Result
where
    E: Messages,
    F: FnMut() -> O,
    O: Future<Output = core::result::Result<E, OpenFailure>>,
{
    let finishing = async {
        while server.is_sending() {
            let event = server.next_event().await;
            report.tell(session, &event)?;
        }
        Ok(())
    };
    tokio::time::timeout(GRACE, finishing).await.unwrap_or(Ok(()))
}

/// The kernel where it can do all that is asked, and else the link, to be shared.
async fn open(
    session: &mut Session,
    args: &Serve,
    link: &LinkAddress,
    address: Address,
    config: Config,
) -> Result<(Source, Option<World>)> {
    let isotp = ask(link, address, config, endpoint::backend(&args.endpoint)).await?;
    if session.guise.is_none() {
        endpoint::tell_choice(session, &links::name(link), isotp.choice(), args.endpoint.verbose)?;
    }
    if isotp.choice().worker() == Worker::Kernel {
        return Ok((Source::Kernel, None));
    }
    let Opened {
        link, world, name, ..
    } = links::open(&session.door, &links::with_own_echo(link.clone())).await?;
    let network = Network::new(link);
    // What cannot be had is told now and not to the first client.
    let tried = network.endpoint(address, config).await;
    tried.map_err(|error| Failure::caused(Code::CannotOpen, error).context(name))?;
    Ok((Source::Network(network), world))
}

/// Who does the work. That is decided before the link is opened, so that a bus of its own may stand for it;
/// where it is the kernel, this is its endpoint.
async fn ask(
    link: &LinkAddress,
    address: Address,
    config: Config,
    backend: Backend,
) -> core::result::Result<IsoTp<VirtualPort>, OpenError> {
    let stand_in = async |_: &LinkAddress| Ok(VirtualBus::new().join());
    isotp::open_with(link, address, config, backend, stand_in).await
}

async fn listen(args: &Serve, is_original: bool) -> Result<TcpListener> {
    let usual = if is_original {
        Ipv4Addr::UNSPECIFIED
    } else {
        Ipv4Addr::LOCALHOST
    };
    let address = args.bind.unwrap_or(IpAddr::V4(usual));
    let place = SocketAddr::new(address, args.port);
    TcpListener::bind(place).await.map_err(|error| {
        let is_taken = error.kind() == std::io::ErrorKind::AddrInUse;
        let failure = Failure::caused(Code::CannotOpen, error).context(format_args!("listening on {place}"));
        if is_taken {
            failure.hint("somebody listens there; -l 0 takes a port that is free")
        } else {
            failure
        }
    })
}

fn config(args: &Serve, imitates: bool) -> Config {
    let mut config = Config::default()
        .max_rx_len(if imitates { AS_THE_KERNEL } else { args.max_len })
        .forced_gap(args.forced_gap)
        .extra_gap(args.frame_time.unwrap_or_default());
    if let Some(block_size) = args.block_size {
        config = config.block_size(BlockSize::from_bits(block_size));
    }
    if let Some(st_min) = args.st_min {
        config = config.st_min(st_min);
    }
    if let Some(wait_frames) = args.wait_frames {
        config = config.wft_max(wait_frames);
    }
    config
}

fn server_config(args: &Serve, imitates: bool, is_original: bool) -> ServerConfig {
    let reading = if args.tolerant || is_original {
        Reading::Tolerant
    } else {
        Reading::Strict
    };
    let failures = if imitates {
        Failures::HangUp
    } else {
        Failures::Stay
    };
    ServerConfig::default()
        .reading(reading)
        .failures(failures)
        .max_clients(args.max_clients.into())
        .max_len(usize::try_from(args.max_len).unwrap_or(usize::MAX))
}
