#![expect(
    clippy::disallowed_methods,
    reason = "tests of a driver have tasks, and look at the paused clock"
)]

mod cancel;
mod endpoints;
mod groups;
mod held;
mod links;

use alloc::vec::Vec;
use core::time::Duration;

use can_link::virtual_bus::{VirtualBus, VirtualPort};
use can_link::{CanTxExt as _, StandardId};

use super::*;

pub(super) fn std_id(raw: u16) -> StandardId {
    StandardId::new(raw).unwrap()
}

pub(super) fn normal(tx: u16, rx: u16) -> Address {
    Address::normal(std_id(tx), std_id(rx)).unwrap()
}

/// The address of the `n`th tester; its ECU has the reverse.
pub(super) fn pair(n: u16) -> Address {
    normal(0x100 + n, 0x300 + n)
}

pub(super) fn payload(len: usize) -> Bytes {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

/// Two networks on one bus.
pub(super) fn networks() -> (Network, Network, VirtualBus) {
    let bus = VirtualBus::new();
    (Network::new(bus.join()), Network::new(bus.join()), bus)
}

pub(super) async fn endpoint(network: &Network, address: Address) -> Endpoint {
    network.endpoint(address, Config::default()).await.unwrap()
}

/// An endpoint of each network, for each other.
pub(super) async fn endpoints(testers: &Network, ecus: &Network, n: u16) -> (Endpoint, Endpoint) {
    let tester = endpoint(testers, pair(n)).await;
    (tester, endpoint(ecus, pair(n).reversed()).await)
}

pub(super) async fn send_raw(port: &mut VirtualPort, id: impl Into<can_link::Id>, data: &[u8]) {
    port.send(CanFrame::data(id, data).unwrap()).await.unwrap();
}

pub(super) const MOMENT: Duration = Duration::from_millis(10);

/// Lets every task run until all wait.
pub(super) async fn settle() {
    tokio::time::sleep(MOMENT).await;
}
