//! Limits of packets in the making.

use core::time::Duration;

use csp_core::Address;

/// Limits of a [`Reassembler`](crate::Reassembler).
#[derive(Clone, Copy, Debug)]
pub struct ReassemblyConfig {
    pub(crate) address: Option<Address>,
    pub(crate) max_payload: usize,
    pub(crate) max_pending: usize,
    pub(crate) max_per_sender: usize,
    pub(crate) max_bytes: usize,
    pub(crate) max_bytes_per_sender: usize,
    pub(crate) max_age: Duration,
}

impl ReassemblyConfig {
    /// Own address.
    ///
    /// It takes the place of a global broadcast in complete packets (CFP2-6). Default none: broadcasts stay
    /// as they are.
    #[must_use]
    pub const fn address(mut self, address: Address) -> Self {
        self.address = Some(address);
        self
    }

    /// Longest payload in bytes; a packet that grows beyond it is discarded.
    ///
    /// Default 2048 (peers: their packet buffer, usually 256).
    #[must_use]
    pub const fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// Packets in the making at once.
    ///
    /// Beyond, who has most gives way to who has less, else the new one is discarded
    /// ([`Reassembler`](crate::Reassembler)). Default 64 (peers: their 15 packet buffers, CAN-7).
    #[must_use]
    pub const fn max_pending(mut self, packets: usize) -> Self {
        self.max_pending = packets;
        self
    }

    /// Packets in the making at once from one sender.
    ///
    /// A further one discards its oldest. Default 8.
    #[must_use]
    pub const fn max_per_sender(mut self, packets: usize) -> Self {
        self.max_per_sender = packets;
        self
    }

    /// Bytes of all packets in the making.
    ///
    /// Beyond, who has most gives way to who has less, else the frame discards its packet. Default 65536.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Bytes of all packets in the making from one sender.
    ///
    /// A frame that would exceed it discards its packet. Default 16384.
    #[must_use]
    pub const fn max_bytes_per_sender(mut self, bytes: usize) -> Self {
        self.max_bytes_per_sender = bytes;
        self
    }

    /// How long a packet may be without a new frame.
    ///
    /// Default 1 s, as the peers (CAN-6).
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }
}

impl Default for ReassemblyConfig {
    fn default() -> Self {
        Self {
            address: None,
            max_payload: 2048,
            max_pending: 64,
            max_per_sender: 8,
            max_bytes: 65_536,
            max_bytes_per_sender: 16_384,
            max_age: Duration::from_secs(1),
        }
    }
}
