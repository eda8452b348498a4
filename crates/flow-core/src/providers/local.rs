//! Flows within this process: no daemon, no socket, no thread.
//!
//! A [`LocalLayer`] holds names and broadcast layers. Whoever takes part attaches to it, and is then what a
//! process is to Ouroboros: a [`LocalProvider`] binds names, accepts requests for them, and asks for flows.
//! The layer's memory is the medium, so a flow has every quality there is: no loss, no bit errors, order, no
//! delay. A peer that lets go is seen at once, whatever the timeout.
//!
//! - **Requests** for a name wait, in order, until somebody bound to it accepts. Accepts that wait take turns
//!   in the order of their calls, which spreads the load of a name over all who accept it.
//! - **Full.** A name has a bounded number of waiting requests ([`LocalConfig::backlog`]); a further one
//!   fails at once.
//! - **Broadcast layers** exist while they have members. A member whose queue is full loses the newest
//!   packets, counted in its [`ReadStats`](crate::flow::ReadStats) and told as an event; nobody waits for it.

mod asker;
mod provider;
mod registry;
mod request;

#[cfg(unix)]
pub(crate) use asker::{Asker, Given};
#[cfg(unix)]
pub(crate) use provider::HAS;
#[cfg(any(unix, feature = "csp", feature = "isotp", feature = "fstrm"))]
pub(crate) use provider::within;
pub use provider::{LocalConfig, LocalLayer, LocalProvider, LocalStats};
