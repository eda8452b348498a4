//! Our ISO-TP against the kernel's: can-utils' `isotpsend` and `isotprecv`, and kernel sockets of our own, on
//! a virtual interface. Each test has identifiers of its own, so they share the interface.
#![cfg(all(feature = "linux", target_os = "linux"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use core::time::Duration;
use std::process::Stdio;

use bytes::Bytes;
use can_link::StandardId;
use can_link::link::{Echo, OwnEcho};
use can_link::linux::{RawOptions, RawSocket};
use can_link::{CanRx, Id};
use futures::{Sink, SinkExt, Stream, StreamExt};
use isotp::{
    Address, BlockSize, Config, DataLink, IsoTpStream, KernelIsoTp, NResult, Padding, StMin, StreamError,
};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// The lengths that matter: one byte, the last and first of each frame kind, FD's longest single frame, the
/// longest with a 12-bit length.
const LENGTHS: [usize; 5] = [1, 7, 8, 62, 4095];

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

fn address(base: u16) -> Address {
    let id = |raw| StandardId::new(raw).unwrap();
    Address::normal(id(base), id(base + 8)).unwrap()
}

fn payload(len: usize) -> Bytes {
    (0..len)
        .map(|i| u8::try_from((i + i / 256) % 256).unwrap())
        .collect()
}

fn hex(message: &[u8]) -> String {
    let pairs: Vec<_> = message.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(" ")
}

/// A user-space stream whose frames count as sent when their echo comes.
fn stream(address: Address, config: Config) -> IsoTpStream<RawSocket> {
    let link = RawOptions::new()
        .own_messages(Echo::On)
        .open(interface())
        .unwrap();
    assert_ne!(link.capabilities().own_echo, OwnEcho::None);
    IsoTpStream::new(link, address, config).unwrap()
}

fn kernel(address: &Address, config: &Config) -> KernelIsoTp {
    KernelIsoTp::open(&interface(), address, config).unwrap()
}

/// The options that give can-utils the other end of `address`.
fn ids(address: &Address) -> Vec<String> {
    let text = |id: Id| match id {
        Id::Standard(id) => format!("{:03X}", id.as_raw()),
        Id::Extended(id) => format!("{:08X}", id.as_raw()),
    };
    let other = address.reversed();
    let (tx, rx) = (other.tx(), other.rx());
    let mut options = vec![
        String::from("-s"),
        text(tx.id(isotp::Target::Physical)),
        String::from("-d"),
        text(rx.id(isotp::Target::Physical).unwrap()),
    ];
    if let (Some(tx), Some(rx)) = (tx.address_byte(), rx.address_byte()) {
        options.extend([String::from("-x"), format!("{tx:02X}:{rx:02X}")]);
    }
    options
}

