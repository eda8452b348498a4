//! What the kernel tests share: interfaces, peers, and patience.
#![allow(
    dead_code,
    clippy::panic,
    reason = "each test file is a crate of its own and uses a part of this; tests fail by panicking"
)]

use core::panic::Location;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::process::{Child, Command, Output, Stdio};

use can_link::linux::{RawOptions, RawSocket};
use can_link::{CanFrame, CanRx, CanRxExt, Event, EventBuf, StandardId};

/// The interface that `cargo xtask vcan` has made for this variable.
#[track_caller]
pub(crate) fn interface(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set; run: cargo xtask vcan"))
}

/// `seconds` on a machine of our own, more on a slow one.
pub(crate) fn patience(seconds: u64) -> Duration {
    let slow = std::env::var("VCAN_SLOW").map_or(1, |slow| slow.parse().expect("VCAN_SLOW is a number"));
    Duration::from_secs(seconds * slow)
}

/// What `future` gives, which must not take long.
#[track_caller]
pub(crate) fn soon<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = Location::caller();
    async move {
        match tokio::time::timeout(patience(10), future).await {
            Ok(value) => value,
            Err(_) => panic!("nothing happened at {place}"),
        }
    }
}

/// Runs a command that must succeed.
#[track_caller]
pub(crate) fn run(line: &str) -> Output {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().expect("a command"))
        .args(words)
        .output()
        .unwrap_or_else(|error| panic!("{line}: {error}"));
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Starts a peer whose output is read later.
#[track_caller]
pub(crate) fn start(line: &str) -> Child {
    let mut words = line.split_whitespace();
    Command::new(words.next().expect("a command"))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// A virtual interface of one test, deleted at its end.
pub(crate) struct Vcan {
    pub(crate) name: String,
}

impl Vcan {
    /// An interface with this MTU, up.
    pub(crate) fn new(mtu: u32) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tv{}x{number}", std::process::id());
        let vcan = Self { name };
        vcan.add(mtu);
        vcan.up();
        vcan
    }

    pub(crate) fn add(&self, mtu: u32) {
        run(&format!("ip link add dev {} mtu {mtu} type vcan", self.name));
    }

    pub(crate) fn up(&self) {
        run(&format!("ip link set dev {} up", self.name));
    }

    pub(crate) fn down(&self) {
        run(&format!("ip link set dev {} down", self.name));
    }

    pub(crate) fn delete(&self) {
        run(&format!("ip link delete dev {}", self.name));
    }

    /// A queue of ten frames that passes them on at `kbit` per second, as a controller does.
    ///
    /// The kernel counts 16 bytes for a classic frame, so 256 kbit/s are 2,000 frames per second.
    pub(crate) fn slow_down(&self, kbit: u32) {
        let name = &self.name;
        run(&format!(
            "tc qdisc add dev {name} root handle 1: tbf rate {kbit}kbit burst 64 limit 160"
        ));
    }

    pub(crate) fn open(&self) -> RawSocket {
        RawOptions::new()
            .open(&*self.name)
            .expect("the interface was just made")
    }
}

impl Drop for Vcan {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["link", "delete", "dev", &self.name])
            .stderr(Stdio::null())
            .status();
    }
}

pub(crate) fn id(raw: u16) -> StandardId {
    StandardId::new(raw).expect("a standard identifier")
}

pub(crate) fn frame(raw: u16, data: &[u8]) -> CanFrame {
    CanFrame::data(id(raw), data).expect("at most 8 bytes")
}

/// A frame that carries a number.
pub(crate) fn numbered(raw: u16, number: u32) -> CanFrame {
    frame(raw, &number.to_be_bytes())
}

pub(crate) fn number_of(frame: &CanFrame) -> u32 {
    u32::from_be_bytes(frame.payload().try_into().expect("four bytes"))
}

/// The next frame, whatever else happens.
pub(crate) async fn next_frame(rx: &mut (impl CanRx + ?Sized)) -> CanFrame {
    let received = soon(rx.recv_frame()).await.expect("the link works");
    received.expect("the link goes on").frame
}

/// The next event.
pub(crate) async fn next_event(rx: &mut (impl CanRx + ?Sized)) -> Event {
    soon(rx.recv())
        .await
        .expect("the link works")
        .expect("the link goes on")
}

/// Everything up to and including a frame with this identifier, which is then taken off.
pub(crate) async fn events_until(rx: &mut (impl CanRx + ?Sized), last: StandardId) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        match next_event(rx).await {
            Event::Frame(received) if received.frame.id() == last.into() => return events,
            event => events.push(event),
        }
    }
}

pub(crate) fn frames(events: &[Event]) -> Vec<CanFrame> {
    let frame = |event: &Event| match event {
        Event::Frame(received) => Some(received.frame.clone()),
        _ => None,
    };
    events.iter().filter_map(frame).collect()
}

/// Receives until `count` frames are there.
pub(crate) async fn collect(rx: &mut (impl CanRx + ?Sized), count: usize) -> Vec<CanFrame> {
    let mut out = EventBuf::new();
    let mut frames = Vec::with_capacity(count);
    while frames.len() < count {
        soon(rx.recv_many(&mut out, 64)).await.expect("the link works");
        for event in out.drain(..) {
            match event {
                Event::Frame(received) => frames.push(received.frame),
                other => panic!("after {} frames: {other:?}", frames.len()),
            }
        }
    }
    frames
}
