//! Flows between the processes of one machine, without a daemon.
//!
//! Every process that binds a name listens at a UNIX socket of its own in the layer's directory; who asks for
//! the name connects to one of them, and that connection is the flow. Who asks for a name that is bound in
//! the same process gets a flow through memory.

mod asking;
mod balance;
mod broadcast;
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
