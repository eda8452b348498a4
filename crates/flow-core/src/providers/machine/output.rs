//! Bytes that wait to be written to a socket.

use alloc::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, BytesMut};

use super::frame::{Frame, data_header};
use super::socket::Socket;

/// Packets from this length on are not copied.
const COPY_BELOW: usize = 8 * 1024;
/// Pieces for one system call.
const PIECES: usize = 16;
/// Room that is kept when there is nothing in it.
const KEPT: usize = 16 * 1024;

/// Bytes in the order in which they leave: short packets together, long ones by themselves.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Full pieces.
    pieces: VecDeque<Bytes>,
    /// What comes after them.
    tail: BytesMut,
    len: usize,
}

impl Output {
    /// Bytes that wait.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends what `encode` does.
    pub(super) fn put(&mut self, encode: impl FnOnce(&mut BytesMut)) {
        let before = self.tail.len();
        encode(&mut self.tail);
        self.len += self.tail.len() - before;
    }

    pub(super) fn put_frame(&mut self, frame: &Frame) {
        self.put(|tail| frame.encode(tail));
    }

    /// Appends a packet, whose length was checked.
    pub(super) fn put_packet(&mut self, packet: &Bytes) {
        let header = data_header(u32::try_from(packet.len()).unwrap_or(u32::MAX));
        if packet.len() < COPY_BELOW {
            return self.put(|tail| {
                tail.reserve(header.len() + packet.len());
                tail.extend_from_slice(&header);
                tail.extend_from_slice(packet);
            });
        }
        self.put(|tail| tail.extend_from_slice(&header));
        self.pieces.push_back(self.tail.split().freeze());
        self.pieces.push_back(packet.clone());
        self.len += packet.len();
    }

    /// Writes until nothing is left, or the socket takes no more for now.
    pub(super) fn write_to(&mut self, socket: &mut Socket) -> io::Result<()> {
        while !self.is_empty() {
            let written = if self.pieces.is_empty() {
                socket.try_write(&[IoSlice::new(&self.tail)])
            } else {
                let mut slices = [IoSlice::new(&[]); PIECES];
                let parts = self.pieces.iter().map(|piece| &**piece).chain([&*self.tail]);
                slices
                    .iter_mut()
                    .zip(parts)
                    .for_each(|(slice, part)| *slice = IoSlice::new(part));
                socket.try_write(&slices)
            };
            match written {
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn advance(&mut self, mut written: usize) {
        self.len -= written.min(self.len);
        while let Some(piece) = self.pieces.front_mut() {
            if written < piece.len() {
                return piece.advance(written);
            }
            written -= piece.len();
            self.pieces.pop_front();
        }
        self.tail.advance(written.min(self.tail.len()));
        if self.is_empty() {
            self.tail.clear();
            if self.tail.capacity() > KEPT {
                self.tail = BytesMut::new();
            }
        }
    }

    /// Throws everything away.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
