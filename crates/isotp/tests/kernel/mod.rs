//! What the kernel tests share.

use core::time::Duration;

use bytes::Bytes;
use can_link::link::Echo;
use can_link::linux::{RawOptions, RawSocket};
use can_link::{Id, StandardId};
use isotp::{Address, Config, IsoTpStream, KernelIsoTp};

pub(crate) fn interface() -> String {
    variable("VCAN0")
}

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run: cargo xtask vcan"))
}

/// How many times longer than at home things may take.
pub(crate) fn slowness() -> u32 {
    std::env::var("VCAN_SLOW").map_or(1, |slow| slow.parse().unwrap())
}

/// What `future` gives, which must not take long.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(Duration::from_secs(20) * slowness(), future).await;
    outcome.unwrap_or_else(|_| panic!("{what}: nothing happened"))
}

pub(crate) fn id(raw: u16) -> StandardId {
    StandardId::new(raw).unwrap()
}

/// Sends with `base` and receives eight above.
pub(crate) fn address(base: u16) -> Address {
    Address::normal(id(base), id(base + 8)).unwrap()
}

pub(crate) fn payload(len: usize) -> Bytes {
    (0..len)
        .map(|i| u8::try_from((i + i / 256) % 256).unwrap())
        .collect()
}

/// A link whose own frames come back.
pub(crate) fn link() -> RawSocket {
    RawOptions::new()
        .own_messages(Echo::On)
        .open(interface())
        .unwrap()
}

/// A user-space stream whose frames count as sent when their echo comes.
pub(crate) fn user(address: Address, config: Config) -> IsoTpStream<RawSocket> {
    IsoTpStream::new(link(), address, config).unwrap()
}

pub(crate) fn kernel(address: &Address, config: &Config) -> KernelIsoTp {
    KernelIsoTp::open(&interface(), address, config).unwrap()
}

/// The number of an identifier.
pub(crate) fn raw(id: Id) -> u32 {
    match id {
        Id::Standard(id) => id.as_raw().into(),
        Id::Extended(id) => id.as_raw(),
    }
}
