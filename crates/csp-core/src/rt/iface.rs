//! How a link joins a node.

use std::io;

use futures_core::Stream;
use futures_sink::Sink;

use crate::{DropReason, LinkState, Packet, Transmit};

/// What a link tells its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// It received a packet.
    Packet(Packet),
    /// It could not make a packet of what it received, or not send; it goes on.
    Discarded {
        /// Why.
        reason: DropReason,
        /// How many times.
        count: u64,
    },
    /// It went up or down; it goes on.
    Link(LinkState),
}

/// A link that carries packets.
///
/// Whatever is a `Stream` of [`Incoming`] and a `Sink` of [`Transmit`].
///
/// - The stream's end, or an `Err`, ends the interface for good: its link is down from then on. Faults that a
///   link survives are items.
/// - The sink is asked for room before a packet is taken from the interface's transmit queue. An `Err` of the
///   sink costs one packet, which is counted; it does not end the interface.
/// - That packet is, for `start_send`, the one given; for `poll_flush`, the one given before; for
///   `poll_ready`, the one given before if it was not flushed yet, else the one that room is asked for. So a
///   sink that makes room by sending what it holds reports the failure of that packet, and the next one is
///   not lost with it.
pub trait Interface:
    Stream<Item = io::Result<Incoming>> + Sink<Transmit, Error = io::Error> + Send + 'static
{
}

impl<T> Interface for T where
    T: Stream<Item = io::Result<Incoming>> + Sink<Transmit, Error = io::Error> + Send + 'static
{
}
