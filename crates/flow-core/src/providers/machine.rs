//! Flows between the processes of one machine, without a daemon.
//!
//! Every process that binds a name listens at a UNIX socket of its own in the layer's directory; who asks for
//! the name connects to one of them, and that connection is the flow. Who asks for a name that is bound in
//! the same process gets a flow through memory.
//!
//! ```
//! use flow_core::providers::machine::{MachineConfig, MachineLayer};
//! use flow_core::{Name, QosSpec};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let config = || MachineConfig::default().directory(directory.path());
//! let name = Name::new("echo")?;
//! // one process
//! let server = MachineLayer::open(config())?.attach();
//! server.bind(&name)?;
//! // another
//! let client = MachineLayer::open(config())?.attach();
//! let (asked, accepted) = tokio::join!(client.alloc(&name, QosSpec::DATA, None), server.accept(None));
//! let (mut flow, mut other) = (asked?, accepted?);
//! flow.write("hello").await?;
//! assert_eq!(other.read_packet().await?, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! - **Liveness.** A process that ends in whatever way ends its flows at once, for the kernel closes its
//!   sockets. One that is stopped is silent, and gone after the flow's timeout; keepalives go out after a
//!   quarter of it, whether or not anybody reads.
//! - **Full.** Each flow has a window of packets and bytes, which is the reader's queue
//!   ([`LocalConfig::queue`](crate::providers::local::LocalConfig::queue)); a writer without room waits, on
//!   its flow alone. The socket is read however full the queue is.
//! - **Users.** What the kernel says of the other end is compared with the name's [`Sharing`] on both sides.
//! - **A peer that breaks the rules** ends its own flow ([`Breach`]) and is counted ([`MachineStats`]).
//! - **Batches.** Of several writes without a pause the first leaves at once and the others together, when
//!   the writing task waits for something, or 64 KiB are there.

mod asking;
mod balance;
pub mod broadcast;
mod buffers;
#[allow(dead_code, reason = "the rooms that ask for these follow")]
mod config;
mod credentials;
pub mod directory;
mod driver;
pub mod frame;
pub mod hello;
mod layer;
mod link;
mod listener;
mod names;
mod output;
mod provider;
mod remote;
mod shared;
mod sharing;
mod socket;
mod stats;

pub use balance::Balance;
pub use broadcast::BroadcastStats;
pub use config::{
    DEFAULT_FLOWS, DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_HANDSHAKES, DEFAULT_MEMBERS, MachineConfig,
};
pub use directory::{Candidates, Directory, Seat};
pub use layer::MachineLayer;
pub use link::Breach;
pub use names::{Accepter, Bindings, NameInfo, NameSettings, Names, NamesError, Program, Start};
pub use provider::MachineProvider;
pub(crate) use remote::{LinkEnd, RemoteAsker};
pub(crate) use shared::LinkWriter;
pub use sharing::Sharing;
pub use stats::MachineStats;
