//! A server on a virtual bus, its clients at the ends of pipes.
#![expect(
    clippy::disallowed_methods,
    reason = "tests of a driver have tasks, and look at the paused clock"
)]

mod fairness;

use alloc::string::ToString;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::{io, vec};

use can_link::StandardId;
use can_link::virtual_bus::{VirtualBus, VirtualPort};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::mpsc;

use super::*;
use crate::isotpserver::{Client, ClientConfig, Malformed, Reading};
use crate::{Address, Config, IsoTpStream, NResult};

/// Bytes that a pipe holds.
const PIPE: usize = 64;

/// Clients by pipe.
struct Pipes(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Pipes {
    type Io = DuplexStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(DuplexStream, String)>> {
        self.0
            .poll_recv(cx)
            .map(|pipe| Ok((pipe.ok_or(io::ErrorKind::ConnectionAborted)?, "pipe".to_string())))
    }
}

/// A running server.
struct Scene {
    bus: VirtualBus,
    join: mpsc::UnboundedSender<DuplexStream>,
    events: mpsc::UnboundedReceiver<ServerEvent>,
    /// How often the endpoint was opened.
    opened: Arc<AtomicUsize>,
    /// Whether it cannot be.
    is_broken: Arc<AtomicBool>,
}

fn address() -> Address {
    let id = |raw| StandardId::new(raw).unwrap();
    Address::normal(id(0x123), id(0x456)).unwrap()
}

fn message(len: usize) -> Bytes {
    vec![0xAB; len].into()
}

fn line(message: &[u8]) -> String {
    let digits: String = message.iter().map(|byte| std::format!("{byte:02X}")).collect();
    std::format!("<{digits}>\n")
}

impl Scene {
    fn new(config: ServerConfig) -> Self {
        let bus = VirtualBus::new();
        let (join, pipes) = mpsc::unbounded_channel();
        let (tell, events) = mpsc::unbounded_channel();
        let opened = Arc::new(AtomicUsize::new(0));
        let is_broken = Arc::new(AtomicBool::new(false));
        let open = {
            let (bus, opened, is_broken) = (bus.clone(), Arc::clone(&opened), Arc::clone(&is_broken));
            move || {
                opened.fetch_add(1, Ordering::Relaxed);
                let (bus, is_broken) = (bus.clone(), is_broken.load(Ordering::Relaxed));
                async move {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    if is_broken {
                        return Err(can_link::LinkError::Closed.into());
                    }
                    Ok(IsoTpStream::new(bus.join(), address(), Config::default())?)
                }
            }
        };
        let mut server = Server::new(Pipes(pipes), open, config);
        tokio::spawn(async move { while tell.send(server.next_event().await).is_ok() {} });
        Self {
            bus,
            join,
            events,
            opened,
            is_broken,
        }
    }

    /// The other end on the bus.
    fn peer(&self) -> IsoTpStream<VirtualPort> {
        IsoTpStream::new(self.bus.join(), address().reversed(), Config::default()).unwrap()
    }

    /// A client that is connected.
    async fn client(&mut self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        self.join.send(theirs).unwrap();
        let joined = self
            .event(|event| matches!(event, ServerEvent::Joined { .. }))
            .await;
        assert!(matches!(joined, ServerEvent::Joined { peer, .. } if peer == "pipe"));
        // Longer than it takes to open the endpoint.
        tokio::time::sleep(Duration::from_millis(2)).await;
        ours
    }

    /// The next event of a kind.
    async fn event(&mut self, is_meant: impl Fn(&ServerEvent) -> bool) -> ServerEvent {
        loop {
            let event = self.events.recv().await.unwrap();
            if is_meant(&event) {
                return event;
            }
        }
    }

    /// Everything that happens in the next ten seconds.
    async fn events(&mut self) -> Vec<ServerEvent> {
        tokio::time::sleep(Duration::from_secs(10)).await;
        core::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}

async fn reads(client: &mut DuplexStream, expected: &str) {
    let mut text = vec![0; expected.len()];
    let read = tokio::time::timeout(Duration::from_secs(60), client.read_exact(&mut text));
    read.await.expect("nothing came").unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), expected);
}

