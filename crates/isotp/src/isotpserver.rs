//! The line protocol of can-utils' `isotpserver`: messages as hex text over TCP, from both sides.
//!
//! ```text
//! client to server   <22f190>              any number of messages, nothing between them
//! server to client   <62F19054573157>\n    one line per message
//! ```
//!
//! There is no greeting, no answer to a message, and no word for an error: the original hangs up when a
//! transfer fails.
//!
//! | type | what |
//! |---|---|
//! | [`LineCodec`] | the text, for `tokio_util::codec::Framed`: TCP is a stream of bytes |
//! | [`Client`] | a stream and sink of messages by way of a server elsewhere |
//! | [`Server`] | shares an endpoint among the clients that connect |

mod client;
mod line;
mod malformed;
mod server;
mod tolerant;

pub use client::{Client, ClientConfig, ClientStats, DEFAULT_FIRST_PAUSE, DEFAULT_LONGEST_PAUSE, Reconnect};
pub use line::{Decoded, LineCodec, Reading};
pub use malformed::Malformed;
pub use server::{
    ClientId, DEFAULT_MAX_CLIENTS, DEFAULT_MAX_QUEUED, DEFAULT_STALL_TIMEOUT, Departure, Failures, Listener,
    OpenFailure, Server, ServerConfig, ServerEvent, ServerStats,
};

/// The longest message of the original, in bytes; the default here, too.
pub const DEFAULT_MAX_LEN: usize = 6000;
