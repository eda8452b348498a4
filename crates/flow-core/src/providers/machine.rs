//! Flows between the processes of one machine, without a daemon.
//!
//! Every process that binds a name listens at a UNIX socket of its own in the layer's directory; who asks for
//! the name connects to one of them, and that connection is the flow. Who asks for a name that is bound in
//! the same process gets a flow through memory.

mod balance;
mod buffers;
#[allow(dead_code, reason = "the rooms that ask for these follow")]
mod config;
pub mod directory;
mod driver;
pub mod frame;
pub mod hello;
mod names;
mod link;
mod output;
mod shared;
mod sharing;

pub use balance::Balance;
pub use config::{
    DEFAULT_FLOWS, DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_HANDSHAKES, DEFAULT_MEMBERS, MachineConfig,
};
pub use directory::{Candidates, Directory, Seat};
pub use names::{Accepter, Bindings, NameInfo, NameSettings, Names, NamesError, Program, Start};
pub use link::Breach;
pub(crate) use shared::LinkWriter;
pub use sharing::Sharing;