async fn is_closed(client: &mut DuplexStream) -> bool {
    let mut rest = Vec::new();
    let end = client.read_to_end(&mut rest);
    let ended = tokio::time::timeout(Duration::from_secs(60), end).await;
    ended.is_ok_and(|length| length.is_ok_and(|length| length == 0))
}

#[tokio::test(start_paused = true)]
async fn a_message_goes_to_the_bus_and_its_answer_to_every_client() {
    let mut scene = Scene::new(ServerConfig::default());
    let (mut first, mut second) = (scene.client().await, scene.client().await);
    let mut peer = scene.peer();
    first.write_all(b"<22f190>").await.unwrap();
    assert_eq!(peer.recv().await.unwrap().unwrap(), [0x22, 0xF1, 0x90].as_slice());
    peer.send(message(20)).await.unwrap();
    for client in [&mut first, &mut second] {
        reads(client, &line(&message(20))).await;
    }
    let events = scene.events().await;
    let told = |is_meant: fn(&ServerEvent) -> bool| events.iter().any(is_meant);
    assert!(told(|event| match event {
        ServerEvent::Sent { client, message } => (client.number(), message.len()) == (1, 3),
        _ => false,
    }));
    assert!(told(|event| match event {
        ServerEvent::Received { message, clients } => (message.len(), *clients) == (20, 2),
        _ => false,
    }));
    assert_eq!(scene.opened.load(Ordering::Relaxed), 1, "one endpoint for both");
}

