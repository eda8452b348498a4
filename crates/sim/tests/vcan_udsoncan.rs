//! The simulated controller against udsoncan on a virtual interface, with python-can-isotp and with the
//! kernel's sockets beneath it.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod udsoncan;

use can_link::Link;
use can_link::link::Echo;
use can_link::linux::RawOptions;

fn interface() -> String {
    std::env::var("VCAN0").unwrap_or_else(|_| panic!("VCAN0 is not set; run: cargo xtask vcan"))
}

fn link() -> Link {
    let options = RawOptions::new().own_messages(Echo::On);
    options.open(interface()).unwrap().into_link()
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn udsoncan_gets_what_it_asks_for_with_python_can_isotp() {
    let stack = ["can-isotp", "python-can"];
    udsoncan::asks(link(), &interface(), testkit::compat::vcan(), "stack", &stack).await;
}

#[tokio::test]
#[ignore = "needs vcan: cargo xtask vcan"]
async fn udsoncan_gets_what_it_asks_for_with_the_kernels_sockets() {
    let stack = ["can-isotp"];
    udsoncan::asks(link(), &interface(), testkit::compat::vcan(), "socket", &stack).await;
}
