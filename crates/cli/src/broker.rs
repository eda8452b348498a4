//! Brokers that frames are relayed to: NATS with JetStream, Kafka.
//!
//! [`address`] is what was typed, [`package`] makes messages of frames, [`window`] keeps them until the
//! broker has stored them, [`driver`] is the thread that all this runs on, and a module per kind of broker
//! moves bytes. What consumers find is told in `docs/brokers.md`.

mod address;
mod carrier;
mod driver;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
mod package;
mod stats;
#[cfg(feature = "kafka")]
mod tls;
mod watch;
mod window;

pub(crate) use address::Target;
pub(crate) use carrier::Freighter;
pub(crate) use stats::Stats;
pub(crate) use watch::Watch;
