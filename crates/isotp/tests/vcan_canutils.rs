//! Our stack against the kernel's, on a virtual interface: by `isotpsend` and `isotprecv` of can-utils, and
//! by the socket itself.
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

use compat::{Bench, Bus, CanUtils, Kernel, Mode, Peer, Setup, payload, soon};
use testkit::compat::Direction::ToPeer;
use testkit::compat::Outcome;

const LENGTHS: [usize; 6] = [1, 7, 8, 62, 63, 4095];
/// More than the kernel takes in any version.
const KERNEL_LIMIT: usize = 70_000;

fn setup() -> Setup {
    Setup::new(Mode::normal_11())
}

/// Long enough for all of the 32 bits that are tried.
fn roomy() -> Setup {
    Setup {
        max_len: 8000,
        ..setup()
    }
}

/// What both have in common; the lengths are those to try with each address.
async fn talk<P: Peer>(bench: &mut Bench<P>, lengths: &[usize]) {
    let modes = [Mode::all(), vec![Mode::two_formats()]].concat();
    bench.addresses(modes, &setup(), lengths).await;
    bench.both_ways("length: 12 bits", &setup(), &LENGTHS).await;
    bench.padding(&setup(), lengths).await;
    bench.flow_control(&setup()).await;
    bench.wait(&setup()).await;
    bench.overflow_from_peer(&setup()).await;
    bench.overflow_to_peer(&setup(), KERNEL_LIMIT, None).await;
    bench.silence(&setup()).await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn can_utils_talk_to_us() {
    let mut bench = CanUtils::on(Bus::vcan());
    talk(&mut bench, &[6, 62]).await;
    bench.fd(&[64], &setup(), &LENGTHS).await;
    bench.both_ways("length: 32 bits", &roomy(), &[4096, 4999]).await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn isotprecv_prints_no_message_of_5000_bytes() {
    let mut bench = CanUtils::on(Bus::vcan());
    let setup = roomy();
    bench.peer.open(&setup).await;
    let mut ours = bench.ours(&setup, setup.config()).await;
    let (sent, printed) = tokio::join!(soon("our end", ours.send(payload(5000))), bench.peer.received());
    sent.unwrap();
    assert!(printed.is_empty(), "{printed:?}");
    bench.give(&mut ours, 4999).await;
    let remark = "isotprecv prints an empty line; the next message arrives";
    bench
        .report
        .row(ToPeer, "length: 5000 bytes", Outcome::PeerFails, remark);
    drop(ours);
    bench.peer.close().await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn the_kernels_socket_talks_to_us() {
    let mut bench = Kernel::on(Bus::vcan());
    talk(&mut bench, &[1, 6, 8, 62]).await;
    bench.fd(&[12, 16, 20, 24, 32, 48, 64], &setup(), &LENGTHS).await;
    bench.both_ways("length: 32 bits", &roomy(), &[4096, 5000]).await;
    bench.duplex(&setup()).await;
    bench.our_listener(&setup()).await;
    bench.broken_off(&setup()).await;
}