/// One of can-utils at the other end of `address`; it does not outlive its test.
fn peer(name: &str, address: &Address, options: &[&str]) -> Command {
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

/// Sends `message` with `isotpsend`, which waits for its end.
async fn isotpsend(address: &Address, options: &[&str], message: Bytes) {
    let mut child = peer("isotpsend", address, options).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(hex(&message).as_bytes()).await.unwrap();
    drop(stdin);
    let status = soon("isotpsend", child.wait()).await.unwrap();
    assert!(status.success(), "isotpsend: {status}");
}

/// Starts `isotprecv` for one message, and returns when it listens.
async fn isotprecv(address: &Address, options: &[&str]) -> Child {
    let child = peer("isotprecv", address, options).spawn().unwrap();
    soon(
        "isotprecv to be ready",
        receives(address.tx().id(isotp::Target::Physical)),
    )
    .await;
    child
}

/// Waits until some ISO-TP socket of the kernel receives this identifier.
async fn receives(id: Id) {
    let (list, id) = match id {
        Id::Standard(id) => ("rcvlist_sff", u32::from(id.as_raw())),
        Id::Extended(id) => ("rcvlist_eff", id.as_raw()),
    };
    // device, identifier, mask, two pointers, matches, and who asked: "isotpe" would be a sender's echo.
    let is_there = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let raw = words.get(1).and_then(|word| u32::from_str_radix(word, 16).ok());
        words.last() == Some(&"isotp") && raw.is_some_and(|raw| raw & 0x1FFF_FFFF == id)
    };
    loop {
        let text = std::fs::read_to_string(format!("/proc/net/can/{list}")).unwrap();
        if text.lines().any(is_there) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Every length from isotpsend to `stream`.
async fn takes<S>(mut stream: S, address: &Address, options: &[&str])
where
    S: Stream<Item = Result<Bytes, StreamError>> + Unpin,
{
    for len in LENGTHS {
        let send = isotpsend(address, options, payload(len));
        let ((), received) = tokio::join!(send, soon("a message", stream.next()));
        assert_eq!(received.unwrap().unwrap(), payload(len), "{len} bytes");
    }
}

/// Every length from `stream` to isotprecv.
async fn gives<S>(mut stream: S, address: &Address, options: &[&str])
where
    S: Sink<Bytes, Error = StreamError> + Unpin,
{
    for len in LENGTHS {
        let child = isotprecv(address, options).await;
        soon("the end of sending", stream.send(payload(len)))
            .await
            .unwrap();
        let output = soon("isotprecv", child.wait_with_output()).await.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed.trim(), hex(&payload(len)), "{len} bytes");
    }
}

/// Every length from one stream to the other.
async fn passes<A, B>(mut from: A, mut to: B)
where
    A: Sink<Bytes, Error = StreamError> + Unpin,
    B: Stream<Item = Result<Bytes, StreamError>> + Unpin,
{
    for len in LENGTHS {
        let (sent, received) = tokio::join!(
            soon("the end of sending", from.send(payload(len))),
            soon("a message", to.next())
        );
        sent.unwrap();
        assert_eq!(received.unwrap().unwrap(), payload(len), "{len} bytes");
    }
}

fn blocks() -> Config {
    Config::default()
        .block_size(BlockSize::from_bits(8))
        .st_min(StMin::at_least(Duration::from_micros(200)))
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn isotpsend_sends_to_our_stack() {
    let address = address(0x400);
    takes(stream(address, Config::default()), &address, &[]).await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn isotpsend_obeys_our_block_size_and_separation_time() {
    let address = address(0x401);
    takes(stream(address, blocks()), &address, &["-p", "55:55"]).await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn our_stack_sends_to_isotprecv() {
    let address = address(0x402);
    gives(stream(address, Config::default()), &address, &[]).await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn our_stack_obeys_the_block_size_and_separation_time_of_isotprecv() {
    let address = address(0x403);
    let options = ["-b", "8", "-m", "F2", "-p", "CC:CC", "-P", "a"];
    gives(stream(address, Config::default()), &address, &options).await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn isotpsend_sends_to_our_kernel_socket() {
    let address = address(0x404);
    takes(kernel(&address, &blocks()), &address, &[]).await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn our_kernel_socket_sends_to_isotprecv() {
    let address = address(0x405);
    let options = ["-b", "8", "-p", "CC:CC", "-P", "a"];
    gives(kernel(&address, &Config::default()), &address, &options).await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn our_stack_and_our_kernel_socket_understand_each_other() {
    let address = address(0x420);
    let (ours, theirs) = (stream(address, blocks()), kernel(&address.reversed(), &blocks()));
    passes(ours, theirs).await;
    let (ours, theirs) = (stream(address, blocks()), kernel(&address.reversed(), &blocks()));
    passes(theirs, ours).await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn they_do_so_with_can_fd() {
    let address = address(0x421);
    for padding in [Padding::none(), Padding::filled(0x55)] {
        let config = blocks().data_link(DataLink::fd()).padding(padding);
        let (ours, theirs) = (stream(address, config), kernel(&address.reversed(), &config));
        passes(ours, theirs).await;
        let (ours, theirs) = (stream(address, config), kernel(&address.reversed(), &config));
        passes(theirs, ours).await;
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn they_do_so_with_every_addressing_mode() {
    let id = |raw| StandardId::new(raw).unwrap();
    let (a, b) = (id(0x422), id(0x42A));
    let modes = [
        Address::extended(a, b, 0x33, 0xF1).unwrap(),
        Address::mixed(a, b, 0x99).unwrap(),
        Address::normal_fixed(0x33, 0xF1).unwrap(),
        Address::mixed_fixed(0x33, 0xF1, 0x99).unwrap(),
    ];
    for address in modes {
        let (ours, theirs) = (stream(address, blocks()), kernel(&address.reversed(), &blocks()));
        passes(ours, theirs).await;
        let (ours, theirs) = (stream(address, blocks()), kernel(&address.reversed(), &blocks()));
        passes(theirs, ours).await;
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn without_a_receiver_both_name_the_same_failure_and_stay_usable() {
    let address = address(0x430);
    let mut ours = stream(address, Config::default());
    for _ in 0..2 {
        let error = soon("a timeout", ours.send(payload(20))).await.unwrap_err();
        assert_eq!(error.n_result(), Some(NResult::TimeoutBs), "{error}");
    }
    soon("a single frame", ours.send(payload(5))).await.unwrap();
    drop(ours);
    let mut theirs = kernel(&address, &Config::default());
    for _ in 0..2 {
        let error = soon("a timeout", theirs.send(payload(20))).await.unwrap_err();
        assert_eq!(error.n_result(), Some(NResult::TimeoutBs), "{error}");
    }
    soon("a single frame", theirs.send(payload(5))).await.unwrap();
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn a_message_above_our_limit_fails_for_the_kernel_as_an_overflow() {
    let address = address(0x431);
    let mut ours = stream(address.reversed(), Config::default().max_rx_len(100));
    let mut theirs = kernel(&address, &Config::default());
    let (sent, received) = tokio::join!(
        soon("the end of sending", theirs.send(payload(101))),
        soon("a report", ours.recv())
    );
    assert_eq!(sent.unwrap_err().n_result(), Some(NResult::BufferOvflw));
    assert!(matches!(
        received,
        Some(Err(StreamError::Refused { len: 101, max: 100 }))
    ));
    let (sent, received) = tokio::join!(
        soon("the end of sending", theirs.send(payload(100))),
        soon("a message", ours.recv())
    );
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), payload(100));
}

/// Sends `message` and meanwhile receives one of `len` bytes.
async fn exchange<S>(stream: S, message: Bytes, len: usize)
where
    S: Stream<Item = Result<Bytes, StreamError>> + Sink<Bytes, Error = StreamError> + Unpin,
{
    let (mut sink, mut source) = stream.split();
    let (sent, received) = tokio::join!(
        soon("the end of sending", sink.send(message)),
        soon("a message", source.next())
    );
    sent.unwrap();
    assert_eq!(received.unwrap().unwrap(), payload(len));
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn both_directions_run_at_once_between_our_stack_and_the_kernel() {
    let address = address(0x432);
    let ours = stream(address, blocks());
    let theirs = kernel(&address.reversed(), &blocks());
    tokio::join!(
        exchange(ours, payload(1500), 900),
        exchange(theirs, payload(900), 1500)
    );
}
