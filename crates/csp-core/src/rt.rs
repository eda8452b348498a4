//! Nodes on tokio.
//!
//! One task drives a [`crate::Node`], and handles share it behind a lock that is held for one call.
//!
//! ```text
//! Interface ──► Driver ──► crate::Node behind a lock ──► Connection, Listener, Socket ──► application
//! (Stream + Sink)  one task                              woken one by one
//! ```
//!
//! [`Node`] is the handle that everything begins with. The driver ends when its last clone is dropped, and
//! with it every interface; connections, listeners and sockets then report that they are closed. Dropping one
//! of those closes it in the node.

mod blob;
mod call;
mod conn;
mod driver;
mod feed;
mod filter;
mod host;
mod iface;
mod network;
mod node;
mod pair;
mod ping;
mod seat;
mod sender;
mod serial;
mod services;
mod shared;
mod socket;
mod stream;
mod tap;
mod waiters;

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test starts the applications that use a node"
)]
mod tests;

pub use blob::BlobError;
pub(crate) use blob::assemble;
pub use call::{Answer, Call, ServiceError};
pub use conn::{CloseError, Connection, RecvError};
pub use driver::Driver;
pub use filter::Filter;
pub use host::Host;
pub use iface::{Incoming, Interface};
pub(crate) use node::UNANSWERED;
pub use node::{CallError, InterfaceStatus, Node, Notice, Notices, Status, TransactionError};
pub use pair::{PairEnd, pair};
pub use ping::{PingConfig, PingError, Pong};
pub use sender::{ConnectionSender, DeliveryError};
pub use serial::Serial;
pub use services::Identities;
pub use socket::{Listener, Socket};
pub use tap::Tap;
