//! Our ISO-TP against Python's: `isotp.socket`, which is the kernel's, and the user-space stack of
//! python-can-isotp over python-can.
#![cfg(all(feature = "linux", target_os = "linux"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use core::time::Duration;
use std::process::Stdio;

use bytes::Bytes;
use can_link::StandardId;
use can_link::link::Echo;
use can_link::linux::RawOptions;
use futures::{Sink, SinkExt, Stream, StreamExt};
use isotp::{Address, Config, IsoTpStream, KernelIsoTp, StreamError};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const LENGTHS: [usize; 5] = [1, 7, 8, 62, 4095];

/// Sends each message back, reversed, and ends after as many as it is told.
const ECHO: &str = r#"
import sys, time, isotp
kind, interface = sys.argv[1:3]
rx, tx, count = map(int, sys.argv[3:])
address = isotp.Address(isotp.AddressingMode.Normal_11bits, rxid=rx, txid=tx)
if kind == "socket":
    socket = isotp.socket(timeout=100)
    socket.bind(interface, address)
    receive, send, busy = socket.recv, socket.send, lambda: False
else:
    import can
    bus = can.Bus(interface="socketcan", channel=interface)
    stack = isotp.CanStack(bus, address=address, params={"tx_padding": 0xCC})
    stack.start()
    receive, send, busy = lambda: stack.recv(block=True, timeout=100), stack.send, stack.transmitting
print("ready", flush=True)
for _ in range(count):
    send(bytes(receive())[::-1])
while busy():
    time.sleep(0.01)
if kind != "socket":
    stack.stop()
    bus.shutdown()
"#;

fn interface() -> String {
    std::env::var("VCAN0").unwrap_or_else(|_| panic!("VCAN0 is not set; run: cargo xtask vcan"))
}

fn address(base: u16) -> Address {
    let id = |raw| StandardId::new(raw).unwrap();
    Address::normal(id(base), id(base + 8)).unwrap()
}

/// What `future` gives, which must not take long.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let slow = std::env::var("VCAN_SLOW").map_or(1, |slow| slow.parse().unwrap());
    let outcome = tokio::time::timeout(Duration::from_secs(20 * slow), future).await;
    outcome.unwrap_or_else(|_| panic!("{what}: nothing happened"))
}

/// A Python that answers us; `base` is the identifier that we send with.
async fn python(kind: &str, base: u16) -> Child {
    let interpreter = std::env::var("TINWIRE_PYTHON")
        .unwrap_or_else(|_| panic!("TINWIRE_PYTHON is not set; run: cargo xtask setup"));
    let mut child = Command::new(interpreter)
        .args(["-c", ECHO, kind, &interface()])
        .args([base, base + 8].map(|id| id.to_string()))
        .arg(LENGTHS.len().to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = soon("python starts", lines.next_line()).await.unwrap();
    assert_eq!(first.as_deref(), Some("ready"));
    child
}

async fn exchange<S>(mut ours: S, mut peer: Child)
where
    S: Stream<Item = Result<Bytes, StreamError>> + Sink<Bytes, Error = StreamError> + Unpin,
{
    for len in LENGTHS {
        let message: Bytes = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
        soon("sending", ours.send(message.clone())).await.unwrap();
        let echo = soon("the echo", ours.next()).await.unwrap().unwrap();
        assert!(
            echo.iter().eq(message.iter().rev()),
            "{len} bytes came back changed"
        );
    }
    assert!(soon("python ends", peer.wait()).await.unwrap().success());
}

fn user(base: u16) -> IsoTpStream<can_link::linux::RawSocket> {
    let link = RawOptions::new()
        .own_messages(Echo::On)
        .open(interface())
        .unwrap();
    IsoTpStream::new(link, address(base), Config::default()).unwrap()
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn our_stack_talks_to_pythons_kernel_socket() {
    let ours = user(0x610);
    exchange(ours, python("socket", 0x610).await).await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn our_stack_talks_to_pythons_stack() {
    let ours = user(0x620);
    exchange(ours, python("stack", 0x620).await).await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn our_kernel_socket_talks_to_pythons_stack() {
    let ours = KernelIsoTp::open(&interface(), &address(0x630), &Config::default()).unwrap();
    exchange(ours, python("stack", 0x630).await).await;
}
