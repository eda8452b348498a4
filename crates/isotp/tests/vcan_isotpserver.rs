//! Both sides of the isotpserver protocol against can-utils, on a virtual interface: our client by way of the
//! original server, and our server for raw clients with isotpsend and isotprecv at the other end. Each test
//! has identifiers of its own, so they share the interface.
#![cfg(all(feature = "linux", target_os = "linux"))]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and have tasks"
)]

use core::time::Duration;
use std::process::Stdio;

use bytes::Bytes;
use can_link::linux::{RawOptions, RawSocket};
use can_link::{CanRxExt, Id, LinkError, StandardId};
use futures::{Sink, Stream};
use isotp::isotpserver::{
    Client, ClientConfig, Failures, OpenFailure, Reading, Reconnect, Server, ServerConfig, ServerEvent,
};
use isotp::{Address, Config, IsoTpStream, KernelIsoTp, StreamError, Target};
use testkit::compat::Direction::{Both, FromPeer};
use testkit::compat::{Outcome, Report};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// The lengths that matter: one byte, the last and first of each frame kind, the longest with a 12-bit
/// length.
const LENGTHS: [usize; 5] = [1, 7, 8, 62, 4095];
/// The longest of the original server. Other tools of can-utils have room for less.
const LONGEST: usize = 6000;

fn interface() -> String {
    std::env::var("VCAN0").unwrap_or_else(|_| panic!("VCAN0 is not set; run: cargo xtask vcan"))
}

/// What `future` gives, which must not take long.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let slow = std::env::var("VCAN_SLOW").map_or(1, |slow| slow.parse().unwrap());
    let limit = Duration::from_secs(20 * slow);
    let outcome = tokio::time::timeout(limit, future).await;
    outcome.unwrap_or_else(|_| panic!("{what}: nothing happened"))
}

/// The server's address on the bus.
fn address(base: u16) -> Address {
    let id = |raw| StandardId::new(raw).unwrap();
    Address::normal(id(base), id(base + 8)).unwrap()
}

fn config() -> Config {
    Config::default().max_rx_len(66_000)
}

fn payload(len: usize) -> Bytes {
    (0..len)
        .map(|i| u8::try_from((i + i / 256) % 256).unwrap())
        .collect()
}

