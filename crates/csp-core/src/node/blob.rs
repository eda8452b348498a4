//! What blobs need of a connection: the room in its packets, and the flag on them (SFP-1).

use alloc::vec::Vec;

use bytes::Bytes;
use tinwire_time::Instant;

use super::Node;
use crate::conn::Transport;
use crate::iface::Interface;
use crate::rdp::SEGMENT_LEN;
use crate::sfp::Fragment;
use crate::{ConnectionId, Flags, SendError};

impl Node {
    /// The longest payload that leaves on every way a packet of the connection takes now.
    ///
    /// That is the MTU of the interface, less the trailers that the connection's flags ask for. Routes may
    /// change, and with them the answer.
    ///
    /// # Errors
    /// The connection is closed, or nothing leads to its remote.
    pub fn max_payload(&self, connection: ConnectionId) -> Result<usize, SendError> {
        let entry = self.connections.get(connection.0).ok_or(SendError::Closed)?;
        let destination = entry.peers.remote;
        let own = |interface: &&Interface| interface.owns(destination);
        let mut outputs = Vec::new();
        let interfaces: Vec<_> = if let Some(own) = self.interfaces.iter().find(own) {
            [own].into()
        } else {
            self.route(None, destination, &mut outputs);
            let ways = outputs.iter();
            ways.filter_map(|way| self.interfaces.get(way.interface))
                .collect()
        };
        let rdp = if entry.flags.contains(Flags::RDP) {
            SEGMENT_LEN
        } else {
            0
        };
        let room = interfaces.into_iter().map(|interface| {
            let protection = self.config.protection(&entry.keys, interface);
            let trailers = protection.trailer_len(entry.flags).saturating_add(rdp);
            interface.mtu.saturating_sub(trailers)
        });
        room.min().ok_or(SendError::NoRoute { destination })
    }

    /// Sends one fragment of a blob to the other end of a connection; returns its number as a message.
    ///
    /// The flag FRAG is that packet's alone; what [`send`](Self::send) sends later does not have it (SFP-7).
    ///
    /// # Errors
    /// Nothing was sent: see [`SendError`]. After [`SendError::Full`],
    /// [`Event::Writable`](crate::Event::Writable) tells when to try again.
    pub fn send_fragment(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        fragment: &Fragment<'_>,
    ) -> Result<u64, SendError> {
        self.send_flagged(now, connection, Flags::FRAG, fragment.to_bytes())
    }

    /// Sends `payload` with the connection's flags and `more`.
    pub(super) fn send_flagged(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        more: Flags,
        payload: Bytes,
    ) -> Result<u64, SendError> {
        let entry = self.connections.get(connection.0).ok_or(SendError::Closed)?;
        let sent = match entry.transport {
            Transport::Rdp(_) => self.send_by_rdp(now, connection, more, payload),
            Transport::Plain { finished: true, .. } => Err(SendError::Closed),
            Transport::Plain { .. } => {
                let (origin, mut header) = (entry.origin(), entry.header());
                header.flags |= more;
                let sent = self.originate(now, &origin, header, payload);
                if sent == Err(SendError::Full) {
                    self.block(connection);
                }
                sent.map(|()| self.count_sent(connection))
            }
        };
        self.settle(now);
        sent
    }

    /// The number of the message that a plain connection has just sent.
    fn count_sent(&mut self, connection: ConnectionId) -> u64 {
        let entry = self.connections.get_mut(connection.0);
        let Some(Transport::Plain { sent, .. }) = entry.map(|entry| &mut entry.transport) else {
            return 0;
        };
        let next = sent.saturating_add(1);
        core::mem::replace(sent, next)
    }
}
