//! A CAN bus between the processes of one machine: `bus:NAME`.
//!
//! No kernel CAN and no privileges are needed: the bus is a UNIX socket in the user's runtime directory
//! (`$XDG_RUNTIME_DIR/tinwire`, else a directory of the user's own under the temporary one, mode 0700).
//! Whoever comes first hosts the bus on a thread of its process; the others join. Nobody needs to know who
//! hosts.
//!
//! - **Order.** The host puts all frames into one order, the same for every member, and stamps them with its
//!   wall clock.
//! - **Full.** Each member has a queue at the host (8192 frames by default). A member that does not keep up
//!   loses the newest frames and learns how many ([`Event::Dropped`](crate::link::Event::Dropped)); it never
//!   slows the others, and neither does one that blocks its runtime, host or not. A member's own send queue
//!   (256 frames) is back-pressure for that member.
//! - **A host that is stopped** (SIGSTOP, a debugger) is alive and keeps the bus: the bus stands still until
//!   its process goes on. Members then wait for room to send, who wants to join gives up after ten seconds,
//!   and nothing is lost. Only the end of the process is a reason to take over.
//! - **Takeover.** When the host's process ends, in whatever way, another member becomes the host and all see
//!   [`LinkChange::Reconnected`](crate::link::LinkChange::Reconnected). Frames that wait to be sent are sent
//!   to the new host, which passes on the first ones after a quarter of a second, when the members are back.
//!   A host that leaves in good order hands over without loss, but waits for a member that does not read for
//!   one second only; so does the end of its tokio runtime. One that is killed takes with it the frames that
//!   it had read but not yet passed on.
//! - **Malformed input** ends the membership of whoever sent it, and nobody else's. Who connects and does not
//!   say hello within two seconds is turned out, and at once when its place is needed. There are 128 places.
//!
//! # Election
//!
//! Beside the socket `NAME.bus` lies `NAME.lock`. Only the holder of an exclusive lock on that file may
//! remove a stale socket and bind a new one, and it holds the lock as long as it hosts; the system releases
//! the lock when the process dies. A member that finds nobody at the socket tries the lock, and joins whoever
//! got it.
//!
//! # Wire
//!
//! Numbers have the machine's byte order. Each message is a header of 16 bytes and a body whose length
//! follows from the kind; a header that tells another length is malformed, so that a reader never trusts a
//! length.
//!
//! ```text
//! 0  kind    1 hello   member to host, first    flags bit 0: wants its own frames; value: queue length
//!            2 welcome host to member, first
//!            3 frame   both ways, body: 72-byte record   flags bit 0: the member's own; value: ns since 1970
//!            4 XL      the same for CAN XL, body: the kernel's structure, 13 to 2060 bytes
//!            5 lost    host to member            value: frames lost at this place
//!            6 leave   host to member: send no more, close your sending side, read on until the end
//!            7 full    host to member in place of welcome    value: members there are
//!            8 done    member to host: sends no more frames, and waits until they were passed on
//!            9 passed  host to member: what came before done was written to every other member
//! 1  flags
//! 2  body length (2)
//! 4  "TWB1" in hello and welcome, else 0 (4)
//! 8  value (8)
//! ```

#[cfg(unix)]
mod connection;
#[cfg(unix)]
mod earlier;
#[cfg(unix)]
mod host;
#[cfg(unix)]
mod join;
mod limits;
#[cfg(unix)]
mod member;
#[cfg(unix)]
mod place;
#[cfg(unix)]
mod port;
#[cfg(unix)]
mod shared;
#[cfg(unix)]
mod switch;
#[cfg(unix)]
#[cfg(test)]
mod tests;
#[cfg(unix)]
mod wire;

use crate::address::BusAddress;
use crate::link::{Link, LinkError};

pub use limits::QueueLen;
#[cfg(unix)]
pub use port::{BusConfig, LocalPort, LocalRx, LocalTx, join};
#[cfg(unix)]
pub use shared::Stats;

/// Joins the bus at `address`, or hosts it when nobody does.
///
/// # Errors
/// [`LinkError::Permission`] when the runtime directory belongs to somebody else or is open to others,
/// [`LinkError::Protocol`] when something else answers at the socket, [`LinkError::Unsupported`] where there
/// are no UNIX sockets, [`LinkError::Io`] for the rest.
///
/// # Cancel safety
/// When the future is dropped the bus is not joined; a host that was started for it leaves in good order.
///
/// # Panics
/// Outside of a tokio runtime with I/O and time enabled.
#[cfg(unix)]
pub async fn open(address: &BusAddress) -> Result<Link, LinkError> {
    use crate::virtual_bus::Echo;

    let config = BusConfig::default()
        .echo(if address.own { Echo::On } else { Echo::Off })
        .queue(address.queue);
    Ok(join(&address.name, config).await?.into_link())
}

/// There are no UNIX sockets here.
///
/// # Errors
/// [`LinkError::Unsupported`], always.
#[cfg(not(unix))]
pub async fn open(address: &BusAddress) -> Result<Link, LinkError> {
    let name = &address.name;
    Err(LinkError::unsupported(alloc::format!(
        "bus:{name}: a bus between processes needs UNIX sockets; within one process use virtual:{name}"
    )))
}
