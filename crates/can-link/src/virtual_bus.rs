//! A CAN bus inside the process.
//!
//! Every [`VirtualPort`] is a node on the bus: a [`CanLink`](crate::link::CanLink) with a bounded transmit
//! queue and a bounded receive queue. Among the frames at the heads of the transmit queues the bus sends the
//! one that wins arbitration (lowest identifier), to every other port whose filters accept it, and to the
//! sender itself when it asked for echoes. Late joiners see nothing of the past.
//!
//! - **Pacing.** Without a [`BitRate`] a frame takes no time and is delivered within the send. With one it
//!   takes as long as its bits, stuff bits included, on tokio's clock; under a paused clock that is virtual
//!   time, and time stamps are exact either way. Nothing runs in the background: whoever polls a port moves
//!   the bus forward.
//! - **Full.** A full transmit queue is back-pressure for that sender alone. A full receive queue, by the
//!   port's choice of [`Overflow`], loses the newest frame for that port alone and reports how many
//!   ([`Overflow::Drop`], default), or holds the bus until there is room ([`Overflow::Block`], for tests that
//!   must not lose).
//! - **Faults.** Error reports, bus-off, interface down and gone can be injected; loss, delay and corruption
//!   are [`Faulty`](crate::faulty::Faulty)'s.

mod bits;
mod bus;
mod controller;
mod medium;
mod port;
mod registry;
#[cfg(test)]
mod tests;

pub use crate::link::Echo;
pub use bits::{BitRate, frame_duration};
pub use bus::{BusConfig, BusStats, VirtualBus};
pub use port::{Overflow, PortConfig, VirtualPort, VirtualRx, VirtualTx};
