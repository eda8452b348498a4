//! Who is at the other end of a flow.

use alloc::boxed::Box;
use core::fmt;

/// Who is at the other end of a flow, as far as its provider knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// Somebody in this process.
    Local,
    /// Another process of this machine, as the kernel vouches for it.
    Process {
        /// Its number.
        pid: u32,
        /// The number of its user.
        uid: u32,
    },
    /// All members of a broadcast layer.
    Broadcast,
    /// A node of a CSP network.
    Csp {
        /// Its address.
        address: u16,
        /// Its port.
        port: u8,
    },
    /// Whoever answers on two identifiers of a CAN link.
    IsoTp {
        /// The link, as it was written in the address of the flow.
        link: Box<str>,
        /// The identifier of what this side sends.
        tx: u32,
        /// The identifier of what it receives.
        rx: u32,
    },
    /// The other end of a byte stream.
    Stream {
        /// Where it is, as it was written in the address of the flow.
        endpoint: Box<str>,
    },
    /// The provider does not know.
    #[default]
    Unknown,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("this process"),
            Self::Process { pid, uid } => write!(f, "process {pid} of user {uid}"),
            Self::Broadcast => f.write_str("all members"),
            Self::Csp { address, port } => write!(f, "csp:{address}:{port}"),
            Self::IsoTp { link, tx, rx } => write!(f, "isotp:{link}?tx={tx:X}&rx={rx:X}"),
            Self::Stream { endpoint } => write!(f, "fstrm:{endpoint}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
