//! Nodes on tokio.
//!
//! One task drives a [`crate::Node`], handles talk to it through bounded channels.
//!
//! ```text
//! Interface ──► Driver(crate::Node) ──► Connection, Listener, Socket ──► application
//! (Stream + Sink)   one task            bounded inbox each
//! ```
//!
//! [`Node`] is the handle that everything begins with. The driver ends when its last clone is dropped, and
//! with it every interface; connections, listeners and sockets then report that they are closed. Dropping one
//! of those closes it in the node.

mod command;
mod conn;
mod driver;
mod execute;
mod iface;
mod inbox;
mod node;
mod pair;
mod ping;
mod serial;
mod socket;

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test starts the applications that use a node"
)]
mod tests;

pub use conn::{Connection, ConnectionSender, RecvError};
pub use driver::Driver;
pub use iface::{Incoming, Interface};
pub use node::{CallError, InterfaceStatus, Node, Notice, Status, TransactionError};
pub use pair::{PairEnd, pair};
pub use ping::{PingConfig, PingError, Pong};
pub use serial::Serial;
pub use socket::{Listener, Socket};