#[tokio::test(start_paused = true)]
async fn clients_take_turns() {
    let mut scene = Scene::new(ServerConfig::default());
    let mut peer = scene.peer();
    let (mut first, mut second) = (scene.client().await, scene.client().await);
    first.write_all(b"<01><02><03>").await.unwrap();
    second.write_all(b"<11><12><13>").await.unwrap();
    let mut received = Vec::new();
    for _ in 0..6 {
        received.extend_from_slice(&peer.recv().await.unwrap().unwrap());
    }
    let of = |high: u8| received.iter().copied().filter(move |byte| byte >> 4 == high);
    assert!(
        of(0).eq([1, 2, 3]) && of(1).eq([0x11, 0x12, 0x13]),
        "{received:02X?}"
    );
    let second = received.iter().position(|byte| byte >> 4 == 1).unwrap();
    assert!(
        second < 3,
        "nobody waits for all of another's messages: {received:02X?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_is_not_read_while_its_message_waits() {
    let mut scene = Scene::new(ServerConfig::default());
    let mut client = scene.client().await;
    // Nobody answers the first frame, so that the first message takes as long as N_Bs.
    let text = "<ABABABABABABABABABAB>".repeat(500);
    let writing = client.write_all(text.as_bytes());
    let written = tokio::time::timeout(Duration::from_millis(900), writing).await;
    assert!(written.is_err(), "the client is slowed down");
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_read_misses_messages_and_delays_nobody() {
    let config = ServerConfig::default().max_queued(100);
    let mut scene = Scene::new(config);
    let (_slow, mut quick) = (scene.client().await, scene.client().await);
    let mut peer = scene.peer();
    for _ in 0..10 {
        peer.send(message(20)).await.unwrap();
        reads(&mut quick, &line(&message(20))).await;
    }
    let events = scene.events().await;
    let missed = |event: &&ServerEvent| match event {
        ServerEvent::Missed { client, len } => {
            assert_eq!((client.number(), *len), (1, 20));
            true
        }
        _ => false,
    };
    // Of lines of 43 bytes, the pipe has taken the first and half of the second, and two and a half wait.
    assert_eq!(events.iter().filter(missed).count(), 7);
}

#[tokio::test(start_paused = true)]
async fn one_that_reads_nothing_for_too_long_is_turned_out() {
    let mut scene = Scene::new(ServerConfig::default());
    let start = tokio::time::Instant::now();
    let (_dead, mut alive) = (scene.client().await, scene.client().await);
    scene.peer().send(message(50)).await.unwrap();
    reads(&mut alive, &line(&message(50))).await;
    let left = scene
        .event(|event| matches!(event, ServerEvent::Left { .. }))
        .await;
    assert!(matches!(
        left,
        ServerEvent::Left { client, reason: Departure::Stalled } if client.number() == 1
    ));
    assert_eq!(start.elapsed().as_secs(), 30);
    alive.write_all(b"<01>").await.unwrap();
    assert_eq!(scene.peer().recv().await.unwrap().unwrap(), [1].as_slice());
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_is_told_and_its_client_stays() {
    let mut scene = Scene::new(ServerConfig::default());
    let mut client = scene.client().await;
    client.write_all(line(&message(20)).as_bytes()).await.unwrap();
    let failed = scene
        .event(|event| matches!(event, ServerEvent::SendFailed { .. }))
        .await;
    let ServerEvent::SendFailed { client: id, error } = failed else {
        unreachable!();
    };
    assert_eq!((id.number(), error.n_result()), (1, Some(NResult::TimeoutBs)));
    let mut peer = scene.peer();
    client.write_all(b"<01>").await.unwrap();
    assert_eq!(peer.recv().await.unwrap().unwrap(), [1].as_slice());
}

#[tokio::test(start_paused = true)]
async fn imitating_a_failed_message_closes_its_clients_connection_only() {
    let mut scene = Scene::new(ServerConfig::default().failures(Failures::HangUp));
    let (mut first, mut second) = (scene.client().await, scene.client().await);
    first.write_all(line(&message(20)).as_bytes()).await.unwrap();
    assert!(is_closed(&mut first).await);
    second.write_all(b"<01>").await.unwrap();
    assert_eq!(scene.peer().recv().await.unwrap().unwrap(), [1].as_slice());
}

#[tokio::test(start_paused = true)]
async fn imitating_a_failed_reception_closes_all_connections_after_what_came_before() {
    let mut scene = Scene::new(ServerConfig::default().failures(Failures::HangUp));
    let (mut first, mut second) = (scene.client().await, scene.client().await);
    let mut peer = scene.peer();
    peer.send(message(3)).await.unwrap();
    // Its sender is gone after the first frame.
    let cut = tokio::time::timeout(Duration::from_millis(1), async {
        let mut sending = core::pin::pin!(peer.send(message(4000)));
        poll_fn(|cx| {
            let _ = sending.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
    });
    cut.await.unwrap();
    drop(peer);
    for client in [&mut first, &mut second] {
        reads(client, "<ABABAB>\n").await;
        assert!(is_closed(client).await);
    }
}

#[tokio::test(start_paused = true)]
async fn imitating_a_message_that_is_too_long_closes_all_connections() {
    let config = ServerConfig::default().max_len(30);
    for (failures, closes) in [(Failures::HangUp, true), (Failures::Stay, false)] {
        let mut scene = Scene::new(config.failures(failures));
        let mut client = scene.client().await;
        scene.peer().send(message(31)).await.unwrap();
        assert_eq!(is_closed(&mut client).await, closes, "{failures:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_client_more_than_permitted_is_turned_away() {
    let mut scene = Scene::new(ServerConfig::default().max_clients(1));
    let _first = scene.client().await;
    let (mut second, theirs) = tokio::io::duplex(PIPE);
    scene.join.send(theirs).unwrap();
    let event = scene
        .event(|event| matches!(event, ServerEvent::TurnedAway { .. }))
        .await;
    assert!(matches!(event, ServerEvent::TurnedAway { max: 1, .. }));
    assert!(is_closed(&mut second).await);
}

#[tokio::test(start_paused = true)]
async fn nobody_on_the_bus_is_answered_while_there_is_no_client() {
    let mut scene = Scene::new(ServerConfig::default());
    let error = scene.peer().send(message(20)).await.unwrap_err();
    assert_eq!(error.n_result(), Some(NResult::TimeoutBs));

    let client = scene.client().await;
    scene.peer().send(message(20)).await.unwrap();
    drop(client);
    scene
        .event(|event| matches!(event, ServerEvent::Left { .. }))
        .await;
    assert!(scene.peer().send(message(20)).await.is_err());
    let _client = scene.client().await;
    scene.peer().send(message(20)).await.unwrap();
    assert_eq!(scene.opened.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_said_all_goes_when_that_is_done() {
    let mut scene = Scene::new(ServerConfig::default());
    let mut peer = scene.peer();
    let mut client = scene.client().await;
    let text = [line(&message(10)), line(&message(8)), "<0".to_string()].concat();
    client.write_all(text.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(peer.recv().await.unwrap().unwrap(), message(10));
    assert_eq!(peer.recv().await.unwrap().unwrap(), message(8));
    assert!(is_closed(&mut client).await);
    let events = scene.events().await;
    let reason = events.iter().find_map(|event| match event {
        ServerEvent::Malformed { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(reason, Some(Malformed::Unfinished { len: 1 }));
    assert!(matches!(
        events.last(),
        Some(ServerEvent::Left {
            reason: Departure::Closed,
            ..
        })
    ));
}

#[tokio::test(start_paused = true)]
async fn malformed_text_of_one_client_touches_nobody() {
    let mut scene = Scene::new(ServerConfig::default());
    let mut peer = scene.peer();
    let (mut wild, mut tame) = (scene.client().await, scene.client().await);
    wild.write_all(b"junk<1z><<>><01").await.unwrap();
    tame.write_all(b"<22>").await.unwrap();
    assert_eq!(peer.recv().await.unwrap().unwrap(), [0x22].as_slice());
    wild.write_all(b"02>").await.unwrap();
    assert_eq!(peer.recv().await.unwrap().unwrap(), [1, 2].as_slice());
    let malformed =
        |event: &&ServerEvent| matches!(event, ServerEvent::Malformed { client, .. } if client.number() == 1);
    assert_eq!(scene.events().await.iter().filter(malformed).count(), 5);
}

#[tokio::test(start_paused = true)]
async fn tolerant_reading_is_a_matter_of_configuration() {
    let mut scene = Scene::new(ServerConfig::default().reading(Reading::Tolerant));
    let mut peer = scene.peer();
    scene.client().await.write_all(b"<0x11>").await.unwrap();
    assert_eq!(peer.recv().await.unwrap().unwrap(), [0, 0x11].as_slice());
}

#[tokio::test(start_paused = true)]
async fn without_an_endpoint_a_client_is_hung_up_on_and_the_next_one_may_be_luckier() {
    let mut scene = Scene::new(ServerConfig::default());
    scene.is_broken.store(true, Ordering::Relaxed);
    assert!(is_closed(&mut scene.client().await).await);
    let events = scene.events().await;
    assert!(matches!(events.first(), Some(ServerEvent::NotOpened(_))));
    assert!(matches!(
        events.last(),
        Some(ServerEvent::Left {
            reason: Departure::NoEndpoint,
            ..
        })
    ));
    scene.is_broken.store(false, Ordering::Relaxed);
    let _client = scene.client().await;
    scene.peer().send(message(20)).await.unwrap();
}

/// The endpoint may be a client of another server, which ends with that.
#[tokio::test(start_paused = true)]
async fn when_the_endpoint_ends_its_clients_go_and_their_messages_are_told() {
    let (tell, mut servers) = mpsc::unbounded_channel();
    let open = async || {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        tell.send(theirs)?;
        Ok(Client::over("another", ours, ClientConfig::default()))
    };
    let (join, pipes) = mpsc::unbounded_channel();
    let mut server = Server::new(Pipes(pipes), open, ServerConfig::default());
    for _ in 0..2 {
        let (mut client, theirs) = tokio::io::duplex(PIPE);
        join.send(theirs).unwrap();
        let joined = server.next_event().await;
        assert!(matches!(joined, ServerEvent::Joined { .. }));
        client
            .write_all(line(&message(100)).get(..PIPE).unwrap().as_bytes())
            .await
            .unwrap();
        let serve = async {
            let mut events = Vec::new();
            loop {
                events.push(server.next_event().await);
                if let Some(ServerEvent::Left { .. }) = events.last() {
                    return events;
                }
            }
        };
        let another = servers.recv().await.unwrap();
        let talk = async {
            let rest = line(&message(100)).split_off(PIPE);
            client.write_all(rest.as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(another);
            assert!(is_closed(&mut client).await);
        };
        let (events, ()) = tokio::join!(serve, talk);
        let [told @ .., ended, left] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert!(matches!(
            left,
            ServerEvent::Left {
                reason: Departure::NoEndpoint,
                ..
            }
        ));
        assert!(matches!(ended, ServerEvent::EndpointEnded(_)), "{events:?}");
        let failed = |event: &ServerEvent| matches!(event, ServerEvent::SendFailed { .. });
        assert!(told.iter().any(failed), "{events:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_events_may_be_given_up_at_any_time() {
    let bus = VirtualBus::new();
    let (join, pipes) = mpsc::unbounded_channel();
    let open = async || Ok(IsoTpStream::new(bus.join(), address(), Config::default())?);
    let mut server = Server::new(Pipes(pipes), open, ServerConfig::default());
    let (mut client, theirs) = tokio::io::duplex(PIPE);
    join.send(theirs).unwrap();
    let mut peer = IsoTpStream::new(bus.join(), address().reversed(), Config::default()).unwrap();
    let talk = async {
        client.write_all(line(&message(500)).as_bytes()).await.unwrap();
        assert_eq!(peer.recv().await.unwrap().unwrap(), message(500));
        peer.send(message(400)).await.unwrap();
        reads(&mut client, &line(&message(400))).await;
    };
    let serve = async {
        loop {
            // Each time for so short that hardly anything can happen.
            let _ = tokio::time::timeout(Duration::from_nanos(1), server.next_event()).await;
        }
    };
    tokio::select! {
        () = talk => {}
        () = serve => {}
    }
    assert_eq!((server.stats().sent, server.stats().received), (1, 1));
}

/// A client whose text never ends, and who is never waited for.
struct Flood(u8);

impl AsyncRead for Flood {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, text: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while text.remaining() > 0 {
            text.put_slice(&[self.0]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, line: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(line.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// Clients that come at once.
impl Listener for VecDeque<Box<dyn Io>> {
    type Io = Box<dyn Io>;

    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<io::Result<(Self::Io, String)>> {
        self.pop_front()
            .map_or(Poll::Pending, |io| Poll::Ready(Ok((io, "flood".to_string()))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_text_leaves_other_tasks_their_turns() {
    let flood: Box<dyn Io> = Box::new(Flood(b'<'));
    let turns = Arc::new(AtomicUsize::new(0));
    tokio::spawn({
        let turns = Arc::clone(&turns);
        async move {
            loop {
                turns.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }
    });
    let open = || core::future::pending::<Result<IsoTpStream<VirtualPort>, OpenFailure>>();
    let mut server = Server::new(VecDeque::from([flood]), open, ServerConfig::default());
    for _ in 0..10_000 {
        server.next_event().await;
    }
    let turns = turns.load(Ordering::Relaxed);
    assert!(turns > 10, "the other task ran {turns} times");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_text_that_says_nothing_keeps_nobody_waiting() {
    let (mut ours, theirs) = tokio::io::duplex(PIPE);
    let clients: [Box<dyn Io>; 2] = [Box::new(Flood(b'\n')), Box::new(theirs)];
    let open = || core::future::pending::<Result<IsoTpStream<VirtualPort>, OpenFailure>>();
    let mut server = Server::new(VecDeque::from(clients), open, ServerConfig::default());
    ours.write_all(b"<zz>").await.unwrap();
    let told = async { while !matches!(server.next_event().await, ServerEvent::Malformed { .. }) {} };
    // There is no end to the flood, so turns are counted and not time.
    let patience = async {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = told => {}
        () = patience => panic!("the second client is not heard"),
    }
}
