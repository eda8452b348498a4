//! The simulated controller against udsoncan on a `bus:`, which needs no CAN in the kernel.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

mod udsoncan;

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use can_link::link::Echo;
use can_link::local_bus::{BusConfig, join};

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn udsoncan_gets_what_it_asks_for() {
    let directory = tempfile::tempdir().unwrap();
    set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    let config = BusConfig::default().echo(Echo::On).directory(directory.path());
    let link = join("car", config).await.unwrap().into_link();
    let place = directory.path().join("car.bus").display().to_string();
    let stack = ["can-isotp", "python-can"];
    udsoncan::asks(link, &place, String::from("bus:"), "stack", &stack).await;
}
