//! Our stack against python-can-isotp and aioisotp on a `bus:`, which needs no CAN in the kernel.
#![cfg(all(unix, feature = "tokio"))]
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

use can_link::StandardId;
use compat::{Aioisotp, Bench, Bus, CanIsoTp, Mode, Peer, Setup, payload, soon};
use isotp::{IsoTpStream, Target};
use testkit::compat::Direction::{FromPeer, ToPeer};
use testkit::compat::Outcome;

const LENGTHS: [usize; 6] = [1, 7, 8, 62, 63, 4095];
const SHORT: [usize; 6] = [1, 6, 7, 8, 62, 300];

fn setup() -> Setup {
    Setup::new(Mode::normal_11())
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn python_can_isotp_and_we_mean_the_same_addresses() {
    let mut bench = CanIsoTp::on(Bus::local().await).await;
    let modes = [Mode::all(), vec![Mode::two_formats(), Mode::one_byte()]].concat();
    bench.addresses(modes, &setup(), &SHORT).await;
    bench.peer.end().await;
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn python_can_isotp_and_we_exchange_messages_of_every_length() {
    let mut bench = CanIsoTp::on(Bus::local().await).await;
    bench.both_ways("length: 12 bits", &setup(), &LENGTHS).await;
    let long = Setup {
        max_len: 100_000,
        ..setup()
    };
    bench
        .both_ways("length: 32 bits", &long, &[4096, 5000, 70_000])
        .await;
    bench.padding(&setup(), &SHORT).await;
    bench.peer.end().await;
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn python_can_isotp_and_we_talk_with_can_fd() {
    let mut bench = CanIsoTp::on(Bus::local().await).await;
    let setup = Setup {
        max_len: 100_000,
        ..setup()
    };
    bench.fd(&[12, 16, 20, 24, 32, 48], &setup, &[1, 7, 8, 100]).await;
    bench.fd(&[64], &setup, &[1, 7, 8, 62, 63, 4095, 70_000]).await;
    bench.peer.end().await;
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn python_can_isotp_and_we_obey_each_others_flow_control() {
    let mut bench = CanIsoTp::on(Bus::local().await).await;
    bench.flow_control(&setup()).await;
    bench.wait(&setup()).await;
    bench.duplex(&setup()).await;
    bench.our_listener(&setup()).await;
    bench.their_listener(&setup()).await;
    bench.peer.end().await;
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn python_can_isotp_and_we_survive_each_others_failures() {
    let mut bench = CanIsoTp::on(Bus::local().await).await;
    bench.overflow_from_peer(&setup()).await;
    bench
        .overflow_to_peer(&setup(), 100, Some("FrameTooLongError"))
        .await;
    bench.silence(&setup()).await;
    bench.broken_off(&setup()).await;
    bench.peer.end().await;
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn each_way_to_use_python_can_isotp_talks_to_us() {
    let mut bench = CanIsoTp::on(Bus::local().await).await;
    for (kind, name) in [
        ("stack", "CanStack"),
        ("notifier", "NotifierBasedCanStack"),
        ("logic", "TransportLayerLogic"),
    ] {
        let setup = Setup { kind, ..setup() };
        bench
            .both_ways(&format!("class: {name}"), &setup, &[1, 8, 300])
            .await;
    }
    bench.peer.end().await;
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn python_can_isotp_and_we_mean_the_same_functional_messages() {
    let mut bench = CanIsoTp::on(Bus::local().await).await;
    let setup = Setup::new(Mode::normal_fixed());
    let (feature, message) = ("functional: normal fixed, 29 bit", payload(7));
    bench.peer.open(&setup).await;
    let mut ours = bench.ours(&setup, setup.config()).await;
    let (sent, received) = tokio::join!(ours.send_functional(message.clone()), bench.peer.received());
    sent.unwrap();
    assert_eq!(received, message);
    bench.works(ToPeer, feature, "7 bytes");
    bench.peer.send_functional(&message).await;
    let received = soon("a message", ours.recv_with_target()).await.unwrap().unwrap();
    assert_eq!(received, (Target::Functional, message));
    bench.peer.sent().await.unwrap();
    bench.works(FromPeer, feature, "7 bytes");
    drop(ours);
    bench.peer.close().await;
    bench.peer.end().await;
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn a_python_can_isotp_that_takes_no_wait_complains_and_goes_on() {
    let mut bench = CanIsoTp::on(Bus::local().await).await;
    bench.refused_wait(&setup(), "UnsupportedWaitFrameError").await;
    bench.peer.end().await;
}

async fn aioisotp() -> Bench<Aioisotp> {
    Aioisotp::on(Bus::local().await).await
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn aioisotp_and_we_exchange_what_it_knows() {
    let mut bench = aioisotp().await;
    bench
        .addresses(vec![Mode::normal_11(), Mode::normal_29()], &setup(), &SHORT)
        .await;
    bench.both_ways("length: 12 bits", &setup(), &LENGTHS).await;
    bench.padding(&setup(), &SHORT).await;
    bench.duplex(&setup()).await;
    bench.our_listener(&setup()).await;
    for (kind, name) in [("", "ISOTPNetwork"), ("sync", "SyncISOTPNetwork")] {
        let setup = Setup { kind, ..setup() };
        bench
            .both_ways(&format!("class: {name}"), &setup, &[1, 8, 300])
            .await;
    }
    bench.peer.end().await;
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn aioisotp_and_we_obey_each_others_flow_control() {
    let mut bench = aioisotp().await;
    bench.flow_control(&setup()).await;
    bench.wait(&setup()).await;
    bench.peer.end().await;
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn we_survive_the_failures_of_aioisotp() {
    let mut bench = aioisotp().await;
    bench.overflow_from_peer(&setup()).await;
    bench.silence(&setup()).await;
    bench.broken_off(&setup()).await;
    bench.peer.end().await;
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn aioisotp_sends_lengths_of_32_bits_and_cannot_receive_them() {
    let mut bench = aioisotp().await;
    let setup = Setup {
        max_len: 10_000,
        ..setup()
    };
    bench.peer.open(&setup).await;
    let mut ours = bench.ours(&setup, setup.config()).await;
    bench.take(&mut ours, 5000).await;
    bench.works(FromPeer, "length: 32 bits", "5000 bytes");
    soon("our end", ours.send(payload(5000))).await.unwrap();
    assert_eq!(bench.peer.trouble().await, "TypeError");
    bench.give(&mut ours, 300).await;
    let remark = "5000 bytes: TypeError there, nothing is delivered; the next message arrives";
    bench
        .report
        .row(ToPeer, "length: 32 bits", Outcome::PeerFails, remark);
    drop(ours);
    bench.peer.close().await;
    bench.peer.end().await;
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn aioisotp_sends_single_frames_to_all() {
    let mut bench = aioisotp().await;
    let setup = setup();
    bench.peer.open(&setup).await;
    let address = setup
        .mode
        .ours
        .accepting_functional(StandardId::new(0x7DF).unwrap());
    let mut ours = IsoTpStream::new(bench.bus.join().await, address, setup.config()).unwrap();
    bench.peer.send_functional(0x7DF, &payload(7)).await;
    let received = soon("a message", ours.recv_with_target()).await.unwrap().unwrap();
    assert_eq!(received, (Target::Functional, payload(7)));
    bench.works(
        FromPeer,
        "functional: any identifier",
        "7 bytes to 7DF, by ISOTPNetwork.send",
    );
    drop(ours);
    bench.peer.close().await;
    bench.peer.end().await;
}
