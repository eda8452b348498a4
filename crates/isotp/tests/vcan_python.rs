//! Our stack against python-can-isotp and aioisotp on a virtual interface: over python-can, and over the
//! kernel's socket by `isotp.socket`. The same on any machine, and more of it, is in `peer_python.rs`.
#![cfg(all(feature = "linux", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

#[allow(
    dead_code,
    unused_imports,
    reason = "each file of tests against peers uses its part"
)]
mod compat;

use compat::{Aioisotp, Bus, CanIsoTp, Mode, Peer, Setup, in_bytes, payload, soon};
use isotp::{Config, KernelIsoTp};
use testkit::compat::Direction::Both;
use testkit::compat::Outcome;

const LENGTHS: [usize; 6] = [1, 7, 8, 62, 63, 4095];
const SHORT: [usize; 4] = [1, 6, 8, 62];

fn setup() -> Setup {
    Setup::new(Mode::normal_11())
}

/// Long enough for all of the 32 bits that are tried.
fn roomy() -> Setup {
    Setup {
        max_len: 100_000,
        ..setup()
    }
}

/// With python-can-isotp's own default: without blocks, the queue of its socket overflows where Python is
/// slow.
fn in_blocks() -> Setup {
    Setup {
        block_size: 8,
        ..roomy()
    }
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn python_can_isotp_talks_to_us() {
    let mut bench = CanIsoTp::on(Bus::vcan()).await;
    let modes = [Mode::all(), vec![Mode::two_formats(), Mode::one_byte()]].concat();
    bench.addresses(modes, &setup(), &SHORT).await;
    bench.both_ways("length: 12 bits", &in_blocks(), &LENGTHS).await;
    bench
        .fd(&[64], &in_blocks(), &[1, 7, 8, 62, 63, 4095, 70_000])
        .await;
    bench.flow_control(&setup()).await;
    bench.wait(&setup()).await;
    bench.overflow_from_peer(&setup()).await;
    bench
        .overflow_to_peer(&setup(), 100, Some("FrameTooLongError"))
        .await;
    bench.peer.end().await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn the_kernels_socket_in_python_talks_to_us() {
    let mut bench = CanIsoTp::socket_on(Bus::vcan()).await;
    let modes = [Mode::all(), vec![Mode::two_formats()]].concat();
    bench.addresses(modes, &setup(), &SHORT).await;
    bench.both_ways("length: 12 bits", &setup(), &LENGTHS).await;
    bench.both_ways("length: 32 bits", &roomy(), &[4096, 5000]).await;
    bench.fd(&[64], &roomy(), &[1, 7, 8, 62, 63, 4095]).await;
    bench.padding(&setup(), &SHORT).await;
    bench.flow_control(&setup()).await;
    bench.wait(&setup()).await;
    bench.duplex(&setup()).await;
    bench.our_listener(&setup()).await;
    bench.their_listener(&setup()).await;
    bench.overflow_from_peer(&setup()).await;
    bench.silence(&setup()).await;
    bench.broken_off(&setup()).await;
    bench.peer.end().await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn aioisotp_does_not_get_the_kernels_socket_and_talks_to_us() {
    let mut bench = Aioisotp::on(Bus::vcan()).await;
    bench.peer.open(&setup()).await;
    let why = bench.peer.trouble().await;
    let logged = "Could not use SocketCAN ISO-TP";
    assert!(why.starts_with(logged), "{why}");
    let remark = format!("logs \"{logged}\" and takes its own stack");
    let feature = "interface: socketcan, by the kernel's socket";
    bench.report.row(Both, feature, Outcome::PeerFails, &remark);
    bench.peer.close().await;
    bench
        .both_ways("interface: socketcan", &setup(), &[1, 8, 300])
        .await;
    bench.peer.end().await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn our_kernel_socket_talks_to_python_can_isotp() {
    let mut bench = CanIsoTp::on(Bus::vcan()).await;
    let setup = in_blocks();
    bench.peer.open(&setup).await;
    let mut ours = KernelIsoTp::open(&bench.bus.place(), &setup.mode.ours, &Config::default()).unwrap();
    for message in LENGTHS.map(payload) {
        soon("our end", ours.send(message.clone())).await.unwrap();
        assert_eq!(bench.peer.received().await, message);
        bench.peer.send(&message).await;
        assert_eq!(soon("a message", ours.recv()).await.unwrap().unwrap(), message);
        bench.peer.sent().await.unwrap();
    }
    bench.works(Both, "our side: KernelIsoTp", &in_bytes(&LENGTHS));
    drop(ours);
    bench.peer.close().await;
    bench.peer.end().await;
}