fn hex(message: &[u8]) -> String {
    message.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn ids(address: &Address) -> [String; 4] {
    let text = |id: Id| match id {
        Id::Standard(id) => format!("{:03X}", id.as_raw()),
        Id::Extended(id) => format!("{:08X}", id.as_raw()),
    };
    let (tx, rx) = (
        address.tx().id(Target::Physical),
        address.rx().id(Target::Physical),
    );
    ["-s".into(), text(tx), "-d".into(), text(rx.unwrap())]
}

/// One of can-utils with this address; it does not outlive its test.
fn tool(name: &str, address: &Address, options: &[&str]) -> Command {
    let mut command = Command::new(name);
    command
        .args(ids(address))
        .args(options)
        .arg(interface())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Waits until so many ISO-TP sockets of the kernel receive what is sent to `address`.
async fn receivers(address: &Address, count: usize) {
    let Some(Id::Standard(id)) = address.rx().id(Target::Physical) else {
        panic!("not a standard identifier");
    };
    let is_meant = |line: &&str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let raw = words.get(1).and_then(|word| u32::from_str_radix(word, 16).ok());
        words.last() == Some(&"isotp") && raw.is_some_and(|raw| raw & 0x7FF == u32::from(id.as_raw()))
    };
    soon("a socket of the kernel", async {
        loop {
            let text = std::fs::read_to_string("/proc/net/can/rcvlist_sff").unwrap();
            if text.lines().filter(is_meant).count() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// A port that was free a moment ago.
async fn port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// The original, and where it listens.
async fn isotpserver(address: &Address) -> (Child, String) {
    let port = port().await;
    let child = tool("isotpserver", address, &["-l", &port.to_string()])
        .spawn()
        .unwrap();
    (child, format!("isotpserver://127.0.0.1:{port}"))
}

/// A client of it, as soon as it listens and its own socket is bound.
async fn client(server: &str, address: &Address, config: ClientConfig) -> Client {
    let client = soon("the original server", async {
        loop {
            if let Ok(client) = Client::connect_with(server, config).await {
                return client;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    receivers(address, 1).await;
    client
}

/// The other end of `address`, in user space.
fn other_end(address: &Address) -> IsoTpStream<RawSocket> {
    let link = RawOptions::new().open(interface()).unwrap();
    IsoTpStream::new(link, address.reversed(), config()).unwrap()
}

/// A server of ours and its events.
async fn serve<E>(
    mut open: impl FnMut() -> Result<E, OpenFailure> + Send + 'static,
    config: ServerConfig,
) -> (String, mpsc::UnboundedReceiver<ServerEvent>)
where
    E: Stream<Item = Result<Bytes, StreamError>> + Sink<Bytes, Error = StreamError> + Unpin + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let mut server = Server::new(listener, move || core::future::ready(open()), config);
    let (tell, events) = mpsc::unbounded_channel();
    tokio::spawn(async move { while tell.send(server.next_event().await).is_ok() {} });
    (place, events)
}

fn user_space(address: Address) -> impl FnMut() -> Result<IsoTpStream<RawSocket>, OpenFailure> + Send {
    move || {
        let link = RawOptions::new().open(interface())?;
        Ok(IsoTpStream::new(link, address, config())?)
    }
}

/// A raw client, counted as one.
async fn raw_client(place: &str, events: &mut mpsc::UnboundedReceiver<ServerEvent>) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(place).await.unwrap();
    let joined = soon("the client's welcome", events.recv()).await.unwrap();
    assert!(matches!(joined, ServerEvent::Joined { .. }), "{joined:?}");
    BufReader::new(stream)
}

/// A line for `docs/COMPATIBILITY.md` about the original server.
fn row(feature: &str, remark: &str) {
    Report::can_utils("isotpserver").row(Both, feature, Outcome::Works, remark);
}

async fn isotpsend(address: &Address, message: &Bytes) {
    let mut child = tool("isotpsend", &address.reversed(), &["-b"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text: Vec<_> = message.iter().map(|byte| format!("{byte:02X}")).collect();
    stdin.write_all(text.join(" ").as_bytes()).await.unwrap();
    drop(stdin);
    let status = soon("isotpsend", child.wait()).await.unwrap();
    assert!(status.success(), "isotpsend: {status}");
}

/// Every length from a raw client of our server to isotprecv, and from isotpsend to the client.
async fn passes_both_ways<E>(address: Address, open: impl FnMut() -> Result<E, OpenFailure> + Send + 'static)
where
    E: Stream<Item = Result<Bytes, StreamError>> + Sink<Bytes, Error = StreamError> + Unpin + Send + 'static,
{
    let (place, mut events) = serve(open, ServerConfig::default()).await;
    let mut client = raw_client(&place, &mut events).await;
    for len in LENGTHS {
        let recv = tool("isotprecv", &address.reversed(), &[]).spawn().unwrap();
        receivers(&address.reversed(), 1).await;
        let text = format!("<{}>", hex(&payload(len)));
        client.write_all(text.as_bytes()).await.unwrap();
        let output = soon("isotprecv", recv.wait_with_output()).await.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            printed.replace([' ', '\n'], ""),
            hex(&payload(len)),
            "{len} bytes"
        );

        isotpsend(&address, &payload(len)).await;
        let mut line = String::new();
        soon("a line", client.read_line(&mut line)).await.unwrap();
        assert_eq!(line, format!("<{}>\n", hex(&payload(len))), "{len} bytes");
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn our_client_passes_every_length_by_way_of_the_original() {
    let address = address(0x500);
    let (_server, place) = isotpserver(&address).await;
    let mut client = client(&place, &address, ClientConfig::default()).await;
    let mut peer = other_end(&address);
    for len in LENGTHS.into_iter().chain([LONGEST]) {
        client.send(payload(len)).await.unwrap();
        let received = soon("a message on the bus", peer.recv()).await.unwrap();
        assert_eq!(received.unwrap(), payload(len), "{len} bytes");

        soon("the end of sending", peer.send(payload(len))).await.unwrap();
        let received = soon("a line", client.recv()).await.unwrap();
        assert_eq!(received.unwrap(), payload(len), "{len} bytes");
    }
    row(
        "our client",
        "1, 7, 8, 62, 4095 and 6000 bytes by way of the original",
    );
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn the_originals_hang_up_is_told_and_the_client_connects_again() {
    let address = address(0x501);
    let (_server, place) = isotpserver(&address).await;
    let config = ClientConfig::default().reconnect(Some(Reconnect::default()));
    let mut client = client(&place, &address, config).await;
    // Nobody answers the first frame, which the original notices after a second.
    client.send(payload(20)).await.unwrap();
    let error = soon("the end of the connection", client.recv())
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, StreamError::HungUp { .. }), "{error}");
    let mut peer = other_end(&address);
    let (received, ()) = tokio::join!(soon("a message", client.recv()), async {
        receivers(&address, 1).await;
        soon("the end of sending", peer.send(payload(20))).await.unwrap();
    });
    assert_eq!(received.unwrap().unwrap(), payload(20));
    assert_eq!((client.stats().hang_ups, client.stats().reconnects), (1, 1));
    let remark =
        "it hangs up without a word when nobody answers a first frame; our client tells, and connects again";
    Report::can_utils("isotpserver").row(FromPeer, "our client: hang-up", Outcome::PeerDiffers, remark);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn can_utils_talk_to_clients_of_our_server() {
    let address = address(0x502);
    passes_both_ways(address, user_space(address)).await;
    let remark = "1, 7, 8, 62 and 4095 bytes with clients of our server";
    Report::can_utils("isotpsend and isotprecv").row(Both, "isotpserver: ours", Outcome::Works, remark);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn they_do_so_with_the_kernels_endpoint_behind_it() {
    let address = address(0x503);
    passes_both_ways(address, move || {
        // Some kernels take no more than 8300 bytes, and the backend promises nothing that they do not keep.
        let opened = KernelIsoTp::open(&interface(), &address, &Config::default());
        opened.map_err(|error| LinkError::unsupported(error.to_string()).into())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn two_clients_get_every_message_and_the_sender_one_flow_control() {
    let address = address(0x504);
    let (place, mut events) = serve(user_space(address), ServerConfig::default()).await;
    let mut clients = [
        raw_client(&place, &mut events).await,
        raw_client(&place, &mut events).await,
    ];
    let mut watcher = RawOptions::new().open(interface()).unwrap();
    isotpsend(&address, &payload(20)).await;
    for client in &mut clients {
        let mut line = String::new();
        soon("a line", client.read_line(&mut line)).await.unwrap();
        assert_eq!(line, format!("<{}>\n", hex(&payload(20))));
    }
    // A first frame, what answers it, and two consecutive frames; then a single frame as a mark.
    clients[0].write_all(b"<5A>").await.unwrap();
    let mut answers = 0;
    loop {
        let frame = soon("a frame", watcher.recv_frame())
            .await
            .unwrap()
            .unwrap()
            .frame;
        if frame.id() != address.tx().id(Target::Physical) {
            continue;
        }
        if frame.payload()[..2] == [1, 0x5A] {
            break;
        }
        assert_eq!(frame.payload()[..3], [0x30, 0, 0]);
        answers += 1;
    }
    assert_eq!(answers, 1);
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn when_asked_to_our_server_hangs_up_as_the_original_does() {
    let address = address(0x505);
    for failures in [Failures::HangUp, Failures::Stay] {
        let config = ServerConfig::default().failures(failures);
        let (place, mut events) = serve(user_space(address), config).await;
        let mut client = raw_client(&place, &mut events).await;
        client
            .write_all(format!("<{}>", hex(&payload(20))).as_bytes())
            .await
            .unwrap();
        let failed = soon("the failure", events.recv()).await.unwrap();
        assert!(matches!(failed, ServerEvent::SendFailed { .. }), "{failed:?}");
        let ended = tokio::time::timeout(Duration::from_millis(500), client.read_u8()).await;
        assert_eq!(ended.is_ok(), failures == Failures::HangUp);
    }
}

/// Pseudo-random text: digits and what else `sscanf` understands, mostly in brackets.
fn text(seed: &mut u64) -> String {
    const INSIDE: &[u8] = b"0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789xX+- \t\x0B\r\n<zg";
    const OUTSIDE: &[u8] = b"0f\r\n >><x";
    let mut next = |bound: usize| {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        usize::try_from(*seed % u64::try_from(bound).unwrap()).unwrap()
    };
    let mut text = String::new();
    for _ in 0..4 {
        for (letters, most) in [(OUTSIDE, 3), (b"<", 2), (INSIDE, 12), (b">", 2)] {
            let letters: Vec<_> = (0..next(most)).map(|_| letters[next(letters.len())]).collect();
            text.extend(letters.into_iter().map(char::from));
        }
    }
    text
}

/// Messages that come from a server, up to the mark.
async fn messages_of(stream: &mut IsoTpStream<RawSocket>, mark: &[u8]) -> Vec<Bytes> {
    let mut messages = Vec::new();
    loop {
        let message = soon("a message", stream.recv()).await.unwrap().unwrap();
        if message == mark {
            return messages;
        }
        messages.push(message);
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn our_tolerant_server_takes_what_the_original_takes() {
    let (theirs, ours) = (address(0x506), address(0x507));
    let (_server, place) = isotpserver(&theirs).await;
    let original = client(&place, &theirs, ClientConfig::default()).await;
    drop(original);
    receivers(&theirs, 0).await;
    let config = ServerConfig::default().reading(Reading::Tolerant);
    let (our_place, mut events) = serve(user_space(ours), config).await;
    let mut our_client = raw_client(&our_place, &mut events).await;
    let mut their_client = TcpStream::connect(place.strip_prefix("isotpserver://").unwrap())
        .await
        .unwrap();
    receivers(&theirs, 1).await;
    let (mut their_end, mut our_end) = (other_end(&theirs), other_end(&ours));
    let mut seed = 0x1509_5765;
    let mut taken = 0;
    for round in 0..400u16 {
        let mark = [&[0xC0, 0xFF, 0xEE][..], &round.to_be_bytes()].concat();
        // The bracket ends what the text may have begun.
        let text = text(&mut seed);
        let whole = format!("{text}><{}>", hex(&mark));
        their_client.write_all(whole.as_bytes()).await.unwrap();
        our_client.write_all(whole.as_bytes()).await.unwrap();
        let (expected, got) = tokio::join!(
            messages_of(&mut their_end, &mark),
            messages_of(&mut our_end, &mark)
        );
        assert_eq!(got, expected, "{}", text.escape_debug());
        taken += got.len();
    }
    assert!(taken > 150, "{taken}");
    let remark = format!("400 random texts: the same {taken} messages from both");
    row("our server, tolerant, beside the original", &remark);
}
